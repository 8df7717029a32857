# Rooms: one folder under tidelock/ is one object library and one test program.
#
#   tidelock_room(<name>)     compiles tidelock/<name>; a folder that is missing or empty is left out
#   tidelock_library()        collects the rooms so far into the library tidelock::tidelock
#   tidelock_program(<name>)  a room whose main.cc is the program `tidelock` and whose rest serves its own tests
#   tidelock_tests_share(<room> <file>…)  its tests use these of a lower room's testing/, too
#   tidelock_tests_run_program(<room>…)  the tests of these rooms find the program `tidelock` beside them
#
# In a room every *.cc is library code, except *_test.cc and what lies in conformance/ or testing/, which go into the
# gtest program <name>_test, and main.cc. backends/<engine>/ takes part only when that engine is on.

include_guard()

set_property(GLOBAL PROPERTY TIDELOCK_ROOMS "")

# Who may use what the others may not (scripts/allowed-symbols.txt) is compiled by itself, or the gate could not tell them
# apart.
file(STRINGS ${PROJECT_SOURCE_DIR}/scripts/allowed-symbols.txt allowed REGEX "^tidelock/")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/scripts/allowed-symbols.txt)
foreach(line IN LISTS allowed)
  string(REGEX MATCH "^[^ ]+" pattern "${line}")
  file(GLOB alone ${PROJECT_SOURCE_DIR}/${pattern})
  set_source_files_properties(${alone} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endforeach()

# Sets <room>_sources and <room>_tests in the caller.
function(tidelock_room_files room)
  set(folder ${PROJECT_SOURCE_DIR}/tidelock/${room})
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${folder}/*.cc)
  foreach(engine IN LISTS TIDELOCK_ENGINES_KNOWN)
    if(NOT engine IN_LIST TIDELOCK_ENGINES)
      list(FILTER files EXCLUDE REGEX "^${folder}/backends/${engine}/")
    endif()
  endforeach()
  set(tests ${files})
  set(test_pattern "(_test\\.cc$|^${folder}/(.*/)?(conformance|testing)/)")
  list(FILTER tests INCLUDE REGEX ${test_pattern})
  list(FILTER files EXCLUDE REGEX ${test_pattern})
  list(FILTER files EXCLUDE REGEX "/main\\.cc$")
  set(${room}_sources ${files} PARENT_SCOPE)
  set(${room}_tests ${tests} PARENT_SCOPE)
endfunction()

# An object library of the given sources, compiled as part of the library.
function(tidelock_objects target)
  tidelock_plain_objects(${target} ${ARGN})
  tidelock_use_precompiled(${target} tidelock_precompiled)
endfunction()

function(tidelock_plain_objects target)
  add_library(${target} OBJECT ${ARGN})
  tidelock_compile(${target})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_definitions(${target} PRIVATE ${TIDELOCK_ENGINE_DEFINITIONS}
                                               TIDELOCK_VERSION="${PROJECT_VERSION}")
  if(TIDELOCK_WITH_DUCKDB)
    target_include_directories(${target} SYSTEM PRIVATE ${TIDELOCK_DUCKDB_DIR})
  endif()
  target_include_directories(${target} SYSTEM PRIVATE ${TIDELOCK_ENGINE_INCLUDES})
  target_link_libraries(${target} PRIVATE ${TIDELOCK_LIBRARIES} ${TIDELOCK_ENGINE_LIBRARIES})
endfunction()

# tidelock_test(<target> PREFIX <prefix> LABELS <labels> SOURCES <files> LIBRARIES <targets> [COST <cost>]): a gtest
# program whose tests ctest knows as <prefix>Suite.Test. Suites named *Soak run in scripts/soak only. Those of a higher
# cost begin first: they wait for processes and servers, and others can use that time.
function(tidelock_test target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "PREFIX;COST" "LABELS;SOURCES;LIBRARIES")
  if(NOT arg_COST)
    set(arg_COST 0)
  endif()
  tidelock_test_program(${target} ${arg_SOURCES})
  tidelock_use_precompiled(${target} tidelock_precompiled_tests)
  target_link_libraries(${target} PRIVATE ${arg_LIBRARIES} tidelock::tidelock GTest::gmock_main)
  if(unit IN_LIST arg_LABELS)
    add_dependencies(unit_tests ${target})
  endif()
  set(timeout_seconds 300)
  if(TIDELOCK_SANITIZE)
    set(timeout_seconds 900) # Hundreds of seeds of a simulation take minutes there.
  endif()
  gtest_discover_tests(
    ${target}
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    TEST_PREFIX "${arg_PREFIX}"
    TEST_FILTER "-*Soak.*"
    PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${timeout_seconds} COST ${arg_COST} ENVIRONMENT
               "${TIDELOCK_TEST_ENVIRONMENT}")
endfunction()

function(tidelock_test_program target)
  add_executable(${target} ${ARGN})
  tidelock_compile(${target})
  # Compiling what GoogleTest's macros become costs more than running it: they are not optimized as the library is.
  if(CMAKE_BUILD_TYPE STREQUAL Release)
    target_compile_options(${target} PRIVATE -O0)
  endif()
  target_compile_definitions(${target} PRIVATE ${TIDELOCK_ENGINE_DEFINITIONS}
                                               TIDELOCK_VERSION="${PROJECT_VERSION}")
  if(TIDELOCK_WITH_DUCKDB)
    target_include_directories(${target} SYSTEM PRIVATE ${TIDELOCK_DUCKDB_DIR})
  endif()
  target_include_directories(${target} SYSTEM PRIVATE ${TIDELOCK_ENGINE_INCLUDES})
