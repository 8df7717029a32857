# Benchmarks: each bench/*.cc is a program bench_<name>. Built when google-benchmark is found and nothing slows the code.

include_guard()

function(tidelock_bench name source)
  add_executable(bench_${name} ${source})
  tidelock_compile(bench_${name})
  target_compile_definitions(bench_${name} PRIVATE ${TIDELOCK_ENGINE_DEFINITIONS})
  if(TIDELOCK_WITH_DUCKDB)
    target_include_directories(bench_${name} SYSTEM PRIVATE ${TIDELOCK_DUCKDB_DIR})
  endif()
  target_include_directories(bench_${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_include_directories(bench_${name} SYSTEM PRIVATE ${TIDELOCK_ENGINE_INCLUDES})
  target_link_libraries(bench_${name} PRIVATE tidelock::tidelock benchmark::benchmark)
endfunction()

set(tidelock_bench_default OFF)
if(benchmark_FOUND AND NOT TIDELOCK_SANITIZE AND CMAKE_BUILD_TYPE MATCHES "^Rel")
  set(tidelock_bench_default ON)
endif()
option(TIDELOCK_BENCH "Build the benchmarks" ${tidelock_bench_default})

if(TIDELOCK_BENCH)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*.cc)
  foreach(source IN LISTS sources)
    cmake_path(GET source STEM name)
    if(name IN_LIST TIDELOCK_ENGINES_KNOWN AND NOT name IN_LIST TIDELOCK_ENGINES)
      continue() # An engine's own, which is not here.
    endif()
    tidelock_bench(${name} ${source})
  endforeach()
endif()
