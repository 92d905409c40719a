// Work in parts: what several processes make of their shares is, together, what one makes.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/processes/part.h"
#include "tests/apps/pipeline.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

class Parts : public Pipeline {
 protected:
  static void make(const std::string& command, int count) {
    for (int i = count - 1; i >= 0; --i) {  // in whatever order
      const PipelineResult part = run(command + " --part " + std::to_string(i) + "/" + std::to_string(count));
      ASSERT_EQ(part.code, 0) << part.err;
    }
  }
  static std::string extract(const std::string& out) {
    return "extract " + at("music") + " --out " + at(out);
  }
  static std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> all;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) all.push_back(line);
    std::sort(all.begin(), all.end());
    return all;
  }
};

TEST_F(Parts, OfACacheAreMergedToTheSameBytes) {
  const std::string whole = read_bytes(at("c.h5"));
  for (const int count : {1, 3, 7, 30}) {  // of 24 tracks, so that some have none
    const std::string name = "parts" + std::to_string(count);
    fs::create_directory(at(name));
    make(extract(name + "/p.h5"), count);
    ASSERT_FALSE(fs::exists(at(name + "/p.h5")));
    const PipelineResult merge = run("merge " + at(name) + "/p.part-*.h5 --out " + at(name + "/merged.h5"));
    ASSERT_EQ(merge.code, 0) << merge.err;
    EXPECT_TRUE(read_bytes(at(name + "/merged.h5")) == whole) << count;
  }
  // By the name of the whole, into it.
  ASSERT_EQ(run("merge " + at("parts3/p.h5")).code, 0);
  EXPECT_TRUE(read_bytes(at("parts3/p.h5")) == whole);
}

TEST_F(Parts, KnowWhatWasSkippedAndWhatATableSays) {
  const std::string music = at("labelled");
  fs::create_directory(music);
  std::string table = "path,label,split,artist\n";
  int n = 0;
  for (const auto& entry : fs::recursive_directory_iterator(at("music"))) {
    if (entry.path().extension() != ".wav") continue;
    fs::copy_file(entry.path(), fs::path(music) / entry.path().filename());
    table += entry.path().filename().string() + (n % 2 ? ",rock," : ",jazz;loud,") +
             (n % 3 ? "train" : "test") + ",artist " + std::to_string(n % 5) + "\n";
    ++n;
  }
  write_bytes(music + "/broken.wav", "no sound");
  write_bytes(music + "/table.csv", table + "broken.wav,rock,train,nobody\nmissing.wav,rock,train,nobody\n");
  const std::string command = "extract " + music + "/table.csv --out " + music + "/";
  ASSERT_EQ(run(command + "one.h5").code, 6);
  for (const char* part : {"0/4", "1/4", "2/4", "3/4"})
    EXPECT_LE(run(command + "p.h5 --dtype f32 --part " + part).code, 6);
  ASSERT_EQ(run("merge " + music + "/p.h5").code, 0);
  EXPECT_TRUE(read_bytes(music + "/p.h5") == read_bytes(music + "/one.h5"));
}

// Trained, resumed, evaluated without having been merged.
TEST_F(Parts, AreTrainedOnAsOne) {
  make(extract("t.h5"), 3);
  const auto train = [](const std::string& data, const std::string& out) {
    const PipelineResult r =
        run("--json train " + data + " --recipe dong2018-fixed --set train.epochs=3 --set train.batch=8 " +
            "--set model.filters=4 --out " + at(out));
    EXPECT_EQ(r.code, 0) << r.err;
    return r.code == 0 ? nlohmann::json::parse(r.out).at("weights") : nlohmann::json();
  };
  const auto whole = train(at("c.h5"), "of-whole");
  EXPECT_EQ(train(at("t.h5"), "of-parts"), whole);
  for (const char* hold : {"memory", "file"})
    EXPECT_EQ(train(at("t.h5") + " --hold " + hold, std::string("of-parts-in-") + hold), whole);
  EXPECT_EQ(train(at("t") + ".part-*", "of-parts-by-pattern"), whole);
  refuses("train " + at("t") + ".part-0000[01]*", 2,
          {"2 files are named, which are not the 3 parts of", "t.h5"});
  const PipelineResult tested = run("--json evaluate " + at("of-parts"));
  ASSERT_EQ(tested.code, 0) << tested.err;
  EXPECT_EQ(nlohmann::json::parse(tested.out).at("test"),
            nlohmann::json::parse(run("--json evaluate " + at("of-whole")).out).at("test"));
  EXPECT_EQ(run("evaluate " + at("of-whole/model.h5") + " --data " + at("t.h5")).code, 0);

  const PipelineResult alone =
      run("train " + at("t.part-00001-of-00003.h5") + " --recipe dong2018-fixed --set train.epochs=1 " +
          "--set train.batch=4 --set model.filters=4 --out " + at("of-one-part"));
  expect_contains(alone.err, "part 1 of 3 alone");
  fs::remove(at("t.part-00001-of-00003.h5"));
  refuses("train " + at("t.h5") + " --out " + at("x"), 3, {"t.h5: part 1 of 3 is missing", "--part 1/3"});
}

