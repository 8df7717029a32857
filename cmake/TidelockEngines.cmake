# Which database engines are compiled in.
#
# Each is an option TIDELOCK_<ENGINE>: left alone it is on when the engine is found; ON demands it; OFF leaves it out.
# An engine that is on compiles every backends/<engine>/ folder, defines TIDELOCK_HAVE_<ENGINE>=1, and is named in
# TIDELOCK_ENGINES, which `tidelock --version` prints.

include_guard()

set(TIDELOCK_DUCKDB_VERSION 1.5.6)
set(TIDELOCK_DUCKDB_DIR /usr/local/lib/tidelock/duckdb-${TIDELOCK_DUCKDB_VERSION}
    CACHE PATH "Folder that holds duckdb.h and libduckdb.so")

set(TIDELOCK_ENGINES "")            # What is on.
set(TIDELOCK_ENGINES_KNOWN "")      # What there is: the backend folders that may be left out.
set(TIDELOCK_ENGINE_LIBRARIES "")   # What they link.
set(TIDELOCK_ENGINE_DEFINITIONS "") # What they define, for the whole library and its tests.

# tidelock_engine(<name> <found> <hint>): declares the option and decides.
macro(tidelock_engine name found hint)
  string(TOUPPER ${name} engine_upper)
  list(APPEND TIDELOCK_ENGINES_KNOWN ${name})
  option(TIDELOCK_${engine_upper} "Build the ${name} backends" ${found})
  if(TIDELOCK_${engine_upper} AND NOT ${found})
    message(FATAL_ERROR "TIDELOCK_${engine_upper} is ON but ${name} was not found. ${hint}")
  elseif(TIDELOCK_${engine_upper})
    list(APPEND TIDELOCK_ENGINES ${name})
    list(APPEND TIDELOCK_ENGINE_DEFINITIONS TIDELOCK_HAVE_${engine_upper}=1)
  elseif(NOT ${found})
    message(STATUS "Without ${name}: not found. ${hint}")
  else()
    message(STATUS "Without ${name}: TIDELOCK_${engine_upper} is OFF")
  endif()
endmacro()

find_package(SQLite3 QUIET)
set(tidelock_sqlite_found OFF)
if(SQLite3_FOUND)
  set(tidelock_sqlite_found ON)
endif()
tidelock_engine(sqlite ${tidelock_sqlite_found} "scripts/setup installs libsqlite3-dev.")
if(TIDELOCK_SQLITE)
  list(APPEND TIDELOCK_ENGINE_LIBRARIES SQLite::SQLite3)
endif()

# DuckDB is loaded at run time: compiling needs its C header only (docs/decisions/duckdb-by-dlopen.md).
set(tidelock_duckdb_found OFF)
if(EXISTS ${TIDELOCK_DUCKDB_DIR}/duckdb.h)
  set(tidelock_duckdb_found ON)
endif()
tidelock_engine(duckdb ${tidelock_duckdb_found}
                "scripts/setup installs it; or name the folder of duckdb.h with -DTIDELOCK_DUCKDB_DIR.")
if(TIDELOCK_DUCKDB)
  list(APPEND TIDELOCK_ENGINE_DEFINITIONS "TIDELOCK_DUCKDB_LIBRARY=\"${TIDELOCK_DUCKDB_DIR}/libduckdb.so\"")
endif()

string(JOIN " " tidelock_engines_text ${TIDELOCK_ENGINES})
message(STATUS "Engines: ${tidelock_engines_text}")
