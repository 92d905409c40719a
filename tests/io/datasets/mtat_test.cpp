#include "io/datasets/mtat.h"

#include <gtest/gtest.h>
#include <map>
#include <set>

#include "io/datasets/mtat_tags.h"
#include "io/datasets/open_data_set.h"
#include "io/datasets/tsv.h"
#include "tests/io/datasets/mtat_rows.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::has;
using test::info_row;
using test::kInfoHeader;
using test::row;
using test::TempFolder;
using Names = std::vector<std::string>;

// Five clips in three parts, one of them without a tag and one that is short.
class Mtat : public ::testing::Test {
 protected:
  Mtat() {
    annotations(row({"clip_id", "slow", "no beat", "guitar", "mp3_path"}) +
                row({"2", "0", "0", "1", "f/a-b-01-c-0-29.mp3"}) +
                row({"10", "1", "1", "1", "0/a-b-01-c-30-59.mp3"}) +
                row({"11", "1", "0", "0", "b/a-b-01-c-59-88.mp3"}) +
                row({"14", "1", "0", "0", "c/x-y-01-z-0-29.mp3"}) +
                row({"19", "0", "0", "0", "d/x-y-01-z-29-58.mp3"}) +
                row({"20", "0", "0", "1", "e/x-y-01-z-58-70.mp3"}));
    for (const char* clip : {"f/a-b-01-c-0-29.mp3", "0/a-b-01-c-30-59.mp3", "b/a-b-01-c-59-88.mp3",
                             "c/x-y-01-z-0-29.mp3", "d/x-y-01-z-29-58.mp3", "e/x-y-01-z-58-70.mp3"}) {
      test::write_bytes(folder_ / (std::string("mp3/") + clip), "");
    }
  }
  void annotations(const std::string& text) { test::write_bytes(folder_ / "annotations_final.csv", text); }
  void info(const std::string& text) { test::write_bytes(folder_ / "clip_info_final.csv", text); }
  DataSet open(const std::string& tags = "top3", MtatProtocol protocol = MtatProtocol::filtered) const {
    MtatOptions options;
    options.tags = tags;
    options.protocol = protocol;
    return open_mtat(folder_.path(), options);
  }
  static std::map<std::string, std::string> splits_of(const DataSet& set) {
    std::map<std::string, std::string> splits;
    for (const Track& track : set.tracks) splits[track.name] = track.split;
    return splits;
  }

  const TempFolder folder_{};
};

TEST_F(Mtat, clips_with_a_frequent_tag_and_full_length_split_by_folder) {
  const DataSet set = open();
  EXPECT_EQ(splits_of(set), (std::map<std::string, std::string>{{"0/a-b-01-c-30-59.mp3", "train"},
                                                                {"b/a-b-01-c-59-88.mp3", "train"},
                                                                {"c/x-y-01-z-0-29.mp3", "valid"},
                                                                {"f/a-b-01-c-0-29.mp3", "test"}}));
  EXPECT_EQ(set.classes, (Names{"guitar", "slow", "no beat"}));  // 3 and 3 clips: by name
  EXPECT_EQ(set.tracks[0].labels, (Names{"guitar", "slow", "no beat"}));
  EXPECT_EQ(set.tracks[0].path, folder_.path() / "mp3/0/a-b-01-c-30-59.mp3");
  EXPECT_NEAR(set.tracks[0].min_seconds, 28.9, 1e-9);
  EXPECT_EQ(set.class_index("no beat"), 2U);
  EXPECT_EQ(set.notes[0], "MagnaTagATune: 4 clips of 6 for 3 tags: 2 train, 1 valid, 1 test");
  EXPECT_TRUE(has(set.notes, "1 clips without any of the 3 most frequent tags and 1 shorter than 29 s"));
  EXPECT_TRUE(has(set.notes, "tag \"no beat\": no clip of valid, test has it"));
  EXPECT_TRUE(set.skipped.empty());
}

TEST_F(Mtat, every_clip_if_asked_for) {
  const DataSet set = open("top3", MtatProtocol::all);
  EXPECT_EQ(set.tracks.size(), 6U);
  EXPECT_EQ(set.tracks[3].name, "d/x-y-01-z-29-58.mp3");
  EXPECT_EQ(set.tracks[3].labels, Names{});
  EXPECT_NEAR(set.tracks[4].min_seconds, 11.9, 1e-9);
}

