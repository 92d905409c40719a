// Names that break lines, colour terminals, turn the direction of writing or are no text at all: whatever a
// command prints or writes, they are one line, and JSON is JSON.
#include "apps/terminal/screen.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/apps/program.h"
#include "tests/places.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

TEST(Screen, TextsAreMadePrintable) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const std::string name = "new\nline \x1b[31m\xff";
  print("{:<6}|{}|{}|{}\n", "a", name, 3, Lines{"x\ny"});
  print_json(nlohmann::json{{name, {1, name}}});
  say("skipped: {}", name);
  std::fflush(stdout);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), R"(a     |new\nline \x1b[31m\xff|3|x
y
{
  "new\nline \u001b[31m\\xff": [
    1,
    "new\nline \u001b[31m\\xff"
  ]
}
)");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "skipped: new\\nline \\x1b[31m\\xff\n");
}

// What is printed in another way would escape all this.
TEST(Screen, NothingElsePrints) {
  for (const auto& entry : fs::recursive_directory_iterator(source_path("apps"))) {
    const std::string name = entry.path().filename(), folder = entry.path().parent_path().filename();
    if (name == "screen.cpp" || folder == "examples" ||  // which are programs of others
        (entry.path().extension() != ".cpp" && entry.path().extension() != ".h"))
      continue;
    const std::string text = read_bytes(entry.path());
    EXPECT_FALSE(std::regex_search(
        text, std::regex(R"(fmt::print|std::cout|std::cerr|[^ns]printf\(|std::puts|fputs)")))
        << entry.path() << ": use print, print_json or say of apps/terminal/screen.h";
  }
}

class Names : public test::Program {
 protected:
  void expect_shown_well(const std::string& text, const std::string& what) {
    std::string lines = text;
    std::erase(lines, '\n');
    EXPECT_EQ(printable(lines), lines) << what;
    EXPECT_EQ(text.find("\nskipped: b"), std::string::npos) << what << ": a line that a name made\n" << text;
  }

  // Runs it twice, for people and for programs.
  void expect_good_output(const Arguments& arguments, int code = 0) {
    EXPECT_EQ(run(arguments), code) << arguments[0] << ": " << err();
    expect_shown_well(out(), arguments[0]);
    expect_shown_well(err(), arguments[0]);
    Arguments json = arguments;
    json.insert(json.begin(), "--json");
    EXPECT_EQ(run(json), code) << arguments[0] << " --json: " << err();
    EXPECT_TRUE(nlohmann::json::accept(out())) << arguments[0] << ": " << out();
    expect_shown_well(err(), arguments[0]);
  }
};

TEST_F(Names, OfEveryKindInEveryOutput) {
  ASSERT_EQ(
      run({"synth", "--out", at("plain"), "--classes", "2", "--tracks-per-class", "6", "--seconds", "4"}), 0);
  const std::vector<std::string> files = {"a\nskipped: b.wav",   "\x1b[31mred.wav", "caf\xe9.wav",
                                          "\xe2\x80\xaetxt.wav", "tab\t\r.wav",     "plain.wav"};
  const std::vector<std::string> classes = {"drum\nbass \x1b]0;x\a", "b\xfcndel"};
  fs::create_directory(at("music"));
  std::size_t k = 0;
  for (const auto& folder : fs::directory_iterator(at("plain/genres"))) {
    const fs::path to = fs::path(at("music")) / classes[k++];
    fs::create_directory(to);
    std::size_t i = 0;
    for (const auto& file : fs::directory_iterator(folder)) fs::copy(file, to / files[i++]);
    write_bytes(to / "broken\n\x1b[2J.wav", "x");
  }
  const std::string run = at("r\xfcn\n");
  expect_good_output({"check", at("music")}, 6);
  expect_good_output({"analyze", at("music"), "--out", at("analysis.json")}, 6);
  expect_good_output({"extract", at("music"), "--out", at("c.h5")}, 6);
  ASSERT_EQ(this->run({"train", at("c.h5"), "--recipe", "dong2018-fixed", "--set", "train.epochs=3", "--set",
                       "train.batch=4", "--set", "model.filters=4", "--out", run}),
            0)
      << err();
  expect_shown_well(out() + err(), "train");
  expect_good_output({"train", "--resume", run});
  expect_good_output({"evaluate", run});
  expect_good_output({"verify", run});
  expect_good_output({"export", run, "--out", at("m.safetensors")});
  expect_good_output({"predict", at("m.safetensors"), at("music")}, 6);
  expect_good_output({"evaluate", at("m.safetensors"), "--data", at("c.h5")});
  expect_good_output({"import-weights", at("m.safetensors"), "--list"});
  expect_good_output({"embed", at("m.safetensors"), at("music"), "--out", at("e\n.h5")}, 6);
  expect_good_output({"similar", at("e\n.h5"), "--to", classes[0] + "/" + files[1]});
  expect_good_output({"similar", at("e\n.h5"), "--playlist", classes[0] + "/" + files[1], "--length", "3"});
  expect_good_output({"probe", at("e\n.h5"), "--folds", "2"});
  write_bytes(at("scores\n.csv"), "track,drum\\nbass \x1b]0;x\a,b\xfcndel\n\x1b[31mred,1,0\nb,0,1\n");
  expect_good_output({"metrics", "--truth", at("scores\n.csv"), "--scores", at("scores\n.csv")});
  expect_good_output({"report", run, at("analysis.json"), "-o", at("report.html")});
  expect_shown_well(read_bytes(at("report.html")), "report.html");
  for (const char* file : {"run.json", "splits.json", "result.json"})
    EXPECT_TRUE(nlohmann::json::accept(read_bytes(run + "/" + file))) << file;
}

}  // namespace
}  // namespace melgrad
