// DROP, TRUNCATE and DELETE told apart: the cells of docs/deleting.md, each as the engine declares it.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidelock/sql/conformance/engines.h"

namespace tidelock::sql::conformance {
namespace {

constexpr const char* kTable = "create table t (id integer); insert into t values (1), (2), (3)";
constexpr const char* kDelete = "delete from t";
constexpr const char* kTruncate = "truncate table t";
constexpr const char* kDrop = "drop table t";

std::int64_t rows_of(Executor& on) { return on.one<std::int64_t>("select count(*) from t"); }

class SqlDeleting : public SqlConformance {
 protected:
  const Deleting& deleting() const { return declared().deleting; }

  // In a transaction that is rolled back; where DDL would commit it, it is refused there.
  void expect_rolled_back(const char* statement) const {
    run([&](const Place& place) {
      const auto db = place.open();
      db->script(kTable);
      auto connection = db->connect();
      auto transaction = connection.begin();
      if (db->dialect().transactional_ddl) {
        transaction.execute(statement);
      } else {
        EXPECT_THROW_CODE(transaction.execute(statement), Code::unsupported);
      }
      transaction.rollback();
      EXPECT_EQ(rows_of(connection), 3);
    });
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, SqlDeleting, ::testing::ValuesIn(engines_to_test()),
                         [](const auto& info) { return info.param.name; });

TEST_P(SqlDeleting, TruncateIsThereOrRefused) {
  run([&](const Place& place) {
    const auto db = place.open();
    db->script(kTable);
    auto connection = db->connect();
    if (!deleting().has_truncate) {
      EXPECT_THROW_CODE(connection.execute(kTruncate), Code::statement_invalid);
      return;
    }
    EXPECT_EQ(connection.execute(kTruncate), deleting().truncate_counts ? 3 : 0);
    EXPECT_EQ(rows_of(connection), 0);
  });
}

TEST_P(SqlDeleting, DeleteTellsHowManyRowsThereWereAndIsRolledBack) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script(kTable);
    auto connection = db->connect();
    auto transaction = connection.begin();
    EXPECT_EQ(transaction.execute(kDelete), 3);
    EXPECT_EQ(rows_of(transaction), 0);
    transaction.rollback();
    EXPECT_EQ(rows_of(connection), 3);
  });
}

TEST_P(SqlDeleting, DropTellsNoNumberOfRows) {
  run([](const Place& place) {
    const auto db = place.open();
    db->script(kTable);
    auto connection = db->connect();
    EXPECT_EQ(connection.execute(kDrop), 0);
    EXPECT_THROW_CODE(rows_of(connection), Code::statement_invalid);
  });
}

TEST_P(SqlDeleting, TruncateIsRolledBackOrRefused) {
  if (!deleting().has_truncate) GTEST_SKIP() << "there is no TRUNCATE";
  expect_rolled_back(kTruncate);
}

TEST_P(SqlDeleting, DropIsRolledBackOrRefused) { expect_rolled_back(kDrop); }

