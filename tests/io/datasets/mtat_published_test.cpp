// MagnaTagATune at its full size, and as published.
#include <chrono>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <set>

#include "io/datasets/mtat.h"
#include "io/datasets/mtat_tables.h"
#include "io/datasets/tsv.h"
#include "tests/io/datasets/mtat_rows.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using test::has;
using test::info_row;
using test::kInfoHeader;
using test::row;
using test::TempFolder;
using Names = std::vector<std::string>;

TEST(MtatSize, the_labels_of_the_whole_data_set_are_read_in_a_moment) {
  const TempFolder folder{};
  std::ofstream out(folder / "annotations_final.csv", std::ios::binary);
  Names tags(188);
  for (std::size_t t = 0; t < tags.size(); ++t) tags[t] = fmt::format("tag {}", t);
  const auto line = [&](const std::string& id, const Names& values, const std::string& path) {
    out << fmt::format("\"{}\"\t\"{}\"\t\"{}\"\n", id, fmt::join(values, "\"\t\""), path);
  };
  line("clip_id", tags, "mp3_path");
  for (std::size_t c = 0; c < 25863; ++c) {
    Names values(tags.size(), "0");
    values[c % tags.size()] = std::string(1, '1');
    line(std::to_string(2 * c), values,
         fmt::format("{:x}/artist-album-01-title-{}-{}.mp3", c % 16, c, c + 29));
  }
  out.close();
  const auto start = std::chrono::steady_clock::now();
  const MtatTables tables = read_annotations(folder.path() / "annotations_final.csv");
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_EQ(tables.clips.size(), 25863U);
  EXPECT_EQ(std::count(tables.positive.begin(), tables.positive.end(), 1), 25863);
  RecordProperty("seconds", std::to_string(seconds));
#if defined(NDEBUG) && !defined(MELGRAD_ADDRESS_SANITIZER)
  EXPECT_LT(seconds, 1);
#endif
}

// The published files, where they are: labels of the validation and test clips, and Lee's lists.
class MtatPublished : public ::testing::Test {
 protected:
  void SetUp() override {
    if (labels_.empty() || !fs::exists(labels_)) GTEST_SKIP() << "no published labels on this machine";
  }
  static fs::path data(const std::string& name) {
    const fs::path root = test::shared_data();
    return root.empty() ? root : root / name;
  }
  DataSet open(MtatProtocol protocol, const std::string& tags) const {
    MtatOptions options;
    options.protocol = protocol;
    options.tags = tags;
    options.labels_only = true;
    return open_mtat(labels_, options);
  }
  static std::set<std::string> listed(const std::string& name) {
    std::set<std::string> clips;
    std::ifstream in(data("splits/mtat") / name);
    for (std::string line; std::getline(in, line);) clips.insert(fs::path(line).replace_extension(".mp3"));
    return clips;
  }
  static std::set<std::string> in_part(const DataSet& set, const std::string& part) {
    std::set<std::string> clips;
    for (const Track& track : set.tracks) {
      if (track.split == part) clips.insert(track.name);
    }
    return clips;
  }
  const fs::path labels_ = data("mtat-labels");
};

TEST_F(MtatPublished, the_rule_gives_the_published_lists) {
  const DataSet set = open(MtatProtocol::filtered, "top50");
  EXPECT_TRUE(set.skipped.empty());
  EXPECT_EQ(in_part(set, "test").size(), 4332U);
  EXPECT_EQ(in_part(set, "valid").size(), 1529U);
  EXPECT_EQ(in_part(set, "test"), listed("test_list_pub.txt"));
  EXPECT_EQ(in_part(set, "valid"), listed("valid_list_pub.txt"));
  const DataSet all = open(MtatProtocol::all, "top50");
  EXPECT_EQ(in_part(all, "test").size(), 5329U);
  EXPECT_EQ(in_part(all, "valid").size(), 1825U);
}

// Positives among the test clips, counted by others too.
TEST_F(MtatPublished, the_ten_most_frequent_tags_and_their_counts) {
  const DataSet set = open(MtatProtocol::filtered, "top10");
  EXPECT_EQ(set.classes, (Names{"guitar", "classical", "slow", "techno", "strings", "drums", "electronic",
                                "rock", "fast", "piano"}));
  std::map<std::string, int> count;
  for (const Track& track : set.tracks) {
    for (const std::string& label : track.labels) count[label] += track.split == "test" ? 1 : 0;
  }
  const std::vector<int> expected = {875, 699, 806, 598, 394, 516, 496, 564, 495, 467};
  for (std::size_t t = 0; t < expected.size(); ++t) EXPECT_EQ(count[set.classes[t]], expected[t]);
}

// The index names all clips, and their names the artists: enough for the sizes and the shared artists.
TEST_F(MtatPublished, sizes_and_shared_artists_of_the_folder_split) {
  const TempFolder folder{};
  std::string labels = row({"clip_id", "music", "mp3_path"}), info = kInfoHeader;
  for (TsvReader index(labels_ / "index_mtt.tsv"); index.next();) {
    const std::string id(index.fields()[0]), path(index.fields()[1]);
    labels += row({id, "1", path});
    info += info_row(id, path.substr(2, path.find('-') - 2));
  }
  test::write_bytes(folder / "annotations_final.csv", labels);
  test::write_bytes(folder / "clip_info_final.csv", info);
  MtatOptions options;
  options.tags = "music";
  options.labels_only = true;
  const DataSet set = open_mtat(folder.path(), options);
  EXPECT_EQ(set.notes[0],
            "MagnaTagATune: 25860 clips of 25863 for 1 tags: 18706 train, 1825 valid, 5329 test");
  EXPECT_TRUE(has(set.notes, "3284 of 5329 test clips (61.6 %) are by artists of training clips"));
  options.split = MtatSplit::artist;
  const DataSet apart = open_mtat(folder.path(), options);
  EXPECT_FALSE(has(apart.notes, "by artists of training clips"));
  EXPECT_NEAR(static_cast<double>(in_part(apart, "train").size()) / 25860, .72, .02);
  EXPECT_NEAR(static_cast<double>(in_part(apart, "valid").size()) / 25860, .07, .02);
  EXPECT_NEAR(static_cast<double>(in_part(apart, "test").size()) / 25860, .21, .02);
}

}  // namespace
}  // namespace melgrad
