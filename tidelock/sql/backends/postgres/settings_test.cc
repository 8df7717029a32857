#include "tidelock/sql/backends/postgres/settings.h"

#include <algorithm>
#include <string>

#include "tidelock/world/testing.h"

namespace tidelock::sql::postgres {
namespace {

std::string keyword(const std::string& parameters, std::string_view name) {
  const auto url = base::Url::parse("postgres://u@h/d" + parameters);
  base::UrlParams params(url);
  DatabaseOptions options;
  options.read(params);
  const auto settings = read_settings(url, params, options);
  const auto found = std::ranges::find(settings.keywords, name, &std::pair<std::string, std::string>::first);
  return found == settings.keywords.end() ? "" : found->second;
}

TEST(PostgresSettings, WhereTlsIsDemandedTheEncryptionOfKerberosIsNotTakenForIt) {
  for (const auto* const mode : {"require", "verify-ca", "verify-full"}) {
    EXPECT_EQ(keyword("?sslmode=" + std::string(mode), "gssencmode"), "disable") << mode;
  }
  EXPECT_EQ(keyword("", "gssencmode"), "");
}

}  // namespace
}  // namespace tidelock::sql::postgres
