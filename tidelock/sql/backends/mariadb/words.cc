#include "tidelock/sql/backends/mariadb/words.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "tidelock/base/ascii.h"
#include "tidelock/base/error.h"
#include "tidelock/sql/lexer.h"

namespace tidelock::sql::mariadb {
namespace {

constexpr std::uint64_t kAllExecuted = ~std::uint64_t{0}, kNoneExecuted = 0;

// Of a text up to its end, or to what does not end.
struct Reading {
  std::vector<Token> tokens;
  bool ends = true;
  bool has_versions = false;  // There are /*! … */, which some servers execute and others pass over.
};

Reading read(std::string_view sql, const Lexis& lexis, std::uint64_t executed) {
  Reading reading;
  Lexer lexer(sql, lexis, executed);
  try {
    while (const auto token = lexer.next()) reading.tokens.push_back(*token);
  } catch (const Error&) {
    reading.ends = false;
  }
  reading.has_versions = lexer.executable_comments() > 0;
  return reading;
}

// In upper case; what is no word stays as it is.
std::string word_at(std::span<const Token> tokens, std::size_t at) {
  if (at >= tokens.size()) return {};
  return tokens[at].kind == TokenKind::word ? base::ascii::upper(tokens[at].text) : std::string(tokens[at].text);
}

template <std::size_t kSize>
bool is_one_of(const std::string& word, const std::array<std::string_view, kSize>& words) {
  return std::ranges::find(words, word) != words.end();
}

constexpr std::array<std::string_view, 9> kReads = {"SELECT",   "WITH", "VALUES",  "SHOW", "TABLE",
                                                    "DESCRIBE", "DESC", "EXPLAIN", "DO"};
// https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/
constexpr std::array<std::string_view, 21> kCommits = {
    "ALTER",  "ANALYZE", "BACKUP", "CACHE",    "CHANGE",   "CHECK",     "CREATE",
    "DROP",   "FLUSH",   "GRANT",  "INSTALL",  "LOCK",     "OPTIMIZE",  "RENAME",
    "REPAIR", "RESET",   "REVOKE", "SHUTDOWN", "TRUNCATE", "UNINSTALL", "UNLOCK"};
constexpr std::array<std::string_view, 7> kControls = {"BEGIN",     "START",   "COMMIT", "ROLLBACK",
                                                       "SAVEPOINT", "RELEASE", "XA"};
// The rest that can do it: what a CALL, an EXECUTE, a HANDLER or a block does is anybody's guess.
constexpr std::array<std::string_view, 17> kTraces = {"SET",     "USE",   "CALL", "EXECUTE", "PREPARE", "HANDLER",
                                                      "DECLARE", "FLUSH", "LOCK", "BACKUP",  "CHANGE",  "IF",
                                                      "CASE",    "FOR",   "LOOP", "REPEAT",  "WHILE"};
constexpr std::array<std::string_view, 9> kInParts = {"CALL", "EXECUTE", "DECLARE", "IF",   "CASE",
                                                      "FOR",  "LOOP",    "REPEAT",  "WHILE"};
// Words before '(' that call nothing, and functions of the server that change nothing. None of them can be the name of
// a function that somebody has stored, unless it is quoted or follows that of its database.
constexpr std::string_view kHarmless =
    " ABS ACOS ADDDATE ADDTIME AGAINST ALL AND ANY AS ASCII ASIN ATAN ATAN2 AVG BETWEEN BIN BIT_AND BIT_COUNT "
    "BIT_LENGTH BIT_OR BIT_XOR BY CASE CAST CEIL CEILING CHAR CHARACTER_LENGTH CHARSET CHAR_LENGTH COALESCE "
    "COLLATION CONCAT CONCAT_WS CONNECTION_ID CONV CONVERT COS COT COUNT CRC32 CUME_DIST CURDATE CURRENT_DATE "
    "CURRENT_ROLE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER CURTIME DATABASE DATE DATEDIFF DATETIME DATE_ADD "
    "DATE_FORMAT DATE_SUB DAY DAYNAME DAYOFMONTH DAYOFWEEK DAYOFYEAR DECIMAL DEGREES DENSE_RANK DISTINCT DIV ELSE "
    "ELT EXCEPT EXISTS EXP EXTRACT FIELD FIND_IN_SET FIRST_VALUE FLOOR FORMAT FOUND_ROWS FROM FROM_BASE64 "
    "FROM_DAYS FROM_UNIXTIME GREATEST GROUP_CONCAT HAVING HEX HOUR IF IFNULL IN INDEX INET6_ATON INET6_NTOA "
    "INET_ATON INET_NTOA INSERT INSTR INTERSECT INTERVAL IS IS_FREE_LOCK IS_USED_LOCK JOIN JSON_ARRAY "
    "JSON_ARRAYAGG JSON_CONTAINS JSON_DETAILED JSON_EXISTS JSON_EXTRACT JSON_INSERT JSON_KEYS JSON_LENGTH "
    "JSON_MERGE_PATCH JSON_MERGE_PRESERVE JSON_OBJECT JSON_OBJECTAGG JSON_QUERY JSON_REMOVE JSON_REPLACE "
    "JSON_SEARCH JSON_SET JSON_TABLE JSON_TYPE JSON_UNQUOTE JSON_VALID JSON_VALUE KEY LAG LAST_DAY LAST_INSERT_ID "
    "LAST_VALUE LCASE LEAD LEAST LEFT LENGTH LIKE LIMIT LN LOCALTIME LOCALTIMESTAMP LOCATE LOG LOG10 LOG2 LOWER "
    "LPAD LTRIM MAKEDATE MAKETIME MATCH MAX MD5 MICROSECOND MID MIN MINUTE MOD MONTH MONTHNAME NOT NOW NTH_VALUE "
    "NTILE NULLIF NVL OCT OCTET_LENGTH ON OR ORD OVER PARTITION PERCENT_RANK PERIOD_ADD PERIOD_DIFF PI POSITION "
    "POW POWER QUARTER QUOTE RADIANS RAND RANK REGEXP REGEXP_INSTR REGEXP_REPLACE REGEXP_SUBSTR REPEAT REPLACE "
    "REVERSE RIGHT RLIKE ROUND ROW ROW_COUNT ROW_NUMBER RPAD RTRIM SCHEMA SECOND SEC_TO_TIME SELECT SESSION_USER "
    "SHA SHA1 SHA2 SIGN SIGNED SIN SLEEP SOME SOUNDEX SPACE SQRT STD STDDEV STDDEV_POP STDDEV_SAMP STRCMP "
    "STR_TO_DATE SUBDATE SUBSTR SUBSTRING SUBSTRING_INDEX SUBTIME SUM SYSDATE SYSTEM_USER TAN THEN TIME TIMEDIFF "
    "TIMESTAMP TIMESTAMPADD TIMESTAMPDIFF TIME_FORMAT TIME_TO_SEC TO_BASE64 TO_DAYS TO_SECONDS TRIM TRUNCATE UCASE "
    "UNHEX UNION UNIX_TIMESTAMP UNSIGNED UPPER USER USING UTC_DATE UTC_TIME UTC_TIMESTAMP UUID UUID_SHORT VALUE "
    "VALUES VARCHAR VARIANCE VAR_POP VAR_SAMP VERSION WEEK WEEKDAY WEEKOFYEAR WHEN WHERE WITH XOR YEAR YEARWEEK ";
// Of these it is the server's function only where '(' follows at once, else a stored one of that name.
// https://mariadb.com/kb/en/function-name-parsing-and-resolution/
constexpr std::string_view kWithoutBlank =
    " ADDDATE BIT_AND BIT_OR BIT_XOR CAST COUNT CUME_DIST CURDATE CURTIME DATE_ADD DATE_FORMAT DATE_SUB DENSE_RANK "
    "EXTRACT "
    "FIRST_VALUE GROUP_CONCAT JSON_ARRAYAGG JSON_OBJECTAGG JSON_TABLE LAG LAST_VALUE LEAD MAX MID MIN NOW NTH_VALUE "
    "NTILE "
    "PERCENT_RANK POSITION RANK ROW_NUMBER SESSION_USER STD STDDEV STDDEV_POP STDDEV_SAMP SUBDATE SUBSTR SUBSTRING SUM "
    "SYSDATE SYSTEM_USER TRIM VARIANCE VAR_POP VAR_SAMP ";

bool is_in(std::string_view words, const std::string& word) { return words.find(" " + word + " ") != words.npos; }

// Whether the '(' there calls a function that is not known to be harmless.
bool calls(std::span<const Token> tokens, std::size_t at) {
  if (at == 0) return false;
  const auto& name = tokens[at - 1];
  if (name.kind == TokenKind::quoted_name || name.kind == TokenKind::number) return true;  // A name may begin with 1.
  if (name.kind != TokenKind::word) return false;
  if (at > 1 && (tokens[at - 2].is('.') || tokens[at - 2].is('$'))) return true;
  const auto word = word_at(tokens, at - 1);
  return !is_in(kHarmless, word) || (is_in(kWithoutBlank, word) && name.end() != tokens[at].begin);
}

constexpr std::array<std::string_view, 4> kHideQuotes = {"BIG5", "CP932", "GBK", "SJIS"};
constexpr std::array<std::string_view, 4> kTracingWords = {"GET_LOCK", "TEMPORARY", "INTO", "@"};

constexpr std::array<std::string_view, 2> kInserts = {"INSERT", "REPLACE"};
// Behind these, or the first '(', an insert no longer names its table.
constexpr std::array<std::string_view, 5> kEndName = {"VALUES", "VALUE", "SELECT", "SET", "WITH"};

// ANALYZE [FORMAT = JSON] runs the statement that follows and tells how; ANALYZE [LOCAL] TABLE is one of its own.
// Where the statement begins.
std::size_t analyzed(std::span<const Token> tokens, std::size_t at) {
  const std::size_t next = word_at(tokens, at + 1) == "FORMAT" ? at + 4 : at + 1;
  const auto word = word_at(tokens, next);
  const bool is_its_own = word.empty() || word == "TABLE" || word == "LOCAL" || word == "NO_WRITE_TO_BINLOG";
  return is_its_own ? at : next;
}

// A word, or a name in quotes without them; in upper case.
std::string name_at(std::span<const Token> tokens, std::size_t at) {
  const auto text = word_at(tokens, at);
  if (at >= tokens.size() || tokens[at].kind != TokenKind::quoted_name) return text;
  return base::ascii::upper(text.substr(1, text.size() - 2));
}

// Of what is no query. WRITE is no name but in quotes, and stands in LOCK TABLES besides; what an EXECUTE runs is not
// in its text.
bool sets_access_at(std::span<const Token> tokens, std::size_t at) {
  const auto name = name_at(tokens, at);
  return name == "TX_READ_ONLY" || name == "TRANSACTION_READ_ONLY" || tokens[at].is("WRITE") ||
         tokens[at].is("EXECUTE");
}

bool ends_autocommit_at(std::span<const Token> tokens, std::size_t at) {
  const auto sign = word_at(tokens, at + 1);
  if (name_at(tokens, at) != "AUTOCOMMIT" || (sign != "=" && sign != ":")) return false;
  const auto before = at < 2 || !tokens[at - 1].is('.') ? at : at - 1;  // @@global.autocommit
  if (before > 0 && word_at(tokens, before - 1) == "GLOBAL") return false;
  const auto value = word_at(tokens, at + (sign == "=" ? 2 : 3));
  return value != "1" && value != "ON" && value != "TRUE";
}
// A variable of the system, and not one of the session's own: @@name
bool is_of_system(std::span<const Token> tokens, std::size_t at) {
  return tokens[at].is('@') && (word_at(tokens, at + 1) == "@" || (at > 0 && tokens[at - 1].is('@')));
}

// What the beginning of a statement says that it keeps in the session; in words.
std::string_view kept_by(std::span<const Token> tokens, std::size_t at) {
  const auto first = word_at(tokens, at);
  const auto second = word_at(tokens, at + 1);
  const bool several = std::ranges::any_of(tokens, [](const Token& token) { return token.is(','); });
  if (first == "SET" && !is_in(" STATEMENT PASSWORD DEFAULT ", second) && (second != "GLOBAL" || several)) {
    return "setting of the session (`set statement … for` is one of a statement)";
  }
  if (first == "USE") return "other database";
  if (first == "PREPARE" || first == "EXECUTE" || first == "DEALLOCATE") return "prepared statement";
  if (first == "HANDLER") return "handler";
  if (first == "LOCK" || first == "UNLOCK" || first == "BACKUP") return "lock of the session";
  const auto third = second == "OR" ? word_at(tokens, at + 3) : second;  // or replace
  if (first == "CREATE" && third == "TEMPORARY") return "temporary table";
  return {};
}

// The same of one token.
std::string_view kept_at(std::span<const Token> tokens, std::size_t at) {
  const auto text = word_at(tokens, at);
  if (name_at(tokens, at) == "GET_LOCK" && word_at(tokens, at + 1) == "(") return "lock of the session (GET_LOCK)";
  if (text == "LOCK" && word_at(tokens, 0) == "FLUSH") return "lock of the session";
  if (text != "@") return {};
  const bool of_system = is_of_system(tokens, at);
  const bool of_host = at > 0 && tokens[at - 1].end() == tokens[at].begin &&
                       (tokens[at - 1].kind != TokenKind::symbol && tokens[at - 1].kind != TokenKind::placeholder);
  return of_system || of_host ? std::string_view() : "variable of the session";  // user@host
}

StatementKind kind_read(const Reading& reading) {
  StatementKind kind;
  const std::span tokens = reading.tokens;
  std::size_t at = 0;
  while (at < tokens.size() && (tokens[at].is('(') || tokens[at].is(';'))) ++at;
  if (word_at(tokens, at) == "ANALYZE") at = analyzed(tokens, at);
  const auto first = word_at(tokens, at);
  if (first.empty() && reading.ends) return kind;
  kind.empty = false;
  kind.reads = is_one_of(first, kReads);
  kind.may_write = !kind.reads || !reading.ends;
  kind.commits = is_one_of(first, kCommits);
  kind.controls = is_one_of(first, kControls);
  kind.may_commit = is_one_of(first, kInParts) || !reading.ends;
  kind.leaves_traces = is_one_of(first, kTraces) || !reading.ends;
  auto second = word_at(tokens, at + 1);
  if (second == "OR") second = word_at(tokens, at + 3);  // create or replace temporary table
  if ((first == "CREATE" || first == "DROP") && second == "TEMPORARY") kind.commits = false;
  if (first == "SET" && second == "PASSWORD") kind.commits = true;
  if (first == "LOAD" && second == "INDEX") kind.commits = true;
  if (first == "START" && second != "TRANSACTION") {  // start replica
    kind.controls = false;
    kind.commits = true;
  }
  kind.keeps = kept_by(tokens, at);
  // A query may be something else to a version that passes over a part of it.
  const bool sets = !kind.reads || reading.has_versions;
  for (std::size_t i = at; i < tokens.size(); ++i) {
    kind.sets_access = kind.sets_access || (sets && sets_access_at(tokens, i));
    kind.ends_autocommit = kind.ends_autocommit || (first == "SET" && ends_autocommit_at(tokens, i));
  }
  bool names_table = is_one_of(first, kInserts);
  for (++at; at < tokens.size(); ++at) {
    const auto word = word_at(tokens, at);
    if (word == "(") {
      const bool unknown = !names_table && calls(tokens, at);
      kind.may_write = kind.may_write || unknown;
      kind.leaves_traces = kind.leaves_traces || unknown;  // A variable, or a lock that nothing else tells of.
    }
    if (kind.keeps.empty()) kind.keeps = kept_at(tokens, at);
    names_table = names_table && word != "(" && !is_one_of(word, kEndName);
    if (word == "INTO" && !kind.reads) continue;  // insert into
    if (is_of_system(tokens, at)) continue;       // Read; what sets it is no query.
    kind.leaves_traces = kind.leaves_traces || is_one_of(word, kTracingWords);
  }
  return kind;
}

}  // namespace

StatementKind kind_of(std::string_view sql, const Lexis& lexis) {
  const auto executed = read(sql, lexis, kAllExecuted);
  auto kind = kind_read(executed);
  if (!executed.has_versions) return kind;
  const auto other = kind_read(read(sql, lexis, kNoneExecuted));
  if (other.empty) return kind;
  if (kind.empty) return other;
  kind.reads = kind.reads && other.reads;
  kind.may_write = kind.may_write || other.may_write;
  kind.commits = kind.commits || other.commits;
  kind.may_commit = kind.may_commit || other.may_commit;
  kind.controls = kind.controls || other.controls;
  kind.leaves_traces = kind.leaves_traces || other.leaves_traces;
  kind.sets_access = kind.sets_access || other.sets_access;
  kind.ends_autocommit = kind.ends_autocommit || other.ends_autocommit;
  if (kind.keeps.empty()) kind.keeps = other.keeps;
  return kind;
}

std::vector<std::string_view> statements_of(std::string_view script, const Lexis& lexis, bool executed) {
  const auto reading = read(script, lexis, executed ? kAllExecuted : kNoneExecuted);
  std::vector<std::string_view> statements;
  std::optional<std::size_t> begin;
  std::size_t end = 0;
  const auto add = [&] {
    if (begin) statements.push_back(script.substr(*begin, end - *begin));
    begin.reset();
  };
  for (const auto& token : reading.tokens) {
    if (token.is(';')) {
      add();
      continue;
    }
    if (!begin) begin = token.begin;
    end = token.end();
  }
  if (!reading.ends) {  // The server is to say so.
    if (!begin) begin = end;
    end = script.size();
  }
  add();
  return statements;
}

bool hides_quotes(std::string_view character_set) {
  return std::ranges::find(kHideQuotes, base::ascii::upper(character_set)) != kHideQuotes.end();
}

bool sets_one_that_hides_quotes(std::string_view statement) {
  const auto text = base::ascii::upper(statement);
  return text.starts_with("SET") &&
         std::ranges::any_of(kHideQuotes, [&](auto name) { return text.find(name) != text.npos; });
}

std::string quoted_identifier(std::string_view name) {
  std::string out = "`";
  for (const char c : name) out.append(c == '`' ? 2 : 1, c);
  return out + '`';
}

}  // namespace tidelock::sql::mariadb
