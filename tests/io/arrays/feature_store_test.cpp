// Features kept between runs: what is found again, what is not, and that it stays within its bounds.
#include "io/arrays/feature_store.h"

#include <thread>

#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

Cache store_head(DType dtype = DType::f32) {
  Cache cache;
  cache.mel = mel_preset("dong2018");
  cache.frame_seconds = 256.0 / 22050;
  cache.dtype = dtype;
  cache.bands = 5;
  cache.classes = {"blues"};
  return cache;
}

std::vector<float> features_of_file(std::uint64_t file) {
  return std::vector<float>(20, static_cast<float>(file));
}

// A cache of items 0, 1, ... whose audio files have these digests; all but what `writer` finds are computed.
// Returns how many were found.
int make(const std::string& path, const std::vector<std::uint64_t>& files, const FeatureStore* store,
         const Cache& like = store_head()) {
  CacheWriter writer(path, like);
  if (store != nullptr) {
    for (const std::string& kept : store->made_like(like, "cpu")) writer.lend(kept);
  }
  int found = 0;
  std::vector<CacheEntry> entries;
  for (const std::uint64_t file : files) {
    const std::string name =
        fmt::format("{}. {} of {}", entries.size(), file, fs::path(path).filename().string());
    entries.push_back({name, {1}, ""});
    if (writer.find(name, file)) ++found;
    else writer.add(name, {file, file}, 4, features_of_file(file));
  }
  writer.finish(entries);
  return found;
}

class FeatureStoreTest : public ::testing::Test {
 protected:
  test::TempFolder folder_;
  FeatureStore store_{folder_.path() / "store"};
  std::string at(const std::string& name) const { return (folder_ / name).string(); }
};

TEST_F(FeatureStoreTest, FindsFilesByTheirContentWhateverTheyAreCalled) {
  EXPECT_EQ(make(at("a.h5"), {1, 2, 3}, &store_), 0);
  store_.keep(at("a.h5"), "cpu");
  EXPECT_EQ(make(at("b.h5"), {3, 4, 1, 1}, &store_), 3);
  const Cache b = read_cache(at("b.h5"));  // checks the digests
  EXPECT_EQ(b.features.as<float>()[0], 3.0F);
  EXPECT_EQ(b.items[3].name, "3. 1 of b.h5");
  EXPECT_EQ(make(at("fresh.h5"), {3, 4, 1, 1}, nullptr), 0);
  EXPECT_EQ(b.features, read_cache(at("fresh.h5")).features);
}

TEST_F(FeatureStoreTest, TakesNothingMadeOtherwise) {
  make(at("a.h5"), {1, 2}, nullptr);
  store_.keep(at("a.h5"), "cpu");
  EXPECT_EQ(make(at("f16.h5"), {1, 2}, &store_, store_head(DType::f16)), 0);
  Cache other = store_head();
  other.mel.fmax = 8000;
  EXPECT_EQ(make(at("fmax.h5"), {1, 2}, &store_, other), 0);
  EXPECT_TRUE(store_.made_like(store_head(), "cuda:0").empty());
  Cache labelled = store_head();
  labelled.mel.preset = "custom";  // a label
  labelled.classes = {"rock", "jazz"};
  EXPECT_EQ(store_.made_like(labelled, "cpu").size(), 1U);
}

TEST_F(FeatureStoreTest, DamagedItemsAreComputedAgain) {
  make(at("a.h5"), {1, 2, 3}, nullptr);
  store_.keep(at("a.h5"), "cpu");
  const std::string kept = store_.all().at(0).path;
  const std::string bytes = read_bytes(kept);
  const std::vector<float> two = features_of_file(2);
  const std::size_t features = bytes.find(std::string(reinterpret_cast<const char*>(two.data()), 40));
  ASSERT_NE(features, std::string::npos);
  flip_bits(kept, features, 1);
  EXPECT_LE(make(at("b.h5"), {1, 2, 3}, &store_), 2);
  EXPECT_EQ(read_cache(at("b.h5")).features.as<float>()[20], 2.0F);
  write_bytes(kept, "no HDF5");  // also the other name of a.h5
  EXPECT_EQ(make(at("c.h5"), {1, 2, 3}, &store_), 0);
  store_.keep(at("c.h5"), "cpu");
  EXPECT_EQ(read_cache(store_.all().at(0).path).items.size(), 3U);
}

