#include "io/datasets/dataset.h"

#include <gtest/gtest.h>

#include "io/datasets/csv.h"
#include "io/datasets/open_data_set.h"
#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::TempFolder;
using Names = std::vector<std::string>;

Names names_of(const DataSet& set) {
  Names names;
  for (const Track& track : set.tracks) names.push_back(track.name);
  return names;
}

// Layouts are told from names alone, so the files may be empty.
void touch(const TempFolder& folder, const Names& files) {
  for (const std::string& file : files) test::write_bytes(folder / file, "");
}

TEST(DataSet, gtzan_from_its_parent_or_its_genres_folder) {
  const TempFolder folder{};
  touch(folder, {"README", "genres/rock/rock.00001.wav", "genres/blues/blues.00000.au",
                 "genres/rock/rock.00000.wav", "genres/bextract.mf"});
  const Names expected = {"blues/blues.00000.au", "rock/rock.00000.wav", "rock/rock.00001.wav"};
  for (const fs::path& path : {folder.path(), folder.path() / "genres"}) {
    const DataSet set = open_data_set(path);
    EXPECT_EQ(set.classes, (Names{"blues", "rock"}));
    EXPECT_EQ(names_of(set), expected);
    EXPECT_EQ(set.tracks[1].labels, Names{"rock"});
    EXPECT_EQ(set.tracks[1].path, folder.path() / "genres/rock/rock.00000.wav");
    EXPECT_EQ(set.ignored, Names{"bextract.mf"});
    EXPECT_EQ(set.class_index("rock"), 1U);
    EXPECT_THROW(set.class_index("jazz"), Error);
  }
}

TEST(DataSet, class_folders_hidden_files_and_foreign_files) {
  const TempFolder folder{};
  touch(folder, {"b/deep/er/x.FLAC", "b/y.mp3", "b/._y.mp3", "b/.cache/z.wav", "b/cover.jpg", "a/z.ogg",
                 ".git/a.wav", "loose.wav"});
  const DataSet set = open_data_set(folder.path());
  EXPECT_EQ(set.classes, (Names{"a", "b"}));
  EXPECT_EQ(names_of(set), (Names{"a/z.ogg", "b/deep/er/x.FLAC", "b/y.mp3"}));
  EXPECT_EQ(set.tracks[1].labels, Names{"b"});
  EXPECT_EQ(set.ignored, (Names{"b/cover.jpg", "loose.wav"}));
}

TEST(DataSet, folder_errors_name_the_folder_and_the_class) {
  const TempFolder folder{};
  const auto message = [](const fs::path& path) {
    return error_of(ErrorKind::input, [&] { open_data_set(path); });
  };
  EXPECT_NE(message(folder.path() / "absent").find("no such file or folder"), std::string::npos);
  EXPECT_NE(message(folder.path()).find("no class folders"), std::string::npos);
  touch(folder, {"a/x.wav", "empty/notes.txt"});
  EXPECT_NE(message(folder.path()).find("class \"empty\" has no audio"), std::string::npos);
}

TEST(DataSet, manifest_with_splits_and_several_labels) {
  const TempFolder folder{};
  test::write_bytes(folder / "tags.csv",
                    "\xEF\xBB\xBFpath,labels,split,artist\r\n"
                    "z/one.mp3,slow; guitar ;slow,train,A\r\n"
                    "\r\n"
                    "\"a, b/\"\"two\"\".wav\",piano,test,\"B,\nC\"\r\n"
                    "./three.wav,,,\r\n");
  const DataSet set = open_data_set(folder.path() / "tags.csv");
  EXPECT_EQ(set.classes, (Names{"guitar", "piano", "slow"}));
  EXPECT_EQ(names_of(set), (Names{"a, b/\"two\".wav", "three.wav", "z/one.mp3"}));
  EXPECT_EQ(set.tracks[0].split, "test");
  EXPECT_EQ(set.tracks[1].labels, Names{});
  EXPECT_EQ(set.tracks[1].split, "");
  EXPECT_EQ(set.tracks[2].labels, (Names{"slow", "guitar"}));
  EXPECT_EQ(set.tracks[2].path, folder.path() / "z/one.mp3");
  EXPECT_EQ(set.ignored, Names{"column \"artist\""});
}

TEST(DataSet, manifest_errors_name_the_line) {
  const TempFolder folder{};
  const auto message = [&](const std::string& text) {
    test::write_bytes(folder / "m.csv", text);
    const std::string error = error_of(ErrorKind::input, [&] { open_data_set(folder.path() / "m.csv"); });
    EXPECT_EQ(error.find((folder.path() / "m.csv").string()), 0U) << error;
    return error.substr((folder.path() / "m.csv").string().size());
  };
  EXPECT_EQ(message("").find(": no rows"), 0U);
  EXPECT_EQ(message("path,label\n").find(": no rows"), 0U);
  EXPECT_EQ(message("recording,label\na.wav,x\n").find(":1: the header needs \"path\""), 0U);
  EXPECT_EQ(message("path,label,labels\na.wav,x,y\n").find(":1: the header needs"), 0U);
  EXPECT_EQ(message("path,path,label\na,b,c\n").find(":1: column \"path\" stands twice"), 0U);
  EXPECT_EQ(message("path,label\na.wav,x\nb.wav\n").find(":3: 1 fields, the header has 2"), 0U);
  EXPECT_EQ(message("path,label\na.wav,\n").find(":2: no label"), 0U);
  EXPECT_EQ(message("path,label\n,x\n").find(":2: the path is empty"), 0U);
  EXPECT_EQ(message("path,label,split\na.wav,x,dev\n").find(":2: split \"dev\""), 0U);
  EXPECT_EQ(message("path,label\na.wav,x\n./a.wav,y\n").find(":3: a.wav is listed before in line 2"), 0U);
  EXPECT_EQ(message("path,label\na.wav,x\n\"b\nc.wav,y\n").find(":3: a quoted field is never closed"), 0U);
  EXPECT_EQ(message("path,label\n\"a\"b.wav,x\n").find(":2: text behind a closing quote"), 0U);
  EXPECT_EQ(message("path,labels\na.wav,;\n").find(": no track has a label"), 0U);
}

TEST(Csv, rows_know_their_first_line) {
  const TempFolder folder{};
  test::write_bytes(folder / "a.csv", "a,\"b\nb\",c\n\nd,,\"\"\"\"");
  const auto rows = read_csv(folder.path() / "a.csv");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].line, 1U);
  EXPECT_EQ(rows[0].fields, (Names{"a", "b\nb", "c"}));
  EXPECT_EQ(rows[1].line, 4U);
  EXPECT_EQ(rows[1].fields, (Names{"d", "", "\""}));
}

}  // namespace
}  // namespace melgrad
