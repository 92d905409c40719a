// Tables as people's programs write them.
#include "io/datasets/manifest.h"

#include <chrono>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "io/datasets/csv.h"
#include "io/datasets/open_data_set.h"
#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::TempFolder;
using Names = std::vector<std::string>;

class Manifest : public ::testing::Test {
 protected:
  DataSet open(const std::string& text, const std::string& name = "m.csv") {
    test::write_bytes(folder_ / name, text);
    return open_data_set(folder_.path() / name);
  }
  std::string refusal(const std::string& text) {
    test::write_bytes(folder_ / "m.csv", text);
    return error_of(ErrorKind::input, [&] { open_data_set(folder_.path() / "m.csv"); });
  }
  static std::string notes(const DataSet& set) {
    std::string all;
    for (const std::string& note : set.notes) all += note + "\n";
    return all;
  }
  const TempFolder folder_{};
};

std::string utf16(const std::string& ascii, bool little) {
  std::string bytes = little ? "\xFF\xFE" : "\xFE\xFF";
  for (const char c : ascii) bytes += little ? std::string{c, '\0'} : std::string{'\0', c};
  return bytes;
}

TEST_F(Manifest, separators_encodings_and_line_ends) {
  const std::string table = "path,label\na.wav,rock\n\nb.wav,folk\n";
  const auto with = [&](const std::string& separator, const std::string& end) {
    std::string text;
    for (const char c : table) text += c == ',' ? separator : c == '\n' ? end : std::string(1, c);
    return text;
  };
  for (const std::string& text :
       {table, with(";", "\n"), with("\t", "\r\n"), with("|", "\r"), "sep=;\r\n" + with(";", "\r\n"),
        "\xEF\xBB\xBF" + with(";", "\r"), utf16(table, true), utf16(with("\t", "\r\n"), false),
        std::string(" Path , LABEL \na.wav, rock \nb.wav,folk\n,\n")}) {
    const DataSet set = open(text);
    EXPECT_EQ(set.classes, (Names{"folk", "rock"})) << text;
    ASSERT_EQ(set.tracks.size(), 2U) << text;
    EXPECT_EQ(set.tracks[0].name, "a.wav");
  }
  EXPECT_TRUE(has(refusal("path;label\na.wav;x\nb.wav\n"),
                  ":3: 1 fields, the header has 2; the separator seen is \";\""));
  EXPECT_TRUE(has(refusal("name:kind\na.wav:x\n"), "separated by \",\" it has name:kind"));
  EXPECT_TRUE(has(refusal(utf16("path,label\na,b\n", true).substr(2)), ":1: is UTF-16 or UTF-32 without"));
  EXPECT_TRUE(has(refusal(std::string("path,label\na\0,b\n", 16)), ":2: holds a byte 0"));
  EXPECT_TRUE(has(refusal("\x89HDF\r\n"), "is an HDF5 file"));
}

TEST_F(Manifest, latin_1_is_read_and_said) {
  test::write_bytes(folder_ / "caf\xE9.wav", "");
  test::write_bytes(folder_ / "na\xC3\xAFve.wav", "");
  const DataSet set = open("path,label\ncaf\xE9.wav,bl\xFC\xDF\nna\xEFve.wav,\x80uro\n");
  EXPECT_EQ(set.classes, (Names{"bl\xC3\xBC\xC3\x9F", "\xE2\x82\xACuro"}));
  EXPECT_EQ(set.tracks[0].path, folder_.path() / "caf\xE9.wav") << "the file's own bytes";
  EXPECT_EQ(set.tracks[0].name, "caf\\xe9.wav");
  EXPECT_EQ(set.tracks[1].path, folder_.path() / "na\xC3\xAFve.wav") << "the file is called in UTF-8";
  EXPECT_TRUE(has(notes(set), "m.csv:2: not UTF-8; its text is read as Windows-1252"));
}

TEST_F(Manifest, columns_by_the_names_that_others_give_them) {
  for (const Names& header :
       {Names{"file", "genre"}, {"FileName", "Class"}, {"filepath", "tags"}, {"audio", "category"}}) {
    const DataSet set = open("id," + header[0] + "," + header[1] + ",artist\n1,a.wav,x,A\n2,b.wav,y,B\n");
    EXPECT_EQ(set.classes, (Names{"x", "y"}));
    EXPECT_EQ(set.columns, Names{"artist"});
    EXPECT_EQ(set.tracks[1].columns, Names{"B"});
    EXPECT_TRUE(has(notes(set), "\"" + column_key(header[0]) + "\" is read as the path"));
    EXPECT_TRUE(has(notes(set), "not used: column \"id\""));
  }
  EXPECT_TRUE(has(refusal("path,genre,tags\na,b,c\n"), "genre, tags could all be the label"));
  EXPECT_EQ(open("path,label,split\na.wav,x,Training\nb.wav,y,val\n").tracks[1].split, "valid");
}

