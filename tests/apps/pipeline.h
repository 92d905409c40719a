// One small data set, its cache and a trained network, as a user of the program makes them, for tests of what
// comes behind.
#pragma once

#include <cstdlib>
#include <gtest/gtest.h>
#include <string>
#include <sys/wait.h>
#include <vector>

#include "tests/io/scratch.h"

namespace melgrad {

struct PipelineResult {
  int code = -1;
  std::string out, err;
};

// One data set, cache and trained network for all tests of it.
class Pipeline : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = new Scratch;
    ASSERT_EQ(run("synth --out " + at("music") + " --classes 3 --tracks-per-class 8 --seconds 5").code, 0);
    const PipelineResult extract = run("extract " + at("music") + " --out " + at("c.h5"));
    ASSERT_EQ(extract.code, 0) << extract.err;
    const PipelineResult train =
        run("train " + at("c.h5") + " --recipe dong2018-fixed --set train.epochs=12 " +
            "--set train.batch=12 --set model.filters=8 --out " + at("run"));
    ASSERT_EQ(train.code, 0) << train.err;
  }
  static void TearDownTestSuite() {
    delete scratch_;
    scratch_ = nullptr;
  }
  static std::string at(const std::string& name) { return *scratch_ / name; }

  static PipelineResult run(const std::string& arguments) {
    return shell(std::string(MELGRAD_BIN) + " " + arguments);
  }
  static PipelineResult shell(const std::string& line) {
    const std::string command = "{ " + line + "; } >" + at("stdout") + " 2>" + at("stderr") + " </dev/null";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_bytes(at("stdout")), read_bytes(at("stderr"))};
  }

  // The program must end with this code and a last line on stderr that holds all fragments.
  static void refuses(const std::string& arguments, int code, const std::vector<std::string>& fragments) {
    const PipelineResult r = run(arguments);
    EXPECT_EQ(r.code, code) << arguments << "\n" << r.err;
    const std::size_t end = r.err.find_last_not_of('\n');
    const std::size_t start = end == std::string::npos ? 0 : r.err.rfind('\n', end) + 1;
    const std::string last = r.err.substr(start);
    for (const std::string& fragment : fragments) {
      EXPECT_NE(last.find(fragment), std::string::npos)
          << arguments << "\nwanted: " << fragment << "\ngot: " << last;
    }
  }
  inline static Scratch* scratch_ = nullptr;
};

}  // namespace melgrad
