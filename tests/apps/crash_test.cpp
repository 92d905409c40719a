// The program killed at any instant: what it had finished stays, and going on ends in the same bits as
// without the kills. MELGRAD_KILLS says how many kills a test deals out (default 100; 10 with
// AddressSanitizer, under which each takes five times as long; tests/soak.sh takes 1,000).
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <sys/file.h>

#include "tests/apps/program.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

class Crash : public test::Program {
 protected:
  // Kills `next()` at random times until enough kills have hit; whenever it ends by itself, `finished` looks
  // at what is there and clears it away. What was begun last is brought to its end.
  void kill_often(const std::function<Arguments()>& next, std::chrono::microseconds whole,
                  const std::function<void()>& finished) {
    std::mt19937 random(7);
    std::uniform_real_distribution<double> share(0, 1.3);
    int kills = 0, ends = 0;
    const int wanted = test::wanted("MELGRAD_KILLS", 100);
    while (kills < wanted) {
      const Arguments arguments = next();
      const auto limit =
          std::chrono::microseconds(static_cast<long>(share(random) * static_cast<double>(whole.count())));
      const int code = run(arguments, limit);
      ASSERT_TRUE(code == 0 || code == -1) << "after " << kills << " kills: exit code " << code << "\n"
                                           << err();
      kills += code == -1 ? 1 : 0;
      if (code != 0) continue;
      ++ends;
      finished();
      if (HasFailure()) return;
    }
    ASSERT_EQ(run(next()), 0) << err();
    finished();
    RecordProperty("kills", kills);
    RecordProperty("ends", ends + 1);
    std::printf("%d kills, %d whole runs\n", kills, ends + 1);
  }

  std::chrono::microseconds timed(const Arguments& arguments) {
    const auto start = Clock::now();
    EXPECT_EQ(run(arguments), 0) << err();
    return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start);
  }
};

// All of metrics.jsonl but the seconds.
std::vector<nlohmann::json> metrics_of(const std::string& run) {
  std::vector<nlohmann::json> lines;
  std::istringstream text(read_bytes(run + "/metrics.jsonl"));
  for (std::string line; std::getline(text, line);) {
    lines.push_back(nlohmann::json::parse(line));
    lines.back().erase("seconds");
  }
  return lines;
}

TEST_F(Crash, TrainingEndsInTheSameBits) {
  ASSERT_EQ(
      run({"synth", "--out", at("music"), "--classes", "2", "--tracks-per-class", "6", "--seconds", "4"}), 0)
      << err();
  const auto train = [&](const std::string& out) {
    return Arguments{"--json",
                     "--threads",
                     "1",
                     "train",
                     at("music"),
                     "--recipe",
                     "dong2018-fixed",
                     "--set",
                     "train.epochs=8",
                     "--set",
                     "train.batch=4",
                     "--set",
                     "model.filters=4",
                     "--save-every",
                     "0.02",
                     "--out",
                     out};
  };
  const auto whole = timed(train(at("reference")));
  const std::string digest = nlohmann::json::parse(out()).at("weights");
  const auto metrics = metrics_of(at("reference"));
  const std::string model = read_bytes(at("reference") + "/model.h5");
  const std::string folder = at("run");
  kill_often(
      [&] {
        if (!fs::exists(folder + "/run.json")) return train(folder);
        return Arguments{"--json", "--threads", "1", "train", "--resume", folder, "--save-every", "0.02"};
      },
      whole,
      [&] {
        EXPECT_EQ(nlohmann::json::parse(out()).at("weights"), digest);
        EXPECT_EQ(metrics_of(folder), metrics);
        EXPECT_TRUE(read_bytes(folder + "/model.h5") == model);
        for (const auto& entry : fs::directory_iterator(folder))
          EXPECT_NE(entry.path().extension(), ".tmp") << entry.path();
        fs::remove_all(folder);
      });
}

TEST_F(Crash, ExtractionEndsInTheSameBytes) {
  ASSERT_EQ(
      run({"synth", "--out", at("music"), "--classes", "2", "--tracks-per-class", "70", "--seconds", "2"}), 0)
      << err();
  const auto extract = [&](const std::string& cache) {
    return Arguments{"--threads", "1", "extract", at("music"), "--out", cache};
  };
  const auto whole = timed(extract(at("reference.h5")));
  const std::string reference = read_bytes(at("reference.h5")), cache = at("c.h5");
  kill_often([&] { return extract(cache); }, whole,
             [&] {
               EXPECT_TRUE(read_bytes(cache) == reference);
               EXPECT_FALSE(fs::exists(cache + ".partial"));
               fs::remove(cache);
             });
}

// Two at once: the second is refused, and a killed first one leaves nothing that would refuse a third.
TEST_F(Crash, OneProcessAtATimeTrainsInAFolder) {
  ASSERT_EQ(
      run({"synth", "--out", at("music"), "--classes", "2", "--tracks-per-class", "6", "--seconds", "4"}), 0)
      << err();
  const Arguments resume = {"train", "--resume", at("run")};
  ASSERT_EQ(run({"train", at("music"), "--recipe", "dong2018-fixed", "--set", "train.epochs=1", "--set",
                 "train.batch=4", "--set", "model.filters=4", "--out", at("run")}),
            0)
      << err();
  const int folder = ::open(at("run").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(::flock(folder, LOCK_EX | LOCK_NB), 0);
  EXPECT_EQ(run(resume), 4) << err();
  EXPECT_NE(err().find("another process is at work on it"), std::string::npos) << err();
  ::close(folder);
  EXPECT_EQ(run(resume), 0) << err();
}

}  // namespace
}  // namespace melgrad
