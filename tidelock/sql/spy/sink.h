// Where records are written to, away from the tasks that ran the statements.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "tidelock/base/log.h"
#include "tidelock/base/log_sinks.h"
#include "tidelock/sql/spy/format.h"
#include "tidelock/sql/spy/log_file.h"
#include "tidelock/sql/spy/record.h"

namespace tidelock::sql::spy {

using RecordPtr = std::shared_ptr<const Record>;

// Called by one task, a few records at a time. May throw, then none of them counts as written; may take its time.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void write(std::span<const RecordPtr> records) = 0;
  virtual std::string name() const = 0;  // For messages.
};

class FileSink final : public Sink {
 public:
  FileSink(base::Files& files, const FileOptions& file, FormatOptions format)
      : name_(file.path.string()), file_(files, file), formatter_(std::move(format)) {}
  void write(std::span<const RecordPtr> records) override;
  std::string name() const override { return name_; }

 private:
  std::string name_;
  LogFile file_;
  Formatter formatter_;
  std::string lines_;
};

// Standard output, or whatever takes lines.
class LineSink final : public Sink {
 public:
  LineSink(std::string name, base::LineWriter writer, FormatOptions format)
      : name_(std::move(name)), writer_(std::move(writer)), formatter_(std::move(format)) {}
  void write(std::span<const RecordPtr> records) override;
  std::string name() const override { return name_; }

 private:
  std::string name_;
  base::LineWriter writer_;
  Formatter formatter_;
  std::string lines_;
};
base::LineWriter stdout_writer();

// The structured log: message "sql", what it is about in fields. Errors are warnings there, an outage too; the rest is
// level info. Throws when an entry is lost in one of the places where the log goes.
class LogSink final : public Sink {
 public:
  explicit LogSink(base::Log& log) : log_(&log) {}
  // Straight into where a log goes; then an entry's time is that of its statement's end.
  explicit LogSink(std::shared_ptr<base::LogSink> end) : end_(std::move(end)) {}
  void write(std::span<const RecordPtr> records) override;
  std::string name() const override { return "the log"; }

 private:
  base::Log* log_ = nullptr;            // Either this
  std::shared_ptr<base::LogSink> end_;  // or that.
  std::string effective_;
};

}  // namespace tidelock::sql::spy
