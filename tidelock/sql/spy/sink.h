// Where records are written to, away from the tasks that ran the statements.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/log.h"
#include "tidelock/base/log_sinks.h"
#include "tidelock/base/runtime.h"
#include "tidelock/sql/spy/format.h"
#include "tidelock/sql/spy/log_file.h"
#include "tidelock/sql/spy/record.h"

namespace tidelock::sql::spy {

using RecordPtr = std::shared_ptr<const Record>;

// What a sink did not take of the records it was given.
struct Untaken {
  std::vector<std::size_t> records{};  // Which of them, ascending.
  std::string why{};                   // Of the first.
};

// Called by one task, a few records at a time.
class Sink {
 public:
  virtual ~Sink() = default;
  // May throw, then it took none of them; may take its time.
  virtual Untaken write(std::span<const RecordPtr> records) = 0;
  virtual std::string name() const = 0;  // For messages.
  // Nobody is observed any more: it lets go of what others may want, such as a locked file. write() may follow.
  virtual void rest() noexcept {}
};

// Waits two seconds for a file that another one writes, such as the spy that it follows; but only once, until it has
// had the file.
class FileSink final : public Sink {
 public:
  FileSink(base::Runtime& runtime, base::Files& files, const FileOptions& file, FormatOptions format)
      : runtime_(runtime), name_(file.path.string()), file_(files, file), formatter_(std::move(format)) {}
  Untaken write(std::span<const RecordPtr> records) override;
  std::string name() const override { return name_; }
  void rest() noexcept override { file_.close(); }

 private:
  base::Runtime& runtime_;
  std::string name_;
  LogFile file_;
  bool waited_in_vain_ = false;
  Formatter formatter_;
  std::string lines_;
};

// Standard output, or whatever takes lines.
class LineSink final : public Sink {
 public:
  LineSink(std::string name, base::LineWriter writer, FormatOptions format)
      : name_(std::move(name)), writer_(std::move(writer)), formatter_(std::move(format)) {}
  Untaken write(std::span<const RecordPtr> records) override;
  std::string name() const override { return name_; }

 private:
  std::string name_;
  base::LineWriter writer_;
  Formatter formatter_;
  std::string lines_;
};
base::LineWriter stdout_writer();

// The structured log: message "sql", what it is about in fields. Errors are warnings there, an outage too; the rest is
// level info. An entry that one of the places where the log goes did not take counts as not taken.
class LogSink final : public Sink {
 public:
  explicit LogSink(base::Log& log) : log_(&log) {}
  // Straight into where a log goes; then an entry's time is that of its statement's end.
  explicit LogSink(std::shared_ptr<base::LogSink> end) : end_(std::move(end)) {}
  Untaken write(std::span<const RecordPtr> records) override;
  std::string name() const override { return "the log"; }

 private:
  void write(const Record& record);

  base::Log* log_ = nullptr;            // Either this
  std::shared_ptr<base::LogSink> end_;  // or that.
  std::string effective_;
};

}  // namespace tidelock::sql::spy
