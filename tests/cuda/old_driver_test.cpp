// The program above a driver that is too old for it (tests/faults/old_driver.cpp).
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <string>
#include <sys/wait.h>

namespace melgrad {
namespace {

struct Answer {
  int code = -1;
  std::string text;
};

Answer above_old_driver(const std::string& arguments) {
  const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
  const char* path = std::getenv("LD_LIBRARY_PATH");
  const std::string command = "LD_LIBRARY_PATH='" + beside + "/old_driver:" + (path == nullptr ? "" : path) +
                              "' '" + beside + "/melgrad' " + arguments + " 2>&1";
  Answer answer;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return answer;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) answer.text += static_cast<char>(c);
  answer.code = WEXITSTATUS(::pclose(pipe));
  return answer;
}

constexpr const char* kWhy = "is for CUDA up to 11.8, this build is for CUDA ";

TEST(OldDriver, is_refused_in_a_line_when_a_gpu_is_asked_for) {
  const Answer answer = above_old_driver("--device cuda info");
  EXPECT_EQ(answer.code, 5) << answer.text;
  EXPECT_EQ(answer.text.find("melgrad: device cuda:0: "), 0U) << answer.text;
  EXPECT_NE(answer.text.find(kWhy), std::string::npos) << answer.text;
  EXPECT_EQ(answer.text.find('\n'), answer.text.size() - 1) << answer.text;
}

TEST(OldDriver, is_told_when_the_cpu_is_taken_instead) {
  const Answer answer = above_old_driver("info");
  EXPECT_EQ(answer.code, 0) << answer.text;
  EXPECT_NE(answer.text.find("melgrad: computing on the CPU: "), std::string::npos) << answer.text;
  EXPECT_NE(answer.text.find(kWhy), std::string::npos) << answer.text;
}

}  // namespace
}  // namespace melgrad
