// What SQLite's result codes mean: https://www.sqlite.org/rescode.html
#pragma once

#include <string>
#include <string_view>

#include "tidelock/base/error.h"

namespace tidelock::sql::sqlite {

struct Meaning {
  int result;              // Primary or extended result code.
  Code code;               //
  std::string_view words;  // What happened, and what to do where that helps.
};

// Of the extended code, or of its primary code where the extended one needs no words of its own.
const Meaning& meaning(int result);

// Whether a commit that failed so may be applied all the same: the frame that commits may have reached the write-ahead
// log before the error, and SQLite applies what it finds there when it recovers after a crash. A full disk is no such
// case: the frame was cut short, and its checksum does not hold.
bool may_be_applied(int result);

// The constraint or columns that the message of a violated constraint names: "t.a, t.b". Empty where it names none.
std::string object_of(int result, std::string_view message);

// Whether the file should be named with it, rather than the statement.
bool concerns_the_file(Code code);

// `about`: the file, or the statement.
Error error_of(int result, std::string_view message, std::string_view about);

}  // namespace tidelock::sql::sqlite
