#include "tidelock/replica/testing/plain_reader.h"

#include <unistd.h>

#include <cstdlib>

namespace tidelock::replica::testing {
namespace {

// Reads once for each line it is sent.
constexpr auto kReadForEachLine = R"(
import ctypes, sqlite3, sys
from ctypes import byref, c_char_p, c_uint64, c_void_p
engine, library, path, query = sys.argv[1:]

def read_sqlite():
    database = sqlite3.connect("file:" + path + "?mode=ro", uri=True)
    try:
        return str(database.execute(query).fetchone()[0])
    except sqlite3.Error as error:
        return "error: " + str(error)
    finally:
        database.close()

def read_duckdb():
    config, database, connection, error = c_void_p(), c_void_p(), c_void_p(), c_char_p()
    duckdb.duckdb_create_config(byref(config))
    duckdb.duckdb_set_config(config, b"access_mode", b"READ_ONLY")
    opened = duckdb.duckdb_open_ext(path.encode(), byref(database), config, byref(error)) == 0
    duckdb.duckdb_destroy_config(byref(config))
    if not opened:
        return "error: " + error.value.decode()
    duckdb.duckdb_connect(database, byref(connection))
    result = (c_void_p * 16)()
    if duckdb.duckdb_query(connection, query.encode(), byref(result)) == 0:
        text = duckdb.duckdb_value_varchar(byref(result), c_uint64(0), c_uint64(0))
        answer = ctypes.string_at(text).decode()
        duckdb.duckdb_free(c_void_p(text))
    else:
        answer = "error: " + duckdb.duckdb_result_error(byref(result)).decode()
    duckdb.duckdb_destroy_result(byref(result))
    duckdb.duckdb_disconnect(byref(connection))
    duckdb.duckdb_close(byref(database))
    return answer

if engine == "duckdb":
    duckdb = ctypes.CDLL(library)
    duckdb.duckdb_value_varchar.restype = c_void_p
    duckdb.duckdb_result_error.restype = c_char_p
for line in sys.stdin:
    answer = read_duckdb() if engine == "duckdb" else read_sqlite()
    print(answer.replace("\n", " "), flush=True)
)";

std::string duckdb_library() {
  if (const char* given = std::getenv("TIDELOCK_DUCKDB_LIBRARY"); given != nullptr && *given != '\0') return given;
#ifdef TIDELOCK_DUCKDB_LIBRARY
  return TIDELOCK_DUCKDB_LIBRARY;
#else
  return "libduckdb.so";
#endif
}

}  // namespace

PlainReader::PlainReader(base::Runtime& runtime, const std::string& engine, const base::Path& link,
                         const std::string& query)
    : program_(runtime, {.argv = {"python3", "-c", kReadForEachLine, engine, duckdb_library(), link.string(), query},
                         .in = base::Stream::pipe(),
                         .out = base::Stream::pipe()}) {}

std::string PlainReader::read() {
  base::write_all(program_.in(), "read\n");
  std::string line;
  char byte = 0;
  while (::read(program_.out().get(), &byte, 1) == 1) {
    if (byte == '\n') return line;
    line += byte;
  }
  return "error: the program has ended: " + line;
}

}  // namespace tidelock::replica::testing