TEST_F(Parts, ThatDoNotBelongTogetherAreRefused) {
  fs::create_directory(at("wrong"));
  make(extract("wrong/a.h5"), 2);
  const std::string a0 = at("wrong/a.part-00000-of-00002.h5"), a1 = at("wrong/a.part-00001-of-00002.h5"),
                    out = " --out " + at("wrong/m.h5");
  refuses("merge " + a0 + out, 3, {a0, "part 1 of 2 is missing", "--part 1/2"});
  refuses("merge " + a0 + " " + a1 + " " + a0 + out, 3, {"is part 0 of 2, and so is"});
  refuses("merge " + a0 + " " + at("c.h5") + out, 3, {at("c.h5"), "is no part"});
  refuses("merge " + at("wrong/none.h5"), 3, {"has no parts"});
  refuses("merge " + a0 + " " + a1 + " --out " + at("wrong/../wrong") + "/a.part-00001-of-00002.h5", 2,
          {"is one of the parts", a1});
  write_bytes(at("wrong/notes.txt"), "mine");
  for (const std::string& there : {at("wrong/notes.txt"), at("run/checkpoint.h5")}) {
    const std::string before = read_bytes(there);
    refuses("merge " + a0 + " " + a1 + " --out " + there, 3,
            {there, "is there, and no cache as these parts make"});
    EXPECT_TRUE(read_bytes(there) == before);
  }
  ASSERT_EQ(run(extract("wrong/b.h5") + " --set features.hop_length=512 --part 1/2").code, 0);
  refuses("merge " + a0 + " " + at("wrong/b.part-00001-of-00002.h5") + out, 3, {"hop_length"});
  ASSERT_EQ(run(extract("wrong/c.h5") + " --part 1/3").code, 0);
  refuses("merge " + a0 + " " + at("wrong/c.part-00001-of-00003.h5") + out, 3, {"is one of 3 parts"});
  ASSERT_EQ(run("synth --out " + at("other") + " --classes 3 --tracks-per-class 2 --seconds 1").code, 0);
  ASSERT_EQ(run("extract " + at("other") + " --out " + at("wrong/d.h5") + " --part 1/2").code, 0);
  refuses("merge " + a0 + " " + at("wrong/d.part-00001-of-00002.h5") + out, 3, {"is of other data than"});
  ASSERT_EQ(run(extract("wrong/a.h5") + " --part 1/3").code, 0);
  refuses("train " + at("wrong/a.h5"), 3, {"has parts of 2 and parts of 3; remove those that are old"});
  // What is damaged is found while it is read.
  const std::string damaged = at("wrong/e.part-00001-of-00002.h5");
  fs::copy_file(a0, at("wrong/e.part-00000-of-00002.h5"));
  fs::copy_file(a1, damaged);
  flip_bits(damaged, fs::file_size(damaged) - 5000, 1);
  refuses("merge " + at("wrong/e.h5"), 3, {damaged});
  EXPECT_FALSE(fs::exists(at("wrong/m.h5")));
  EXPECT_FALSE(fs::exists(at("wrong/e.h5")));
}

TEST_F(Parts, OfEmbeddingsAreMergedToTheSameBytes) {
  for (const std::string over : {"track", "segments"}) {
    const std::string command = "embed " + at("run") + " " + at("music") + " --over " + over + " --out ";
    ASSERT_EQ(run(command + at("whole-" + over + ".h5")).code, 0);
    make(command + at(over + ".h5"), 30);
    ASSERT_EQ(run("merge " + at(over + ".h5")).code, 0);
    EXPECT_TRUE(read_bytes(at(over + ".h5")) == read_bytes(at("whole-" + over + ".h5"))) << over;
  }
  refuses("embed " + at("run") + " " + at("music") + " --out " + at("e.npy") + " --part 0/2", 2, {".h5"});
  refuses("merge " + at("track.part-00000-of-00030.h5") + " --out " + at("e.h5"), 3, {"is missing"});
}

TEST_F(Parts, OfFilesAreEachAnsweredOnce) {
  const std::string predict = "predict " + at("run") + " " + at("music");
  std::string answers, problems;
  for (const char* part : {"0/3", "1/3", "2/3"}) answers += run(predict + " --part " + std::string(part)).out;
  EXPECT_EQ(lines(answers), lines(run(predict).out));
  EXPECT_EQ(lines(answers).size(), 24U);

  std::size_t scanned = 0;
  for (const char* part : {"0/3", "1/3", "2/3"})
    scanned += nlohmann::json::parse(run("--json check " + at("music") + " --part " + part).out)
                   .at("scanned")
                   .get<std::size_t>();
  EXPECT_EQ(scanned, 24U);
}

TEST_F(Parts, OfAFileWithoutAnEndingAreFound) {
  make(extract("plain"), 2);
  ASSERT_EQ(run("merge " + at("plain")).code, 0);
  EXPECT_TRUE(read_bytes(at("plain")) == read_bytes(at("c.h5")));
  refuses(extract("music") + " --part 0/2", 4, {at("music")});
}

