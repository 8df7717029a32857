#include "tidelock/replica/helper.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>

#include "tidelock/base/error.h"
#include "tidelock/base/poll.h"
#include "tidelock/replica/file_copier.h"

namespace tidelock::replica {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kHeldArgument = "held";
constexpr const char* kMayRelease = "may_release";

Code code_named(const std::string& wanted) {
  for (int number = 0; number <= static_cast<int>(Code::unknown_outcome); ++number) {
    if (name(static_cast<Code>(number)) == wanted) return static_cast<Code>(number);
  }
  return Code::internal;
}

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

std::string answer_error(const Error& error) {
  Json json{{"code", name(error.code())}, {"message", error.message()}, {"object", error.object()}};
  if (error.native()) json["native"] = {{"code", error.native()->code}, {"message", error.native()->message}};
  return text_of({{"error", std::move(json)}});
}

Json parse_answer(const std::string& answer) {
  auto json = Json::parse(answer);
  const auto found = json.find("error");
  if (found == json.end()) return json;
  const auto code = code_named(found->at("code").get<std::string>());
  auto message = found->at("message").get<std::string>();
  auto object = found->at("object").get<std::string>();
  if (!found->contains("native")) throw Error(code, std::move(message));
  const auto& native = found->at("native");
  throw Error(code, std::move(message),
              {.code = native.at("code").get<int>(), .message = native.at("message").get<std::string>()},
              std::move(object));
}

std::string answer_copied(const Copied& copied) {
  auto blocks = Json::array();
  for (const auto& block : copied.blocks) blocks.push_back(block.to_string());
  return text_of({{"engine", copied.engine},
                  {"size_bytes", copied.size_bytes},
                  {"header_bytes", copied.header_bytes},
                  {"block_bytes", copied.block_bytes},
                  {"position", copied.position},
                  {"left_out_bytes", copied.left_out_bytes},
                  {"doubtful_blocks", copied.doubtful_blocks},
                  {"blocks", std::move(blocks)}});
}

std::int64_t number_from(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size())
    throw Error(Code::invalid_argument, text + " is no number");
  return number;
}

// Of the process that owns the master, which takes and releases it: it is told, and tells.
class ParentsHold final : public Hold {
 public:
  ParentsHold(base::Runtime& runtime, const std::function<void(const std::string&)>& answer)
      : heard_(runtime.make_signal("the publisher's word to begin")), answer_(answer) {}

  void heard() {
    begun_ = true;
    heard_->notify_all();
  }

  void take(const std::stop_token& stop) override {
    for (;;) {
      const auto seen = heard_->count();
      if (begun_) return;
      heard_->wait(seen, base::Deadline::never(), stop);
      if (stop.stop_requested()) throw Error(Code::cancelled, "the publisher has gone");
    }
  }
  void release() noexcept override { answer_(text_of({{kMayRelease, true}})); }

 private:
  const std::unique_ptr<base::Signal> heard_;
  std::atomic<bool> begun_ = false;
  const std::function<void(const std::string&)>& answer_;
};

// Tells what comes from the publisher, until it has gone.
void listen(base::Runtime& runtime, const base::Descriptor& parent, ParentsHold& hold, std::stop_source& gone,
            const std::stop_token& stop) {
  base::Poll poll(runtime);
  poll.add(parent.get());
  std::array<std::byte, 16> bytes{};
  while (poll.wait(base::Deadline::never(), stop)) {
    const auto count = base::read_some(parent, bytes);
    if (count == std::size_t{0}) {
      gone.request_stop();
      return;
    }
    hold.heard();
  }
}

CopyRequest parse_arguments(std::span<const std::string> arguments, Hold& hold) {
  if (arguments.size() == 5 && arguments[0] == "copy") {
    return {.master = arguments[1],
            .copy = arguments[2],
            .hold = arguments[3] == kHeldArgument ? &hold : nullptr,
            .patience = base::Duration(number_from(arguments[4]))};
  }
  throw Error(Code::invalid_argument,
              std::string(kHelperCommand) + " is for the publisher of a replica, not for people");
}

}  // namespace

std::vector<std::string> helper_arguments(const CopyRequest& request) {
  return {"copy", request.master, request.copy, request.hold != nullptr ? kHeldArgument : "foreign",
          std::to_string(request.patience.count())};
}

bool may_release(const std::string& line) { return Json::parse(line).contains(kMayRelease); }

Copied parse_copied(const std::string& line) {
  const auto json = parse_answer(line);
  Copied copied;
  copied.engine = json.at("engine").get<std::string>();
  copied.size_bytes = json.at("size_bytes").get<std::uint64_t>();
  copied.header_bytes = json.at("header_bytes").get<std::uint32_t>();
  copied.block_bytes = json.at("block_bytes").get<std::uint32_t>();
  copied.position = json.at("position").get<std::string>();
  copied.left_out_bytes = json.at("left_out_bytes").get<std::uint64_t>();
  copied.doubtful_blocks = json.at("doubtful_blocks").get<std::uint64_t>();
  for (const auto& block : json.at("blocks")) {
    copied.blocks.push_back(BlockHash::parse(block.get_ref<const std::string&>()).value());
  }
  return copied;
}

void run_helper(std::span<const std::string> arguments, base::Runtime& runtime, base::Files& files,
                const base::Descriptor& parent, const std::function<void(const std::string& line)>& answer) {
  ParentsHold hold(runtime, answer);
  std::stop_source gone;
  const auto listener = runtime.spawn("listen to the publisher",
                                      [&](const std::stop_token& stop) { listen(runtime, parent, hold, gone, stop); });
  try {
    const auto request = parse_arguments(arguments, hold);
    answer(answer_copied(FileCopier(runtime, files).make(request, gone.get_token())));
  } catch (const Error& error) {
    answer(answer_error(error));
  }
}

}  // namespace tidelock::replica
