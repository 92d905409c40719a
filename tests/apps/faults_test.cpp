// Each write of the program fails in turn (tests/faults/failing_writes.cpp): a full disk, a failing disk, a
// write that takes half. Every time it must end with exit code 4 and one line that names a file, what stood
// there before must stay as it was, and the same command without the fault must end as if nothing had
// happened. MELGRAD_FAULTS says how many of the writes fail in a test (default 12, evenly spread; "all" in
// tests/soak.sh).
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "tests/apps/program.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

class Faults : public test::Program {
 protected:
  // The exit code of the program when call `n` fails; whether it came to that.
  std::pair<int, bool> run_with_fault(const Arguments& arguments, const std::string& kind, long n) {
    fs::remove(at("hit"));
    const int code = run(arguments, std::chrono::hours(1),
                         {"LD_PRELOAD=" MELGRAD_FAULTS_LIBRARY, "ASAN_OPTIONS=verify_asan_link_order=0",
                          "FAULT_FOLDER=" + at("work"), "FAULT_KIND=" + kind, "FAULT_AT=" + std::to_string(n),
                          "FAULT_HIT=" + at("hit")});
    return {code, fs::exists(at("hit"))};
  }

  // `next` is what brings the work one step on from whatever state it is in; `finished` looks at its end.
  void let_writes_fail(const std::function<void()>& prepare, const std::function<Arguments()>& next,
                       const std::function<void()>& finished) {
    const auto begin = [&] {
      fs::remove_all(at("work"));
      fs::create_directory(at("work"));
      prepare();
    };
    long writes = 0;
    for (long step = 4096; step > 0; step /= 2) {  // the last that is hit
      begin();
      if (run_with_fault(next(), "EIO", writes + step).second) writes += step;
    }
    ASSERT_GT(writes, 0);
    const char* text = std::getenv("MELGRAD_FAULTS");
    const long wanted = text == nullptr ? 12 : std::string(text) == "all" ? writes : std::atol(text);
    const long every = std::max(1L, writes / wanted);
    long tried = 0;
    for (const std::string kind : {"ENOSPC", "EIO", "short"}) {
      for (long n = 1; n <= writes; n += every) {
        begin();
        const auto [code, hit] = run_with_fault(next(), kind, n);
        const std::string said = err();
        const std::string what = kind + " at write " + std::to_string(n) + " of " + std::to_string(writes);
        ASSERT_TRUE(hit) << what;
        if (kind == "short") {
          ASSERT_EQ(code, 0) << what << "\n" << said;
        } else {
          ASSERT_EQ(code, 4) << what << "\n" << said;
          const std::string last = said.substr(said.rfind("\nmelgrad: ") + 1);
          ASSERT_EQ(std::count(last.begin(), last.end(), '\n'), 1) << what << "\n" << said;
          ASSERT_NE(last.find(at("work")), std::string::npos) << what << "\n" << said;
          ASSERT_EQ(run(next()), 0) << "again after " << what << "\n" << err();
        }
        finished();
        if (HasFailure()) FAIL() << what << "\n" << said;
        ++tried;
      }
    }
    std::printf("%ld of 3 x %ld failing writes\n", tried, writes);
  }

  void make_music(const char* tracks, const char* seconds) {
    ASSERT_EQ(run({"synth", "--out", at("music"), "--classes", "2", "--tracks-per-class", tracks, "--seconds",
                   seconds}),
              0)
        << err();
  }
};

TEST_F(Faults, ExtractionLosesNothing) {
  make_music("3", "2");
  const std::string cache = at("work") + "/c.h5";
  ASSERT_EQ(run({"extract", at("music"), "--out", at("reference.h5")}), 0) << err();
  const std::string reference = read_bytes(at("reference.h5"));
  let_writes_fail([] {}, [&] { return Arguments{"--threads", "1", "extract", at("music"), "--out", cache}; },
                  [&] {
                    EXPECT_TRUE(read_bytes(cache) == reference);
                    EXPECT_EQ(std::distance(fs::directory_iterator(at("work")), {}), 1);
                  });
}

// A run with a checkpoint goes on: the checkpoint is there before and after, whatever fails.
TEST_F(Faults, TrainingLosesNothing) {
  make_music("6", "4");
  ASSERT_EQ(run({"extract", at("music"), "--out", at("c.h5")}), 0) << err();
  ASSERT_EQ(run({"train", at("c.h5"), "--recipe", "dong2018-fixed", "--set", "train.epochs=2", "--set",
                 "train.batch=4", "--set", "model.filters=4", "--out", at("begun")}),
            0)
      << err();
  const auto go_on = [&](const std::string& folder) {
    return Arguments{"--threads",    "1", "train", "--resume", folder, "--set", "train.epochs=4",
                     "--save-every", "0"};
  };
  fs::copy(at("begun"), at("reference"), fs::copy_options::recursive);
  ASSERT_EQ(run(go_on(at("reference"))), 0) << err();
  const std::string model = read_bytes(at("reference") + "/model.h5"), folder = at("work") + "/run";
  let_writes_fail([&] { fs::copy(at("begun"), folder, fs::copy_options::recursive); },
                  [&] { return go_on(folder); },
                  [&] { EXPECT_TRUE(read_bytes(folder + "/model.h5") == model); });
}

}  // namespace
}  // namespace melgrad
