# Which database engines are compiled in.
#
# Each has an option TIDELOCK_<ENGINE>: AUTO (the default) takes it when it is found, ON demands it, OFF leaves it out.
# An engine that is on compiles every backends/<engine>/ folder, defines TIDELOCK_HAVE_<ENGINE>=1 for the library and
# its tests, and is named by `tidelock --version`. SQLite has no choice: what Tidelock keeps itself is in one by default.

include_guard()

set(TIDELOCK_DUCKDB_VERSION 1.5.6)
set(TIDELOCK_DUCKDB_DIR /usr/local/lib/tidelock/duckdb-${TIDELOCK_DUCKDB_VERSION}
    CACHE PATH "Folder that holds duckdb.h and libduckdb.so")

set(TIDELOCK_ENGINES "")            # What is on.
set(TIDELOCK_ENGINES_KNOWN "")      # What there is: the backend folders that may be left out.
set(TIDELOCK_ENGINE_LIBRARIES "")   # What they link.
set(TIDELOCK_ENGINE_INCLUDES "")    # Folders of their headers that are not searched anyway.
set(TIDELOCK_ENGINE_DEFINITIONS "") # What they define, for the whole library and its tests.

# tidelock_engine(<name> <found> <hint>): declares the option, and sets TIDELOCK_WITH_<NAME> to what comes of it.
macro(tidelock_engine name found hint)
  string(TOUPPER ${name} engine_upper)
  list(APPEND TIDELOCK_ENGINES_KNOWN ${name})
  set(TIDELOCK_${engine_upper} AUTO CACHE STRING "Build the ${name} backends: AUTO (when found), ON or OFF")
  set_property(CACHE TIDELOCK_${engine_upper} PROPERTY STRINGS AUTO ON OFF)
  set(TIDELOCK_WITH_${engine_upper} OFF)
  if(TIDELOCK_${engine_upper} STREQUAL AUTO)
    if(${found})
      set(TIDELOCK_WITH_${engine_upper} ON)
    else()
      message(STATUS "Without ${name}: not found. ${hint}")
    endif()
  elseif(TIDELOCK_${engine_upper})
    if(NOT ${found})
      message(FATAL_ERROR "TIDELOCK_${engine_upper} is ON but ${name} was not found. ${hint}")
    endif()
    set(TIDELOCK_WITH_${engine_upper} ON)
  endif()
  if(TIDELOCK_WITH_${engine_upper})
    list(APPEND TIDELOCK_ENGINES ${name})
    list(APPEND TIDELOCK_ENGINE_DEFINITIONS TIDELOCK_HAVE_${engine_upper}=1)
  endif()
endmacro()

find_package(SQLite3 QUIET)
set(tidelock_sqlite_found OFF)
if(SQLite3_FOUND)
  set(tidelock_sqlite_found ON)
endif()
tidelock_engine(sqlite ${tidelock_sqlite_found} "scripts/setup installs libsqlite3-dev.")
if(NOT TIDELOCK_WITH_SQLITE)
  message(FATAL_ERROR "SQLite cannot be left out: the state of locks and jobs is kept in it unless a URL says otherwise, "
                      "and so are topics. Install libsqlite3-dev (scripts/setup), and leave TIDELOCK_SQLITE at AUTO.")
endif()
list(APPEND TIDELOCK_ENGINE_LIBRARIES SQLite::SQLite3)

# DuckDB is loaded at run time: compiling needs its C header only (docs/decisions/duckdb-by-dlopen.md).
set(tidelock_duckdb_found OFF)
if(EXISTS ${TIDELOCK_DUCKDB_DIR}/duckdb.h)
  set(tidelock_duckdb_found ON)
endif()
tidelock_engine(duckdb ${tidelock_duckdb_found}
                "scripts/setup installs it; or name the folder of duckdb.h with -DTIDELOCK_DUCKDB_DIR.")
if(TIDELOCK_WITH_DUCKDB)
  list(APPEND TIDELOCK_ENGINE_DEFINITIONS "TIDELOCK_DUCKDB_LIBRARY=\"${TIDELOCK_DUCKDB_DIR}/libduckdb.so\"")
  set_source_files_properties(${PROJECT_SOURCE_DIR}/tidelock/sql/backends/all.cc PROPERTIES
    COMPILE_DEFINITIONS "TIDELOCK_DUCKDB_VERSION=\"${TIDELOCK_DUCKDB_VERSION}\"")
endif()

# MariaDB's client library has no package of CMake's; its headers lie in a folder of their own.
find_path(TIDELOCK_MARIADB_INCLUDE mysql.h PATH_SUFFIXES mariadb)
find_library(TIDELOCK_MARIADB_LIBRARY mariadb)
mark_as_advanced(TIDELOCK_MARIADB_INCLUDE TIDELOCK_MARIADB_LIBRARY)
set(tidelock_mariadb_found OFF)
if(TIDELOCK_MARIADB_INCLUDE AND TIDELOCK_MARIADB_LIBRARY)
  set(tidelock_mariadb_found ON)
endif()
tidelock_engine(mariadb ${tidelock_mariadb_found} "scripts/setup installs libmariadb-dev.")
if(TIDELOCK_WITH_MARIADB)
  list(APPEND TIDELOCK_ENGINE_LIBRARIES mariadb)
  list(APPEND TIDELOCK_ENGINE_INCLUDES ${TIDELOCK_MARIADB_INCLUDE})
endif()

# libpq, without CMake's own module, which wants the server's headers too.
find_path(TIDELOCK_LIBPQ_INCLUDE libpq-fe.h PATH_SUFFIXES postgresql)
find_library(TIDELOCK_LIBPQ_LIBRARY pq)
mark_as_advanced(TIDELOCK_LIBPQ_INCLUDE TIDELOCK_LIBPQ_LIBRARY)
set(tidelock_postgres_found OFF)
if(TIDELOCK_LIBPQ_INCLUDE AND TIDELOCK_LIBPQ_LIBRARY)
  set(tidelock_postgres_found ON)
endif()
tidelock_engine(postgres ${tidelock_postgres_found} "scripts/setup installs libpq-dev.")
if(TIDELOCK_WITH_POSTGRES)
  list(APPEND TIDELOCK_ENGINE_LIBRARIES pq)
  list(APPEND TIDELOCK_ENGINE_INCLUDES ${TIDELOCK_LIBPQ_INCLUDE})
endif()

string(JOIN " " tidelock_engines_text ${TIDELOCK_ENGINES})
message(STATUS "Engines: ${tidelock_engines_text}")
