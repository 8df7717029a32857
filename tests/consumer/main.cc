#include <tidelock/base/real_files.h>
#include <tidelock/base/real_runtime.h>
#include <tidelock/toolkit/toolkit.h>

#include <cstdint>
#include <iostream>

int main() {
  tidelock::base::RealRuntime runtime;
  tidelock::base::RealFiles files(runtime);
  tidelock::Toolkit toolkit(runtime, files);
  const auto database = toolkit.database("sqlite::memory:");
  const auto answer = database->one<std::int64_t>("select 6 * ?", 7);
  std::cout << "6 * 7 = " << answer << '\n';
  return answer == 42 ? 0 : 1;
}
