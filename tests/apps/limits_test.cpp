// Every command where something is short or strange: standard output or standard error full or closed, little
// address space, few open files, small files only, and names that are fifos, devices or ten gigabytes of
// nothing. Always a documented exit code, a line that says what is wrong, and never a wait.
// MELGRAD_LIMITS=all tries every limit with every command.
#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <sys/stat.h>

#include "tests/apps/program.h"
#include "tests/io/arrays/npz_make.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

#ifdef MELGRAD_ADDRESS_SANITIZER
constexpr bool kSanitized = true;  // which takes terabytes of address space, and longer
#else
constexpr bool kSanitized = false;
#endif
constexpr auto kSoon = std::chrono::seconds(kSanitized ? 60 : 20);  // beyond it, it hangs

class Limits : public test::Program {
 protected:
  // A data set, a cache of it, a finished run, an archive, an analysis: made once for all tests.
  static void SetUpTestSuite() {
    made_ = std::make_unique<Scratch>();
    Limits_ maker;
    maker.make(*made_);
  }
  static void TearDownTestSuite() { made_.reset(); }

  static std::string made(const std::string& name) { return *made_ / name; }

  // One command line of each command, by the command's name; what it writes goes to `out`.
  std::map<std::string, Arguments> command_lines() const {
    const std::string file = made("music/genres/ambient/ambient.00000.wav");
    return {{"check", {"check", made("music")}},
            {"analyze", {"analyze", made("music"), "--out", at("analysis.json")}},
            {"extract", {"extract", made("music"), "--out", at("c.h5")}},
            {"merge", {"merge", made("p.h5"), "--out", at("merged.h5")}},
            {"train", train(at("run"))},
            {"sweep",
             {"sweep", "dong2018-fixed", "--data", made("c.h5"), "--seeds", "2", "--jobs", "2", "--set",
              "train.epochs=1", "--set", "train.batch=4", "--set", "model.filters=4", "--out", at("sweep")}},
            {"crossval",
             {"crossval", made("c.h5"), "--recipe", "dong2018-fixed", "--folds", "2", "--set",
              "train.epochs=1", "--set", "train.batch=4", "--set", "model.filters=4", "--out", at("folds")}},
            {"evaluate", {"evaluate", made("run")}},
            {"verify", {"verify", made("run")}},
            {"export", {"export", made("run"), "--out", at("model.safetensors")}},
            {"predict", {"predict", made("run"), file}},
            {"report", {"report", made("run"), "-o", at("report.html")}},
            {"reproduce",
             {"reproduce", "dong2018", "--gtzan", made("c.h5"), "--recipe", "dong2018-fixed", "--splits", "1",
              "--set", "train.epochs=1", "--set", "train.batch=4", "--set", "model.filters=4", "--out",
              at("reproduction")}},
            {"bench", {"bench", "--help"}},  // its own program lies beside this one only where it was built
            {"info", {"info"}},
            {"selftest", {"selftest", "--help"}},  // the work itself takes a while
            {"synth",
             {"synth", "--out", at("synth"), "--classes", "2", "--tracks-per-class", "1", "--seconds", "1"}},
            {"import", {"import", made("x.npz"), "--out", at("imported.h5")}},
            {"import-weights", {"import-weights", made("w.safetensors"), "--list"}},
            {"models", {"models"}},
            {"embed", {"embed", made("run"), file, "--out", at("e.h5")}},
            {"similar", {"similar", made("e.npy"), "--to", "a"}},
            {"probe", {"probe", made("e.h5"), "--folds", "2"}},
            {"metrics", {"metrics", "--truth", made("t.csv"), "--scores", made("t.csv")}},
            {"cache", {"cache"}},
            {"recipes", {"recipes"}},
            {"help", {"help"}},
            {"version", {"version"}}};
  }

  static Arguments train(const std::string& out) {
    return {"train", made("c.h5"),    "--recipe", "dong2018-fixed",  "--set", "train.epochs=1",
            "--set", "train.batch=4", "--set",    "model.filters=4", "--out", out};
  }