TEST_F(Mtat, any_folder_with_its_files_is_opened_as_one_and_hidden_or_foreign_files_are_told) {
  test::write_bytes(folder_ / "mp3/f/unknown.mp3", "");
  test::write_bytes(folder_ / "mp3/f/.hidden", "");
  test::write_bytes(folder_ / "comparisons_final.csv", "");
  EXPECT_TRUE(is_mtat(folder_.path()));
  EXPECT_FALSE(is_mtat(folder_.path() / "mp3"));
  const std::string usage = error_of(ErrorKind::usage, [&] { open_data_set(folder_.path()); });
  EXPECT_NE(usage.find("tags \"top10\": the data set has 3 tags"),
            std::string::npos);  // top10 is the default
  EXPECT_EQ(open().ignored, Names{"f/unknown.mp3"});
}

TEST_F(Mtat, lengths_come_from_clip_info_before_the_names) {
  info(kInfoHeader + info_row("2", "A", "B", "12") + info_row("20", "A", "B", "29"));
  const DataSet set = open();
  const auto splits = splits_of(set);
  EXPECT_FALSE(splits.contains("f/a-b-01-c-0-29.mp3"));
  EXPECT_TRUE(splits.contains("e/x-y-01-z-58-70.mp3"));
}

TEST_F(Mtat, tags_by_name_and_the_nearest_for_a_wrong_one) {
  EXPECT_EQ(open("slow, guitar,slow").classes, (Names{"slow", "guitar"}));
  EXPECT_EQ(open("top1").classes, Names{"guitar"});
  const auto message = [&](const std::string& tags) {
    return error_of(ErrorKind::usage, [&] { open(tags); });
  };
  EXPECT_EQ(message("guitars"), "tags: no tag \"guitars\"; the nearest is \"guitar\"");
  EXPECT_EQ(message("top4"), "tags \"top4\": the data set has 3 tags; ask for fewer");
  EXPECT_NE(message("").find("no tag \"\""), std::string::npos);
}

TEST_F(Mtat, synonyms_become_the_first_name_of_their_group) {
  annotations(row({"clip_id", "drums", "weird", "beats", "drum", "mp3_path"}) +
              row({"2", "1", "0", "0", "0", "f/a-b-01-c-0-29.mp3"}) +
              row({"10", "0", "1", "0", "1", "0/a-b-01-c-30-59.mp3"}) +
              row({"11", "1", "0", "0", "1", "b/a-b-01-c-59-88.mp3"}) +
              row({"14", "0", "0", "1", "0", "c/x-y-01-z-0-29.mp3"}));
  MtatOptions options;
  options.tags = "top3";
  options.merge_synonyms = true;
  const DataSet set = open_mtat(folder_.path(), options);
  EXPECT_EQ(set.classes, (Names{"drum", "beat", "strange"}));
  EXPECT_EQ(set.tracks[0].labels, (Names{"drum", "strange"}));
  EXPECT_EQ(set.tracks[1].labels, Names{"drum"});
  std::set<std::string> names;
  for (const auto& group : mtat_synonyms()) {
    for (const std::string& name : group)
      EXPECT_TRUE(names.insert(name).second) << name << " is in two groups";
  }
}

TEST_F(Mtat, what_cannot_be_used_is_named_and_the_rest_goes_on) {
  annotations(row({"clip_id", "slow", "guitar", "mp3_path"}) +
              "\"2\"\t\"0\"\t\"1\"\t\"f/a-b-01-c-0-29.mp3\"\r\n" +          // line 2, a good one
              row({"2", "0", "1", "0/a-b-01-c-30-59.mp3"}) +                //
              row({"3", "0", "1", "f/a-b-01-c-0-29.mp3"}) +                 //
              row({"4", "0", "2", "c/x-y-01-z-0-29.mp3"}) +                 //
              row({"5", "0", "", "c/x-y-01-z-0-29.mp3"}) +                  //
              row({"6", "0"}) + "\n" +                                      //
              row({"seven", "0", "1", "c/x-y-01-z-0-29.mp3"}) +             // line 9
              row({"8", "0", "1", ""}) +                                    //
              row({"9", "0", "1", "0/not-there-01-x-0-29.mp3"}) +           //
              row({"10", "0", "1", "g/x.mp3"}) +                            //
              row({"35644", "1", "0", "6/norine_braun-gently-0-29.mp3"}) +  //
              "11\t1\t1\tb/a-b-01-c-59-88.mp3");                            // without quotes or a line end
  info(kInfoHeader + info_row("2", "A") + info_row("2", "B") + row({"11", "1"}) + info_row("x", "C"));
  const DataSet set = open("top2");
  std::map<std::string, std::string> reasons;
  for (const LeftOut& s : set.skipped) reasons[s.name] = s.reason;
  const std::map<std::string, std::string> expected = {
      {"annotations_final.csv:3", "clip 2 is there twice"},
      {"annotations_final.csv:4", "f/a-b-01-c-0-29.mp3 is there twice"},
      {"annotations_final.csv:5", "\"2\" in column \"guitar\" is neither 0 nor 1"},
      {"annotations_final.csv:6", "\"\" in column \"guitar\" is neither 0 nor 1"},
      {"annotations_final.csv:7", "2 fields, the header has 4"},
      {"annotations_final.csv:9", "clip_id \"seven\" is no number"},
      {"annotations_final.csv:10", "clip 8 has no mp3_path"},
      {"0/not-there-01-x-0-29.mp3", "clip 9 has no audio file"},
      {"g/x.mp3", "is not in a folder 0 to f"},
      {"clip_info_final.csv:3", "clip 2 is there twice"},
      {"clip_info_final.csv:4", "2 fields, the header has 10"},
      {"clip_info_final.csv:5", "clip_id \"x\" is no number"}};
  EXPECT_EQ(reasons, expected);
  EXPECT_EQ(set.skipped.size(), expected.size());
  EXPECT_EQ(set.tracks.size(), 2U);
  EXPECT_TRUE(has(set.notes, "1 clips known to be corrupt are left out: 35644"));
}