// Where a launcher has started several, none does the work of all.
TEST_F(Parts, CopiesOfOneCommandAreRefused) {
  ::setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
  ::setenv("OMPI_COMM_WORLD_RANK", "1", 1);
  refuses(extract("copies.h5"), 2, {"started as one of 2", "--part auto"});
  refuses("predict " + at("run") + " " + at("music"), 2, {"--part 0/1"});
  EXPECT_EQ(run(extract("copies.h5") + " --part auto").code, 0);
  EXPECT_TRUE(fs::exists(at("copies.part-00001-of-00002.h5")));
  expect_contains(run("info").out, "one of 2 processes, --part auto: 1/2");
  ::unsetenv("OMPI_COMM_WORLD_SIZE");
  ::unsetenv("OMPI_COMM_WORLD_RANK");
}

// ---- which part

class PartNames : public ::testing::Test {
 protected:
  void SetUp() override { clear(); }
  void TearDown() override { clear(); }
  static void set(const std::vector<std::pair<const char*, const char*>>& variables) {
    clear();
    for (const auto& [name, value] : variables) ::setenv(name, value, 1);
  }
  static void clear() {
    for (const char* name :
         {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_COUNT",
          "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "JOB_COMPLETION_INDEX", "MELGRAD_PARTS",
          "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMI_SIZE", "RANK", "WORLD_SIZE"})
      ::unsetenv(name);
  }
  static std::string refusal(const std::string& text) {
    return error_of(ErrorKind::usage, [&] { part_of(text); });
  }
};

TEST_F(PartNames, AreCountedFromZero) {
  EXPECT_EQ(part_of("0/1"), (Part{0, 1}));
  EXPECT_EQ(part_of("15/16"), (Part{15, 16}));
  expect_contains(refusal("16/16"), "counted from 0");
  for (const char* wrong : {"", "3", "a/b", "1/", "/2", "-1/2", "1/0", "1/2/3", "0.5/2", "automatic"})
    expect_contains(refusal(wrong), std::string("--part ") + wrong);
}

TEST_F(PartNames, ComeFromWhatStartedTheProcess) {
  set({{"SLURM_ARRAY_TASK_ID", "4"},
       {"SLURM_ARRAY_TASK_MIN", "0"},
       {"SLURM_ARRAY_TASK_MAX", "7"},
       {"SLURM_ARRAY_TASK_COUNT", "8"}});
  EXPECT_EQ(part_of("auto"), (Part{4, 8}));
  ::setenv("SLURM_PROCID", "1", 1);  // and two processes in each task
  ::setenv("SLURM_STEP_NUM_TASKS", "2", 1);
  EXPECT_EQ(part_of("auto"), (Part{9, 16}));
  set({{"JOB_COMPLETION_INDEX", "2"}, {"MELGRAD_PARTS", "3"}});
  EXPECT_EQ(part_of("auto"), (Part{2, 3}));
  set({{"OMPI_COMM_WORLD_RANK", "3"}, {"OMPI_COMM_WORLD_SIZE", "4"}});
  EXPECT_EQ(part_of("auto"), (Part{3, 4}));
  set({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}});
  EXPECT_EQ(part_of("auto"), (Part{1, 2}));
  set({{"RANK", "0"}, {"WORLD_SIZE", "2"}});
  EXPECT_EQ(part_of("auto"), (Part{0, 2}));
}

TEST_F(PartNames, AreRefusedWhereTheEnvironmentIsNotClear) {
  expect_contains(refusal("auto"), "nothing in the environment");
  set({{"JOB_COMPLETION_INDEX", "2"}});
  expect_contains(refusal("auto"), "MELGRAD_PARTS");
  set({{"JOB_COMPLETION_INDEX", "3"}, {"MELGRAD_PARTS", "3"}});
  expect_contains(refusal("auto"), "counted from 0");
  // Tasks 3 and 7, started again: of how many, only who started them knows.
  set({{"SLURM_ARRAY_TASK_ID", "3"},
       {"SLURM_ARRAY_TASK_MIN", "3"},
       {"SLURM_ARRAY_TASK_MAX", "7"},
       {"SLURM_ARRAY_TASK_COUNT", "2"}});
  expect_contains(refusal("auto"), "MELGRAD_PARTS");
  ::setenv("MELGRAD_PARTS", "8", 1);
  EXPECT_EQ(part_of("auto"), (Part{3, 8}));
  // Tasks 1 to 3 of four, which could as well be all of three.
  set({{"SLURM_ARRAY_TASK_ID", "1"},
       {"SLURM_ARRAY_TASK_MIN", "1"},
       {"SLURM_ARRAY_TASK_MAX", "3"},
       {"SLURM_ARRAY_TASK_COUNT", "3"}});
  expect_contains(refusal("auto"), "MELGRAD_PARTS");
  set({{"OMPI_COMM_WORLD_SIZE", "4"}});
  expect_contains(refusal("auto"), "OMPI_COMM_WORLD_RANK");
}

}  // namespace
}  // namespace melgrad
