#include "tidelock/sql/backends/mariadb/words.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "tidelock/base/ascii.h"

namespace tidelock::sql::mariadb {
namespace {

using base::ascii::is_space;

bool is_word(char c) {
  return base::ascii::is_letter_or_digit(c) || c == '_' || c == '$' || static_cast<unsigned char>(c) >= 0x80;
}

// What comes next: a word in upper case, or one character, or nothing at the end. Comments and blanks are passed over,
// except the /*! … */ that the server executes: their marks are, and what is inside is read.
class Tokens {
 public:
  Tokens(std::string_view sql, const Lexis& lexis) : sql_(sql), lexis_(&lexis) {}

  std::string next() {
    while (at_ < sql_.size() && (skip_comment() || is_space(sql_[at_]) || executed_comment_ends())) {
      if (at_ < sql_.size() && is_space(sql_[at_])) ++at_;
    }
    begin_ = at_;
    if (at_ >= sql_.size()) return {};
    const char c = sql_[at_];
    if (is_word(c)) return word();
    if (c == '\'' || c == '"' || c == '`') {
      quoted(c);
      return std::string(1, c);
    }
    ++at_;
    return std::string(1, c);
  }

  std::size_t begin() const { return begin_; }  // Of the last one.
  std::size_t end() const { return at_; }

 private:
  bool starts(std::string_view text) const { return sql_.substr(at_).starts_with(text); }

  bool skip_comment() {
    const bool dashes = starts("--") && (at_ + 2 >= sql_.size() || static_cast<unsigned char>(sql_[at_ + 2]) <= ' ');
    if (dashes || starts("#")) {
      at_ = std::min(sql_.find('\n', at_), sql_.size());
      return true;
    }
    if (starts("/*!") || starts("/*M!")) {
      at_ += starts("/*!") ? 3 : 4;
      while (at_ < sql_.size() && base::ascii::is_digit(sql_[at_])) ++at_;
      executed_ = true;
      return true;
    }
    if (!starts("/*")) return false;
    const auto end = sql_.find("*/", at_ + 2);
    at_ = end == sql_.npos ? sql_.size() : end + 2;
    return true;
  }

  bool executed_comment_ends() {
    if (!executed_ || !starts("*/")) return false;
    executed_ = false;
    at_ += 2;
    return true;
  }

  std::string word() {
    const auto begin = at_;
    while (at_ < sql_.size() && is_word(sql_[at_])) ++at_;
    std::string out(sql_.substr(begin, at_ - begin));
    std::ranges::transform(out, out.begin(), base::ascii::to_upper);
    return out;
  }

  void quoted(char quote) {
    for (++at_; at_ < sql_.size(); ++at_) {
      if (sql_[at_] == '\\' && lexis_->backslash_escapes && quote != '`') {
        ++at_;
      } else if (sql_[at_] == quote) {
        ++at_;
        if (at_ >= sql_.size() || sql_[at_] != quote) return;
      }
    }
    at_ = std::min(at_, sql_.size());
  }