  // The program's own list of commands, so that none is forgotten here.
  std::vector<std::string> commands() {
    EXPECT_EQ(run({"--help"}), 0);
    std::vector<std::string> names;
    std::istringstream help(out());
    bool listed = false;
    for (std::string line; std::getline(help, line);) {
      listed = listed || line.find("ubcommands:") != std::string::npos ||
               line.find("ommands:") != std::string::npos;
      std::smatch name;
      if (listed && std::regex_search(line, name, std::regex("^  ([a-z-]+)  "))) names.push_back(name[1]);
    }
    EXPECT_GE(names.size(), 15U) << out();
    return names;
  }

  // The last line on standard error, which must be melgrad's.
  std::string said() const {
    const std::string text = err();
    const auto at = text.rfind("melgrad: ");
    EXPECT_NE(at, std::string::npos) << text;
    return at == std::string::npos ? "" : text.substr(at);
  }

  void expect_one_line(const std::string& what) const {
    const std::string line = said();
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << what << "\n" << err();
  }

  // What the last run may have written.
  void clear() {
    for (const auto& entry : fs::directory_iterator(at("."))) fs::remove_all(entry.path());
  }
  void expect_nothing_temporary() {
    for (const auto& entry : fs::recursive_directory_iterator(at(".")))
      EXPECT_NE(entry.path().extension(), ".tmp") << entry.path();
  }

 private:
  struct Limits_ : test::Program {
    void TestBody() override {}
    void make(const Scratch& to) {
      const auto done = [&](const Arguments& arguments) { ASSERT_EQ(run(arguments), 0) << err(); };
      done({"synth", "--out", to / "music", "--classes", "2", "--tracks-per-class", "4", "--seconds", "4"});
      done({"extract", to / "music", "--out", to / "c.h5"});
      done({"extract", to / "music", "--out", to / "p.h5", "--part", "0/1"});
      done(train(to / "run"));
      done({"evaluate", to / "run"});
      done({"export", to / "run", "--out", to / "w.safetensors"});
      write_bytes(to / "t.csv", "track,rock\na,1\nb,0\n");
      write_bytes(to / "e.npy", npy("<f4", "(2, 1)", raw<float>({1, 2})));
      write_bytes(to / "e.names.txt", "a\nb\n");
      done({"embed", to / "run", to / "music", "--out", to / "e.h5"});
      done({"analyze", to / "music", "--labels-only", "--out", to / "analysis.json"});
      std::string x, labels;
      for (int i = 0; i < 2 * 3 * 4; ++i) x += little_endian(static_cast<float>(i));
      for (const std::int64_t label : {0, 1}) labels += little_endian(label);
      write_bytes(to / "x.npz",
                  zip({{"X.npy", npy("<f4", "(2, 3, 4)", x)}, {"T.npy", npy("<i8", "(2,)", labels)}}));
    }
  };
  static std::unique_ptr<Scratch> made_;
};
std::unique_ptr<Scratch> Limits::made_;

TEST_F(Limits, EveryCommandIsTriedHere) {
  const auto lines = command_lines();
  for (const std::string& command : commands()) EXPECT_TRUE(lines.contains(command)) << command;
}

// An answer that cannot be printed is an error, one that is not asked for is none.
TEST_F(Limits, AnswersThatCannotBePrinted) {
  auto lines = command_lines();
  for (const std::string& command : commands()) {
    const Arguments& line = lines[command];
    EXPECT_EQ(run_in_shell("exec \"$@\" > /dev/full", line, kSoon), 4) << command << ": " << err();
    EXPECT_NE(said().find("melgrad: standard output: No space left on device"), std::string::npos) << err();
    expect_one_line(command);
    clear();
  }
  const Arguments predict = lines["predict"];
  EXPECT_EQ(run_in_shell("exec \"$@\" >&-", predict, kSoon), 4) << err();
  EXPECT_NE(said().find("standard output: Bad file descriptor"), std::string::npos) << err();
  EXPECT_EQ(run_in_shell("{ sleep 0.05; \"$@\"; echo $? > " + at("code") + "; } | true", predict, kSoon), 0);
  EXPECT_EQ(read_bytes(at("code")), "4\n");
  EXPECT_NE(said().find("standard output: Broken pipe"), std::string::npos) << err();
  Arguments json = predict;
  json.insert(json.begin(), "--json");
  EXPECT_EQ(run_in_shell("exec \"$@\" > /dev/full", json, kSoon), 4) << err();
  EXPECT_EQ(run_in_shell("exec \"$@\" > /dev/full", {"--help"}, kSoon), 4) << err();
  EXPECT_EQ(run_in_shell("exec \"$@\" > /dev/full", {"train", "--help"}, kSoon), 4) << err();
}

