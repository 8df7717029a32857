// DROP, TRUNCATE and DELETE told apart: the cells of docs/deleting.md, each as the engine declares it.
#include <optional>
#include <string>
#include <string_view>

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
  void SetUp() override {
    SqlConformance::SetUp();
    if (!IsSkipped() && !declared().deleting) GTEST_SKIP() << "not told apart on this engine yet";
  }
  const Deleting& deleting() const { return *declared().deleting; }
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

TEST_P(SqlDeleting, TruncateIsRolledBackOrNot) {
  if (!deleting().has_truncate) GTEST_SKIP() << "there is no TRUNCATE";
  run([&](const Place& place) {
    const auto db = place.open();
    db->script(kTable);
    auto connection = db->connect();
    auto transaction = connection.begin();
    transaction.execute(kTruncate);
    transaction.rollback();
    EXPECT_EQ(rows_of(connection), deleting().truncate_rolls_back ? 3 : 0);
  });
}

TEST_P(SqlDeleting, DropIsRolledBackOrNot) {
  run([&](const Place& place) {
    const auto db = place.open();
    db->script(kTable);
    auto connection = db->connect();
    auto transaction = connection.begin();
    transaction.execute(kDrop);
    transaction.rollback();
    if (deleting().drop_rolls_back) {
      EXPECT_EQ(rows_of(connection), 3);
    } else {
      EXPECT_THROW_CODE(rows_of(connection), Code::statement_invalid);
    }
  });
}

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

TEST_P(SqlDeletingNumbers, GoOnOrBeginAnewAfterDrop) {
  expect_next(kDrop, deleting().next_after_drop, deleting().numbered_again);
}

class SqlDeletingBeside : public SqlDeleting {
 protected:
  // While a transaction has read the table.
  void beside_reader(const char* statement, bool waits) const {
    run([&](const Place& place) {
      const auto db = place.open("busy_timeout=100ms");
      db->script(kTable);
      auto connection = db->connect();
      auto reader = connection.begin({.read_only = true});
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

TEST_P(SqlDeletingBeside, AReaderDrop) { beside_reader(kDrop, deleting().drop_waits_for_readers); }

TEST_P(SqlDeletingBeside, AWriterDelete) { beside_writer(kDelete, deleting().delete_beside_writer, std::nullopt); }

TEST_P(SqlDeletingBeside, AWriterTruncate) {
  if (!deleting().has_truncate) GTEST_SKIP() << "there is no TRUNCATE";
  beside_writer(kTruncate, deleting().truncate_beside_writer, std::nullopt);
}

TEST_P(SqlDeletingBeside, AWriterDrop) {
  beside_writer(kDrop, deleting().drop_beside_writer, deleting().writer_beside_drop);
}

}  // namespace
}  // namespace tidelock::sql::conformance
