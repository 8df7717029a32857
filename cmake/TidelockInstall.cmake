# cmake --install: the library, its public headers, the program, and a package config for find_package(tidelock).

include_guard()

if(NOT TARGET tidelock)
  return()
endif()

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS tidelock EXPORT tidelock ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET tidelock_program)
  install(TARGETS tidelock_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
# A backend's own headers, and those of tests and of the program, are nobody else's.
install(
  DIRECTORY ${PROJECT_SOURCE_DIR}/tidelock
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING
  PATTERN "*.h"
  REGEX "/backends/[a-z_]+$" EXCLUDE
  REGEX "/(conformance|testing)$" EXCLUDE
  REGEX "/tidelock/world/testing\\.h$" EXCLUDE
  REGEX "/tidelock/cli$" EXCLUDE)

set(config ${CMAKE_INSTALL_LIBDIR}/cmake/tidelock)
install(EXPORT tidelock NAMESPACE tidelock:: FILE tidelockTargets.cmake DESTINATION ${config})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/tidelockConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/tidelockConfig.cmake INSTALL_DESTINATION ${config})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tidelockConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tidelockConfig.cmake ${PROJECT_BINARY_DIR}/tidelockConfigVersion.cmake
        DESTINATION ${config})

# A sanitizer would have to be linked by the consumer too: the plain presets prove as much.
if(TIDELOCK_TESTS AND TARGET tidelock_program AND NOT TIDELOCK_SANITIZE)
  add_test(
    NAME install/AConsumerFindsThePackageAndQueries
    COMMAND
      ${CMAKE_COMMAND} -D BUILD=${PROJECT_BINARY_DIR} -D SOURCE=${PROJECT_SOURCE_DIR}/tests/consumer -D
      CXX=${CMAKE_CXX_COMPILER} -D LAUNCHER=${TIDELOCK_CCACHE} -P
      ${PROJECT_SOURCE_DIR}/tests/consumer/run.cmake)
  set_tests_properties(install/AConsumerFindsThePackageAndQueries PROPERTIES LABELS install TIMEOUT 300)
endif()
