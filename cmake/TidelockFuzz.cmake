# Fuzz targets: each fuzz/<name>.cc defines LLVMFuzzerTestOneInput.
#
# In the preset `fuzz` it becomes the libFuzzer program fuzz_<name>. Everywhere else it becomes fuzz_<name>_replay, which
# the tests run over the files of fuzz/corpus/<name>/ (test fuzz/<name>).

include_guard()

option(TIDELOCK_FUZZ "Build libFuzzer programs (clang only)" OFF)
if(TIDELOCK_FUZZ AND NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
  message(FATAL_ERROR "TIDELOCK_FUZZ needs clang: use the preset `fuzz`")
endif()

function(tidelock_fuzz name source)
  set(target fuzz_${name})
  if(NOT TIDELOCK_FUZZ)
    set(target fuzz_${name}_replay)
    list(APPEND source ${PROJECT_SOURCE_DIR}/fuzz/replay/replay.cc)
  endif()
  add_executable(${target} ${source})
  tidelock_compile(${target})
  target_link_libraries(${target} PRIVATE tidelock::tidelock)
  if(TIDELOCK_FUZZ)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  else()
    add_test(NAME fuzz/${name} COMMAND ${target} ${PROJECT_SOURCE_DIR}/fuzz/corpus/${name})
    add_dependencies(unit_tests ${target})
    set_tests_properties(fuzz/${name} PROPERTIES LABELS unit TIMEOUT 300 ENVIRONMENT "${TIDELOCK_TEST_ENVIRONMENT}")
  endif()
endfunction()

if(TIDELOCK_TESTS OR TIDELOCK_FUZZ)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/fuzz/*.cc)
  foreach(source IN LISTS sources)
    cmake_path(GET source STEM name)
    tidelock_fuzz(${name} ${source})
  endforeach()
endif()
