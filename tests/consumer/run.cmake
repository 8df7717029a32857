# Installs a build into a fresh prefix, builds the consumer against that alone, and runs it.
#
#   cmake -D BUILD=<build folder> -D SOURCE=<this folder> -D CXX=<compiler> [-D LAUNCHER=ccache] -P run.cmake

file(REAL_PATH ${BUILD} BUILD)
set(place ${BUILD}/consumer-test)
file(REMOVE_RECURSE ${place})

function(run)
  list(JOIN ARGN " " text)
  message(STATUS "${text}")
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${BUILD} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${place}/prefix)
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${place}/build -G Ninja -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER=${CXX}
    -D CMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER} -D CMAKE_PREFIX_PATH=${place}/prefix
    -D CMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)
run(${CMAKE_COMMAND} --build ${place}/build)
run(${place}/build/consumer)
run(${place}/prefix/bin/tidelock --version)
file(REMOVE_RECURSE ${place})
