#include "tidelock/sql/backends/mariadb/errors.h"

#include <errmsg.h>
#include <mysqld_error.h>

#include <algorithm>
#include <array>

#include "tidelock/base/text.h"

namespace tidelock::sql::mariadb {
namespace {

using enum Code;

// By number.
constexpr std::array kMeanings = {
    Meaning{ER_DISK_FULL, disk_full, "the server's disk is full"},
    Meaning{ER_CHECKREAD, serialization_failure, "another transaction changed the row since this one read it"},
    Meaning{ER_DUP_KEY, constraint_violation, "a unique key is violated"},
    Meaning{ER_ERROR_ON_WRITE, io_error, "the server could not write a file"},
    Meaning{ER_OUTOFMEMORY, unavailable, "the server has no memory left"},
    Meaning{ER_OUT_OF_SORTMEMORY, too_large, "the rows to sort need a larger sort_buffer_size"},
    Meaning{ER_CON_COUNT_ERROR, unavailable,
            "the server has no connection left: raise its max_connections, or lower max_connections of the pools"},
    Meaning{ER_OUT_OF_RESOURCES, unavailable, "the server has no memory left"},
    Meaning{ER_BAD_HOST_ERROR, permission_denied, "the server cannot resolve the name of this host"},
    Meaning{ER_HANDSHAKE_ERROR, unavailable, "the server broke the login off: try again in a moment"},
    Meaning{ER_DBACCESS_DENIED_ERROR, permission_denied, "the user may not use this database"},
    Meaning{ER_ACCESS_DENIED_ERROR, permission_denied,
            "the server refuses the user, the password, or a connection without TLS: check the URL, in which "
            "characters with a "
            "meaning are written as % and two digits"},
    Meaning{ER_NO_DB_ERROR, statement_invalid, "no database is chosen: name it in the URL, or before the table"},
    Meaning{ER_BAD_NULL_ERROR, constraint_violation, "a not-null constraint is violated"},
    Meaning{ER_BAD_DB_ERROR, not_found, "the server has no such database"},
    Meaning{ER_TABLE_EXISTS_ERROR, statement_invalid, "the table exists already"},
    Meaning{ER_SERVER_SHUTDOWN, connection_lost, "the server is shutting down"},
    Meaning{ER_DUP_ENTRY, constraint_violation, "a unique key is violated"},
    Meaning{ER_TOO_MANY_USER_CONNECTIONS, unavailable,
            "the user has no connection left: raise its limit, or lower max_connections of the pools"},
    Meaning{ER_RECORD_FILE_FULL, disk_full, "the table is full: the disk, or a limit on the tablespace"},
    Meaning{ER_HOST_IS_BLOCKED, unavailable, "the server has blocked this host: run FLUSH HOSTS there"},
    Meaning{ER_HOST_NOT_PRIVILEGED, permission_denied, "this host may not connect to the server"},
    Meaning{ER_TABLEACCESS_DENIED_ERROR, permission_denied, "the user lacks a privilege on the table"},
    Meaning{ER_COLUMNACCESS_DENIED_ERROR, permission_denied, "the user lacks a privilege on the column"},
    Meaning{ER_NONEXISTING_TABLE_GRANT, permission_denied, "the user lacks a privilege on the table"},
    Meaning{ER_NET_PACKET_TOO_LARGE, too_large, "the server takes no packet of this size: raise max_allowed_packet"},
    Meaning{ER_TOO_LONG_STRING, too_large, "the result is over max_allowed_packet"},
    Meaning{ER_CRASHED_ON_USAGE, corrupt, "the table is damaged and must be repaired"},
    Meaning{ER_CRASHED_ON_REPAIR, corrupt, "the table is damaged, and repairing it failed"},
    Meaning{ER_NOT_KEYFILE, corrupt, "the index of the table is damaged"},
    Meaning{ER_ERROR_DURING_COMMIT, unknown_outcome, "the server failed in the commit"},
    Meaning{ER_LOCK_WAIT_TIMEOUT, database_locked,
            "another transaction holds the lock; the statement was taken back, the transaction goes on"},
    Meaning{ER_LOCK_TABLE_FULL, too_large, "the server has no room for more locks"},
    Meaning{ER_READ_ONLY_TRANSACTION, read_only, "nothing may be written under a read lock of the server"},
    Meaning{ER_LOCK_DEADLOCK, deadlock, "chosen as the victim of a deadlock"},
    Meaning{ER_NO_REFERENCED_ROW, constraint_violation, "a foreign key is violated"},
    Meaning{ER_ROW_IS_REFERENCED, constraint_violation, "a foreign key is violated"},
    Meaning{ER_USER_LIMIT_REACHED, unavailable, "the user is over a limit of its account"},
    Meaning{ER_SPECIFIC_ACCESS_DENIED_ERROR, permission_denied, "the user lacks a privilege"},
    Meaning{ER_OPTION_PREVENTS_STATEMENT, permission_denied, "an option of the server forbids it"},
    Meaning{ER_GET_ERRMSG, io_error, "a storage engine failed"},
    Meaning{ER_QUERY_INTERRUPTED, cancelled, "the statement was killed"},
    Meaning{ER_NO_DEFAULT_FOR_FIELD, constraint_violation, "a column without a default was given no value"},
    Meaning{ER_ROW_IS_REFERENCED_2, constraint_violation, "a foreign key is violated"},
    Meaning{ER_NO_REFERENCED_ROW_2, constraint_violation, "a foreign key is violated"},
    Meaning{ER_UNSUPPORTED_PS, unsupported, "the server cannot prepare this statement: run it by script()"},
    Meaning{ER_NON_INSERTABLE_TABLE, statement_invalid, "the view takes no rows"},
    Meaning{ER_XAER_NOTA, not_found, "no prepared transaction has this id"},
    Meaning{ER_XAER_INVAL, invalid_argument, "the transaction id is malformed"},
    Meaning{ER_XAER_RMFAIL, misuse, "this is not allowed inside a transaction under an id"},
    Meaning{ER_XAER_OUTSIDE, misuse, "a transaction is open already"},
    Meaning{ER_XAER_RMERR, io_error, "the prepared transaction met an error"},
    Meaning{ER_XA_RBROLLBACK, serialization_failure, "the prepared transaction was rolled back"},
    Meaning{ER_XAER_DUPID, already_exists, "another transaction has this id"},
    Meaning{ER_MAX_PREPARED_STMT_COUNT_REACHED, unavailable,
            "the server has no prepared statement left: raise its max_prepared_stmt_count, or lower statement_cache"},
    Meaning{ER_XA_RBTIMEOUT, serialization_failure, "the prepared transaction took too long and was rolled back"},
    Meaning{ER_XA_RBDEADLOCK, deadlock, "the prepared transaction was the victim of a deadlock"},
    Meaning{ER_TABLE_DEF_CHANGED, serialization_failure, "the table was changed since the transaction began"},
    Meaning{ER_DATA_TOO_LONG, too_large, "a value is longer than its column"},
    Meaning{ER_WARN_DATA_OUT_OF_RANGE, too_large, "a number is out of the range of its column"},
    Meaning{ER_DUP_ENTRY_WITH_KEY_NAME, constraint_violation, "a unique key is violated"},
    Meaning{ER_FOREIGN_DUPLICATE_KEY_WITHOUT_CHILD_INFO, constraint_violation, "a foreign key is violated"},
    Meaning{ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, read_only, "the transaction may only read"},
    Meaning{ER_CONNECTION_KILLED, connection_lost, "the connection was killed"},
    Meaning{ER_STATEMENT_TIMEOUT, timeout, "the statement was over its time (max_statement_time)"},
    Meaning{3159 /* secure transport required, as MySQL numbers it */, permission_denied,
            "the server demands TLS: add sslmode=verify-full or sslmode=require"},
    Meaning{CR_CONNECTION_ERROR, unavailable,
            "the server cannot be reached: check host and port, or the socket, and that it runs"},
    Meaning{CR_CONN_HOST_ERROR, unavailable, "the server cannot be reached: check host and port, and that it runs"},
    Meaning{CR_IPSOCK_ERROR, unavailable, "no socket could be made"},
    Meaning{CR_UNKNOWN_HOST, unavailable, "the name of the host is not known"},
    Meaning{CR_SERVER_GONE_ERROR, connection_lost, "the connection to the server was lost"},
    Meaning{CR_SERVER_HANDSHAKE_ERR, unavailable, "the server broke the login off: try again in a moment"},
    Meaning{CR_SERVER_LOST, connection_lost, "the connection to the server was lost"},
    Meaning{CR_NET_PACKET_TOO_LARGE, too_large, "a packet is over the client's limit of 1 GiB"},
    Meaning{CR_SSL_CONNECTION_ERROR, permission_denied,
            "TLS could not be agreed on: look at sslmode and sslrootcert, and at what the server offers"},
    Meaning{CR_SERVER_LOST_EXTENDED, connection_lost, "the connection to the server was lost"},
    Meaning{CR_AUTH_PLUGIN_CANNOT_LOAD, unsupported,
            "the client library lacks the plugin that this user's authentication wants"},
    Meaning{CR_AUTH_PLUGIN_ERR, permission_denied, "the authentication failed"},
    Meaning{4025 /* ER_CONSTRAINT_FAILED */, constraint_violation, "a check constraint is violated"},
    Meaning{4166 /* ER_LOAD_INFILE_CAPABILITY_DISABLED */, unsupported,
            "files of this machine are never sent (LOAD DATA LOCAL INFILE; the server's own switch is local_infile): "
            "write the rows with bulk()"},
    Meaning{ER_NOT_ALLOWED_COMMAND, unsupported,
            "the server or the client does not allow the command: for LOAD DATA LOCAL INFILE, write with bulk()"},
};

// Every other complaint of the server about a statement: syntax, names, types, values.
constexpr Meaning kStatement{0, statement_invalid, "MariaDB refuses the statement"};
constexpr Meaning kReadOnlyServer{ER_OPTION_PREVENTS_STATEMENT, read_only_server,
                                  "this server is a replica or is kept read-only: write on the primary"};
constexpr Meaning kEncoding{ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, invalid_argument,
                            "a text has a character that the encoding of its column cannot hold: declare it utf8mb4"};
constexpr Meaning kClient{CR_UNKNOWN_ERROR, internal, "MariaDB's client library failed"};

bool is_of_client(unsigned number) {
  return (number >= CR_MIN_ERROR && number <= CR_MAX_ERROR) ||
         (number >= CR_EVENT_CREATE_FAILED && number <= CR_MARIADB_LAST_ERROR);
}

// The text between the first `open` after `before` and its `close`.
std::string between(std::string_view message, std::string_view before, std::string_view close) {
  const auto at = message.find(before);
  if (at == message.npos) return {};
  const auto begin = at + before.size();
  const auto end = message.find(close, begin);
  return std::string(message.substr(begin, end == message.npos ? end : end - begin));
}

bool has(std::string_view message, std::string_view part) { return message.find(part) != message.npos; }

// Of numbers that mean two things, too.
const Meaning& meaning_here(unsigned number, std::string_view message) {
  if (number == ER_OPTION_PREVENTS_STATEMENT && has(message, "--read-only")) return kReadOnlyServer;
  if (number == ER_TRUNCATED_WRONG_VALUE_FOR_FIELD && has(message, "Incorrect string value")) return kEncoding;
  return meaning(number);
}

}  // namespace

const Meaning& meaning(unsigned number) {
  const auto found = std::ranges::find(kMeanings, number, &Meaning::number);
  if (found != kMeanings.end()) return *found;
  return is_of_client(number) ? kClient : kStatement;
}

bool ends_connection(unsigned number) {
  switch (number) {
    case CR_NO_DATA:
    case CR_NEW_STMT_METADATA:
    case CR_NET_PACKET_TOO_LARGE:
    case CR_INVALID_PARAMETER_NO:
    case CR_UNSUPPORTED_PARAM_TYPE:
    case CR_PARAMS_NOT_BOUND:
      return false;
    case ER_SERVER_SHUTDOWN:
    case ER_CONNECTION_KILLED:
    case ER_NET_PACKET_TOO_LARGE:  // The server does not read the rest of it.
      return true;
    default:
      return is_of_client(number);
  }
}

bool ends_transaction(unsigned number, bool rollback_on_timeout) {
  switch (number) {
    case ER_LOCK_DEADLOCK:
    case ER_CHECKREAD:
    case ER_TABLE_DEF_CHANGED:
    case ER_XA_RBROLLBACK:
    case ER_XA_RBTIMEOUT:
    case ER_XA_RBDEADLOCK:
    case ER_ERROR_DURING_COMMIT:
      return true;
    case ER_LOCK_WAIT_TIMEOUT:
      return rollback_on_timeout;
    default:
      return ends_connection(number);
  }
}

bool refuses_commit(unsigned number) {
  switch (number) {
    case ER_LOCK_DEADLOCK:
    case ER_CHECKREAD:
    case ER_LOCK_WAIT_TIMEOUT:
    case ER_OPTION_PREVENTS_STATEMENT:
    case ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION:
    case ER_XA_RBROLLBACK:
    case ER_XA_RBTIMEOUT:
    case ER_XA_RBDEADLOCK:
    case ER_XAER_RMFAIL:
    case ER_XAER_NOTA:
      return true;
    default:
      return false;
  }
}

bool may_be_applied(unsigned number) { return ends_connection(number) && number != ER_NET_PACKET_TOO_LARGE; }

std::string object_of(unsigned number, std::string_view message) {
  switch (number) {
    case ER_DUP_ENTRY:
    case ER_DUP_ENTRY_WITH_KEY_NAME: {
      const auto at = message.rfind("for key '");
      return at == message.npos ? std::string() : between(message.substr(at), "for key '", "'");
    }
    case ER_NO_REFERENCED_ROW_2:
    case ER_ROW_IS_REFERENCED_2:
    case 4025:  // Quoted by the quotes of the session's sql_mode.
      return between(message, "CONSTRAINT `", "`") + between(message, "CONSTRAINT \"", "\"");
    case ER_BAD_NULL_ERROR:
    case ER_NO_DEFAULT_FOR_FIELD:
    case ER_BAD_DB_ERROR:
    case ER_BAD_FIELD_ERROR:
    case ER_NO_SUCH_TABLE:
    case ER_TABLE_EXISTS_ERROR:
    case ER_CHECKREAD: {
      const auto at = message.find('\'');
      return at == message.npos ? std::string() : between(message.substr(at), "'", "'");
    }
    case ER_DATA_TOO_LONG:
    case ER_WARN_DATA_OUT_OF_RANGE:
      return between(message, "column '", "'");
    case ER_TRUNCATED_WRONG_VALUE_FOR_FIELD: {  // for column `db`.`t`.`c`
      const auto at = message.rfind(".`");
      return at == message.npos ? std::string() : between(message.substr(at), ".`", "`");
    }
    default:
      return {};
  }
}

Error error_of(unsigned number, std::string_view message, std::string_view about) {
  const auto& known = meaning_here(number, message);
  auto object = object_of(number, message);
  auto text = std::string(known.words);
  if (!object.empty()) text += " (" + object + ")";
  if (!about.empty()) text += ": " + std::string(about);
  return Error(known.code, std::move(text), {static_cast<int>(number), std::string(message)}, std::move(object));
}

}  // namespace tidelock::sql::mariadb