// Messages that cannot be shown change neither the answer nor the exit code, and no file gets their number.
TEST_F(Limits, MessagesThatCannotBeShown) {
  auto lines = command_lines();
  for (const std::string& command : commands()) {
    const int usual = run(lines[command], kSoon);
    const bool answers = !out().empty();
    clear();
    EXPECT_EQ(run_in_shell("exec \"$@\" 2> /dev/full", lines[command], kSoon), usual) << command;
    EXPECT_EQ(!out().empty(), answers) << command;
    clear();
  }
  for (const char* closed : {"exec \"$@\" 2>&-", "exec \"$@\" 0<&- 2>&-"}) {
    EXPECT_EQ(run_in_shell(closed, lines["train"], kSoon), 0) << closed;
    EXPECT_EQ(run({"train", "--resume", at("run")}, kSoon), 0) << "a file got a line: " << err();
    clear();
  }
  EXPECT_EQ(run_in_shell("exec \"$@\" 0<&- >&- 2>&-", lines["train"], kSoon), 4);
  EXPECT_EQ(run({"evaluate", at("run")}, kSoon), 0) << "a file got a line: " << err();
}

// OpenBLAS would ask for ever. Less than the program's own libraries is the loader's to say (127).
TEST_F(Limits, LittleAddressSpace) {
  if (kSanitized) GTEST_SKIP() << "needs a build without sanitizers";
  auto lines = command_lines();
  const bool all = std::getenv("MELGRAD_LIMITS") != nullptr;
  const std::vector<std::string> tried = all ? commands() : Arguments{"predict", "train"};
  const std::vector<long> limits =
      all ? std::vector<long>{200000, 250000, 300000,  350000,  400000,  450000,  500000, 600000,
                              700000, 800000, 1000000, 1500000, 2000000, 4000000, 8000000}
          : std::vector<long>{200000, 400000, 500000, 700000, 2000000, 8000000};
  std::map<int, int> codes;
  for (const std::string& command : tried) {
    for (const char* threads : {"1", "2", "64"}) {
      for (const long limit : limits) {
        Arguments line = lines[command];
        line.insert(line.begin(), {"--threads", threads});
        const std::string what =
            command + " with " + threads + " threads in " + std::to_string(limit) + " kB";
        const int code = run_in_shell("ulimit -v " + std::to_string(limit) + "; exec \"$@\"", line, kSoon,
                                      {std::string("OMP_NUM_THREADS=") + threads});
        ++codes[code];
        // 6: other threads than the run was tested with can show in its last bits; a file that finds no
        // memory is named.
        const bool done = code == 0 || code == 6;
        ASSERT_TRUE(done || code == 5 || code == 127) << what << ": " << code << "\n" << err();
        if (code == 5) expect_one_line(what);
        if (limit >= 1000000 && std::string(threads) != "64") {
          EXPECT_TRUE(done) << what << "\n" << err();
        }
        expect_nothing_temporary();
        clear();
      }
    }
  }
  for (const auto& [code, count] : codes) std::printf("%d times exit code %d\n", count, code);
}

TEST_F(Limits, SmallFilesOnly) {
  for (const std::string command : {"extract", "train", "export", "analyze", "report", "import", "synth"}) {
    const Arguments line = command_lines()[command];
    const int code = run_in_shell("ulimit -f 4; exec \"$@\" > /dev/null", line, kSoon);  // 2 kB
    EXPECT_EQ(code, 4) << command << ": " << err();
    EXPECT_NE(said().find(at("")), std::string::npos) << command << ": " << err();  // the file's name
    EXPECT_NE(said().find("File too large"), std::string::npos) << command << ": " << err();
    expect_nothing_temporary();
    clear();
  }
}

