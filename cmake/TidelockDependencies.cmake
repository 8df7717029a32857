# The libraries Tidelock stands on, all from Debian 12. Engines are in TidelockEngines.cmake.

include_guard()

find_package(Threads REQUIRED)
find_package(Boost 1.74 REQUIRED COMPONENTS context)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(fmt CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(date CONFIG REQUIRED)
find_package(ZLIB REQUIRED)
find_package(zstd CONFIG REQUIRED)
# Compiled in, nothing to link.
find_path(TIDELOCK_TOMLPLUSPLUS toml++/toml.h REQUIRED)
mark_as_advanced(TIDELOCK_TOMLPLUSPLUS)

if(TIDELOCK_TESTS)
  find_package(GTest REQUIRED)
endif()
find_package(benchmark CONFIG QUIET)

set(TIDELOCK_LIBRARIES Boost::context prometheus-cpp::core nlohmann_json::nlohmann_json fmt::fmt Threads::Threads
                       date::date-tz ZLIB::ZLIB zstd::libzstd_shared csv re2 ${CMAKE_DL_LIBS})
