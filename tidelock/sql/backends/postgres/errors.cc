#include "tidelock/sql/backends/postgres/errors.h"

#include <algorithm>
#include <array>

#include "tidelock/base/ascii.h"

namespace tidelock::sql::postgres {
namespace {

using enum Code;

constexpr std::array kMeanings = {
    Meaning{"08", connection_lost, "the connection is lost"},
    Meaning{"0A", unsupported, "PostgreSQL does not support it"},
    Meaning{"21", statement_invalid, "PostgreSQL refuses the statement"},
    Meaning{"22", statement_invalid, "a value is not of the type that the statement demands"},
    Meaning{"22001", too_large, "a text is longer than its column"},
    Meaning{"22003", too_large, "a number is out of the range of its type"},
    Meaning{"22008", too_large, "a date or time is out of the range of its type"},
    Meaning{"22021", invalid_argument, "a text has bytes that its encoding does not have: bind them as a Blob"},
    Meaning{"22P05", invalid_argument,
            "a text has a character that the encoding of the database cannot hold: make one with `encoding 'UTF8'`"},
    Meaning{"23", constraint_violation, "a constraint is violated"},
    Meaning{"23502", constraint_violation, "a not-null constraint is violated"},
    Meaning{"23503", constraint_violation, "a foreign key is violated"},
    Meaning{"23505", constraint_violation, "a unique constraint is violated"},
    Meaning{"23514", constraint_violation, "a check constraint is violated"},
    Meaning{"23P01", constraint_violation, "an exclusion constraint is violated"},
    Meaning{"25", misuse, "the transaction is not in the state that the statement demands"},
    Meaning{"25006", read_only, "nothing may be written here"},
    Meaning{"25P02", misuse, "a statement of the transaction had failed: it can only be rolled back"},
    Meaning{"25P03", connection_lost, "the server ended a session whose transaction was idle for too long"},
    Meaning{"26", misuse, "a prepared statement is gone"},
    Meaning{"27", constraint_violation, "a trigger refuses the change"},
    Meaning{"28", permission_denied,
            "the server does not let this user in: check user and database, sslmode, and pg_hba.conf there"},
    Meaning{"28P01", permission_denied,
            "the password is wrong: check the URL, in which characters with a meaning are written as % and two digits"},
    Meaning{"2B", statement_invalid, "others depend on it"},
    Meaning{"3D", not_found, "the server has no such database: make it with `create database`, or name another"},
    Meaning{"40", serialization_failure, "the transaction was rolled back because of another one"},
    Meaning{"40001", serialization_failure, "another transaction changed what this one read or wrote"},
    Meaning{"40002", constraint_violation, "a constraint is violated"},
    Meaning{"40003", unknown_outcome, "the server does not know whether the statement was completed"},
    Meaning{"40P01", deadlock, "the transaction was ended to break a cycle of waits"},
    Meaning{"42", statement_invalid, "PostgreSQL refuses the statement"},
    Meaning{"42501", permission_denied, "this user may not do that"},
    Meaning{"44", constraint_violation, "the check option of a view is violated"},
    Meaning{"53", unavailable, "the server lacks resources"},
    Meaning{"53100", disk_full, "the disk of the server is full: free space, then run the unit again"},
    Meaning{"53200", unavailable, "the server has no memory left"},
    Meaning{
        "53300", unavailable,
        "the server, database or user has all the connections that it may have: raise max_connections there, or lower "
        "max_connections of the pools"},
    Meaning{"54", too_large, "a statement or value is over PostgreSQL's limit"},
    Meaning{"55", statement_invalid, "the object is not in the state that the statement demands"},
    Meaning{"55006", database_locked, "another session uses the object"},
    Meaning{"55P03", database_locked, "another transaction holds the lock"},
    Meaning{"57", connection_lost, "the server ended the session"},
    Meaning{"57014", cancelled, "stopped on request"},
    Meaning{"57P03", unavailable, "the server is starting up, shutting down or recovering: try again in a moment"},
    Meaning{"57P04", not_found, "the database was dropped"},
    Meaning{"58", io_error, "the server's system failed"},
    Meaning{"72", serialization_failure, "the snapshot is too old"},
    Meaning{"F0", io_error, "the configuration of the server is wrong"},
    Meaning{"HV", io_error, "a foreign server failed"},
    Meaning{"P0", statement_invalid, "a function refuses the statement"},
    Meaning{"P0001", constraint_violation, "a function or trigger refuses the change"},
    Meaning{"XX", io_error, "the server found itself in a wrong state"},
    Meaning{"XX001", corrupt, "the data of the server is damaged: restore it from a backup"},
    Meaning{"XX002", corrupt, "an index of the server is damaged: build it anew"},
};

constexpr Meaning kNoWords{"", connection_lost, "the connection to the server is lost"};
constexpr Meaning kUnknownMeaning{"", statement_invalid, "PostgreSQL refuses the statement"};

// What libpq says when no server said anything, and what that means.
struct Phrase {
  std::string_view text;
  Code code;
  std::string_view words;
};
constexpr std::array kPhrases = {
    Phrase{"server does not support SSL", unsupported,
           "the server has no TLS, which the URL demands: use sslmode=prefer, or set ssl = on at the server"},
    Phrase{"certificate verify failed", permission_denied,
           "the certificate of the server is not signed by who sslrootcert says: name the right file, or check the "
           "server"},
    Phrase{"does not match host name", permission_denied,
           "the certificate of the server is for another host: use the name that is in it"},
    Phrase{"root certificate file", invalid_argument,
           "the certificates to verify the server with cannot be read: name their file with sslrootcert"},
    Phrase{"no password supplied", permission_denied, "the server wants a password: write it into the URL"},
    Phrase{"Connection refused", unavailable, "nobody listens there: check host and port, and that the server runs"},
    Phrase{"No such file or directory", unavailable,
           "there is no socket of that name: check host and port, and that the server runs"},
};

std::string_view field(const PGresult* result, int code) {
  const char* const text = PQresultErrorField(result, code);
  return text == nullptr ? std::string_view() : std::string_view(text);
}

// "…FATAL:  28P01: password authentication failed …\nLOCATION: …": the state and what follows it.
Fault fault_in(std::string_view said) {
  const auto is_state_char = [](char c) { return base::ascii::is_digit(c) || (c >= 'A' && c <= 'Z'); };
  for (auto at = said.find(":  "); at != said.npos; at = said.find(":  ", at + 1)) {
    const auto state = said.substr(at + 3, 5);
    if (state.size() < 5 || !std::ranges::all_of(state, is_state_char) || said.substr(at + 8, 2) != ": ") continue;
    auto message = said.substr(at + 10);
    if (const auto end = message.find("\nLOCATION:"); end != message.npos) message = message.substr(0, end);
    return {.state = std::string(state), .message = one_line(message), .object = {}};
  }
  return {.state = {}, .message = one_line(said), .object = {}};
}

}  // namespace

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    if (c != '\n' && c != '\t') {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

const Meaning& meaning(std::string_view state) {
  if (state.empty()) return kNoWords;
  for (const auto wanted : {state, state.substr(0, 2)}) {
    const auto found = std::ranges::find(kMeanings, wanted, &Meaning::state);
    if (found != kMeanings.end()) return *found;
  }
  return kUnknownMeaning;
}

Fault fault_of(const PGresult* result) {
  Fault fault{.state = std::string(field(result, PG_DIAG_SQLSTATE)),
              .message = std::string(field(result, PG_DIAG_MESSAGE_PRIMARY)),
              .object = {},
              .place = {}};
  if (field(result, PG_DIAG_CONTEXT).empty()) fault.place = field(result, PG_DIAG_SOURCE_FUNCTION);
  if (fault.message.empty()) fault.message = one_line(PQresultErrorMessage(result));
  for (const int code : {PG_DIAG_CONSTRAINT_NAME, PG_DIAG_COLUMN_NAME, PG_DIAG_TABLE_NAME}) {
    fault.object = field(result, code);
    if (!fault.object.empty()) break;
  }
  return fault;
}

Error error_of(const Fault& fault, std::string_view about) {
  if (fault.state == kOtherColumns && fault.place == "RevalidateCachedQuery") {
    return Error(Code::serialization_failure,
                 "the schema changed since the statement was prepared: " + std::string(about),
                 {.code = 0, .message = fault.message, .state = fault.state});
  }
  const auto& known = meaning(fault.state);
  auto text = std::string(known.words);
  if (!fault.object.empty()) text += " (" + fault.object + ")";
  if (!about.empty()) text += ": " + std::string(about);
  return Error(known.code, std::move(text), {.code = 0, .message = fault.message, .state = fault.state}, fault.object);
}

Error connect_error(std::string_view said, std::string_view where) {
  const auto fault = fault_in(said);
  const auto about = " (" + std::string(where) + ")";
  if (fault.message.find("unsupported startup parameter") != fault.message.npos) {
    return Error(Code::unsupported,
                 "a pooler stands before the server and takes no options: say pooler=transaction or pooler=session in "
                 "the URL, as it lends its sessions, or set ignore_startup_parameters = options there" +
                     about,
                 {.code = 0, .message = fault.message, .state = fault.state});
  }
  if (!fault.state.empty()) {
    const auto& known = meaning(fault.state);
    // Nothing was begun yet.
    const auto code = known.code == connection_lost ? unavailable : known.code;
    return Error(code, std::string(known.words) + about, {.code = 0, .message = fault.message, .state = fault.state});
  }
  const auto found =
      std::ranges::find_if(kPhrases, [&](const Phrase& phrase) { return said.find(phrase.text) != said.npos; });
  const auto words = found == kPhrases.end()
                         ? std::string_view("the server cannot be reached: check host and port, and that it runs")
                         : found->words;
  return Error(found == kPhrases.end() ? unavailable : found->code, std::string(words) + about,
               {.code = 0, .message = fault.message});
}

}  // namespace tidelock::sql::postgres
