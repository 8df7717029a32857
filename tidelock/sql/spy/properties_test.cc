#include "tidelock/sql/spy/properties.h"

#include <gtest/gtest.h>

#include "tidelock/world/testing.h"

namespace tidelock::sql::spy {
namespace {

using Properties = std::vector<Property>;

TEST(SpyProperties, AreReadAsJavaReadsThem) {
  EXPECT_EQ(
      parse_properties("a=1\nb: 2\nc 3\n  d\t=  4  \ne\nf=\n=g\n"),
      (Properties{
          {"a", "1", 1}, {"b", "2", 2}, {"c", "3", 3}, {"d", "4  ", 4}, {"e", "", 5}, {"f", "", 6}, {"", "g", 7}}));
  EXPECT_EQ(parse_properties("# no=1\n ! no=2\n\n   \n\ta=1"), (Properties{{"a", "1", 5}}));
  EXPECT_EQ(parse_properties("a=x=y:z #no comment\r\nb=2\rc=3"),
            (Properties{{"a", "x=y:z #no comment", 1}, {"b", "2", 2}, {"c", "3", 3}}));
}

TEST(SpyProperties, GoOnBehindABackslash) {
  EXPECT_EQ(parse_properties("list=a,\\\n     b,\\\r\n\t# c\nnext=1"),
            (Properties{{"list", "a,b,# c", 1}, {"next", "1", 4}}));
  EXPECT_EQ(parse_properties("path=c:\\\\\nb=1"), (Properties{{"path", "c:\\", 1}, {"b", "1", 2}}));
  EXPECT_EQ(parse_properties("a=1\\"), (Properties{{"a", "1", 1}}));
  EXPECT_EQ(parse_properties("# comment \\\na=1"), (Properties{{"a", "1", 2}}));
}

TEST(SpyProperties, KnowEscapes) {
  EXPECT_EQ(parse_properties("a\\ b\\:\\==\\ x\\ty\\nz\\q"), (Properties{{"a b:=", " x\ty\nzq", 1}}));
  EXPECT_EQ(parse_properties("a=\\u00fc\\u20AC\\uD83D\\uDE00"), (Properties{{"a", "ü€😀", 1}}));
  EXPECT_EQ(parse_properties("a=ü"), (Properties{{"a", "ü", 1}}));
  EXPECT_EQ(parse_properties("a=\xfc"), (Properties{{"a", "ü", 1}}));  // ISO 8859-1, as Java had it.
}

TEST(SpyProperties, RefuseWhatJavaRefusesWithTheLine) {
  for (const auto* bad : {"a=1\nb=\\u12", "a=1\nb=\\uXYZW", "a=1\nb=\\uD83D", "a=1\nb=\\uDE00", "a=1\nb=\\u0000"}) {
    try {
      parse_properties(bad);
      FAIL() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::invalid_argument);
      EXPECT_TRUE(error.message().starts_with("line 2: ")) << error.message();
    }
  }
  EXPECT_THROW_CODE(parse_properties(std::string_view("a=\0", 3)), Code::invalid_argument);
}

}  // namespace
}  // namespace tidelock::sql::spy
