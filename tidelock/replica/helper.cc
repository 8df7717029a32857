#include "tidelock/replica/helper.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "tidelock/base/error.h"
#include "tidelock/base/poll.h"
#include "tidelock/replica/file_copier.h"

namespace tidelock::replica {
namespace {

using Json = nlohmann::ordered_json;

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

std::string do_it(std::span<const std::string> arguments, FileCopier& copier, const std::stop_token& stop) {
  if (arguments.size() == 5 && arguments[0] == "copy") {
    return answer_copied(copier.copy({.master = arguments[1],
                                      .copy = arguments[2],
                                      .owned = arguments[3] == "owned",
                                      .patience = base::Duration(number_from(arguments[4]))},
                                     stop));
  }
  if (arguments.size() == 4 && arguments[0] == "check") {
    copier.check({.copy = arguments[2], .engine = arguments[1], .read_everything = arguments[3] == "everything"}, stop);
    return text_of({{"checked", true}});
  }
  throw Error(Code::invalid_argument,
              std::string(kHelperCommand) + " is for the publisher of a replica, not for people");
}

}  // namespace

std::vector<std::string> helper_arguments(const CopyRequest& request) {
  return {"copy", request.master, request.copy, request.owned ? "owned" : "foreign",
          std::to_string(request.patience.count())};
}

std::vector<std::string> helper_arguments(const CheckRequest& request) {
  return {"check", request.engine, request.copy, request.read_everything ? "everything" : "catalog"};
}

Copied parse_copied(const std::string& answer) {
  const auto json = parse_answer(answer);
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

void parse_checked(const std::string& answer) { parse_answer(answer); }

std::string run_helper(std::span<const std::string> arguments, base::Runtime& runtime, base::Files& files,
                       const base::Descriptor& parent) {
  std::stop_source gone;
  const auto watcher = runtime.spawn("watch for the publisher", [&](const std::stop_token& stop) {
    base::Poll poll(runtime);
    poll.add(parent.get());
    if (poll.wait(base::Deadline::never(), stop)) gone.request_stop();
  });
  try {
    FileCopier copier(runtime, files);
    return do_it(arguments, copier, gone.get_token());
  } catch (const Error& error) {
    return answer_error(error);
  }
}

}  // namespace tidelock::replica
