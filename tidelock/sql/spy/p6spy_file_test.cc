#include "tidelock/sql/spy/p6spy_file.h"

#include <gmock/gmock.h>

#include <chrono>

#include "tidelock/world/testing.h"

namespace tidelock::sql::spy {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// As an application has it: comments, other forms of lines, keys of everything that P6Spy does.
constexpr auto kOfAnApplication = R"(
################################################################
# MODULES
modulelist=com.p6spy.engine.spy.P6SpyFactory,\
    com.p6spy.engine.logging.P6LogFactory,\
    com.p6spy.engine.outage.P6OutageFactory
driverlist=org.postgresql.Driver
! the log
appender=com.p6spy.engine.spy.appender.FileLogger
logfile : logs/spy.log
append=true
dateformat=yyyy-MM-dd HH:mm:ss.SSS
logMessageFormat=com.p6spy.engine.spy.appender.CustomLineFormat
customLogMessageFormat=%(currentTime) | %(executionTime) ms | %(category) | connection %(connectionId)\u0020| %(sqlSingleLine)
databaseDialectDateFormat=yyyy-MM-dd
databaseDialectTimestampFormat=yyyy-MM-dd HH:mm:ss
databaseDialectBooleanFormat=numeric
filter=true
include=from orders,from item
exclude=qrtz_.*, audit
sqlexpression=(?i).*orders.*
excludecategories=info,debug,result,resultset,batch,commit
executionThreshold=10
outagedetection=true
outagedetectioninterval=2
reloadproperties=false
)";

TEST(P6SpyFile, OfAnApplicationIsTakenAsItIs) {
  const auto file = parse_p6spy(kOfAnApplication, "spy.properties");
  const auto& options = file.options;
  EXPECT_EQ(file.appender, P6SpyFile::Appender::file);
  EXPECT_EQ(options.file->path, "logs/spy.log");
  EXPECT_TRUE(options.file->append);
  EXPECT_EQ(options.format.format, Format::custom);
  EXPECT_EQ(options.format.custom,
            "%(currentTime) | %(executionTime) ms | %(category) | connection %(connectionId) | %(sqlSingleLine)");
  EXPECT_EQ(options.format.date_format, "yyyy-MM-dd HH:mm:ss.SSS");
  EXPECT_EQ(options.format.date_literals, "yyyy-MM-dd");
  EXPECT_EQ(options.format.timestamp_literals, "yyyy-MM-dd HH:mm:ss");
  EXPECT_TRUE(options.format.numeric_booleans);
  EXPECT_THAT(options.filter.include, ElementsAre("from orders", "from item"));
  EXPECT_THAT(options.filter.exclude, ElementsAre("qrtz_.*", "audit"));
  EXPECT_EQ(options.filter.expression, "(?i).*orders.*");
  const Filter filter(options.filter);
  EXPECT_FALSE(filter.wants(LogCategory::commit));
  EXPECT_TRUE(filter.wants(LogCategory::rollback));
  EXPECT_EQ(options.filter.threshold, 10ms);
  EXPECT_EQ(options.still_running, 2s);
  EXPECT_THAT(file.notes, ElementsAre(HasSubstr("spy.properties:4: modulelist means nothing here: "),
                                      HasSubstr("spy.properties:7: driverlist means nothing here: "),
                                      HasSubstr("spy.properties:26: reloadproperties means nothing here: ")));
}

TEST(P6SpyFile, ThatIsEmptyHasP6SpysDefaults) {
  const auto file = parse_p6spy("", "spy.properties");
  EXPECT_EQ(file.options.file->path, "spy.log");
  EXPECT_EQ(file.options.format.format, Format::single);
  EXPECT_EQ(file.options.still_running, 0s);
  EXPECT_THAT(file.notes, IsEmpty());
  const Filter filter(file.options.filter);
  for (const auto& category : category_names()) {
    const bool excluded = category == "info" || category == "debug" || category == "result" ||
                          category == "resultset" || category == "batch";
    EXPECT_EQ(filter.wants(*find_category(category)), !excluded) << category;
  }
}

TEST(P6SpyFile, FiltersOnlyWithFilterTrueAndSaysSo) {
  const auto file = parse_p6spy("include=orders\n", "spy.properties");
  EXPECT_THAT(file.options.filter.include, IsEmpty());
  EXPECT_THAT(file.notes, ElementsAre(HasSubstr("without effect until filter=true")));
}

TEST(P6SpyFile, ChoosesTheAppender) {
  EXPECT_EQ(parse_p6spy("appender=com.p6spy.engine.spy.appender.StdoutLogger", "x").appender,
            P6SpyFile::Appender::standard_output);
  const auto file = parse_p6spy("appender=com.p6spy.engine.spy.appender.Slf4JLogger", "x");
  EXPECT_EQ(file.appender, P6SpyFile::Appender::log);
  const auto options = file.with_sinks(nullptr);
  EXPECT_FALSE(options.file);
  EXPECT_EQ(options.sinks.size(), 1U);
}

TEST(P6SpyFile, SaysWhatIsWrongAndWhere) {
  const auto why = [](const char* text) {
    try {
      parse_p6spy(text, "spy.properties");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::invalid_argument);
      return error.message();
    }
    return std::string("nothing");
  };
  EXPECT_THAT(why("\nexecutionThreshold=ten"),
              HasSubstr("spy.properties:2: executionThreshold: \"ten\" is no whole number"));
  EXPECT_THAT(why("append=yes"), HasSubstr("neither true nor false"));
  EXPECT_THAT(why("excludecategories=info,comit"), HasSubstr("\"comit\" is no category"));
  EXPECT_THAT(why("logMessageFormat=com.acme.OurFormat"), HasSubstr("is none of SingleLineFormat"));
  EXPECT_THAT(why("customLogMessageFormat=%(sq)"), HasSubstr("did you mean %(sql)?"));
  EXPECT_THAT(why("dateformat=YYYY"), HasSubstr("date format"));
  EXPECT_THAT(why("sqlexpression=^(?!select).*$"), HasSubstr("RE2"));
  EXPECT_THAT(why("outagedetectioninterval=0"), HasSubstr("at least 1 second"));
  EXPECT_THAT(why("a=\\u1"), HasSubstr("spy.properties: line 1"));
  EXPECT_THAT(parse_p6spy("executionTreshold=5", "f").notes,
              ElementsAre("f:1: executionTreshold is not known: did you mean executionThreshold?"));
}

}  // namespace
}  // namespace tidelock::sql::spy
