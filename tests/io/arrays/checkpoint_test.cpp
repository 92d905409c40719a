#include "io/arrays/checkpoint.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <sys/resource.h>
#include <thread>

#include "io/arrays/cache.h"
#include "io/arrays/hdf5.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

Checkpoint example() {
  Checkpoint c;
  c.text["recipe"] = "model = \"dong2018\"\n";
  c.text["classes"] = R"(["blues", "rock"])";
  c.text["empty"] = "";
  const std::vector<float> weights = {0.5F, -1.25F, 3.0F, 1e-30F, 0.0F, -0.0F};
  c.arrays["param/conv1.weight"] = HostArray::of<float>({1, 2, 3}, weights);
  c.arrays["param/empty"] = HostArray(DType::f32, {0, 4});
  const std::vector<std::uint16_t> half = {0x3C00, 0xC000};
  c.arrays["moment0/conv1.weight"] = HostArray::of<std::uint16_t>({2}, half);
  c.arrays["state/counter"] = HostArray::scalar<std::int64_t>(123456789012);
  c.arrays["state/i"] = HostArray::scalar<std::int32_t>(-7);
  c.arrays["top"] = HostArray::scalar<std::uint8_t>(255);
  return c;
}

bool same(const Checkpoint& a, const Checkpoint& b) { return a.text == b.text && a.arrays == b.arrays; }

TEST(Checkpoint, ComesBackEqual) {
  const Scratch scratch;
  save_checkpoint(scratch / "c.h5", example());
  EXPECT_TRUE(same(load_checkpoint(scratch / "c.h5"), example()));
}

TEST(Checkpoint, SameContentSameBytes) {
  const Scratch scratch;
  save_checkpoint(scratch / "a.h5", example());
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // a time stamp would show
  save_checkpoint(scratch / "b.h5", example());
  EXPECT_TRUE(read_bytes(scratch / "a.h5") == read_bytes(scratch / "b.h5"));
}

// As runs at once on threads of one process do, which train on one cache. Where HDF5 is built thread safe, as
// Debian's is, this passes without the lock of hdf5.h too.
TEST(Checkpoint, SeveralThreadsUseHdf5AtOnce) {
  const Scratch scratch;
  save_checkpoint(scratch / "shared.h5", example());
  std::atomic<int> good = 0;
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&, thread] {
      const std::string own = scratch / ("c" + std::to_string(thread) + ".h5");
      const H5File open = H5File::open(scratch / "shared.h5");
      const H5Dataset weights = open.open_dataset("/param/conv1.weight");
      for (int round = 0; round < 40; ++round) {
        save_checkpoint(own, example());
        std::vector<float> row(6);
        weights.read(row.data());
        EXPECT_THROW(load_checkpoint(scratch / "none.h5"), Error);
        good += same(load_checkpoint(own), example()) &&
                        same(load_checkpoint(scratch / "shared.h5"), example()) && row[1] == -1.25F
                    ? 1
                    : 0;
      }
    });
  threads.clear();
  EXPECT_EQ(good, 160);
}

TEST(Checkpoint, MissingValuesAreNamed) {
  const Checkpoint c = example();
  EXPECT_EQ(c.need_text("classes", "c.h5"), R"(["blues", "rock"])");
  EXPECT_EQ(c.need_array("state/i", "c.h5").as<std::int32_t>()[0], -7);
  expect_contains(error_of(ErrorKind::input, [&] { c.need_text("model", "c.h5"); }),
                  "c.h5: has no text 'model'");
  expect_contains(error_of(ErrorKind::input, [&] { c.need_array("x", "c.h5"); }), "c.h5: has no array 'x'");
}

TEST(Checkpoint, BadNamesAreRefused) {
  const Scratch scratch;
  for (const char* name : {"", "/a", "a//b", "a/", "./a", "text/a"}) {
    Checkpoint c;
    c.arrays[name] = HostArray::scalar<float>(1);
    error_of(ErrorKind::internal, [&] { save_checkpoint(scratch / "c.h5", c); });
  }
}

// Whatever single bit is wrong: an error or the right values, never wrong values and never a crash.
TEST(Checkpoint, NoDamagedBitGoesUnnoticed) {
  const Scratch scratch;
  const std::string path = scratch / "c.h5";
  save_checkpoint(path, example());
  const std::string good = read_bytes(path);
  int refused = 0, harmless = 0;
  for (std::size_t i = 0; i < good.size(); i += 2) {
    const int mask = 1 << (i / 2 % 8);
    flip_bits(path, i, mask);
    try {
      ASSERT_TRUE(same(load_checkpoint(path), example())) << "byte " << i << " silently wrong";
      ++harmless;
    } catch (const Error&) {
      ++refused;
    }
    flip_bits(path, i, mask);
  }
  RecordProperty("bytes", static_cast<int>(good.size()));
  RecordProperty("refused", refused);
  RecordProperty("harmless", harmless);
  EXPECT_GT(refused, 1000);  // the rest of the file is free space
}

TEST(Checkpoint, TruncatedAtAnyLengthIsRefused) {
  const Scratch scratch;
  const std::string path = scratch / "c.h5";
  save_checkpoint(path, example());
  const std::string good = read_bytes(path);
  for (std::size_t n = 0; n < good.size(); n += 17) {
    write_bytes(path, good.substr(0, n));
    error_of(ErrorKind::input, [&] { load_checkpoint(path); });
  }
}

TEST(Checkpoint, AnotherKindOfFileIsNamed) {
  const Scratch scratch;
  Cache cache;
  cache.bands = 4;
  cache.dtype = DType::f32;
  cache.features = HostArray(DType::f32, {0, 4});
  write_cache(scratch / "cache.h5", cache);
  save_checkpoint(scratch / "check.h5", example());
  expect_contains(error_of(ErrorKind::input, [&] { load_checkpoint(scratch / "cache.h5"); }),
                  "is a melgrad-cache, not a melgrad-checkpoint");
  expect_contains(error_of(ErrorKind::input, [&] { read_cache(scratch / "check.h5"); }),
                  "is a melgrad-checkpoint, not a melgrad-cache");
}

// A limit on the size of files acts like a full disk and needs no rights.
TEST(Checkpoint, FullDiskIsOneLineAndLeavesTheOldFile) {
  const Scratch scratch;
  const std::string path = scratch / "c.h5";
  save_checkpoint(path, example());
  const std::string before = read_bytes(path);
  Checkpoint big = example();
  big.arrays["param/big"] = HostArray(DType::f32, {1 << 20});
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1 << 20, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = error_of(ErrorKind::output, [&] { save_checkpoint(path, big); });
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  expect_contains(message, path + ": cannot be written (File too large");
  EXPECT_TRUE(read_bytes(path) == before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(scratch.path()), {}), 1);
  save_checkpoint(path, big);  // and the process can go on
  EXPECT_TRUE(same(load_checkpoint(path), big));
}

}  // namespace
}  // namespace melgrad
