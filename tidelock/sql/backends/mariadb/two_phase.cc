// The commit in two phases of a session.
#include <mysqld_error.h>

#include <algorithm>
#include <chrono>

#include "tidelock/base/text.h"
#include "tidelock/sql/backends/mariadb/session.h"

namespace tidelock::sql::mariadb {
namespace {

using namespace std::chrono_literals;

std::string hexadecimal(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "X'";
  for (const char c : text) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out + "'";
}

}  // namespace

// Two parts: our name, and the database, since a server lists what was prepared in all of them.
std::string MariadbSession::xa_name(std::string_view xid) const {
  return hexadecimal(xid) + "," + hexadecimal(settings_.database);
}

void MariadbSession::prepare_commit() {
  wire_.set_stop({});
  const base::Deadline deadline = base::later(runtime_.now(), settings_.commit_timeout);
  const auto name = xa_name(xid_);
  try {
    check_alive();
    require_connected("prepare");
    control("xa end " + name, deadline);
    finish_commit("xa prepare " + name, "prepare", deadline);
    end_transaction();
  } catch (const Error& error) {
    if (error.code() != Code::unknown_outcome) rollback();
    end_transaction();
    throw;
  }
}

// False: the server says that there is none, and it does not list it.
bool MariadbSession::end_prepared(const std::string& sql, std::string_view xid, base::Deadline deadline) {
  if (deadline.is_never()) deadline = base::later(runtime_.now(), kHouseworkWithin);
  for (;;) {
    try {
      control(sql, deadline);
      return true;
    } catch (const Error& error) {
      if (wire_.broken()) {
        throw Error(Code::unknown_outcome, "no answer came, and it may have been ended: " + std::string(xid),
                    error.native().value_or(Error::Native{}));
      }
      const bool rolled_back = error.native() && error.native()->code == ER_XA_RBROLLBACK;
      if (rolled_back && sql.starts_with("xa rollback")) return true;  // It had written nothing.
      if (error.code() != Code::not_found) throw;
    }
    // The server denies those of sessions that are still connected, or not quite gone.
    const auto listed = prepared_transactions(deadline);
    if (std::ranges::find(listed, xid, &PreparedTransaction::xid) == listed.end()) return false;
    if (deadline.passed(runtime_.now())) {
      throw Error(Code::database_locked, "the session that prepared " + std::string(xid) + " is still connected");
    }
    runtime_.sleep_until(std::min(base::later(runtime_.now(), 2ms), deadline.at()));
  }
}

Position MariadbSession::commit_prepared(std::string_view xid, base::Deadline deadline) {
  if (!end_prepared("xa commit " + xa_name(xid), xid, deadline)) {
    throw Error(Code::not_found, "no transaction " + base::quoted(xid) + " is prepared");
  }
  return {std::string(wire_.tracked_gtid())};
}

void MariadbSession::rollback_prepared(std::string_view xid, base::Deadline deadline) {
  if (!end_prepared("xa rollback " + xa_name(xid), xid, deadline)) {
    throw Error(Code::not_found, "no transaction " + base::quoted(xid) + " is prepared");
  }
}

std::vector<PreparedTransaction> MariadbSession::prepared_transactions(base::Deadline deadline) {
  wire_.begin(deadline.is_never() ? base::Deadline(base::later(runtime_.now(), kHouseworkWithin)) : deadline, false);
  const auto rows = wire_.rows("xa recover");
  wire_.end();
  if (!rows) throw failure({.empty = false, .reads = true}, wire_.errno_(), wire_.message(), "xa recover");
  std::vector<PreparedTransaction> prepared;
  for (const auto& row : *rows) {  // formatID, gtrid_length, bqual_length, data
    const auto& data = row.at(3).value_or("");
    const auto name_bytes = std::min<std::size_t>(number_of(row.at(1)), data.size());
    if (data.substr(name_bytes) == settings_.database) prepared.push_back({.xid = data.substr(0, name_bytes)});
  }
  std::ranges::sort(prepared, {}, &PreparedTransaction::xid);
  return prepared;
}

}  // namespace tidelock::sql::mariadb
