# The documentation's marked code blocks as tests (CONTRIBUTING.md describes the marks): `cpp run` blocks are compiled
# into docs_test, one source a document; `sh run` blocks are one test a document, docs/<path>.

include_guard()

if(NOT TIDELOCK_TESTS OR NOT TARGET tidelock)
  return()
endif()

find_package(Python3 3.11 REQUIRED COMPONENTS Interpreter)
set(snippets ${PROJECT_SOURCE_DIR}/scripts/lib/snippets.py)
file(GLOB_RECURSE documents CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/*.md)
list(PREPEND documents ${PROJECT_SOURCE_DIR}/README.md)

set(sources "")
foreach(document IN LISTS documents)
  cmake_path(RELATIVE_PATH document BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE name)
  string(MAKE_C_IDENTIFIER ${name} name)
  set(source ${PROJECT_BINARY_DIR}/snippets/${name}.cc)
  add_custom_command(
    OUTPUT ${source}
    COMMAND ${Python3_EXECUTABLE} ${snippets} cpp ${document} ${source}
    DEPENDS ${document} ${snippets}
    VERBATIM)
  list(APPEND sources ${source})
endforeach()
tidelock_test(docs_test PREFIX docs/ LABELS docs SOURCES ${sources})
target_compile_options(docs_test PRIVATE -Wno-unused-variable -Wno-unused-but-set-variable)

# Known at test time only: a block that is added makes a test without configuring again.
set(list ${PROJECT_BINARY_DIR}/snippets/shell_tests.cmake)
add_custom_command(
  OUTPUT ${list}
  COMMAND ${Python3_EXECUTABLE} ${snippets} list ${list} ${PROJECT_BINARY_DIR} ${documents}
  DEPENDS ${documents} ${snippets}
  VERBATIM)
add_custom_target(docs_shell_tests ALL DEPENDS ${list})
file(WRITE ${PROJECT_BINARY_DIR}/snippets/include.cmake "include(\"${list}\" OPTIONAL)\n")
set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${PROJECT_BINARY_DIR}/snippets/include.cmake)

# Its tables are compared with the loader's.
if(TARGET pipeline_test)
  target_compile_definitions(pipeline_test PRIVATE TIDELOCK_DOCS="${PROJECT_SOURCE_DIR}/docs")
endif()
# That of a pool's metrics; the property is of one source, so that the others of its program need not be compiled for it.
set_source_files_properties(${PROJECT_SOURCE_DIR}/tidelock/sql/pool_metrics_test.cc
                            PROPERTIES COMPILE_DEFINITIONS TIDELOCK_DOCS="${PROJECT_SOURCE_DIR}/docs")
