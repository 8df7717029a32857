#include "tidelock/sql/spy/sink.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string_view>
#include <vector>

#include "tidelock/base/errno_error.h"
#include "tidelock/base/error.h"

namespace tidelock::sql::spy {
namespace {

// Longer than a spy that is taken away is waited for.
constexpr base::Duration kFileWait = std::chrono::seconds(2);
constexpr base::Duration kFileTry = std::chrono::milliseconds(20);

}  // namespace

Untaken FileSink::write(std::span<const RecordPtr> records) {
  lines_.clear();
  for (const auto& record : records) formatter_.append(lines_, *record);
  for (const auto until = runtime_.in(kFileWait);; runtime_.sleep_for(kFileTry)) {
    try {
      file_.write(lines_);
      waited_in_vain_ = false;
      return {};
    } catch (const Error& error) {
      if (error.code() != Code::unavailable) throw;  // Another one writes it.
      if (waited_in_vain_ || until.passed(runtime_.now())) {
        waited_in_vain_ = true;
        throw;
      }
    }
  }
}

Untaken LineSink::write(std::span<const RecordPtr> records) {
  lines_.clear();
  for (const auto& record : records) formatter_.append(lines_, *record);
  writer_(lines_);
  return {};
}

base::LineWriter stdout_writer() {
  return [](std::string_view lines) {
    if (std::fwrite(lines.data(), 1, lines.size(), stdout) != lines.size() || std::fflush(stdout) != 0) {
      throw base::errno_error(errno, {}, "standard output cannot be written");
    }
  };
}

Untaken LogSink::write(std::span<const RecordPtr> records) {
  Untaken untaken;
  for (std::size_t i = 0; i < records.size(); ++i) {
    try {
      write(*records[i]);
    } catch (const std::exception& error) {
      if (untaken.records.empty()) untaken.why = error.what();
      untaken.records.push_back(i);
    }
  }
  return untaken;
}

void LogSink::write(const Record& record) {
  effective_.clear();
  record.statement->append_effective(effective_, record.values, {});
  std::vector<base::LogField> fields{{"category", spy::name(record.category)},
                                     {"database", record.statement->place().url},
                                     {"connection", record.connection},
                                     {"took", record.elapsed},
                                     {"rows", record.rows}};
  if (record.transaction != 0) fields.push_back({"transaction", record.transaction});
  if (!effective_.empty()) fields.push_back({"sql", effective_});
  if (!record.error.empty()) fields.push_back({"error", record.error});
  if (!record.work.job.empty()) fields.push_back({"job", record.work.job});
  if (!record.work.run.empty()) fields.push_back({"run", record.work.run});
  if (!record.work.step.empty()) fields.push_back({"step", record.work.step});
  if (record.work.token) fields.push_back({"fencing_token", *record.work.token});
  const bool bad = record.category == LogCategory::error || record.category == LogCategory::outage ||
                   record.category == LogCategory::warn;
  const auto level = bad ? base::LogLevel::warning : base::LogLevel::info;
  if (end_ != nullptr) return end_->write({record.time, level, "sql", fields});
  if (!log_->write(level, "sql", fields)) throw Error(Code::unavailable, "the log could not be written");
}

}  // namespace tidelock::sql::spy
