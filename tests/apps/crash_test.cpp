// The program killed, or told to stop, at any instant: what it had finished stays, and going on ends in the
// same bits as without. MELGRAD_KILLS says how many kills a test deals out (default 100; tests/soak.sh takes
// 1,000), and a fifth of that is how often it is told to stop.
#include <array>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <pty.h>
#include <random>
#include <sstream>
#include <sys/file.h>
#include <utility>

#include "tests/apps/program.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

class Crash : public test::Program {
 public:
  // What is dealt out at a random time of a run; the exit code of the run.
  using Blow = std::function<int(const Arguments& arguments, std::chrono::microseconds when)>;

  // Deals blows to `next()` until enough have hit (the run ended with `struck`); whenever it ends by itself,
  // `finished` looks at what is there and clears it away. What was begun last is brought to its end.
  void strike_often(const Blow& blow, int struck, int wanted, const std::function<Arguments()>& next,
                    std::chrono::microseconds whole, const std::function<void()>& finished) {
    std::mt19937 random(7);
    std::uniform_real_distribution<double> share(0, 1.3);
    int hits = 0, ends = 0;
    while (hits < wanted) {
      const int code = blow(
          next(),
          std::chrono::microseconds(static_cast<long>(share(random) * static_cast<double>(whole.count()))));
      // -1 is also a signal that came before the program had begun to listen.
      ASSERT_TRUE(code == 0 || code == struck || code == -1) << "after " << hits << ": " << code << "\n"
                                                             << err();
      if (code != 0) {
        if (code != -1) expect_nothing_temporary();
        ++hits;
        continue;
      }
      ++ends;
      finished();
      if (HasFailure()) return;
    }
    ASSERT_EQ(run(next()), 0) << err();
    finished();
    RecordProperty("hits", hits);
    RecordProperty("ends", ends + 1);
    std::printf("%d hits, %d whole runs\n", hits, ends + 1);
  }

  void expect_nothing_temporary() {
    for (const auto& entry : fs::recursive_directory_iterator(at(".")))
      EXPECT_NE(entry.path().extension(), ".tmp") << entry.path();
  }

  void kill_often(const std::function<Arguments()>& next, std::chrono::microseconds whole,
                  const std::function<void()>& finished) {
    strike_often([&](const Arguments& arguments, auto when) { return run(arguments, when); }, -1,
                 test::wanted("MELGRAD_KILLS", 100), next, whole, finished);
  }

  // Ctrl-C once, twice, three times; SIGTERM; SIGHUP; a terminal that goes away: in turn.
  void stop_often(const std::function<Arguments()>& next, std::chrono::microseconds whole,
                  const std::function<void()>& finished) {
    const std::vector<std::vector<int>> signals = {{SIGINT},  {SIGINT, SIGINT}, {SIGINT, SIGINT, SIGINT},
                                                   {SIGTERM}, {SIGHUP},         {}};
    std::size_t turn = 0;
    const auto blow = [&](const Arguments& arguments, std::chrono::microseconds when) {
      const std::vector<int>& chosen = signals[turn++ % signals.size()];
      int terminal = -1, other = -1;
      if (chosen.empty()) {
        std::array<char, 64> name{};
        EXPECT_EQ(::openpty(&terminal, &other, name.data(), nullptr, nullptr), 0);
        ::fcntl(terminal, F_SETFD, FD_CLOEXEC);
        ::close(other);
        terminal_ = name.data();
      }
      const auto start = Clock::now();
      std::size_t sent = 0;
      const int code = run(arguments, std::chrono::minutes(2), {}, [&](pid_t process) {
        const auto due = start + when + sent * std::chrono::milliseconds(2);
        if (Clock::now() < due) return;
        if (sent < chosen.size()) ::kill(process, chosen[sent++]);
        if (chosen.empty() && terminal >= 0) ::close(std::exchange(terminal, -1));
      });
      if (terminal >= 0) ::close(terminal);
      terminal_.clear();
      return code;
    };
    // A run that is stopped keeps all it has done, so that the next is nearer to its end.
    strike_often(blow, 130, std::max(1, test::wanted("MELGRAD_KILLS", 100) / 5), next, whole * 2 / 3,
                 finished);
  }