TEST_F(Limits, FewOpenFiles) {
  auto lines = command_lines();
  for (const std::string& command : commands()) {
    const Arguments line = lines[command];
    for (const int limit : {5, 8, 12}) {
      // LeakSanitizer opens files of its own when the program has ended.
      const int code = run_in_shell("ulimit -n " + std::to_string(limit) + "; exec \"$@\"", line, kSoon,
                                    {"ASAN_OPTIONS=detect_leaks=0"});
      const std::string what = command + " with " + std::to_string(limit) + " files: " + std::to_string(code);
      EXPECT_TRUE(code == 0 || (code >= 2 && code <= 6) || code == 127) << what << "\n" << err();
      if (code >= 2 && code <= 5) expect_one_line(what);
      clear();
    }
  }
}

// FILE stands for the strange one.
const std::vector<std::vector<std::string>> kInputs = {
    {"check", "FILE"},
    {"analyze", "FILE"},
    {"extract", "FILE", "--out", "OUT"},
    {"extract", "MUSIC", "--recipe", "FILE", "--out", "OUT"},
    {"train", "FILE", "--recipe", "dong2018-fixed", "--out", "OUT"},
    {"train", "MUSIC", "--recipe", "FILE", "--out", "OUT"},
    {"train", "CACHE", "--recipe", "dong2018-fixed", "--split-lists", "FILE", "--out", "OUT"},
    {"train", "CACHE", "--recipe", "dong2018-fixed", "--split-lists", "LISTS", "--out", "OUT"},
    {"train", "--resume", "FILE"},
    {"evaluate", "FILE"},
    {"evaluate", "RUN", "--data", "FILE"},
    {"evaluate", "RUN", "FILE"},
    {"evaluate", "RUN", "RUN", "--data", "FILE"},
    {"crossval", "FILE", "--recipe", "dong2018-fixed", "--out", "OUT"},
    {"crossval", "CACHE", "--recipe", "FILE", "--out", "OUT"},
    {"crossval", "--resume", "FILE"},
    {"reproduce", "gtzan", "--data", "FILE", "--recipe", "dong2018-fixed", "--out", "OUT"},
    {"reproduce", "gtzan", "--data", "CACHE", "--recipe", "dong2018-fixed", "--split-lists", "FILE", "--out",
     "OUT"},
    {"reproduce", "gtzan", "--collect", "FILE"},
    {"extract", "MUSIC", "--columns", "FILE", "--out", "OUT"},
    {"import", "NPZ", "--columns", "FILE", "--out", "OUT"},
    {"verify", "FILE"},
    {"verify", "RUN", "--data", "FILE"},
    {"export", "FILE", "--out", "OUT"},
    {"predict", "FILE", "MUSIC"},
    {"predict", "RUN", "FILE"},
    {"report", "FILE", "-o", "OUT"},
    {"report", "RUN", "--track", "FILE", "-o", "OUT"},
    {"reproduce", "dong2018", "--gtzan", "FILE", "--out", "OUT"},
    {"reproduce", "dong2018", "--gtzan", "CACHE", "--recipe", "FILE", "--out", "OUT"},
    {"reproduce", "dong2018", "--gtzan", "CACHE", "--splits", "0", "--split-lists", "FILE", "--out", "OUT"},
    {"reproduce", "dong2018", "--resume", "FILE"},
    {"reproduce", "dong2018", "--collect", "FILE"},
    {"reproduce", "dong2018", "--gtzan", "FILE", "--part", "0/2", "--out", "OUT"},
    {"sweep", "FILE", "--data", "CACHE", "--seeds", "2", "--out", "OUT"},
    {"sweep", "dong2018-fixed", "--data", "FILE", "--seeds", "2", "--out", "OUT"},
    {"sweep", "--collect", "FILE"},
    {"reproduce", "mtat", "--data", "FILE", "--out", "OUT"},
    {"reproduce", "mtat", "--resume", "FILE"},
    {"import", "FILE", "--out", "OUT"},
};

