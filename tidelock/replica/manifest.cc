#include "tidelock/replica/manifest.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tidelock/base/error.h"
#include "tidelock/base/log.h"

namespace tidelock::replica {
namespace {

using Json = nlohmann::ordered_json;

// Stands in files: never change what a number means.
constexpr int kFormat = 1;

[[noreturn]] void throw_corrupt(const std::string& what) {
  throw Error(Code::corrupt, "the manifest is damaged: " + what);
}

std::int64_t microseconds(base::WallTime time) { return time.time_since_epoch().count(); }
base::WallTime wall_time(std::int64_t us) { return base::WallTime(base::WallTime::duration(us)); }

Json hashes(const std::vector<BlockHash>& blocks) {
  auto list = Json::array();
  for (const auto& block : blocks) list.push_back(block.to_string());
  return list;
}

std::vector<BlockHash> parse_hashes(const Json& list) {
  std::vector<BlockHash> blocks;
  blocks.reserve(list.size());
  for (const auto& each : list) {
    const auto block = BlockHash::parse(each.get_ref<const std::string&>());
    if (!block) throw_corrupt(fmt::format("block {} has no hash of 32 hexadecimal digits", blocks.size()));
    blocks.push_back(*block);
  }
  return blocks;
}

void check(const Manifest& manifest) {
  const auto body = manifest.size_bytes - manifest.header_bytes;
  if (manifest.size_bytes < manifest.header_bytes || manifest.block_bytes == 0)
    throw_corrupt("its sizes are impossible");
  const auto count = (manifest.header_bytes > 0 ? 1 : 0) + (body + manifest.block_bytes - 1) / manifest.block_bytes;
  if (count != manifest.blocks.size()) {
    throw_corrupt(fmt::format("it has {} hashes for {} blocks", manifest.blocks.size(), count));
  }
  if (manifest.version.sequence == 0) throw_corrupt("its sequence is 0");
}

Manifest from_json(const Json& json) {
  Manifest manifest;
  manifest.version.epoch = base::Uuid::parse(json.at("epoch").get<std::string>());
  manifest.version.sequence = json.at("sequence").get<std::uint64_t>();
  manifest.engine = json.at("engine").get<std::string>();
  manifest.size_bytes = json.at("size_bytes").get<std::uint64_t>();
  manifest.header_bytes = json.at("header_bytes").get<std::uint32_t>();
  manifest.block_bytes = json.at("block_bytes").get<std::uint32_t>();
  manifest.master = json.at("master").get<std::string>();
  manifest.master_inode = json.value("master_inode", std::uint64_t{0});
  manifest.position = json.at("position").get<std::string>();
  manifest.data_time = wall_time(json.at("data_time_us").get<std::int64_t>());
  manifest.left_out_bytes = json.at("left_out_bytes").get<std::uint64_t>();
  manifest.publish_time = wall_time(json.at("publish_time_us").get<std::int64_t>());
  manifest.token.value = json.at("token").get<std::int64_t>();
  manifest.owner = json.at("owner").get<std::string>();
  manifest.host = json.at("host").get<std::string>();
  manifest.pid = json.at("pid").get<std::int64_t>();
  manifest.blocks = parse_hashes(json.at("blocks"));
  check(manifest);
  return manifest;
}

}  // namespace

std::string Version::to_string() const { return fmt::format("{}/{}", epoch.to_string(), sequence); }

std::string Manifest::to_json() const {
  const Json json{{"format", kFormat},
                  {"epoch", version.epoch.to_string()},
                  {"sequence", version.sequence},
                  {"engine", engine},
                  {"size_bytes", size_bytes},
                  {"master", master.string()},
                  {"master_inode", master_inode},
                  {"position", position},
                  {"data_time", base::format_wall_time(data_time)},
                  {"data_time_us", microseconds(data_time)},
                  {"left_out_bytes", left_out_bytes},
                  {"publish_time", base::format_wall_time(publish_time)},
                  {"publish_time_us", microseconds(publish_time)},
                  {"token", token.value},
                  {"owner", owner},
                  {"host", host},
                  {"pid", pid},
                  {"header_bytes", header_bytes},
                  {"block_bytes", block_bytes},
                  {"blocks", hashes(blocks)}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Manifest Manifest::parse(std::string_view text) {
  try {
    const auto json = Json::parse(text);
    const auto format = json.at("format").get<int>();
    if (format > kFormat) {
      throw Error(Code::newer_schema,
                  fmt::format("the manifest has format {}, this Tidelock knows up to {}", format, kFormat));
    }
    return from_json(json);
  } catch (const Json::exception& error) {
    throw_corrupt(error.what());
  } catch (const Error& error) {
    if (error.code() != Code::invalid_argument) throw;
    throw_corrupt(error.message());
  }
}

}  // namespace tidelock::replica
