#include "tidelock/sql/covered.h"

#include <optional>
#include <string>

#include "tidelock/base/error.h"
#include "tidelock/sql/row_key.h"

namespace tidelock::sql {
namespace {

bool depends_on_table(const Dialect& dialect) { return dialect.engine == "mariadb"; }

// To go on with `and`.
constexpr std::string_view kFind =
    "select table_name, engine from information_schema.tables where engine in "
    "(select engine from information_schema.engines where transactions = 'NO') and table_schema = ";

void refuse_any(Rows rows) {
  if (!rows.next()) return;
  const auto name = rows.row().get<std::string>(0);
  throw Error(Code::unsupported, "what is written to the table " + name +
                                     " is not taken back when its transaction is, as it is kept by " +
                                     rows.row().get<std::string>(1) + ": alter table " + name + " engine = InnoDB");
}

}  // namespace

void require_covered(Database& database, std::string_view table, std::optional<base::Deadline> deadline) {
  if (!depends_on_table(database.dialect())) return;
  const auto name = parse_table_name(table, database.dialect());
  auto connection = database.connect(deadline);
  const auto find = std::string(kFind);
  refuse_any(name.schema.empty() ? connection.query(find + "database() and table_name = ?", name.name)
                                 : connection.query(find + "? and table_name = ?", name.schema, name.name));
}

void require_own_covered(Database& database, base::Deadline deadline) {
  if (!depends_on_table(database.dialect())) return;
  auto connection = database.connect(deadline);
  refuse_any(connection.query(std::string(kFind) + "database() and left(table_name, 9) = 'tidelock_'"));
}

void make_covered(Connection& connection) {
  if (!depends_on_table(connection.dialect())) return;
  try {
    connection.execute("set default_storage_engine = InnoDB");
  } catch (const Error& error) {
    if (error.code() != Code::unsupported) throw;
  }
}

}  // namespace tidelock::sql
