// The contract of files.h, run unchanged on the kernel's files and on the model disk of a World.

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "tidelock/base/real_files.h"
#include "tidelock/base/real_runtime.h"
#include "tidelock/base/testing/temp_folder.h"
#include "tidelock/world/testing.h"

namespace tidelock::base {
namespace {

using namespace std::chrono_literals;

struct Place {
  Runtime& runtime;
  Files& files;
  Path folder;  // Exists and is empty.
};

struct FilesKind {
  std::string name;
  std::function<void(const std::function<void(Place)>&)> run;
};

void with_real_files(const std::function<void(Place)>& body) {
  RealRuntime runtime;
  RealFiles files(runtime);
  const testing::TempFolder folder;
  body({runtime, files, folder.path()});
}

void with_files_of_worlds(const std::function<void(Place)>& body) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    world::World world(seed);
    auto& process = world.process();
    world.run([&] {
      process.files().create_folders("/place");
      body({process, process.files(), "/place"});
    });
  }
}

class FilesConformance : public ::testing::TestWithParam<FilesKind> {
 protected:
  void run(const std::function<void(Place)>& body) { GetParam().run(body); }
};

INSTANTIATE_TEST_SUITE_P(Files, FilesConformance,
                         ::testing::Values(FilesKind{"Real", with_real_files},
                                           FilesKind{"World", with_files_of_worlds}),
                         [](const auto& info) { return info.param.name; });

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string text_at(File& file, std::uint64_t offset, std::size_t size) {
  std::string text(size, '?');
  text.resize(file.read_at(offset, std::as_writable_bytes(std::span(text))));
  return text;
}

void put(Files& files, const Path& path, std::string_view text) {
  const auto file = files.open(path, OpenMode::create);
  file->truncate(0);
  file->write_at(0, bytes(text));
}

TEST_P(FilesConformance, WhatIsWrittenIsReadBackAndAGapIsZeros) {
  run([](const Place& place) {
    const auto file = place.files.open(place.folder / "x", OpenMode::create_new);
    EXPECT_EQ(file->size(), 0U);
    EXPECT_EQ(text_at(*file, 0, 10), "");
    file->write_at(0, bytes("hello"));
    file->write_at(8, bytes("world"));
    EXPECT_EQ(file->size(), 13U);
    EXPECT_EQ(text_at(*file, 0, 100), std::string("hello\0\0\0world", 13));
    EXPECT_EQ(text_at(*file, 3, 2), "lo");
    EXPECT_EQ(text_at(*file, 13, 10), "");
    EXPECT_EQ(text_at(*file, 1000, 10), "");
    file->write_at(0, {});
    file->truncate(4);
    EXPECT_EQ(text_at(*file, 0, 100), "hell");
    file->truncate(6);
    EXPECT_EQ(text_at(*file, 0, 100), std::string("hell\0\0", 6));
    EXPECT_NO_THROW(file->sync());
  });
}

TEST_P(FilesConformance, AnOpenModeSaysWhatMustExistAndWhatMayBeDone) {
  run([](const Place& place) {
    const auto path = place.folder / "x";
    EXPECT_THROW_CODE(place.files.open(path, OpenMode::read), Code::not_found);
    EXPECT_THROW_CODE(place.files.open(path, OpenMode::read_write), Code::not_found);
    EXPECT_THROW_CODE(place.files.open(place.folder / "no" / "x", OpenMode::create), Code::not_found);
    place.files.open(path, OpenMode::create)->write_at(0, bytes("kept"));
    EXPECT_THROW_CODE(place.files.open(path, OpenMode::create_new), Code::already_exists);
    EXPECT_EQ(text_at(*place.files.open(path, OpenMode::create), 0, 10), "kept");
    place.files.open(path, OpenMode::read_write)->write_at(0, bytes("K"));
    const auto reader = place.files.open(path, OpenMode::read);
    EXPECT_EQ(text_at(*reader, 0, 10), "Kept");
    EXPECT_THROW(reader->write_at(0, bytes("x")), Error);
    EXPECT_EQ(text_at(*reader, 0, 10), "Kept");
    for (const auto mode : {OpenMode::read, OpenMode::read_write, OpenMode::create}) {
      EXPECT_THROW_CODE(place.files.open(place.folder, mode), Code::invalid_argument);
    }
    EXPECT_THROW_CODE(place.files.open(path / "below", OpenMode::create), Code::invalid_argument);
  });
}

TEST_P(FilesConformance, AnErrorNamesThePath) {
  run([](const Place& place) {
    try {
      place.files.open(place.folder / "missing.db", OpenMode::read);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("missing.db"), std::string::npos);
      EXPECT_NE(error.object().find("missing.db"), std::string::npos);
    }
  });
}

