// The functions of libduckdb that Tidelock uses, found in the library when the first DuckDB database is opened.
//
// The library is loaded at run time, not linked: it weighs 70 MB, takes longer to load than a whole `tidelock lock`
// takes to run, and exports the symbols of its own ICU (docs/decisions/duckdb-by-dlopen.md).
#pragma once

#include <duckdb.h>

#include <string>
#include <utility>
#include <vector>

extern "C" {
// Since 1.5, after the stable header was cut.
duckdb_state duckdb_appender_clear(duckdb_appender appender);
void duckdb_unsafe_vector_assign_string_element_len(duckdb_vector vector, idx_t index, const char* text, idx_t length);
}

// clang-format off
#define TIDELOCK_DUCKDB_FUNCTIONS(X)                                                                                 \
  X(library_version) X(malloc) X(free)                                                                               \
  X(create_config) X(set_config) X(destroy_config)                                                                   \
  X(create_instance_cache) X(get_or_create_from_cache) X(destroy_instance_cache) X(open_ext) X(close)                \
  X(connect) X(disconnect) X(interrupt) X(query)                                                                     \
  X(prepare) X(prepare_error) X(destroy_prepare) X(prepared_statement_type)                                          \
  X(prepared_statement_column_count) X(prepared_statement_column_name) X(prepared_statement_column_type)             \
  X(nparams) X(param_type) X(param_logical_type) X(clear_bindings)                                                   \
  X(extract_statements) X(extract_statements_error) X(prepare_extracted_statement) X(destroy_extracted)              \
  X(bind_null) X(bind_boolean) X(bind_int8) X(bind_int16) X(bind_int32) X(bind_int64) X(bind_uint8) X(bind_uint16)   \
  X(bind_uint32) X(bind_uint64) X(bind_hugeint) X(bind_float) X(bind_double) X(bind_decimal)                         \
  X(bind_varchar_length) X(bind_blob) X(bind_date) X(bind_time) X(bind_timestamp) X(bind_timestamp_tz) X(bind_value) \
  X(create_uuid) X(destroy_value)                                                                                    \
  X(execute_prepared) X(pending_prepared_streaming) X(pending_error) X(execute_pending) X(destroy_pending)           \
  X(result_error) X(result_error_type) X(result_return_type) X(result_is_streaming) X(rows_changed) X(row_count)     \
  X(column_count) X(column_name) X(column_type) X(column_logical_type) X(fetch_chunk) X(destroy_result)              \
  X(create_data_chunk) X(data_chunk_get_size) X(data_chunk_set_size) X(data_chunk_get_vector) X(data_chunk_reset)    \
  X(destroy_data_chunk) X(vector_get_data) X(vector_get_validity) X(vector_ensure_validity_writable) X(vector_size)  \
  X(unsafe_vector_assign_string_element_len)                                                                         \
  X(create_logical_type) X(get_type_id) X(logical_type_get_alias) X(decimal_internal_type) X(decimal_scale)          \
  X(decimal_width) X(enum_internal_type) X(enum_dictionary_value) X(enum_dictionary_size) X(destroy_logical_type)    \
  X(appender_create_ext) X(appender_add_column) X(appender_column_count) X(appender_column_type)                     \
  X(append_data_chunk) X(appender_close) X(appender_clear) X(appender_destroy) X(appender_error_data)                \
  X(error_data_error_type) X(error_data_message) X(destroy_error_data)                                               \
  X(table_description_create_ext) X(table_description_get_column_name) X(table_description_error)                    \
  X(table_description_destroy)
// clang-format on

namespace tidelock::sql::duckdb {

// MERGE INTO, which has no name in the stable header.
inline constexpr auto kMergeStatement = static_cast<duckdb_statement_type>(30);

// Constant once loaded.
struct Api {
#define TIDELOCK_DUCKDB_MEMBER(name) decltype(&duckdb_##name) name = nullptr;
  TIDELOCK_DUCKDB_FUNCTIONS(TIDELOCK_DUCKDB_MEMBER)
#undef TIDELOCK_DUCKDB_MEMBER
  std::string version;  // "1.5.6"
};

// Where the library is looked for, in this order: the environment variable TIDELOCK_DUCKDB_LIBRARY, and nowhere else
// when it is set; where it was when Tidelock was built; where the system looks for libduckdb.so.
std::vector<std::string> library_candidates();

// The first candidate that can be loaded. It stays loaded: the engine's threads may outlive every database.
// Error: unsupported, which says what was tried and how to get the library, when none can be loaded, the first that can
// lacks a function, or its version is not one of kVersions.
Api load_library(const std::vector<std::string>& candidates);

// Of this process; loads on the first call and again after a failure. Thread-safe.
const Api& api();

// The versions whose behaviour the backend relies on: from 1.5.0 to before 2.0.0.
bool is_supported_version(const std::string& version);

// Owns one object of the engine; `Destroy` is the member of Api that frees it. Movable, used by one task at a time.
template <typename T, auto Destroy>
class Handle {
 public:
  Handle() = default;
  explicit Handle(const Api& api) : api_(&api) {}
  Handle(const Api& api, T value) : api_(&api), owned_(true), value_(value) {}
  Handle(Handle&& other) noexcept
      : api_(other.api_), owned_(std::exchange(other.owned_, false)), value_(other.value_) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this == &other) return *this;
    reset();
    api_ = other.api_;
    owned_ = std::exchange(other.owned_, false);
    value_ = other.value_;
    return *this;
  }
  ~Handle() { reset(); }

  // For the engine to fill; frees what was there.
  T* out() {
    reset();
    owned_ = true;
    return &value_;
  }
  T& get() { return value_; }
  const T& get() const { return value_; }
  explicit operator bool() const { return owned_; }
  void reset() {
    if (std::exchange(owned_, false)) (api_->*Destroy)(&value_);
    value_ = {};
  }

 private:
  const Api* api_ = nullptr;
  bool owned_ = false;
  T value_ = {};
};

using Config = Handle<duckdb_config, &Api::destroy_config>;
using EngineHandle = Handle<duckdb_database, &Api::close>;
using ConnectionHandle = Handle<duckdb_connection, &Api::disconnect>;
using StatementHandle = Handle<duckdb_prepared_statement, &Api::destroy_prepare>;
using ExtractedHandle = Handle<duckdb_extracted_statements, &Api::destroy_extracted>;
using PendingHandle = Handle<duckdb_pending_result, &Api::destroy_pending>;
using ResultHandle = Handle<duckdb_result, &Api::destroy_result>;
using ChunkHandle = Handle<duckdb_data_chunk, &Api::destroy_data_chunk>;
using TypeHandle = Handle<duckdb_logical_type, &Api::destroy_logical_type>;
using ValueHandle = Handle<duckdb_value, &Api::destroy_value>;
using AppenderHandle = Handle<duckdb_appender, &Api::appender_destroy>;
using ErrorHandle = Handle<duckdb_error_data, &Api::destroy_error_data>;
using TableHandle = Handle<duckdb_table_description, &Api::table_description_destroy>;
using CacheHandle = Handle<duckdb_instance_cache, &Api::destroy_instance_cache>;

}  // namespace tidelock::sql::duckdb
