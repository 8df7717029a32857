# How every source of this repository is compiled: language, warnings, checks and sanitizers.
#
# tidelock_compile(<target>) applies it to a target. Nothing of it reaches a program that links an installed tidelock.

include_guard()

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

option(TIDELOCK_CHECKS "Compile in the checks that catch misuse, such as one connection used by two tasks" OFF)
option(TIDELOCK_WERROR "Treat warnings as errors" ON)
option(TIDELOCK_TESTS "Build the tests" ON)
option(TIDELOCK_PRECOMPILED "Precompile the headers that nearly every source includes" OFF)
set(TIDELOCK_SANITIZE "" CACHE STRING "Sanitizers, comma separated: address,undefined or thread")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(TIDELOCK_CCACHE ccache)
mark_as_advanced(TIDELOCK_CCACHE)
if(TIDELOCK_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${TIDELOCK_CCACHE})
  if(TIDELOCK_PRECOMPILED) # Or it compiles all that uses a precompiled header anew.
    list(PREPEND CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros)
  endif()
endif()

function(tidelock_compile target)
  target_compile_features(${target} PRIVATE cxx_std_20)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # g++ 12 sees an overlap in `"literal" + string` that is none (GCC bug 105651).
    target_compile_options(${target} PRIVATE -Wno-restrict)
    if(CMAKE_UNITY_BUILD)
      # Sources that are compiled as one look like headers, whose types must not have parts that others cannot see.
      target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
    endif()
    if(TIDELOCK_PRECOMPILED)
      # In code that comes from a precompiled header, also that of others, it sees strings overrun and values without a
      # beginning that are none; `thread-safety` and `dev` compile without one, and with these warnings.
      target_compile_options(${target} PRIVATE -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread
                                               -Wno-maybe-uninitialized)
    endif()
    if(TIDELOCK_SANITIZE)
      # Through what the sanitizers add it sees uninitialized values inside std::optional that are none.
      target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
    endif()
  endif()
  if(TIDELOCK_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
    target_compile_options(${target} PRIVATE -Wthread-safety)
  endif()
  if(TIDELOCK_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${TIDELOCK_SANITIZE} -fno-sanitize-recover=all
                                             -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${TIDELOCK_SANITIZE})
  endif()
  if(TIDELOCK_FUZZ)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link) # What libFuzzer steers by.
  endif()
  if(TIDELOCK_CHECKS)
    target_compile_definitions(${target} PRIVATE TIDELOCK_CHECKS=1)
  endif()
endfunction()

# What a sanitized test needs in its environment, one variable (gtest_discover_tests drops a second one): stop at the
# first finding, with a stack. Freed memory is kept back for 8 MiB only, so that tests which look at the size of the
# process see that of the program.
set(TIDELOCK_TEST_ENVIRONMENT "")
if(TIDELOCK_SANITIZE MATCHES address)
  set(TIDELOCK_TEST_ENVIRONMENT
      "ASAN_OPTIONS=abort_on_error=0:detect_leaks=1:strict_string_checks=1:quarantine_size_mb=8")
elseif(TIDELOCK_SANITIZE MATCHES thread)
  set(TIDELOCK_TEST_ENVIRONMENT
      "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=${PROJECT_SOURCE_DIR}/cmake/tsan.supp")
endif()
