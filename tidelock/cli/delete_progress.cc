#include "tidelock/cli/delete_progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "tidelock/base/duration.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;

double rows_a_second(const sql::DeleteProgress& progress) {
  const auto seconds = std::chrono::duration<double>(progress.elapsed).count();
  return seconds > 0 ? static_cast<double>(progress.deleted) / seconds : 0;
}

Json to_json(const sql::DeleteProgress& progress) {
  return {{"deleted", progress.deleted},
          {"total", progress.total ? Json(*progress.total) : Json(nullptr)},
          {"chunks", progress.chunks},
          {"position", progress.position.empty() ? Json(nullptr) : Json(progress.position)},
          {"elapsed_s", std::chrono::duration<double>(progress.elapsed).count()}};
}

// In single quotes for a shell.
std::string shell_quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? "'\\''" : std::string(1, c);
  return result + "'";
}

std::string how_to_go_on(const sql::DeleteProgress& progress) {
  if (progress.position.empty()) return "begin it again to go on";
  return "begin it again to go on, with --after " + shell_quoted(progress.position) + " from there";
}

}  // namespace

std::string progress_text(const sql::DeleteProgress& progress) {
  auto text = fmt::format("deleted {}", progress.deleted);
  if (progress.total) text += fmt::format(" of {}", *progress.total);
  text += progress.deleted == 1 && !progress.total ? " row" : " rows";
  if (progress.total && *progress.total > 0) {
    text += fmt::format(" ({:.1f} %)",
                        100.0 * static_cast<double>(progress.deleted) / static_cast<double>(*progress.total));
  }
  const auto rate = rows_a_second(progress);
  if (rate > 0) {
    text += fmt::format(", {:.0f} rows/s", rate);
    if (progress.total && *progress.total > progress.deleted) {
      const auto left = static_cast<double>(*progress.total - progress.deleted) / rate;
      text += fmt::format(", {} left", base::format_duration(std::chrono::ceil<std::chrono::seconds>(
                                           std::chrono::duration<double>(std::min(left, 1e9)))));
    }
  }
  if (!progress.position.empty()) text += ", at " + progress.position;
  return text;
}

DeleteProgressView::DeleteProgressView(Outside outside, bool json)
    : outside_(outside),
      json_(json),
      terminal_(!json && ::isatty(STDERR_FILENO) == 1),
      next_(outside.runtime.now() + (terminal_ || json ? 0s : 5s)) {}

void DeleteProgressView::progress(const sql::DeleteProgress& progress) {
  last_ = progress;
  const auto now = outside_.runtime.now();
  if (now < next_) return;
  next_ = now + (terminal_ ? base::Duration(200ms) : base::Duration(json_ ? 1s : 5s));
  if (json_) {
    outside_.err << to_json(progress).dump() << std::endl;
  } else if (terminal_) {
    outside_.err << "\r\x1b[K" << progress_text(progress) << std::flush;
    line_open_ = true;
  } else {
    outside_.err << progress_text(progress) << std::endl;
  }
}

void DeleteProgressView::end_line() {
  if (std::exchange(line_open_, false)) outside_.err << "\r\x1b[K" << std::flush;
}

void DeleteProgressView::result(const sql::DeleteResult& result) {
  end_line();
  if (json_) {
    auto json = to_json(result.done);
    json["stopped"] = result.stopped;
    json["uncertain_chunks"] = result.uncertain_chunks;
    outside_.out << json.dump() << "\n";
    return;
  }
  const auto& done = result.done;
  outside_.out << fmt::format("deleted {} row{} in {} transaction{}\n", done.deleted, done.deleted == 1 ? "" : "s",
                              done.chunks, done.chunks == 1 ? "" : "s");
  if (result.uncertain_chunks > 0) {
    outside_.out << fmt::format(
        "whether {} commit{} took place is not known: what {} deleted may be missing in the count\n",
        result.uncertain_chunks, result.uncertain_chunks == 1 ? "" : "s", result.uncertain_chunks == 1 ? "it" : "they");
  }
  if (result.stopped) outside_.err << "tidelock: stopped; rows may be left: " << how_to_go_on(done) << std::endl;
}

void DeleteProgressView::failed() {
  end_line();
  if (last_.chunks == 0) return;
  if (json_) {
    outside_.err << to_json(last_).dump() << std::endl;
    return;
  }
  outside_.err << "tidelock: " << progress_text(last_) << ", and stay deleted: " << how_to_go_on(last_) << std::endl;
}

}  // namespace tidelock::cli