class SqlDeletingNumbers : public SqlDeleting {
 protected:
  // The number of the next row, when the table had rows 1 and 2 and then `statement` was run.
  void expect_next(std::string_view statement, std::int64_t expected, const std::string& again = {}) const {
    run([&](const Place& place) {
      const auto db = place.open();
      db->script(deleting().numbered);
      db->script("insert into t (x) values (1); insert into t (x) values (2)");
      db->execute(statement);
      if (!again.empty()) db->script(again);
      db->script("insert into t (x) values (3)");
      EXPECT_EQ(db->one<std::int64_t>("select id from t where x = 3"), expected);
    });
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, SqlDeletingNumbers, ::testing::ValuesIn(engines_to_test()),
                         [](const auto& info) { return info.param.name; });

TEST_P(SqlDeletingNumbers, GoOnAfterDelete) { expect_next(kDelete, 3); }

TEST_P(SqlDeletingNumbers, GoOnOrBeginAnewAfterTruncate) {
  if (!deleting().has_truncate) GTEST_SKIP() << "there is no TRUNCATE";
  expect_next(kTruncate, deleting().next_after_truncate);
}

TEST_P(SqlDeletingNumbers, BeginAnewAfterATruncateThatSaysSo) {
  if (deleting().truncate_anew.empty()) GTEST_SKIP() << "there is no such TRUNCATE";
  expect_next(deleting().truncate_anew, 1);
}

TEST_P(SqlDeletingNumbers, GoOnOrBeginAnewAfterDrop) {
  expect_next(kDrop, deleting().next_after_drop, deleting().numbered_again);
}

// The level at which a transaction goes on seeing what it began with.
Isolation snapshot_of(const Dialect& dialect) {
  for (const auto level : {Isolation::snapshot, Isolation::repeatable_read}) {
    if (dialect.has(level)) return level;
  }
  return Isolation::serializable;
}

class SqlDeletingBeside : public SqlDeleting {
 protected:
  // While a transaction has read the table.
  void beside_reader(const char* statement, bool waits) const {
    run([&](const Place& place) {
      const auto db = place.open("busy_timeout=100ms");
      db->script(kTable);
      auto connection = db->connect();
      auto reader = connection.begin({.isolation = snapshot_of(db->dialect()), .read_only = true});
      EXPECT_EQ(rows_of(reader), 3);
      auto other = db->connect();
      if (waits) {
        EXPECT_THROW_CODE(other.execute(statement), Code::database_locked);
      } else {
        other.execute(statement);
      }
      EXPECT_EQ(rows_of(reader), 3) << "it goes on seeing the rows it began with";
      reader.commit();
    });
  }
  // While a transaction has written a row of the table.
  void beside_writer(const char* statement, std::optional<Code> refusal, std::optional<Code> then) const {
    run([&](const Place& place) {
      const auto db = place.open("busy_timeout=100ms");
      db->script(kTable);
      auto connection = db->connect();
      auto writer = connection.begin();
      writer.execute("insert into t values (4)");
      auto other = db->connect();
      if (refusal) {
        EXPECT_THROW_CODE(other.execute(statement), *refusal);
      } else {
        other.execute(statement);
      }
      if (then) {
        EXPECT_THROW_CODE(writer.commit(), *then);
        return;
      }
      writer.commit();
      EXPECT_EQ(rows_of(other), refusal ? 4 : 1) << "what was not there yet is not deleted";
    });
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, SqlDeletingBeside, ::testing::ValuesIn(engines_to_test()),
                         [](const auto& info) { return info.param.name; });

TEST_P(SqlDeletingBeside, AReaderDelete) { beside_reader(kDelete, false); }

TEST_P(SqlDeletingBeside, AReaderTruncate) {
  if (!deleting().has_truncate) GTEST_SKIP() << "there is no TRUNCATE";
  beside_reader(kTruncate, deleting().truncate_waits_for_readers);
}

TEST_P(SqlDeletingBeside, ATruncateAndWhoBeganBeforeIt) {
  if (!deleting().has_truncate) GTEST_SKIP() << "there is no TRUNCATE";
  run([&](const Place& place) {
    const auto db = place.open("busy_timeout=100ms");
    db->script(kTable);
    db->script("create table u (id integer)");
    auto connection = db->connect();
    auto reader = connection.begin({.isolation = snapshot_of(db->dialect()), .read_only = true});
    EXPECT_EQ(reader.one<int>("select count(*) from u"), 0);  // It begins with its first look at anything.
    db->connect().execute(kTruncate);
    if (const auto code = deleting().truncated_fails_a_snapshot) {
      EXPECT_THROW_CODE(rows_of(reader), *code);
    } else {
      EXPECT_EQ(rows_of(reader), deleting().truncated_for_a_snapshot);
    }
  });
}

TEST_P(SqlDeletingBeside, AReaderDrop) { beside_reader(kDrop, deleting().drop_waits_for_readers); }

TEST_P(SqlDeletingBeside, AWriterDelete) { beside_writer(kDelete, deleting().delete_beside_writer, std::nullopt); }

TEST_P(SqlDeletingBeside, AWriterTruncate) {
  if (!deleting().has_truncate) GTEST_SKIP() << "there is no TRUNCATE";
  beside_writer(kTruncate, deleting().truncate_beside_writer, std::nullopt);
}

TEST_P(SqlDeletingBeside, AWriterDrop) {
  beside_writer(kDrop, deleting().drop_beside_writer, deleting().writer_beside_drop);
}

// Each statement by a user who may only read, then by one who was given the one privilege that it wants.
TEST_P(SqlDeleting, EachWantsItsPrivilege) {
  if (!deleting().privileges) GTEST_SKIP() << "the engine has no users";
  run([&](const Place& place) {
    const auto& privileges = *deleting().privileges;
    const auto db = place.open();
    db->script(kTable);
    const auto user = "u" + std::to_string(place.runtime.random() % 1'000'000'000);
    const auto script = [&](std::string text, const std::string& what = {}) {
      for (const auto& [mark, value] : {std::pair<std::string, std::string>("{what}", what), {"{}", user}}) {
        for (auto at = text.find(mark); at != text.npos; at = text.find(mark)) text.replace(at, mark.size(), value);
      }
      db->script(text);
    };
    script(privileges.make);
    for (const auto& [statement, privilege] : {std::pair<const char*, std::string>(kDelete, "delete"),
                                               {kTruncate, privileges.truncate},
                                               {kDrop, privileges.drop}}) {
      {
        const auto other = place.open_as(user);
        EXPECT_EQ(other->one<int>("select count(*) from t"), 3);
        EXPECT_THROW_CODE(other->execute(statement), Code::permission_denied);
      }
      if (privilege.empty()) continue;  // Nobody but the owner.
      script(privileges.grant, privilege);
      place.open_as(user)->execute(statement);
      script(privileges.unmake);
      db->script(std::string("drop table if exists t; ") + kTable);
      script(privileges.make);
    }
    script(privileges.unmake);
  });
}

// Whoever may write the file may do all of it, and nobody can be given less.
TEST_P(SqlDeleting, WithoutUsersItIsTheFileThatMayBeWrittenOrNot) {
  if (deleting().privileges) GTEST_SKIP() << "the engine has users";
  run([&](const Place& place) {
    const auto statements = deleting().has_truncate ? std::vector<const char*>{kDelete, kTruncate, kDrop}
                                                    : std::vector<const char*>{kDelete, kDrop};
    {
      const auto db = place.open();
      db->script(kTable);
      auto connection = db->connect();
      EXPECT_THROW_CODE(connection.execute("grant delete on t to somebody"), Code::statement_invalid);
      if (declared().in_memory) return;
    }
    for (const auto* const statement : statements) {
      EXPECT_THROW_CODE(place.open("mode=ro")->execute(statement), Code::read_only) << statement;
      EXPECT_EQ(place.open("mode=ro")->one<int>("select count(*) from t"), 3);
      const auto db = place.open();
      db->execute(statement);
      db->script(std::string("drop table if exists t; ") + kTable);
    }
  });
}

// How long a statement takes no test can say; whether it does something for each row, the engine itself counts.
class SqlDeletingWork : public SqlDeleting {
 protected:
  // `declared_growth`: null where it grows on every engine.
  void expect_growth(const std::string& statement, bool Work::*declared_growth) const {
    if (!deleting().work) GTEST_SKIP() << "nothing counts it";
    const bool grows = declared_growth == nullptr || *deleting().work.*declared_growth;
    run([&](const Place& place) {
      const auto db = place.open();
      const auto work = [&](std::int64_t rows) {
        db->script("drop table if exists t; create table t (id integer primary key, s varchar(100))");
        db->execute("insert into t select n, 'a row of some length, as rows are' from (" + declared().numbers(rows) +
                    ") as r");
        auto connection = db->connect();
        return deleting().work->of(place, connection, statement);
      };
      const auto few = work(2000);
      const auto many = work(20'000);
      if (grows) {
        EXPECT_GE(many, 5 * few) << few;
        EXPECT_GT(few, 0);
      } else {
        EXPECT_LE(many, few + 50) << few;
      }
    });
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, SqlDeletingWork, ::testing::ValuesIn(engines_to_test()),
                         [](const auto& info) { return info.param.name; });

TEST_P(SqlDeletingWork, OfADeleteOfAllRowsGrowsWithThemOrNot) { expect_growth(kDelete, &Work::delete_grows); }

TEST_P(SqlDeletingWork, OfADeleteWithAConditionGrowsWithTheRows) {
  expect_growth("delete from t where id > 0", nullptr);
}

TEST_P(SqlDeletingWork, OfATruncateGrowsWithTheRowsOrNot) {
  if (!deleting().has_truncate) GTEST_SKIP() << "there is no TRUNCATE";
  expect_growth(kTruncate, &Work::truncate_grows);
}

TEST_P(SqlDeletingWork, OfADropGrowsWithTheRowsOrNot) { expect_growth(kDrop, &Work::drop_grows); }

}  // namespace
}  // namespace tidelock::sql::conformance