TEST_F(Mtat, a_missing_column_is_an_error_that_names_the_nearest) {
  const auto message = [&] { return error_of(ErrorKind::input, [&] { open(); }); };
  annotations(row({"clip_id", "slow", "mp3path"}) + row({"2", "0", "f/x.mp3"}));
  EXPECT_NE(message().find("annotations_final.csv:1: no column \"mp3_path\"; the nearest is \"mp3path\""),
            std::string::npos)
      << message();
  annotations(row({"clip_id", "slow", "slow", "mp3_path"}));
  EXPECT_NE(message().find("column \"slow\" stands twice"), std::string::npos);
  annotations("");
  EXPECT_NE(message().find("no header"), std::string::npos);
  annotations(row({"clip_id", "slow", "mp3_path"}));
  EXPECT_NE(message().find("no row that can be used"), std::string::npos);
  annotations(row({"clip_id", "a", "b", "c", "mp3_path"}) + row({"2", "0", "1", "0", "f/a-b-01-c-0-29.mp3"}));
  info(row({"clip_id", "artists"}) + row({"2", "A"}));
  EXPECT_NE(message().find("clip_info_final.csv:1: no column \"artist\"; the nearest is \"artists\""),
            std::string::npos);
}

TEST_F(Mtat, without_any_audio_only_labels_can_be_asked_for) {
  fs::remove_all(folder_.path() / "mp3");
  const std::string message = error_of(ErrorKind::input, [&] { open(); });
  EXPECT_NE(message.find("no audio: expected folders 0 to f"), std::string::npos);
  MtatOptions options;
  options.tags = "top3";
  options.labels_only = true;
  EXPECT_EQ(open_mtat(folder_.path(), options).tracks.size(), 4U);
}

TEST_F(Mtat, the_audio_may_lie_beside_the_tables) {
  for (const char* name : {"0", "b", "c", "d", "e", "f"}) {
    fs::rename(folder_.path() / "mp3" / name, folder_.path() / name);
  }
  EXPECT_EQ(open().tracks[0].path, folder_.path() / "0/a-b-01-c-30-59.mp3");
}

TEST_F(Mtat, test_clips_of_trained_artists_are_told) {
  info(kInfoHeader + info_row("2", "A") + info_row("10", "A") + info_row("14", "B"));
  EXPECT_TRUE(has(open().notes, "1 of 1 test clips (100.0 %) are by artists of training clips"));
  info(kInfoHeader + info_row("2", "C") + info_row("10", "A") + info_row("11", "") + info_row("14", "B"));
  const DataSet set = open();
  EXPECT_FALSE(has(set.notes, "artists of training clips"));
  EXPECT_EQ(set.columns, std::vector<std::string>{"artist"});
  std::map<std::string, std::string> artists;
  for (const Track& track : set.tracks) artists[track.split] += track.columns.at(0) + ";";
  EXPECT_EQ(artists, (std::map<std::string, std::string>{{"test", "C;"}, {"train", "A;;"}, {"valid", "B;"}}));
}