TEST_F(Manifest, labels_with_other_separators_are_understood_or_named) {
  const DataSet bars = open("path,labels\na,rock|slow\nb,piano | slow\nc,rock|slow\n");
  EXPECT_EQ(bars.classes, (Names{"piano", "rock", "slow"}));
  EXPECT_TRUE(has(notes(bars), "no label holds \";\", 3 of 3 hold \"|\": they are read as several"));
  EXPECT_EQ(open("path;tags\na;rock,slow\nb;piano\nc;rock,slow\n").classes, bars.classes);
  EXPECT_EQ(open("path,tags\na,\"['rock', 'slow']\"\nb,\"['piano']\"\nc,[]\n").classes, bars.classes);
  EXPECT_EQ(open("path,tags\na,rock;slow\nb,piano\nc,a|b\n").classes,
            (Names{"a|b", "piano", "rock", "slow"}));
  const DataSet one = open("path,label\na,rock|slow\nb,piano|slow\n");
  EXPECT_EQ(one.classes, (Names{"piano|slow", "rock|slow"}));
  EXPECT_TRUE(has(notes(one),
                  "each is read as one label; for several separate them by \";\" in a column \"labels\""));
  const DataSet comma = open("path,labels\na,\"Folk, World, & Country\"\nb,Rock\nc,Jazz\n");
  EXPECT_EQ(comma.classes, (Names{"Folk, World, & Country", "Jazz", "Rock"}));
  EXPECT_TRUE(has(notes(comma), "1 of 3 hold \",\": each is read as one label"));
  EXPECT_EQ(notes(open("path,labels\na,R&B/Soul\nb,Rock\nc,Jazz\n")), "");
}

TEST_F(Manifest, paths_as_windows_writes_them) {
  test::write_bytes(folder_ / "a/b.wav", "");
  test::write_bytes(folder_ / "c\\d.wav", "");
  const std::string absolute = (folder_.path() / "a/b.wav").string();
  const DataSet set = open("path,label\na\\b.wav,x\nc\\d.wav,y\n" + absolute + ",x\n");
  EXPECT_EQ(set.tracks[0].path, absolute);
  EXPECT_EQ(set.tracks[1].name, "a/b.wav");
  EXPECT_EQ(set.tracks[1].path, absolute);
  EXPECT_EQ(set.tracks[2].name, "c\\d.wav") << "there is such a file";
}

TEST_F(Manifest, is_a_regular_file) {
  const std::string fifo = folder_ / "m.csv";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_TRUE(has(error_of(ErrorKind::input, [&] { open_data_set(fifo); }), "is a fifo"));
}

TEST_F(Manifest, a_hundred_thousand_rows_and_labels_take_no_time) {
  std::string text = "path,labels\n";
  for (int i = 0; i < 100000; ++i) text += fmt::format("{}.wav,tag{};all\n", i, i);
  const auto start = std::chrono::steady_clock::now();
  const DataSet set = open(text);
  const ClassIndex index(set.classes);
  std::size_t sum = 0;
  for (const Track& track : set.tracks)
    for (const std::string& label : track.labels) sum += index(label);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_EQ(set.classes.size(), 100001U);
  EXPECT_GT(sum, 0U);
  EXPECT_LT(seconds, 10) << "half a second; a search for each label took minutes";
  EXPECT_THROW(index("none"), Error);
}

TEST(Walk, hidden_files_links_and_what_is_no_file) {
  const TempFolder folder{};
  for (const char* name : {"b/x.wav", "a/y.MP3", "a/._y.mp3", "a/.git/z.wav", "__MACOSX/a/q.wav",
                           "a/Thumbs.db", "a/cover.jpg", "a/song.m4a", "a/film.mkv", "a/b/c/d.flac"})
    test::write_bytes(folder / name, "");
  fs::create_directory_symlink(folder.path(), folder / "a/circle");
  fs::create_symlink("nowhere.wav", folder / "b/broken.wav");
  ASSERT_EQ(::mkfifo((folder / "b/fifo.ogg").c_str(), 0600), 0);
  const Walk found = walk(folder.path());
  Names audio, left_out;
  for (const fs::path& file : found.audio) audio.push_back(name_below(file, folder.path()));
  for (const LeftOut& l : found.left_out) left_out.push_back(l.name);
  EXPECT_EQ(audio, (Names{"a/b/c/d.flac", "a/y.MP3", "b/x.wav"}));
  EXPECT_EQ(found.others.size(), 1U);
  EXPECT_EQ(left_out, (Names{"a/circle", "a/film.mkv", "a/song.m4a", "b/broken.wav", "b/fifo.ogg"}));
  EXPECT_EQ(not_read(found.left_out), "1 m4a and 1 mkv files are not read: --ffmpeg, or convert them");
  EXPECT_EQ(not_read({{"a", "b", "wma"}}), "1 wma file is not read: --ffmpeg, or convert it");
  EXPECT_EQ(not_read({{"a", "b"}}), "");
}

}  // namespace
}  // namespace melgrad
