// A number for the content of rows, to find out later whether they are still the same.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "tidelock/sql/value.h"

namespace tidelock::batch {

// XXH3 over all values in their order. Not against an adversary. Stands in checkpoints: never change it.
class Fingerprint {
 public:
  Fingerprint();
  ~Fingerprint();
  void add(std::span<const sql::ValueView> row);
  std::uint64_t digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidelock::batch
