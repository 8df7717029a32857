// The chunk step: rows are read and checked, and written in transactions that carry their checkpoint.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/batch/row_reader.h"
#include "tidelock/batch/row_writer.h"
#include "tidelock/batch/step_run.h"
#include "tidelock/batch/store_unit.h"

namespace tidelock::batch {
namespace {

// Whether the rows may be what the database objects to, so that it is worth finding out which.
bool may_be_a_row(const Error& error) {
  switch (error.code()) {
    case Code::constraint_violation:
    case Code::statement_invalid:
    case Code::invalid_argument:
    case Code::too_large:
      return true;
    default:
      return false;
  }
}

class ChunkWork {
 public:
  ChunkWork(const StepRun& run, const ChunkStep& step) : run_(run), step_(step), unit_(run) {}

  StepEnd execute() {
    if (unit_.begin().complete) return StepEnd::complete;
    Attempts attempts(run_);  // To read it all: a source that breaks at the same place again and again has an end.
    Chunk chunk;
    for (;;) {
      if (run_.gentle.stop_requested()) return StepEnd::stopped;
      if (!reader_) go_back();
      if (const auto lost = try_read(chunk)) {
        unit_.before_next(attempts, *lost);
        continue;
      }
      run_.record.add_skips(run_.place, chunk.bad());
      bad_ += chunk.bad().size();
      if (chunk.too_many()) refuse(chunk.bad().back());
      try {
        write(chunk, {0, chunk.size()});
      } catch (const Error& error) {
        if (error.code() != Code::read_only_server || !is_query()) throw;
        reader_.reset();
        unit_.before_next(attempts, error);
        continue;
      }
      if (chunk.last()) return StepEnd::complete;
    }
  }

 private:
  bool is_query() const { return std::holds_alternative<QuerySource>(step_.source); }
  std::uint64_t bad_left() const { return step_.max_skips - std::min(step_.max_skips, bad_); }

  [[noreturn]] void refuse(const BadRow& row) const {
    throw Error(Code::invalid_argument, fmt::format("{}: {}; this is bad row {}, and max_skips allows {}", row.place,
                                                    row.error, bad_, step_.max_skips));
  }

  // To what is committed, by this execution or an earlier one. Where another has gone on with the run meanwhile, the
  // next commit is fenced: it moves the checkpoint from where this execution knows it.
  void go_back() {
    start_ = unit_.checkpoint();
    // What is written by key may be written again, and what was read before the interruption may be stale by now.
    if (is_query() && step_.write.kind != Write::Kind::insert) {
      start_ = {.commits = start_.commits, .stored = start_.stored};
    }
    run_.record.drop_skips_behind(run_.place, start_.position);
    refused_.clear();
    bad_ = start_.rows_skipped;
    written_ = start_.rows_written;
    if (start_.position > 0) run_.event(base::LogLevel::info, fmt::format("goes on behind row {}", start_.position));
  }

  // Reads the next rows. What it returns has interrupted that, and passes: the source is closed, and nothing is written
  // of what was read.
  std::optional<Error> try_read(Chunk& chunk) {
    const bool was_open = reader_ != nullptr;
    try {
      auto reader = reader_ ? std::move(reader_) : open();
      reader->read(chunk, step_.chunk_rows, bad_left());
      reader_ = std::move(reader);
      return std::nullopt;
    } catch (const Error& error) {
      const auto disposition = error.disposition();
      const bool failover = error.code() == Code::read_only_server;
      const bool too_slow = was_open && error.code() == Code::timeout;  // It would be so again.
      // Unknown: a query may call what changes something.
      if ((disposition == Disposition::permanent && !failover) || disposition == Disposition::unknown || too_slow)
        throw;
      return error;
    }
  }

  std::unique_ptr<RowReader> open() {
    const auto* query = std::get_if<QuerySource>(&step_.source);
    auto source = query != nullptr ? open_query(run_.open_store(), *query, run_.moment)
                                   : open_csv(run_.context.files, std::get<CsvSource>(step_.source));
    auto reader = std::make_unique<RowReader>(std::move(source), step_, run_.moment);
    if (start_.position > 0) reader->pass_over(start_.position, start_.fingerprint);
    writer_.emplace(run_.open_store(), step_.write, reader->columns());
    return reader;
  }