  using Often = void (Crash::*)(const std::function<Arguments()>&, std::chrono::microseconds,
                                const std::function<void()>&);
  void interrupt_training(Often often);
  void interrupt_extraction(Often often);

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

void Crash::interrupt_training(Often often) {
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
                     "train.epochs=5",
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
  (this->*often)(
      [&] {
        if (!fs::exists(folder + "/run.json")) return train(folder);
        return Arguments{"--json", "--threads", "1", "train", "--resume", folder, "--save-every", "0.02"};
      },
      whole,
      [&] {
        EXPECT_EQ(nlohmann::json::parse(out()).at("weights"), digest);
        EXPECT_EQ(metrics_of(folder), metrics);
        EXPECT_TRUE(read_bytes(folder + "/model.h5") == model);
        expect_nothing_temporary();
        fs::remove_all(folder);
      });
}

void Crash::interrupt_extraction(Often often) {
  ASSERT_EQ(
      run({"synth", "--out", at("music"), "--classes", "2", "--tracks-per-class", "70", "--seconds", "2"}), 0)
      << err();
  const auto extract = [&](const std::string& cache) {
    return Arguments{"--threads", "1", "extract", at("music"), "--out", cache};
  };
  const auto whole = timed(extract(at("reference.h5")));
  const std::string reference = read_bytes(at("reference.h5")), cache = at("c.h5");
  (this->*often)([&] { return extract(cache); }, whole,
                 [&] {
                   EXPECT_TRUE(read_bytes(cache) == reference);
                   EXPECT_FALSE(fs::exists(cache + ".partial"));
                   expect_nothing_temporary();
                   fs::remove(cache);
                 });
}

TEST_F(Crash, TrainingEndsInTheSameBits) { interrupt_training(&Crash::kill_often); }
TEST_F(Crash, ExtractionEndsInTheSameBytes) { interrupt_extraction(&Crash::kill_often); }
TEST_F(Crash, StoppedTrainingEndsInTheSameBits) { interrupt_training(&Crash::stop_often); }
TEST_F(Crash, StoppedExtractionEndsInTheSameBytes) { interrupt_extraction(&Crash::stop_often); }

// What is said, and when: at the first signal, while saving, and at a third.
TEST_F(Crash, SignalsAreAnsweredAtOnce) {
  ASSERT_EQ(
      run({"synth", "--out", at("music"), "--classes", "2", "--tracks-per-class", "6", "--seconds", "4"}), 0)
      << err();
  const Arguments train = {"train", at("music"),           "--recipe", "dong2018-fixed",
                           "--set", "train.epochs=100000", "--set",    "train.batch=4",
                           "--set", "model.filters=4",     "--out"};
  const auto signalled = [&](const std::string& folder, const std::vector<int>& signals) {
    Arguments arguments = train;
    arguments.push_back(at(folder));
    std::size_t sent = 0;
    return run(arguments, std::chrono::minutes(1), {}, [&](pid_t process) {
      if (sent < signals.size() && fs::exists(at(folder + "/metrics.jsonl")))
        ::kill(process, signals[sent++]);
    });
  };
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const std::string folder = "signal-" + std::to_string(signal);
    EXPECT_EQ(signalled(folder, {signal, signal == SIGINT ? SIGTERM : signal, signal}), 130);
    EXPECT_NE(err().find("melgrad: stopping after the piece of work at hand; what is done is saved\n"),
              std::string::npos)
        << err();
    EXPECT_NE(err().find("is saved; go on with: melgrad train --resume"), std::string::npos) << err();
    EXPECT_TRUE(fs::exists(at(folder + "/checkpoint.h5")));
  }
  EXPECT_EQ(signalled("three", {SIGINT, SIGINT, SIGINT}), 130);
  EXPECT_NE(err().find("melgrad: stopping"), std::string::npos) << err();
  expect_nothing_temporary();
  // nohup: what is ignored at the start stays so.
  EXPECT_EQ(run_in_shell("trap '' HUP; \"$@\" & sleep 0.05; kill -HUP $!; wait $!",
                         {"extract", at("music"), "--out", at("c.h5")}),
            0)
      << err();
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