endfunction()

include(GoogleTest)

# Targets without code, which hold the precompiled headers.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/precompiled/empty.cc CONTENT "int main() {}\n")
tidelock_plain_objects(tidelock_precompiled ${PROJECT_BINARY_DIR}/precompiled/empty.cc)
tidelock_make_precompiled(tidelock_precompiled ${TIDELOCK_PRECOMPILED_HEADERS})
if(TIDELOCK_TESTS)
  add_custom_target(unit_tests) # All tests with the label `unit`.
  tidelock_test_program(tidelock_precompiled_tests ${PROJECT_BINARY_DIR}/precompiled/empty.cc)
  target_link_libraries(tidelock_precompiled_tests PRIVATE ${TIDELOCK_LIBRARIES} GTest::gmock)
  tidelock_make_precompiled(tidelock_precompiled_tests ${TIDELOCK_PRECOMPILED_TEST_HEADERS})
endif()

function(tidelock_room room)
  tidelock_room_files(${room})
  if(NOT ${room}_sources AND NOT ${room}_tests)
    return()
  endif()
  if(${room}_sources)
    tidelock_objects(tidelock_${room} ${${room}_sources})
    set_property(GLOBAL APPEND PROPERTY TIDELOCK_ROOMS ${room})
  endif()
  if(TIDELOCK_TESTS AND ${room}_tests)
    tidelock_test(${room}_test PREFIX ${room}/ LABELS unit SOURCES ${${room}_tests})
  endif()
endfunction()

function(tidelock_library)
  get_property(rooms GLOBAL PROPERTY TIDELOCK_ROOMS)
  set(objects "")
  foreach(room IN LISTS rooms)
    list(APPEND objects $<TARGET_OBJECTS:tidelock_${room}>)
  endforeach()
  if(NOT objects)
    return()
  endif()
  add_library(tidelock STATIC ${objects})
  add_library(tidelock::tidelock ALIAS tidelock)
  set_target_properties(tidelock PROPERTIES LINKER_LANGUAGE CXX)
  target_compile_features(tidelock PUBLIC cxx_std_20)
  target_include_directories(tidelock PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:include>)
  target_link_libraries(tidelock PUBLIC ${TIDELOCK_LIBRARIES} ${TIDELOCK_ENGINE_LIBRARIES})
  if(TIDELOCK_CHECKS)
    target_compile_definitions(tidelock PUBLIC TIDELOCK_CHECKS=1) # Headers may look at it: both sides must agree.
  endif()
endfunction()

function(tidelock_program room)
  tidelock_room_files(${room})
  string(JOIN " " engines ${TIDELOCK_ENGINES})
  set(part "")
  if(${room}_sources)
    tidelock_objects(tidelock_${room} ${${room}_sources})
    target_compile_definitions(tidelock_${room} PRIVATE TIDELOCK_ENGINES="${engines}")
    target_link_libraries(tidelock_${room} PRIVATE CLI11::CLI11)
    set(part $<TARGET_OBJECTS:tidelock_${room}>)
  endif()

  set(main ${PROJECT_SOURCE_DIR}/tidelock/${room}/main.cc)
  if(EXISTS ${main})
    add_executable(tidelock_program ${main} ${part})
    set_target_properties(tidelock_program PROPERTIES OUTPUT_NAME tidelock RUNTIME_OUTPUT_DIRECTORY
                                                                           ${PROJECT_BINARY_DIR})
    tidelock_compile(tidelock_program)
    target_compile_definitions(tidelock_program PRIVATE ${TIDELOCK_ENGINE_DEFINITIONS} TIDELOCK_ENGINES="${engines}"
                                                        TIDELOCK_VERSION="${PROJECT_VERSION}")
    target_link_libraries(tidelock_program PRIVATE tidelock::tidelock CLI11::CLI11)
  endif()

  if(TIDELOCK_TESTS AND ${room}_tests)
    tidelock_test(${room}_test PREFIX ${room}/ LABELS unit COST 10 SOURCES ${${room}_tests} ${part} LIBRARIES
                  CLI11::CLI11)
    target_compile_definitions(${room}_test PRIVATE TIDELOCK_ENGINES="${engines}"
                                                    TIDELOCK_PROGRAM="${PROJECT_BINARY_DIR}/tidelock")
    if(TARGET tidelock_program)
      add_dependencies(${room}_test tidelock_program)
    endif()
  endif()
endfunction()

function(tidelock_tests_share room)
  if(TARGET ${room}_test)
    list(TRANSFORM ARGN PREPEND ${PROJECT_SOURCE_DIR}/tidelock/)
    target_sources(${room}_test PRIVATE ${ARGN})
  endif()
endfunction()

function(tidelock_tests_run_program)
  foreach(room IN LISTS ARGN)
    if(TARGET ${room}_test AND TARGET tidelock_program)
      add_dependencies(${room}_test tidelock_program)
    endif()
  endforeach()
endfunction()
