#include "tidelock/cli/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>

#include "tidelock/base/duration.h"
#include "tidelock/base/text.h"
#include "tidelock/batch/job.h"
#include "tidelock/cli/exit_code.h"
#include "tidelock/cli/failure.h"
#include "tidelock/lock/key.h"

namespace tidelock::cli {
namespace {

using std::chrono::milliseconds;

constexpr auto kMinTtl = milliseconds(100);
constexpr auto kMaxTtl = milliseconds(std::chrono::hours(24));

class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() {
    column_width(24);
    label("Positionals", "Arguments");
  }
  std::string make_usage(const CLI::App* app, std::string name) const override {
    const auto any = [](const CLI::App*) { return true; };
    if (!app->get_subcommands(any).empty()) name += " COMMAND";
    for (const auto* option : app->get_options([](const CLI::Option* each) { return each->get_positional(); })) {
      const auto positional = option->get_name(true);
      const bool may_miss = positional == "FILE" || app->get_name() == "history";
      name += may_miss ? " [" + positional + "]" : " " + positional;
    }
    const bool runs_command = app->get_name() == "run" && app->get_parent()->get_name() == "lock";
    return "\nUsage: " + name + " [options]" + (runs_command ? " -- COMMAND [ARGUMENT...]" : "") + "\n";
  }
};

// The options as typed; turned into a Command once all of them are known.
struct Typed {
  std::string name, group, on = kDefaultState, ttl = "15s", permits = "1";
  std::optional<std::string> margin, grace, wait, file, token;  // An empty text is a mistake, not the default.
  bool no_wait = false, verbose = false, leave_background = false, json = false, yes = false, version = false;
};

// A flag is there or not: who writes --json=false means something that this program does not do.
void refuse_values_of_flags(CLI::App& app) {
  for (auto* option : app.get_options()) {
    if (option->get_expected_max() == 0) option->disable_flag_override();
  }
  for (auto* sub : app.get_subcommands([](const CLI::App*) { return true; })) refuse_values_of_flags(*sub);
}

// What CLI11 says, in our words where its own are hard to understand.
std::string plainly(const std::string& said) {
  auto option = said.substr(0, said.find_first_of(": "));
  if (!option.starts_with('-')) option = "--" + option;
  const auto says = [&](const char* words) { return said.find(words) != said.npos; };
  if (says("At Most 1 required but received")) return option + " is given more than once";
  if (says("disallowed flag override")) return option + " takes no value";
  return said;
}

class Parser {
 public:
  Parser();
  Command parse(const std::vector<std::string>& arguments);

 private:
  CLI::App* command(CLI::App* parent, const char* name, const char* what, const std::string& footer);
  void add_on(CLI::App* app) {
    app->add_option(
           "--on", typed_.on,
           fmt::format("Where the locks live (default {}); a path counts from the current folder", kDefaultState))
        ->option_text("URL");
  }
  void add_name(CLI::App* app) {
    app->add_option("NAME", typed_.name, "Name of the lock: 1 to 255 bytes of UTF-8")->option_text(" ");
  }
  void add_json(CLI::App* app) { app->add_flag("--json", typed_.json, "Print JSON, also for errors"); }
  void add_run();
  void add_list();
  void add_show();
  void add_break();

  CLI::App* deepest();
  std::string path(const CLI::App* app) const;
  std::string see_help() { return fmt::format("see `{} --help`", path(deepest())); }
  [[noreturn]] void refuse_extra();
  void need_name();
  milliseconds time(const std::string& option, const std::string& text);
  std::optional<std::int64_t> token();
  LockRun run_command(std::vector<std::string> command);

