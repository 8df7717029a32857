// What cases of runs load: a file of items, into the table `item`.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tidelock/batch/conformance/engines.h"

namespace tidelock::batch::conformance {

// runner_conformance.cc instantiates it for each store.
class BatchRunner : public BatchConformance {};

inline constexpr auto kItems =
    "create table item (id integer primary key, price decimal(10, 2) not null check (price < 1000))";

inline void write_items(const Place& place, std::string_view csv) {
  place.files.write_atomically(place.folder / "items.csv", csv);
}

inline ChunkStep load_items(const Place& place) {
  return {.source = CsvSource{place.folder / "items.csv"},
          .record = testing::record_of({"id integer", "price decimal"}, {"price > 0"}),
          .write = {.kind = Write::Kind::insert, .table = "item"},
          .chunk_rows = 2};
}

inline std::vector<std::int64_t> ids(sql::Database& store) {
  std::vector<std::int64_t> result;
  auto connection = store.connect();
  for (const auto row : connection.query("select id from item order by id")) result.push_back(row.get<std::int64_t>(0));
  return result;
}

}  // namespace tidelock::batch::conformance