TEST_F(Mtat, lists_decide_which_clips_and_name_what_is_not_there) {
  test::write_bytes(folder_ / "lists/train_list_pub.txt", "d/x-y-01-z-29-58.npy\n0/a-b-01-c-30-59.npy\n");
  test::write_bytes(folder_ / "lists/valid_list_pub.txt", "c/x-y-01-z-0-29.npy\n");
  test::write_bytes(folder_ / "lists/test_list_pub.txt", "f/a-b-01-c-0-29.npy\nf/who-0-29.npy\n");
  test::write_bytes(folder_ / "lists/top50_tags.txt", "guitar\n");
  MtatOptions options;
  options.tags = "top3";
  options.split_lists = folder_.path() / "lists";
  const DataSet set = open_mtat(folder_.path(), options);
  EXPECT_EQ(splits_of(set), (std::map<std::string, std::string>{{"0/a-b-01-c-30-59.mp3", "train"},
                                                                {"c/x-y-01-z-0-29.mp3", "valid"},
                                                                {"d/x-y-01-z-29-58.mp3", "train"},
                                                                {"f/a-b-01-c-0-29.mp3", "test"}}));
  EXPECT_TRUE(has(set.notes, "2 clips are on no list and are left out"));
  EXPECT_TRUE(has(set.notes, "1 of the listed clips are not there: f/who-0-29.npy"));
}

// 40 artists of 1 to 8 clips, and 30 clips without an artist: two albums of ten, ten tracks of one clip.
class MtatArtists : public ::testing::Test {
 protected:
  MtatArtists() {
    std::string labels = row({"clip_id", "slow", "mp3_path"}), info = kInfoHeader;
    int id = 0;
    const auto clip = [&](const std::string& name, const std::string& artist, const std::string& album) {
      labels += row({std::to_string(++id), "1", fmt::format("0/{}-{}-{}.mp3", name, id, id + 29)});
      info += row({std::to_string(id), "1", "T", artist, album, "", "0", "29", "", ""});
      group_[fmt::format("0/{}-{}-{}.mp3", name, id, id + 29)] = artist + album;
    };
    for (int a = 0; a < 40; ++a) {
      for (int c = 0; c <= a % 8; ++c) clip(fmt::format("a{}", a), fmt::format("Artist {}", a), "");
    }
    for (int c = 0; c < 20; ++c) clip("nobody", "", c < 10 ? "First" : "Second");
    for (int c = 0; c < 10; ++c) clip(fmt::format("lone{}", c), "", "");
    test::write_bytes(folder_ / "annotations_final.csv", labels);
    test::write_bytes(folder_ / "clip_info_final.csv", info);
  }
  DataSet open(std::uint64_t seed) const {
    MtatOptions options;
    options.tags = "slow";
    options.split = MtatSplit::artist;
    options.split_seed = seed;
    options.labels_only = true;
    return open_mtat(folder_.path(), options);
  }
  const TempFolder folder_{};
  std::map<std::string, std::string> group_;
};

TEST_F(MtatArtists, stay_together_and_parts_have_their_share) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const DataSet set = open(seed);
    std::map<std::string, std::set<std::string>> parts_of_group;
    std::map<std::string, double> share;
    for (const Track& track : set.tracks) {
      share[track.split] += 1.0 / static_cast<double>(set.tracks.size());
      if (!group_[track.name].empty()) parts_of_group[group_[track.name]].insert(track.split);
    }
    for (const auto& [group, parts] : parts_of_group)
      ASSERT_EQ(parts.size(), 1U) << group << ", seed " << seed;
    EXPECT_EQ(parts_of_group.size(), 42U);
    EXPECT_NEAR(share["train"], .72, .04);
    EXPECT_NEAR(share["valid"], .07, .04);
    EXPECT_NEAR(share["test"], .21, .04);
    EXPECT_TRUE(has(set.notes, "30 clips have no artist")) << seed;
    EXPECT_FALSE(has(set.notes, "by artists of training clips"));
  }
}

TEST_F(MtatArtists, the_seed_decides) {
  const auto splits = [&](std::uint64_t seed) {
    Names all;
    for (const Track& track : open(seed).tracks) all.push_back(track.split);
    return all;
  };
  EXPECT_EQ(splits(1), splits(1));
  EXPECT_NE(splits(1), splits(2));
  fs::remove(folder_.path() / "clip_info_final.csv");
  const std::string message = error_of(ErrorKind::input, [&] { open(1); });
  EXPECT_NE(message.find("no clip_info_final.csv; an artist split needs it"), std::string::npos);
}

