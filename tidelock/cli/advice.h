// What to do about an error whose message does not say it better, in words that fit the command it ends.
#pragma once

#include <string>
#include <string_view>

#include "tidelock/base/error.h"
#include "tidelock/cli/failure.h"

namespace tidelock::cli {

// Of any command: names no option, and supposes nothing about whose the database is. Without a full stop, as all here.
std::string_view advice(Code code);
// Of `tidelock lock`: about the state that --on names.
std::string_view lock_advice(Code code);
// Of `tidelock sql`: about a database with somebody's own data.
std::string_view sql_advice(Code code);
// Of `tidelock replica`: about a folder of versions, and the file they are made of.
std::string_view replica_advice(Code code);

// Runs a command whose errors say what to do next in these words, where they do not say it themselves.
template <typename Run>
auto advised(std::string_view (*words)(Code), Run run) {
  try {
    return run();
  } catch (const AdvisedError&) {
    throw;
  } catch (const Error& error) {
    throw AdvisedError(error, std::string(words(error.code())));
  }
}

}  // namespace tidelock::cli