  // Where the source stands once these rows are done.
  Checkpoint checkpoint_after(const Chunk& chunk, RowRange range, std::size_t rows_written) const {
    const bool whole = range.end == chunk.size();
    const Mark& mark = whole ? chunk.end() : chunk.after(range.end - 1);
    return {.position = mark.position,
            .fingerprint = mark.fingerprint,
            .rows_written = written_ + rows_written,
            .rows_skipped = start_.rows_skipped + mark.bad + refused_up_to(mark.position),
            .rows_passed_over = start_.rows_passed_over + mark.passed_over,
            .commits = unit_.checkpoint().commits + 1,
            .complete = whole && chunk.last()};
  }

  // Commits the rows, without those that the database refuses: halves find them.
  void write(const Chunk& chunk, RowRange range) {
    auto refused = try_write(chunk, range, false);
    if (refused && writer_->batches()) refused = try_write(chunk, range, true);
    if (!refused) return;
    if (range.size() == 0) throw *refused;
    if (range.size() == 1) {
      unit_.look([&] { writer_->check_table(run_.open_store()); });  // Without it, and its columns, no row is to blame.
      return skip(chunk, range, *refused);
    }
    const auto middle = range.begin + range.size() / 2;
    write(chunk, {range.begin, middle});
    write(chunk, {middle, range.end});
  }

  // Empty when they are committed; else what the database objects to.
  std::optional<Error> try_write(const Chunk& chunk, RowRange range, bool one_by_one) {
    std::vector<std::size_t> known;  // Rows of an update that are not there.
    for (;;) {
      std::vector<std::size_t> missing;
      try {
        commit(chunk, range, one_by_one, known, missing);
      } catch (const Error& error) {
        if (!may_be_a_row(error)) throw;
        return error;
      }
      if (missing == known) {
        written_ += range.size() - known.size();
        return std::nullopt;
      }
      note_missing(chunk, missing, known);
      known = missing;
    }
  }

  void commit(const Chunk& chunk, RowRange range, bool one_by_one, const std::vector<std::size_t>& known,
              std::vector<std::size_t>& missing) {
    // What the rows that are not there cost is recorded before they are committed, so that none is forgotten.
    const auto unit = [&](sql::Transaction& tx) {
      missing = writer_->write(tx, chunk, range, one_by_one);
      if (missing != known) throw Missing{};
    };
    try {
      unit_.commit(unit, checkpoint_after(chunk, range, range.size() - known.size()), is_query());
    } catch (const Missing&) {
      return;  // The transaction is rolled back.
    }
  }

  void note_missing(const Chunk& chunk, const std::vector<std::size_t>& missing,
                    const std::vector<std::size_t>& known) {
    for (const auto i : missing) {
      if (std::ranges::find(known, i) != known.end()) continue;
      note_refused(chunk.as_bad_row(i, "no row of " + step_.write.table + " has this key"));
    }
  }

  void skip(const Chunk& chunk, RowRange range, const Error& error) {
    note_refused(chunk.as_bad_row(range.begin, error.what()));
    const auto nothing = [](sql::Transaction&) {};
    unit_.commit(nothing, checkpoint_after(chunk, range, 0), is_query());
  }

  void note_refused(const BadRow& row) {
    if (!refused_.insert(row.position).second) return;  // An earlier attempt found it already.
    run_.record.add_skips(run_.place, {&row, 1});
    ++bad_;
    if (bad_ > step_.max_skips) refuse(row);
  }

  std::uint64_t refused_up_to(std::uint64_t position) const {
    return static_cast<std::uint64_t>(std::distance(refused_.begin(), refused_.upper_bound(position)));
  }

  struct Missing {};

  const StepRun& run_;
  const ChunkStep& step_;
  StoreUnit unit_;
  std::unique_ptr<RowReader> reader_;  // Empty before the first row, and after a loss.
  std::optional<RowWriter> writer_;    // Of what the reader reads.
  Checkpoint start_;                   // Where the reader began.
  std::uint64_t bad_ = 0;              // Bad rows so far, of all executions.
  std::set<std::uint64_t> refused_;    // Positions of those that the database refused, since the reader began.
  std::uint64_t written_ = 0;
};

}  // namespace

StepEnd execute_chunks(const StepRun& run, const ChunkStep& step) { return ChunkWork(run, step).execute(); }

}  // namespace tidelock::batch
