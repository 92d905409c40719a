// The program at work for long: memory and open files stay where they were, and so does the speed.
// MELGRAD_LONG_SECONDS says how long a training runs (default 10), MELGRAD_LONG_CLIPS how many clips are
// predicted (default 800); tests/soak.sh takes an hour and 100,000. Only a long run tells anything of its
// speed.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "models/metrics/statistics.h"
#include "tests/apps/program.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

constexpr int kLong = 600;  // seconds from which on the speed counts
// AddressSanitizer keeps freed memory, up to 256 MB if not told.
const std::vector<std::string> kEnvironment = {"ASAN_OPTIONS=detect_leaks=1:quarantine_size_mb=4"};

// What a process holds, looked at up to a hundred times a second.
class Holdings {
 public:
  void look(pid_t process) {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::milliseconds(10)) return;
    last_ = now;
    const std::string proc = "/proc/" + std::to_string(process);
    double pages = 0, resident = 0;
    std::ifstream(proc + "/statm") >> pages >> resident;
    std::error_code error;
    double files = 0;
    for (auto entry = fs::directory_iterator(proc + "/fd", error);
         !error && entry != fs::directory_iterator(); entry.increment(error))
      ++files;
    if (resident == 0 || error) return;  // it has just ended
    megabytes_.push_back(resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6);
    files_.push_back(files);
  }
  // The second quarter against the last: the first is for warming up. Of open files the fewest, because a
  // file that is being read at the moment of a look is no leak; one that stays open is in every look.
  void expect_flat() const {
    ASSERT_GE(megabytes_.size(), 20U) << "too short to tell";
    const auto median_in = [](const std::vector<double>& all, int quarter) {
      const auto size = std::ssize(all) / 4;
      return quartiles({all.begin() + quarter * size, all.begin() + (quarter + 1) * size}).median;
    };
    const auto fewest_in = [&](int quarter) {
      const auto size = std::ssize(files_) / 4;
      return *std::min_element(files_.begin() + quarter * size, files_.begin() + (quarter + 1) * size);
    };
    const double before = median_in(megabytes_, 1), after = median_in(megabytes_, 3),
                 files_before = fewest_in(1), files_after = fewest_in(3);
    std::printf("%zu looks: %.1f MB, then %.1f MB; %g open files, then %g\n", megabytes_.size(), before,
                after, files_before, files_after);
    EXPECT_LE(after, 1.02 * before + 1);
    EXPECT_LE(files_after, files_before);
  }

 private:
  std::chrono::steady_clock::time_point last_;
  std::vector<double> megabytes_, files_;
};

class LongRuns : public test::Program {
 protected:
  void train(const std::string& out, const std::string& epochs, std::chrono::microseconds limit,
             const std::function<void(pid_t)>& meanwhile = {}) {
    ASSERT_EQ(
        run({"synth", "--out", at("music"), "--classes", "2", "--tracks-per-class", "8", "--seconds", "4"}),
        0)
        << err();
    const int code = run({"--threads", "1", "train", at("music"), "--recipe", "dong2018-fixed", "--set",
                          "train.epochs=" + epochs, "--set", "train.batch=4", "--set", "model.filters=4",
                          "--set", "train.schedule=constant", "--save-every", "0.5", "--out", out},
                         limit, kEnvironment, meanwhile);
    ASSERT_TRUE(code == 0 || code == -1) << err();
  }
};

TEST_F(LongRuns, TrainingHoldsNoMoreAndGetsNoSlower) {
  const int seconds = test::wanted("MELGRAD_LONG_SECONDS", 10);
  Holdings holdings;
  train(at("run"), "100000000", std::chrono::seconds(seconds),
        [&](pid_t process) { holdings.look(process); });
  if (HasFatalFailure()) return;
  holdings.expect_flat();
  std::vector<double> step, second;
  std::istringstream log(read_bytes(at("run") + "/metrics.jsonl"));
  for (std::string line; std::getline(log, line);) {
    const auto at = nlohmann::json::parse(line, nullptr, false);
    if (!at.is_object() || !at.contains("epoch")) continue;
    step.push_back(at["step"]);
    second.push_back(at["seconds"]);
  }
  ASSERT_GE(step.size(), 8U);
  const auto rate = [&](std::size_t quarter) {
    const std::size_t from = quarter * step.size() / 4, to = (quarter + 1) * step.size() / 4 - 1;
    return (step[to] - step[from]) / (second[to] - second[from]);
  };
  std::printf("%g steps: %.1f a second, then %.1f\n", step.back(), rate(1), rate(3));
  if (seconds >= kLong) {
    EXPECT_GE(rate(3), 0.9 * rate(1));
  }
}

TEST_F(LongRuns, PredictionHoldsNoMore) {
  const int clips = test::wanted("MELGRAD_LONG_CLIPS", 800);
  train(at("run"), "1", std::chrono::hours(1));
  if (HasFatalFailure()) return;
  std::vector<fs::path> songs;
  for (const auto& entry : fs::recursive_directory_iterator(at("music")))
    if (entry.path().extension() == ".wav") songs.push_back(entry.path());
  ASSERT_FALSE(songs.empty());
  fs::create_directory(at("clips"));
  for (int i = 0; i < clips; ++i)
    fs::create_hard_link(songs[static_cast<std::size_t>(i) % songs.size()],
                         at("clips") + "/" + std::to_string(i) + ".wav");
  Holdings holdings;
  ASSERT_EQ(run({"--threads", "1", "predict", at("run"), at("clips")}, std::chrono::hours(3), kEnvironment,
                [&](pid_t process) { holdings.look(process); }),
            0)
      << err();
  const std::string text = out();
  std::size_t named = 0;
  for (std::size_t found = text.find(at("clips")); found != std::string::npos;
       found = text.find(at("clips"), found + 1))
    ++named;
  EXPECT_EQ(named, static_cast<std::size_t>(clips));
  holdings.expect_flat();
}

}  // namespace
}  // namespace melgrad