TEST_F(FeatureStoreTest, ALentCacheMayBeRemovedMeanwhile) {
  make(at("a.h5"), {1, 2}, nullptr);
  store_.keep(at("a.h5"), "cpu");
  CacheWriter writer(at("b.h5"), store_head());
  for (const std::string& kept : store_.made_like(store_head(), "cpu")) writer.lend(kept);
  ASSERT_TRUE(writer.find("two", 2));
  store_.clear();
  fs::remove(at("a.h5"));
  EXPECT_EQ(writer.finish({{"two", {1}, ""}}), 1);
  EXPECT_EQ(read_cache(at("b.h5")).features.as<float>()[0], 2.0F);
}

TEST_F(FeatureStoreTest, TooShortAnItemIsNotTaken) {
  make(at("a.h5"), {1}, nullptr);
  CacheWriter writer(at("b.h5"), store_head());
  writer.lend(at("a.h5"));
  EXPECT_FALSE(writer.find("one", 1, 5));
  EXPECT_TRUE(writer.find("one", 1, 4));
}

TEST_F(FeatureStoreTest, WhatALaterCacheHoldsGoes) {
  make(at("a.h5"), {1, 2}, nullptr);
  make(at("b.h5"), {7}, nullptr);
  make(at("c.h5"), {3, 2, 1}, nullptr);
  for (const char* name : {"a.h5", "b.h5", "c.h5", "c.h5"}) store_.keep(at(name), "cpu");
  EXPECT_EQ(store_.all().size(), 2U);
  EXPECT_EQ(make(at("d.h5"), {1, 2, 3, 7}, &store_), 4);
}

TEST_F(FeatureStoreTest, TheLongestUnusedGoFirst) {
  for (const std::uint64_t file : {1, 2, 3}) make(at(fmt::format("{}.h5", file)), {file}, nullptr);
  const std::uint64_t size = fs::file_size(at("1.h5"));
  const FeatureStore small(folder_.path() / "store", 2 * size + size / 2);
  for (const char* name : {"1.h5", "2.h5", "1.h5", "3.h5"}) {
    small.keep(at(name), "cpu");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(small.all().size(), 2U);
  EXPECT_EQ(make(at("x.h5"), {1, 2, 3}, &small), 2);
  const FeatureStore tiny(folder_.path() / "store", 10);
  tiny.keep(at("2.h5"), "cpu");
  EXPECT_TRUE(tiny.all().empty());
}

TEST_F(FeatureStoreTest, WhereTheUserSaysAndAsMuch) {
  const auto set = [](const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); };
  set("MELGRAD_CACHE", "/a/b");
  set("MELGRAD_CACHE_BYTES", "3G");
  EXPECT_EQ(FeatureStore::of_user()->folder(), "/a/b");
  EXPECT_EQ(FeatureStore::of_user()->max_bytes(), std::uint64_t{3} << 30);
  for (const char* wrong : {"3 G", "-1", "G", "99999999999T", "1e9"}) {
    set("MELGRAD_CACHE_BYTES", wrong);
    const std::string message = error_of(ErrorKind::usage, [] { FeatureStore::of_user(); });
    EXPECT_TRUE(message.starts_with("MELGRAD_CACHE_BYTES")) << message;
  }
  ::unsetenv("MELGRAD_CACHE_BYTES");
  ::unsetenv("MELGRAD_CACHE");
  set("XDG_CACHE_HOME", "/x");
  EXPECT_EQ(FeatureStore::of_user()->folder(), "/x/melgrad");
  set("XDG_CACHE_HOME", "relative");
  set("HOME", "/home/ada");
  EXPECT_EQ(FeatureStore::of_user()->folder(), "/home/ada/.cache/melgrad");
  set("MELGRAD_CACHE", "");
  EXPECT_FALSE(FeatureStore::of_user().has_value());
  ::unsetenv("XDG_CACHE_HOME");
}

TEST_F(FeatureStoreTest, AFolderThatCannotBeMadeIsNamed) {
  make(at("a.h5"), {1}, nullptr);
  write_bytes(at("file"), "");
  const FeatureStore store(folder_.path() / "file" / "store");
  EXPECT_NE(error_of(ErrorKind::output, [&] { store.keep(at("a.h5"), "cpu"); }).find("file/store"),
            std::string::npos);
  EXPECT_TRUE(store.all().empty());
}

}  // namespace
}  // namespace melgrad
