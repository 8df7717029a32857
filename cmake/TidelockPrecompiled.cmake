# Headers of others that nearly every source includes, compiled once a build (docs/decisions/precompiled-headers.md): one
# set for the library, one for the tests. Never a header of our own: a change of it would compile everything anew.
#
#   tidelock_make_precompiled(<holder> <headers>…)  the holder is a target without code, compiled as its users are
#   tidelock_use_precompiled(<target> <holder>)
#
# No source may need them: it includes what it uses, and the rule `includes` of scripts/check sees to it. Whoever adds one
# here says there by which names it is used.

include_guard()

set(TIDELOCK_PRECOMPILED_HEADERS
    <algorithm> <array> <atomic> <chrono> <compare> <concepts> <cstddef> <cstdint> <deque> <exception> <filesystem>
    <functional> <limits> <map> <memory> <mutex> <optional> <ostream> <set> <span> <stop_token> <string> <string_view>
    <utility> <variant> <vector> <fmt/format.h> <nlohmann/json.hpp>)
set(TIDELOCK_PRECOMPILED_TEST_HEADERS ${TIDELOCK_PRECOMPILED_HEADERS} <iostream> <gmock/gmock.h> <gtest/gtest.h>)

# What ccache needs, to see what is in them (the rest is in TidelockCompiler.cmake).
function(tidelock_precompiled_options target)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(${target} PRIVATE -fpch-preprocess)
  endif()
endfunction()

function(tidelock_make_precompiled holder)
  if(TIDELOCK_PRECOMPILED)
    target_precompile_headers(${holder} PRIVATE ${ARGN})
    tidelock_precompiled_options(${holder})
  endif()
endfunction()

function(tidelock_use_precompiled target holder)
  if(TIDELOCK_PRECOMPILED)
    target_precompile_headers(${target} REUSE_FROM ${holder})
    tidelock_precompiled_options(${target})
  endif()
endfunction()
