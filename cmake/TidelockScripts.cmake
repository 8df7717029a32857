# The tests of scripts/lib: that each rule of the gate fails on a bad input, and the like.

include_guard()

if(TIDELOCK_TESTS)
  find_package(Python3 3.11 REQUIRED COMPONENTS Interpreter)
  file(GLOB modules CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/scripts/lib/tests/test_*.py)
  foreach(module IN LISTS modules)
    cmake_path(GET module STEM name)
    add_test(
      NAME scripts/${name}
      COMMAND ${Python3_EXECUTABLE} -m unittest tests.${name}
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}/scripts/lib)
    set_tests_properties(scripts/${name} PROPERTIES LABELS scripts TIMEOUT 300 ENVIRONMENT PYTHONDONTWRITEBYTECODE=1)
  endforeach()
endif()