TEST_P(FilesConformance, AWholeFileIsReadUpToALimit) {
  run([](const Place& place) {
    const auto path = place.folder / "x";
    const std::string content(10'000, 'a');
    put(place.files, path, content);
    EXPECT_EQ(place.files.read(path), content);
    EXPECT_EQ(place.files.read(path, 10'000), content);
    EXPECT_THROW_CODE(place.files.read(path, 9'999), Code::too_large);
    put(place.files, path, "");
    EXPECT_EQ(place.files.read(path, 0), "");
    EXPECT_THROW_CODE(place.files.read(place.folder / "no"), Code::not_found);
  });
}

TEST_P(FilesConformance, AnAtomicWriteReplacesTheFileAndLeavesNothingElse) {
  run([](const Place& place) {
    const auto path = place.folder / "x";
    place.files.write_atomically(path, "one");
    EXPECT_EQ(place.files.read(path), "one");
    const auto old = place.files.open(path, OpenMode::read);
    put(place.files, place.folder / "x.tmp", "left by a crash, and longer");
    place.files.write_atomically(path, "two");
    EXPECT_EQ(place.files.read(path), "two");
    EXPECT_EQ(text_at(*old, 0, 10), "one");  // Who has it open still reads the old one.
    EXPECT_EQ(place.files.list(place.folder), std::vector<std::string>{"x"});
    EXPECT_THROW_CODE(place.files.write_atomically(place.folder / "no" / "x", "three"), Code::not_found);
  });
}

TEST_P(FilesConformance, NamesAreMadeMovedListedAndRemoved) {
  run([](const Place& place) {
    auto& files = place.files;
    const auto& top = place.folder;
    EXPECT_NO_THROW(files.create_folders(top / "a" / "b"));
    EXPECT_NO_THROW(files.create_folders(top / "a" / "b"));
    put(files, top / "a" / "z", "z");
    put(files, top / "a" / "y", "y");
    EXPECT_EQ(files.list(top / "a"), (std::vector<std::string>{"b", "y", "z"}));
    files.rename(top / "a" / "z", top / "a" / "y");
    EXPECT_EQ(files.read(top / "a" / "y"), "z");
    EXPECT_THROW_CODE(files.rename(top / "a" / "z", top / "a" / "q"), Code::not_found);
    EXPECT_THROW_CODE(files.create_folders(top / "a" / "y" / "c"), Code::invalid_argument);
    EXPECT_NO_THROW(files.sync_folder(top / "a"));
    EXPECT_THROW_CODE(files.sync_folder(top / "no"), Code::not_found);
    EXPECT_THROW_CODE(files.list(top / "no"), Code::not_found);

    EXPECT_THROW_CODE(files.remove(top / "a"), Code::invalid_argument);  // Not empty.
    EXPECT_TRUE(files.remove(top / "a" / "y"));
    EXPECT_FALSE(files.remove(top / "a" / "y"));
    EXPECT_TRUE(files.remove(top / "a" / "b"));
    EXPECT_TRUE(files.remove(top / "a"));
    EXPECT_TRUE(files.list(top).empty());
  });
}

TEST_P(FilesConformance, InformationDoesNotFollowASymlink) {
  run([](const Place& place) {
    auto& files = place.files;
    const auto& top = place.folder;
    put(files, top / "file", "12345");
    files.create_symlink("file", top / "link");
    EXPECT_EQ(files.read_symlink(top / "link"), "file");
    EXPECT_EQ(files.read(top / "link"), "12345");
    EXPECT_THROW_CODE(files.create_symlink("other", top / "link"), Code::already_exists);
    EXPECT_THROW_CODE(files.read_symlink(top / "file"), Code::invalid_argument);
    EXPECT_THROW_CODE(files.read_symlink(top / "no"), Code::not_found);

    EXPECT_EQ(files.info(top / "file")->kind, FileInfo::Kind::file);
    EXPECT_EQ(files.info(top / "file")->size_bytes, 5U);
    EXPECT_EQ(files.info(top)->kind, FileInfo::Kind::folder);
    EXPECT_EQ(files.info(top / "link")->kind, FileInfo::Kind::symlink);
    EXPECT_FALSE(files.info(top / "no"));
    EXPECT_FALSE(files.info(top / "file" / "below"));
    const auto inode = files.info(top / "file")->inode;
    EXPECT_NE(inode, files.info(top / "link")->inode);
    files.rename(top / "file", top / "moved");
    EXPECT_EQ(files.info(top / "moved")->inode, inode);
    EXPECT_THROW_CODE(files.open(top / "link", OpenMode::read), Code::not_found);  // It leads nowhere now.
    EXPECT_TRUE(files.remove(top / "link"));
    EXPECT_TRUE(files.info(top / "moved"));
    EXPECT_NO_THROW(files.set_mode(top / "moved", 0444));
    EXPECT_THROW_CODE(files.set_mode(top / "no", 0444), Code::not_found);
  });
}

TEST_P(FilesConformance, AChangeOfTheContentChangesTheStampAndReadingDoesNot) {
  run([](const Place& place) {
    auto& files = place.files;
    const auto path = place.folder / "x";
    put(files, path, "12345");
    const auto stamp = [&] { return files.info(path)->change_stamp; };
    const auto before = stamp();
    EXPECT_EQ(files.read(path), "12345");
    EXPECT_EQ(stamp(), before);
    // The clock of a real file system ticks a few times in a hundredth of a second.
    const auto file = files.open(path, OpenMode::read_write);
    for (char byte = 'a'; stamp() == before; byte = byte == 'z' ? 'a' : static_cast<char>(byte + 1)) {
      file->write_at(0, std::as_bytes(std::span(&byte, 1)));
    }
    const auto written = stamp();
    while (stamp() == written) {
      file->truncate(3);
      file->truncate(5);
    }
    file->start_sync({.offset = 1, .length = 2});
    file->start_sync({});
    EXPECT_EQ(files.read(path).substr(1, 2), "23");
  });
}

TEST_P(FilesConformance, AChangeOfANameChangesTheStampOfItsFolder) {
  run([](const Place& place) {
    auto& files = place.files;
    const auto top = place.folder / "names";
    files.create_folders(top / "folder");
    const auto stamp = [&] { return files.info(top)->change_stamp; };
    // A name is changed, and changed back, until the clock of the file system has ticked.
    const auto changes = [&](const auto& there, const auto& back) {
      for (const auto before = stamp(); stamp() == before; back()) there();
    };
    changes([&] { put(files, top / "a", "1"); }, [&] { files.remove(top / "a"); });
    put(files, top / "a", "1");
    changes([&] { files.rename(top / "a", top / "b"); }, [&] { files.rename(top / "b", top / "a"); });
    changes([&] { files.rename(top / "a", top / "folder" / "a"); },
            [&] { files.rename(top / "folder" / "a", top / "a"); });
    const auto before = stamp();
    put(files, top / "a", "22");
    put(files, top / "folder" / "b", "3");
    EXPECT_EQ(stamp(), before);
  });
}

TEST_P(FilesConformance, ALockExcludesEveryOtherOpeningOfTheFile) {
  run([](const Place& place) {
    const auto path = place.folder / "x";
    const auto one = place.files.open(path, OpenMode::create);
    auto two = place.files.open(path, OpenMode::create);
    EXPECT_TRUE(one->try_lock(LockKind::exclusive));
    EXPECT_TRUE(one->try_lock(LockKind::exclusive));  // Held already.
    EXPECT_FALSE(two->try_lock(LockKind::exclusive));
    EXPECT_FALSE(two->try_lock(LockKind::shared));
    place.files.open(path, OpenMode::read).reset();  // Closing another opening drops nothing.
    EXPECT_FALSE(two->try_lock(LockKind::shared));

    EXPECT_TRUE(one->try_lock(LockKind::shared));  // Converted.
    EXPECT_TRUE(two->try_lock(LockKind::shared));
    EXPECT_FALSE(one->try_lock(LockKind::exclusive));
    EXPECT_FALSE(two->try_lock(LockKind::exclusive));
    one->unlock();
    EXPECT_TRUE(two->try_lock(LockKind::exclusive));
    EXPECT_FALSE(one->try_lock(LockKind::shared));
    two.reset();
    EXPECT_TRUE(one->try_lock(LockKind::exclusive));
  });
}

TEST_P(FilesConformance, LocksOfDifferentBytesDoNotMeet) {
  run([](const Place& place) {
    const auto path = place.folder / "x";
    const auto one = place.files.open(path, OpenMode::create);
    const auto two = place.files.open(path, OpenMode::create);
    EXPECT_TRUE(one->try_lock(LockKind::exclusive, {0, 10}));
    EXPECT_TRUE(two->try_lock(LockKind::exclusive, {10, 10}));
    EXPECT_FALSE(two->try_lock(LockKind::exclusive, {9, 1}));
    EXPECT_FALSE(two->try_lock(LockKind::shared, {5, 0}));
    EXPECT_FALSE(one->try_lock(LockKind::exclusive, {1'000, 0}) && two->try_lock(LockKind::shared, {5'000, 1}));
    one->unlock({4, 2});  // Splits it.
    EXPECT_TRUE(two->try_lock(LockKind::shared, {4, 2}));
    EXPECT_FALSE(two->try_lock(LockKind::shared, {3, 1}));
    EXPECT_FALSE(two->try_lock(LockKind::shared, {6, 1}));
  });
}

TEST_P(FilesConformance, AMappingIsSharedAndTheFileGrowsToHoldIt) {
  run([](const Place& place) {
    const auto path = place.folder / "x";
    const auto one = place.files.open(path, OpenMode::create);
    const auto two = place.files.open(path, OpenMode::create);
    const auto here = one->map(0, 100);
    ASSERT_EQ(here.size(), 100U);
    EXPECT_EQ(one->size(), 100U);
    const auto there = two->map(50, 10);  // Not on the border of a page.
    EXPECT_EQ(two->size(), 100U);         // Never shrinks.
    std::memcpy(here.data() + 52, "seen", 4);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(there.data()) + 2, 4), "seen");
    EXPECT_EQ(text_at(*two, 52, 4), "seen");
    two->write_at(0, bytes("also"));
    EXPECT_EQ(std::memcmp(here.data(), "also", 4), 0);
    const auto far = one->map(10'000, 10);
    EXPECT_EQ(one->size(), 10'010U);
    EXPECT_EQ(far[0], std::byte{0});
  });
}

TEST_P(FilesConformance, AWatchTellsAChangeSinceItWasMadeOnce) {
  run([](const Place& place) {
    const auto path = place.folder / "x";
    EXPECT_THROW_CODE(place.files.watch(path), Code::not_found);
    put(place.files, path, "one");
    const auto watch = place.files.watch(path);
    EXPECT_FALSE(watch->wait(place.runtime.in(1ms)));
    put(place.files, path, "two");
    EXPECT_TRUE(watch->wait(place.runtime.in(1min)));
    EXPECT_FALSE(watch->wait(place.runtime.in(1ms)));
  });
}

TEST_P(FilesConformance, AWatchedFileMayBeReplacedAndMadeAnew) {
  run([](const Place& place) {
    const auto path = place.folder / "x";
    put(place.files, path, "one");
    const auto watch = place.files.watch(path);
    place.files.write_atomically(path, "two");
    EXPECT_TRUE(watch->wait(place.runtime.in(1min)));
    put(place.files, path, "three");
    EXPECT_TRUE(watch->wait(place.runtime.in(1min)));
    place.files.remove(path);
    EXPECT_TRUE(watch->wait(place.runtime.in(1min)));
    put(place.files, path, "four");
    EXPECT_TRUE(watch->wait(place.runtime.in(1min)));
  });
}

TEST_P(FilesConformance, AWatchedFolderTellsOfItsChildren) {
  run([](const Place& place) {
    const auto watch = place.files.watch(place.folder);
    EXPECT_FALSE(watch->wait(place.runtime.in(1ms)));
    put(place.files, place.folder / "x", "new");
    EXPECT_TRUE(watch->wait(place.runtime.in(1min)));
    place.files.rename(place.folder / "x", place.folder / "y");
    EXPECT_TRUE(watch->wait(place.runtime.in(1min)));
    place.files.remove(place.folder / "y");
    EXPECT_TRUE(watch->wait(place.runtime.in(1min)));
  });
}

TEST_P(FilesConformance, AWatchEndsWhenItsFolderIsMovedAway) {
  run([](const Place& place) {
    place.files.create_folders(place.folder / "a");
    put(place.files, place.folder / "a" / "x", "one");
    const auto of_folder = place.files.watch(place.folder / "a");
    const auto of_file = place.files.watch(place.folder / "a" / "x");
    place.files.rename(place.folder / "a", place.folder / "b");
    for (auto* watch : {of_folder.get(), of_file.get()}) {
      EXPECT_TRUE(watch->wait(place.runtime.in(1min)));
      EXPECT_THROW_CODE(watch->wait(place.runtime.in(1min)), Code::not_found);
    }
  });
}

TEST_P(FilesConformance, AWaitOnAWatchEndsByAChangeOrByAStop) {
  run([](const Place& place) {
    put(place.files, place.folder / "x", "one");
    const auto watch = place.files.watch(place.folder / "x");
    bool changed = false;
    auto waiter = place.runtime.spawn(
        "waiter", [&](const std::stop_token& stop) { changed = watch->wait(Deadline::never(), stop); });
    place.runtime.yield();
    put(place.files, place.folder / "x", "two");
    waiter.join();
    EXPECT_TRUE(changed);

    const auto other = place.files.watch(place.folder / "x");
    auto stopped = place.runtime.spawn(
        "stopped", [&](const std::stop_token& stop) { EXPECT_FALSE(other->wait(Deadline::never(), stop)); });
    place.runtime.yield();
    stopped.request_stop();
    stopped.join();
  });
}

}  // namespace
}  // namespace tidelock::base
