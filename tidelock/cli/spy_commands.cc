#include "tidelock/cli/spy_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidelock/base/error.h"
#include "tidelock/base/text.h"
#include "tidelock/cli/input.h"
#include "tidelock/cli/json_text.h"
#include "tidelock/cli/table.h"
#include "tidelock/sql/spy/log_reader.h"

namespace tidelock::cli {
namespace {

using namespace std::chrono_literals;
using sql::spy::LogEntry;
using sql::spy::LogReader;
using std::chrono::microseconds;

constexpr base::Duration kProgressEvery = 2s;
constexpr std::uint64_t kLinesAtOnce = 4096;  // Between looks at the clock.
constexpr std::size_t kShownBytes = 200;      // Of a statement.

// Three digits and a unit: 12us, 3.40ms, 61.2s.
std::string shown(microseconds duration) {
  const auto us = static_cast<double>(duration.count());
  const auto [value, unit] = us < 1e3   ? std::pair(us, "us")
                             : us < 1e6 ? std::pair(us / 1e3, "ms")
                                        : std::pair(us / 1e6, "s");
  if (us < 1e3) return fmt::format("{}{}", duration.count(), unit);
  return fmt::format("{:.{}f}{}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, unit);
}

bool is_control(std::string_view text, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  const auto next = at + 1 < text.size() ? static_cast<unsigned char>(text[at + 1]) : 0U;
  return byte < ' ' || byte == 0x7F || (byte == 0xC2 && next < 0xA0);  // C1 is U+0080 to U+009F.
}

// One line of at most so many bytes, where nothing in it controls the terminal.
std::string shortened(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const auto invalid = base::find_invalid_utf8(text);
    const auto valid = text.substr(0, invalid.value_or(text.size()));
    for (std::size_t i = 0; i < valid.size(); ++i) {
      const bool control = is_control(valid, i);
      line += control ? ' ' : valid[i];
      if (control && valid[i] == '\xC2') ++i;
    }
    if (invalid) line += "\xEF\xBF\xBD";
    text.remove_prefix(valid.size() + (invalid ? 1 : 0));
  }
  if (line.size() <= kShownBytes) return line;
  auto end = kShownBytes;
  while ((static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
  return line.substr(0, end) + "…";
}

std::string whose(const LogEntry& entry) {
  if (entry.job.empty() && entry.run.empty()) return {};
  auto text = fmt::format(", {} run {}", shortened(entry.job), shortened(entry.run));
  if (!entry.step.empty()) text += " step " + shortened(entry.step);
  return text;
}

// Says on the way how far it is.
sql::spy::Report read(LogReader& reader, bool say, Outside outside) {
  sql::spy::Report report;
  auto next = outside.runtime.now() + kProgressEvery;
  std::uint64_t entries = 0;
  while (auto entry = reader.next()) {
    report.add(*std::move(entry));
    if (++entries % kLinesAtOnce != 0 || !say || outside.runtime.now() < next) continue;
    next = outside.runtime.now() + kProgressEvery;
    outside.err << fmt::format("tidelock: {} lines", reader.lines());
    if (reader.size_bytes() > 0) {
      outside.err << fmt::format(", {:.0f} % read", 100.0 * static_cast<double>(reader.bytes_read()) /
                                                        static_cast<double>(reader.size_bytes()));
    }
    outside.err << std::endl;
  }
  return report;
}

// A pipe is read through `input`.
LogReader open_log(const std::string& file, std::optional<Input>& input, Outside outside) {
  using Kind = base::FileInfo::Kind;
  const auto info = outside.files.info(file);
  if (file == "-") {
    input.emplace(outside.runtime);
  } else if (info && (info->kind == Kind::other || info->kind == Kind::symlink)) {  // Also /dev/fd/63, of <(…).
    input.emplace(outside.runtime, file);
  } else {
    return {outside.files, file};
  }
  return LogReader([&input](std::span<std::byte> out) { return input->read(out); });
}

void say_unreadable(const LogReader& reader, const std::string& file, Outside outside) {
  for (const auto& [line, why] : reader.unreadable()) outside.err << fmt::format("{}:{}: {}\n", file, line, why);
  const auto more = reader.unreadable_count() - reader.unreadable().size();
  if (more > 0) outside.err << fmt::format("{}: {} more lines could not be read\n", file, more);
}

nlohmann::ordered_json to_json(const LogEntry& entry) {
  nlohmann::ordered_json object{
      {"line", entry.line}, {"time", entry.time}, {"us", entry.elapsed.count()}, {"sql", entry.effective}};
  if (!entry.job.empty()) object["job"] = entry.job;
  if (!entry.run.empty()) object["run"] = entry.run;
  if (!entry.step.empty()) object["step"] = entry.step;
  if (!entry.error.empty()) object["error"] = entry.error;
  return object;
}

}  // namespace

std::string spy_report_text(const sql::spy::Summary& summary) {
  auto text = fmt::format("{} entries of {} statements, {} in all, {} failed", summary.entries, summary.distinct,
                          shown(summary.total), summary.errors);
  if (summary.outages > 0) text += fmt::format(", {} times one was still running", summary.outages);
  if (!summary.first.empty()) text += fmt::format("\n{} to {}", shortened(summary.first), shortened(summary.last));
  if (summary.left_out > 0) {
    text += fmt::format("\n{} statements that took little are counted together as [others]: too many to keep",
                        summary.left_out);
  }
  text += "\n\n";
  std::vector<std::vector<std::string>> rows{{"COUNT", "TOTAL", "P50", "P99", "MAX", "ROWS", "FAILED", "STATEMENT"}};
  for (const auto& each : summary.statements) {
    rows.push_back({std::to_string(each.count), shown(each.total), shown(each.p50), shown(each.p99), shown(each.max),
                    std::to_string(each.rows), std::to_string(each.errors), shortened(each.statement)});
  }
  text += table(rows);
  text += "\nslowest of each\n";
  for (const auto& each : summary.statements) {
    for (const auto& entry : each.slowest) {
      text += fmt::format("  {:>6}  line {}{}: {}\n", shown(entry.elapsed), entry.line, whose(entry),
                          shortened(entry.effective.empty() ? each.statement : entry.effective));
    }
  }
  return text;
}

std::string spy_report_json(const sql::spy::Summary& summary, std::uint64_t unreadable) {
  nlohmann::ordered_json object{
      {"entries", summary.entries}, {"unreadable", unreadable},          {"errors", summary.errors},
      {"outages", summary.outages}, {"total_us", summary.total.count()}, {"first", summary.first},
      {"last", summary.last},       {"distinct", summary.distinct},      {"left_out", summary.left_out}};
  auto& statements = object["statements"] = nlohmann::ordered_json::array();
  for (const auto& each : summary.statements) {
    nlohmann::ordered_json one{
        {"statement", each.statement}, {"count", each.count},        {"errors", each.errors},
        {"outages", each.outages},     {"rows", each.rows},          {"total_us", each.total.count()},
        {"p50_us", each.p50.count()},  {"p99_us", each.p99.count()}, {"max_us", each.max.count()}};
    auto& slowest = one["slowest"] = nlohmann::ordered_json::array();
    for (const auto& entry : each.slowest) slowest.push_back(to_json(entry));
    statements.push_back(std::move(one));
  }
  return json_text(object, kIndented) + "\n";
}

Outcome report_spy(const SpyReport& options, Outside outside) {
  std::optional<Input> input;
  auto reader = open_log(options.file, input, outside);
  const auto report = read(reader, !options.json, outside);
  const auto summary = report.summary(options.top);
  if (summary.entries == 0 && reader.unreadable_count() > 0) {
    const auto& [line, why] = reader.unreadable().front();
    throw Error(Code::invalid_argument,
                fmt::format("no line of {} is one of a spy's log; line {}: {}", base::quoted(options.file), line, why));
  }
  if (options.json) {
    outside.out << spy_report_json(summary, reader.unreadable_count());
  } else {
    say_unreadable(reader, options.file, outside);
    outside.out << spy_report_text(summary);
  }
  return {};
}

}  // namespace tidelock::cli
