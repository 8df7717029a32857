// Feeds files to a fuzz target without libFuzzer: `fuzz_url_replay fuzz/corpus/url`, or the file of one finding.
//
// Each file is fed whole and then cut short at every length, which is where parsers of text tend to slip.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kCutsMax = 4096;

std::vector<std::filesystem::path> files_under(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  } else if (std::filesystem::is_regular_file(path)) {
    files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

void feed(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  for (std::size_t size = bytes.size(), cuts = 0; cuts <= kCutsMax; --size, ++cuts) {
    // A copy of exactly that size, so that a sanitizer sees a read past its end.
    const std::vector<std::uint8_t> input(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    LLVMFuzzerTestOneInput(input.data(), input.size());
    if (size == 0) break;
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& path : files_under(argv[i])) {
      std::printf("%s\n", path.c_str());
      std::fflush(stdout);  // The last line names the file that brought the target down.
      feed(path);
      ++count;
    }
  }
  if (count == 0) {
    std::fprintf(stderr, "no files: name a corpus folder or a file\n");
    return 1;
  }
  return 0;
}