  std::string_view sql_;
  const Lexis* lexis_;
  std::size_t at_ = 0;
  std::size_t begin_ = 0;
  bool executed_ = false;  // Inside a /*! … */.
};

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
// Words before '(' in a query that call nothing, and functions of the server that change nothing.
constexpr std::string_view kHarmless =
    " ABS ALL AND ANY AS ASCII AVG BETWEEN BIN BIT_AND BIT_COUNT BIT_LENGTH BIT_OR BIT_XOR BY CASE CAST CEIL CEILING "
    "CHAR"
    " CHARACTER_LENGTH CHAR_LENGTH COALESCE CONCAT CONCAT_WS CONNECTION_ID CONV CONVERT COUNT CRC32 CUME_DIST CURDATE"
    " CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER CURTIME DATABASE DATE DATEDIFF DATETIME DATE_ADD "
    "DATE_FORMAT"
    " DATE_SUB DAY DAYOFMONTH DAYOFWEEK DAYOFYEAR DECIMAL DENSE_RANK DISTINCT DIV ELSE ELT EXCEPT EXISTS EXP EXTRACT "
    "FIELD"
    " FIND_IN_SET FIRST_VALUE FLOOR FORMAT FOUND_ROWS FROM FROM_DAYS FROM_UNIXTIME GREATEST GROUP_CONCAT HAVING HEX "
    "HOUR IF"
    " IFNULL IN INSERT INSTR INTERSECT INTERVAL IS JOIN JSON_ARRAY JSON_ARRAYAGG JSON_EXTRACT JSON_LENGTH JSON_OBJECT"
    " JSON_OBJECTAGG JSON_QUERY JSON_UNQUOTE JSON_VALID JSON_VALUE LAG LAST_VALUE LCASE LEAD LEAST LEFT LENGTH LIKE "
    "LIMIT"
    " LN LOCATE LOG LOG10 LOG2 LOWER LPAD LTRIM MAX MD5 MICROSECOND MID MIN MINUTE MOD MONTH NOT NOW NTILE NULLIF"
    " OCTET_LENGTH ON OR ORD OVER PARTITION PERCENT_RANK POSITION POW POWER QUARTER QUOTE RAND RANK REGEXP REPEAT "
    "REPLACE"
    " REVERSE RIGHT RLIKE ROUND ROW ROW_NUMBER RPAD RTRIM SECOND SELECT SHA SHA1 SHA2 SIGN SIGNED SOME SPACE SQRT STD"
    " STDDEV STRCMP STR_TO_DATE SUBDATE SUBSTR SUBSTRING SUBSTRING_INDEX SUM SYSDATE THEN TIME TIMEDIFF TIMESTAMP"
    " TIMESTAMPDIFF TIME_FORMAT TO_BASE64 TO_DAYS TRIM TRUNCATE UCASE UNHEX UNION UNIX_TIMESTAMP UNSIGNED UPPER USER "
    "USING"
    " UUID VALUES VARCHAR VARIANCE VERSION WEEK WEEKDAY WHEN WHERE WITH XOR YEAR ";

bool calls(const std::string& before) {
  const char c = before.empty() ? ' ' : before.front();
  if (c == '`' || c == '"') return true;  // A function by its quoted name.
  return is_word(c) && kHarmless.find(" " + before + " ") == kHarmless.npos;
}

constexpr std::array<std::string_view, 4> kHideQuotes = {"BIG5", "CP932", "GBK", "SJIS"};
constexpr std::array<std::string_view, 4> kTracingWords = {"GET_LOCK", "TEMPORARY", "INTO", "@"};

// ANALYZE [FORMAT = JSON] runs the statement that follows and tells how; ANALYZE [LOCAL] TABLE is one of its own.
std::string analyzed(Tokens& tokens) {
  auto ahead = tokens;
  auto word = ahead.next();
  if (word == "FORMAT") {
    ahead.next();  // =
    ahead.next();
    word = ahead.next();
  }
  if (word.empty() || word == "TABLE" || word == "LOCAL" || word == "NO_WRITE_TO_BINLOG") return "ANALYZE";
  tokens = ahead;
  return word;
}

}  // namespace

StatementKind kind_of(std::string_view sql, const Lexis& lexis) {
  StatementKind kind;
  Tokens tokens(sql, lexis);
  auto first = tokens.next();
  while (first == "(" || first == ";") first = tokens.next();
  if (first == "ANALYZE") first = analyzed(tokens);
  if (first.empty()) return kind;
  kind.empty = false;
  kind.reads = is_one_of(first, kReads);
  kind.may_write = !kind.reads;
  kind.commits = is_one_of(first, kCommits);
  kind.controls = is_one_of(first, kControls);
  kind.leaves_traces = is_one_of(first, kTraces);
  auto second = tokens.next();
  if (second == "OR") {  // create or replace temporary table
    tokens.next();
    second = tokens.next();
  }
  if ((first == "CREATE" || first == "DROP") && second == "TEMPORARY") kind.commits = false;
  if (first == "SET" && second == "PASSWORD") kind.commits = true;
  if (first == "LOAD" && second == "INDEX") kind.commits = true;
  if (first == "START" && second != "TRANSACTION") {  // start replica
    kind.controls = false;
    kind.commits = true;
  }
  std::string before;
  for (auto word = second; !word.empty(); word = tokens.next()) {
    kind.may_write = kind.may_write || (word == "(" && calls(before));
    before = word;
    if (word == "INTO" && !kind.reads) continue;  // insert into
    kind.leaves_traces = kind.leaves_traces || is_one_of(word, kTracingWords);
  }
  return kind;
}

std::vector<std::string_view> statements_of(std::string_view script, const Lexis& lexis) {
  std::vector<std::string_view> statements;
  Tokens tokens(script, lexis);
  std::optional<std::size_t> begin;
  std::size_t end = 0;
  for (auto token = tokens.next(); !token.empty(); token = tokens.next()) {
    if (token == ";") {
      if (begin) statements.push_back(script.substr(*begin, end - *begin));
      begin.reset();
      continue;
    }
    if (!begin) begin = tokens.begin();
    end = tokens.end();
  }
  if (begin) statements.push_back(script.substr(*begin, end - *begin));
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
