// What processes that share a folder stand on: a file that one of them writes, and locks.
#include <atomic>
#include <filesystem>
#include <gtest/gtest.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "io/files/atomic_file.h"
#include "io/files/folder_lock.h"
#include "kernels/error.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

TEST(SharedFolder, OneOfManyWritesAFileAndTheOthersFindItWhole) {
  const Scratch scratch;
  for (int round = 0; round < 20; ++round) {
    const std::string path = scratch / ("file" + std::to_string(round));
    std::atomic<int> first = 0, whole = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&, i] {
        const std::string mine(1000, static_cast<char>('a' + i));
        if (write_file_once(path, mine)) ++first;
        const std::string there = read_bytes(path);
        whole += there.size() == 1000 && there == std::string(1000, there[0]) ? 1 : 0;
      });
    threads.clear();
    EXPECT_EQ(first, 1);
    EXPECT_EQ(whole, 8);
  }
  for (const auto& entry : fs::directory_iterator(scratch / "."))
    EXPECT_FALSE(is_left_over(entry.path())) << entry;
}

// In containers that share a folder many processes have the same number.
TEST(SharedFolder, ATemporaryNameThatIsTakenHindersNothing) {
  const Scratch scratch;
  for (int n = 0; n < 2000; ++n) {
    const std::string name =
        scratch / ("file." + std::to_string(::getpid()) + "-" + std::to_string(n) + ".tmp");
    fs::create_directory(name);  // what cannot be removed as a left-over
  }
  EXPECT_TRUE(write_file_once(scratch / "file", "mine"));
  EXPECT_EQ(read_bytes(scratch / "file"), "mine");
  EXPECT_FALSE(write_file_once(scratch / "file", "other"));
  EXPECT_EQ(read_bytes(scratch / "file"), "mine");
}

TEST(SharedFolder, ManyShareOneWorksAlone) {
  const Scratch scratch;
  const std::string folder = scratch / ".";
  {
    const FolderLock one(folder, "it", true), other(folder, "it", true);
    EXPECT_THROW(FolderLock(folder, "it"), Error);
  }
  const FolderLock alone(folder, "it");
  EXPECT_THROW(FolderLock(folder, "it", true), Error);
  EXPECT_THROW(FolderLock(folder, "it"), Error);
}

}  // namespace
}  // namespace melgrad