const std::vector<std::vector<std::string>> kOutputs = {
    {"analyze", "MUSIC", "--labels-only", "--out", "FILE"},
    {"extract", "MUSIC", "--out", "FILE"},
    {"train", "CACHE", "--recipe", "dong2018-fixed", "--out", "FILE"},
    {"evaluate", "RUN", "--scores", "FILE"},
    {"crossval", "CACHE", "--recipe", "dong2018-fixed", "--folds", "2", "--out", "FILE"},
    {"export", "RUN", "--out", "FILE"},
    {"report", "RUN", "-o", "FILE"},
    {"reproduce", "dong2018", "--gtzan", "CACHE", "--splits", "1", "--out", "FILE"},
    {"reproduce", "dong2018", "--gtzan", "CACHE", "--splits", "2", "--part", "0/2", "--out", "FILE"},
    {"sweep", "dong2018-fixed", "--data", "CACHE", "--seeds", "2", "--out", "FILE"},
    {"import", "NPZ", "--out", "FILE"},
    {"synth", "--out", "FILE"},
};

class StrangeFiles : public Limits {
 protected:
  void SetUp() override {
    ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
    fs::create_directory(at("lists"));
    for (const char* part : {"train", "valid", "test"})
      ASSERT_EQ(::mkfifo((at("lists/") + part + ".txt").c_str(), 0600), 0);
  }

  // Its exit code; what it said begins with "melgrad: ".
  int run_with(const std::vector<std::string>& line, const std::string& file) {
    const std::map<std::string, std::string> stands_for = {
        {"FILE", file},       {"OUT", at("out")},     {"MUSIC", made("music")}, {"CACHE", made("c.h5")},
        {"RUN", made("run")}, {"NPZ", made("x.npz")}, {"LISTS", at("lists")}};
    Arguments arguments;
    for (const std::string& word : line)
      arguments.push_back(stands_for.contains(word) ? stands_for.at(word) : word);
    const int code = run(arguments, kSoon);
    fs::remove_all(at("out"));
    return code;
  }
  static std::string shown(const std::vector<std::string>& line) {
    std::string text;
    for (const std::string& word : line) text += word + " ";
    return text;
  }
};

TEST_F(StrangeFiles, AreNotRead) {
  for (const auto& line : kInputs) {
    for (const std::string& file : {at("fifo"), std::string("/dev/zero")}) {
      const int code = run_with(line, file);
      EXPECT_TRUE(code == 2 || code == 3 || code == 4 || code == 6)
          << shown(line) << file << ": " << code << err();
      EXPECT_FALSE(err().empty()) << shown(line) << file;
    }
  }
}

TEST_F(StrangeFiles, AreNotWritten) {
  for (const auto& line : kOutputs) {
    for (const std::string& file : {at("fifo"), std::string("/dev/full")}) {
      EXPECT_EQ(run_with(line, file), 4) << shown(line) << file << ": " << err();
      EXPECT_NE(said().find(file), std::string::npos) << shown(line) << ": " << err();
      EXPECT_TRUE(fs::exists(file));
    }
  }
}

// Reading it would take longer than the test waits.
TEST_F(StrangeFiles, TenSparseGigabytesAreRefusedUnread) {
  for (const char* name : {"sparse", "sparse.csv", "sparse.wav"}) {
    write_bytes(at(name), std::string(name).ends_with("wav") ? "RIFF" : "");
    fs::resize_file(at(name), std::uintmax_t{10} << 30);
    for (const auto& line : kInputs) {
      const auto start = Clock::now();
      const int code = run_with(line, at(name));
      EXPECT_TRUE(code == 2 || code == 3 || code == 4 || code == 6)
          << shown(line) << name << ": " << code << err();
      EXPECT_LT(Clock::now() - start, std::chrono::seconds(kSanitized ? 20 : 2)) << shown(line) << name;
    }
  }
}

}  // namespace
}  // namespace melgrad