  CLI::App app_{"Keeps shared data correct when batch jobs, live services and replicas touch it at once.", "tidelock"};
  CLI::App* run_ = nullptr;
  CLI::App* list_ = nullptr;
  CLI::App* show_ = nullptr;
  CLI::App* break_ = nullptr;
  std::optional<PipelineOptions> pipeline_;
  std::optional<BatchOptions> batch_;
  ReplicaOptions replica_;
  SqlOptions sql_;
  SpyOptions spy_;
  Typed typed_;
  std::optional<std::string> name_behind_dashes_;
};

Parser::Parser() {
  app_.formatter(std::make_shared<HelpFormatter>());
  app_.set_help_flag("-h,--help", "Print this help and exit");
  app_.add_flag("--version", typed_.version, "Print the version and the engines and exit");
  app_.footer(
      "Examples:\n"
      "  tidelock run pipeline.toml                   # jobs, replicas and services, kept going\n"
      "  tidelock batch history                       # what ran, and how it ended\n"
      "  tidelock lock run nightly -- ./nightly.sh    # never two of them at once\n"
      "  tidelock lock list                           # who holds what, and who waits\n"
      "  tidelock replica publish shop.duckdb --to replica   # for readers, while it is written\n"
      "  tidelock sql sqlite:shop.db \"select * from orders\"  # query any engine, guarded\n"
      "  tidelock spy report work/spy.log             # which SQL took how long\n"
      "\n"
      "`tidelock COMMAND --help` says more about each command.\n"
      "\n" +
      exit_code_help());
  pipeline_.emplace(app_);
  batch_.emplace(app_);
  auto* lock = command(&app_, "lock", "Run commands one at a time under a lock; see and break locks",
                       "Examples:\n"
                       "  tidelock lock run backup -- rsync -a data/ mirror/\n"
                       "  tidelock lock list\n"
                       "  tidelock lock show backup --json\n"
                       "  tidelock lock break backup --yes");
  run_ = command(
      lock, "run", "Run a command while holding a lock",
      "Waits in line for the lock, runs the command, and frees the lock when it ended. While the command runs\n"
      "the lease is renewed; should that fail, the command gets SIGTERM, and SIGKILL after --grace, --margin\n"
      "before anybody else can get the lock. What the command left running is ended with it.\n"
      "\n"
      "The command sees TIDELOCK_LOCK (the name), TIDELOCK_OWNER (who holds it) and TIDELOCK_FENCING_TOKEN (a\n"
      "number that grows with each holder: let what you write to refuse a smaller one).\n"
      "\n"
      "Those exclude each other who name the same state. A path in --on, and the default, count from the current\n"
      "folder: commands that run in different ones, as from cron, name it by an absolute path.\n"
      "\n"
      "Examples:\n"
      "  tidelock lock run nightly -- ./nightly.sh\n"
      "  tidelock lock run nightly --no-wait -- ./nightly.sh     # exit code 75 when another one runs\n"
      "  tidelock lock run report --wait 10m --ttl 1m -- make report\n"
      "  tidelock lock run download --permits 3 -- ./fetch.sh    # three at a time\n"
      "  tidelock lock run --group books -- ./fix.py             # never beside the jobs of pipeline.toml's group\n"
      "  tidelock lock run --group books --file /srv/shop.toml -- ./fix.py\n"
      "  0 2 * * *  cd /srv/app && tidelock lock run night --on sqlite:/srv/app/locks.db -- ./night.sh   # in a "
      "crontab\n"
      "  tidelock lock run job --on postgres://app@db.example/shop -- ./job.sh    # between machines; or mariadb://\n"
      "\n" +
          exit_code_help());
  list_ = command(lock, "list", "List the locks that are held or waited for",
                  "Examples:\n"
                  "  tidelock lock list\n"
                  "  tidelock lock list --json | jq '.locks[].name'");
  show_ = command(lock, "show", "Show the holders and waiters of one lock",
                  "Examples:\n"
                  "  tidelock lock show nightly\n"
                  "  tidelock lock show nightly --json | jq '.holders[0].pid'");
  break_ =
      command(lock, "break", "Take a lock from its holders",
              "The holders find out at their next renewal, which ends their commands; until then they go on, beside\n"
              "the next holder, and only the fencing token tells their writes apart. Meant for a holder that hangs:\n"
              "one that died loses the lock by itself when its ttl ends. When nobody holds the lock, those that\n"
              "wait and do not take it lose their places; who still runs gets a new one.\n"
              "\n"
              "Examples:\n"
              "  tidelock lock break nightly          # says what would happen\n"
              "  tidelock lock break nightly --yes");
  add_run();
  add_list();
  add_show();
  add_break();
  replica_.add_to(app_);
  sql_.add_to(app_);
  spy_.add_to(app_);
  refuse_values_of_flags(app_);
}

CLI::App* Parser::command(CLI::App* parent, const char* name, const char* what, const std::string& footer) {
  parent->require_subcommand(0, 1);  // A lock may be called as a command is.
  auto* app = parent->add_subcommand(name, what);
  app->footer(footer);
  app->group("Commands");
  return app;
}

void Parser::add_run() {
  add_name(run_);
  run_->add_option("--group", typed_.group, "Take a slot of this group of a pipeline's jobs, in place of NAME")
      ->option_text("GROUP");
  run_->add_option("--file", typed_.file, "The pipeline of the group (default pipeline.toml), in place of --on")
      ->option_text("FILE");
  run_->add_option("--ttl", typed_.ttl, "The lock is free this long after its holder vanished (default 15s)")
      ->option_text("TIME");
  auto* wait =
      run_->add_option("--wait", typed_.wait, "Give up waiting after this long (default: never)")->option_text("TIME");
  run_->add_flag("--no-wait", typed_.no_wait, "Give up at once when the lock is held")
      ->excludes(wait)
      ->option_text(" ");
  run_->add_option("--permits", typed_.permits, "How many may hold it at once; the same everywhere (default 1)")
      ->option_text("N");
  run_->add_option("--margin", typed_.margin,
                   "The command is dead this long before the ttl ends (default: ttl/10, at most 500ms)")
      ->option_text("TIME");
  run_->add_option("--grace", typed_.grace,
                   "Time between SIGTERM and SIGKILL for a command that must end (default: ttl/5, at most 5s)")
      ->option_text("TIME");
  run_->add_flag("--leave-background", typed_.leave_background,
                 "When the command ended, leave alone what it left running; it goes on without the lock");
  add_on(run_);
  run_->add_flag("--verbose", typed_.verbose, "Say what happens to the lock on stderr");
}

void Parser::add_list() {
  add_on(list_);
  add_json(list_);
}

void Parser::add_show() {
  add_name(show_);
  add_on(show_);
  add_json(show_);
}

void Parser::add_break() {
  add_name(break_);
  add_on(break_);
  break_->add_option("--token", typed_.token, "Only from the holder with this fencing token, nobody who came after")
      ->option_text("N");
  break_->add_flag("--yes", typed_.yes, "Do it; without it, only say what would happen");
  add_json(break_);
}

CLI::App* Parser::deepest() {
  auto* app = &app_;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return app;
}

std::string Parser::path(const CLI::App* app) const {
  return app->get_parent() == nullptr ? app->get_name() : path(app->get_parent()) + " " + app->get_name();
}

// What stands before a command was meant for the one that has this command.
void Parser::refuse_extra() {
  auto* app = deepest();
  while (app->remaining().empty() && app != &app_) app = app->get_parent();
  const auto extra = app->remaining(true).front();
  const auto help = fmt::format("see `{} --help`", path(app));
  std::vector<std::string> known;
  const bool is_option = extra.size() > 1 && extra.starts_with('-');
  if (is_option) {
    for (const auto* option : app->get_options([](const CLI::Option* each) { return each->nonpositional(); })) {
      for (const auto& name : option->get_lnames()) known.push_back("--" + name);
    }
  } else {
    for (const auto* sub : app->get_subcommands([](const CLI::App*) { return true; })) known.push_back(sub->get_name());
    if (known.empty() && app == run_) {
      throw UsageError(fmt::format("unexpected argument {}", base::quoted(extra)),
                       "put -- before the command, as in `tidelock lock run NAME -- COMMAND`");
    }
    if (known.empty()) throw UsageError(fmt::format("unexpected argument {}", base::quoted(extra)), help);
  }
  const auto name = extra.substr(0, extra.find('='));
  const auto nearest = base::nearest_name(is_option ? name : extra, known);
  throw UsageError(
      fmt::format("unknown {} {}", is_option ? "option" : "command", base::quoted(is_option ? name : extra)),
      nearest ? fmt::format("did you mean {}? Else {}", *nearest, help) : help);
}

void Parser::need_name() {
  if (deepest()->get_option("NAME")->count() == 0) throw UsageError("no NAME of a lock is given", see_help());
}

milliseconds Parser::time(const std::string& option, const std::string& text) {
  base::Duration duration{};
  try {
    duration = base::parse_duration(text);
  } catch (const Error& error) {
    throw UsageError(fmt::format("{}: {}", option, error.message()), see_help());
  }
  const auto whole = std::chrono::duration_cast<milliseconds>(duration);
  if (whole != duration) {
    throw UsageError(fmt::format("{} {} is finer than a millisecond", option, text), "give whole milliseconds");
  }
  return whole;
}

std::optional<std::int64_t> Parser::token() {
  if (!typed_.token) return std::nullopt;
  std::int64_t value = 0;
  const auto* end = typed_.token->data() + typed_.token->size();
  const auto [stop, error] = std::from_chars(typed_.token->data(), end, value);
  if (error != std::errc() || stop != end) {
    throw UsageError(fmt::format("--token {} is not a fencing token", base::quoted(*typed_.token)),
                     "take it from `tidelock lock show`");
  }
  return value;
}

LockRun Parser::run_command(std::vector<std::string> command) {
  LockRun run;
  if (run_->count("--group") > 0) {
    if (run_->count("NAME") > 0) throw UsageError("--group takes the place of NAME", see_help());
    lock::check_key("group", typed_.group);
    run.name = batch::group_key(typed_.group);
    run.group = typed_.group;
  } else {
    if (!name_behind_dashes_) need_name();
    run.name = name_behind_dashes_.value_or(typed_.name);
  }
  if (typed_.file) {
    if (run.group.empty()) throw UsageError("--file names the pipeline of a --group", see_help());
    if (run_->count("--on") > 0) throw UsageError("--file and --on both say where the locks are", "give one of them");
    run.file = typed_.file;
  }
  run.on = typed_.on;
  run.on_given = run_->count("--on") > 0;
  run.permits_given = run_->count("--permits") > 0;
  run.ttl = time("--ttl", typed_.ttl);
  if (run.ttl < kMinTtl || run.ttl > kMaxTtl) {
    throw UsageError(fmt::format("--ttl {} is out of range", typed_.ttl), "give 100ms to 24h");
  }
  run.margin = typed_.margin ? time("--margin", *typed_.margin) : default_margin(run.ttl);
  run.grace = typed_.grace ? time("--grace", *typed_.grace) : default_grace(run.ttl);
  if (run.margin + run.grace >= run.ttl) {
    throw UsageError(
        fmt::format("--ttl {} is not longer than --margin {} and --grace {} together", base::format_duration(run.ttl),
                    base::format_duration(run.margin), base::format_duration(run.grace)),
        "give a longer --ttl");
  }
  if (typed_.no_wait) run.wait = base::Duration::zero();
  if (typed_.wait) run.wait = time("--wait", *typed_.wait);
  const auto* end = typed_.permits.data() + typed_.permits.size();
  const auto [stop, error] = std::from_chars(typed_.permits.data(), end, run.permits);
  if (error != std::errc() || stop != end || run.permits == 0) {
    throw UsageError(fmt::format("--permits {} is not a number of permits", base::quoted(typed_.permits)),
                     fmt::format("give 1 to {}", std::numeric_limits<std::uint32_t>::max()));
  }
  run.verbose = typed_.verbose;
  run.leave_background = typed_.leave_background;
  if (command.empty()) {
    throw UsageError("no command to run is given", "put it behind --, as in `tidelock lock run NAME -- COMMAND`");
  }
  if (command.front().empty()) throw UsageError("the command to run is empty", "name a program behind --");
  run.command = std::move(command);
  return run;
}

Command Parser::parse(const std::vector<std::string>& arguments) {
  auto own = arguments;
  std::vector<std::string> command;
  if (own.size() >= 2 && own[0] == "lock" && own[1] == "run") {
    const auto separator = std::find(own.begin(), own.end(), "--");
    if (separator != own.end()) command.assign(separator + 1, own.end());
    own.erase(separator, own.end());
  }
  std::reverse(own.begin(), own.end());  // As CLI11 takes them.
  try {
    app_.parse(std::move(own));
  } catch (const CLI::CallForHelp&) {
    return ShowHelp{app_.help()};
  } catch (const CLI::ExtrasError&) {
    refuse_extra();
  } catch (const CLI::ParseError& error) {
    throw UsageError(plainly(error.what()), see_help());
  }
  if (typed_.version) return ShowVersion{};
  const auto* app = deepest();
  if (app == pipeline_->app()) return pipeline_->command();
  if (batch_->has(app)) {
    return std::visit([](auto typed) -> Command { return typed; }, batch_->command(app));
  }
  if (app == run_) {
    // A NAME that begins with a dash stands behind a -- of its own: lock run -- -x -- COMMAND.
    if (command.size() >= 2 && command[1] == "--" && run_->count("NAME") == 0 && run_->count("--group") == 0) {
      name_behind_dashes_ = command.front();
      command.erase(command.begin(), command.begin() + 2);
    }
    return run_command(std::move(command));
  }
  if (app == list_) return LockList{typed_.on, typed_.json};
  if (app == show_ || app == break_) {
    need_name();
    if (app == show_) return LockShow{typed_.name, typed_.on, typed_.json};
    return LockBreak{typed_.name, token(), typed_.on, typed_.yes, typed_.json};
  }
  if (replica_.is_publish(app)) return replica_.publish();
  if (replica_.is_status(app)) return replica_.status();
  if (replica_.is_query(app)) return replica_.query();
  if (sql_.is_delete(app)) return sql_.deletion();
  if (sql_.is_run(app)) return sql_.run();
  if (spy_.is_report(app)) return spy_.report();
  throw UsageError("no command is given", see_help());
}

}  // namespace

milliseconds default_margin(milliseconds ttl) { return std::min(milliseconds(500), ttl / 10); }

milliseconds default_grace(milliseconds ttl) { return std::min(milliseconds(5000), ttl / 5); }

Command parse_command_line(const std::vector<std::string>& arguments) { return Parser().parse(arguments); }

bool wants_json(const std::vector<std::string>& arguments) {
  const auto end = std::find(arguments.begin(), arguments.end(), "--");
  return std::any_of(arguments.begin(), end,
                     [](const auto& each) { return each == "--json" || each == "--json=true"; });
}

bool is_for_monitoring(const std::vector<std::string>& arguments) {
  return arguments.size() >= 2 && arguments[0] == "replica" && arguments[1] == "status";
}

}  // namespace tidelock::cli