class MtatLabelLists : public ::testing::Test {
 protected:
  MtatLabelLists() {
    test::write_bytes(folder_ / "index_mtt.tsv",
                      "1\td/a-b-01-c-0-29.mp3\n2\tc/a-b-01-c-29-58.mp3\n"
                      "3\t0/a-b-01-c-58-87.mp3\n1 d/x.mp3\n");
    test::write_bytes(folder_ / "output_labels_mtt.txt", "# Output labels\nLABELS = ['slow', \"no beat\"]\n");
    test::write_bytes(folder_ / "test_gt_mtt.tsv", "1\t[0.0, 1.0]\n7\t[0.0, 1.0]\n8\t[0.0]\n9\t[0.0, .5]\n");
    test::write_bytes(folder_ / "val_gt_mtt.tsv", "2\t[1.0, 1.0]\n2\t[1.0, 1.0]\n");
  }
  DataSet open() const {
    MtatOptions options;
    options.tags = "top2";
    options.labels_only = true;
    return open_mtat(folder_.path(), options);
  }
  const TempFolder folder_{};
};

TEST_F(MtatLabelLists, are_read_and_clips_without_labels_are_counted) {
  const DataSet set = open();
  EXPECT_EQ(set.classes, (Names{"slow", "no beat"}));  // the order of the list, not of the counts
  ASSERT_EQ(set.tracks.size(), 2U);
  EXPECT_EQ(set.tracks[0].name, "c/a-b-01-c-29-58.mp3");
  EXPECT_EQ(set.tracks[0].labels, (Names{"slow", "no beat"}));
  EXPECT_EQ(set.tracks[0].split, "valid");
  EXPECT_TRUE(has(set.notes,
                  "1 of 3 clips have no row of labels and are left out (the first: 0/a-b-01-c-58-87.mp3)"));
  Names skipped;
  for (const LeftOut& s : set.skipped) skipped.push_back(s.name + ": " + s.reason);
  EXPECT_EQ(skipped,
            (Names{"index_mtt.tsv:4: not a clip's number, a tab and its path",
                   "val_gt_mtt.tsv:2: clip 2 is there twice", "test_gt_mtt.tsv:3: 1 values for 2 tags",
                   "test_gt_mtt.tsv:4: not a clip's number, a tab and [0.0, 1.0, ...]",
                   "clip 7: has labels but is not in index_mtt.tsv"}));
}

TEST_F(MtatLabelLists, without_their_files_say_which) {
  test::write_bytes(folder_ / "output_labels_mtt.txt", "LABELS = ['slow', 'no\nbeat']\n");
  EXPECT_NE(error_of(ErrorKind::input, [&] { open(); }).find("output_labels_mtt.txt: a quote is not closed"),
            std::string::npos);
  test::write_bytes(folder_ / "output_labels_mtt.txt", "LABELS = ['slow', 'no beat']\n");
  fs::remove(folder_.path() / "test_gt_mtt.tsv");
  fs::remove(folder_.path() / "val_gt_mtt.tsv");
  EXPECT_NE(error_of(ErrorKind::input, [&] { open(); }).find("no labels in train_gt_mtt.tsv"),
            std::string::npos);
  fs::remove(folder_.path() / "output_labels_mtt.txt");
  EXPECT_NE(error_of(ErrorKind::input, [&] { open(); }).find("output_labels_mtt.txt: cannot be read"),
            std::string::npos);
}

TEST(Tsv, quotes_are_taken_off_only_where_they_belong) {
  const TempFolder folder{};
  test::write_bytes(folder / "a.csv", "\xEF\xBB\xBF\"a\"\t\"say \"\"b\"\"\"\r\n\n\t\"open\tx\\\"y\n");
  TsvReader table(folder.path() / "a.csv");
  ASSERT_TRUE(table.next());
  EXPECT_EQ(table.fields()[0], "a");
  EXPECT_EQ(TsvReader::text_of(table.fields()[1]), "say \"b\"");
  ASSERT_TRUE(table.next());
  EXPECT_EQ(table.where(), (folder.path() / "a.csv").string() + ":3");
  ASSERT_EQ(table.fields().size(), 3U);
  EXPECT_EQ(table.fields()[0], "");
  EXPECT_EQ(table.fields()[1], "\"open");
  EXPECT_EQ(TsvReader::text_of(table.fields()[2]), "x\"y");
  EXPECT_FALSE(table.next());
  error_of(ErrorKind::input, [&] { TsvReader(folder.path() / "none.csv"); });
}

}  // namespace
}  // namespace melgrad
