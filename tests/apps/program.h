// The program as a process of its own, that can be killed or given an environment.
#pragma once

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/io/scratch.h"

namespace melgrad::test {

// How much of a test is asked for: the number in the environment, else `otherwise`.
inline int wanted(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::atoi(text);
}

class Program : public ::testing::Test {
 protected:
  using Arguments = std::vector<std::string>;
  using Clock = std::chrono::steady_clock;

  std::string at(const std::string& name) const { return scratch_ / name; }
  static Arguments with(Arguments line, const Arguments& more) {
    line.insert(line.end(), more.begin(), more.end());
    return line;
  }

  // Starts the program; kills it after `limit`, unless it has ended by then. `meanwhile` is called often,
  // with the process. The exit code, or -1 if killed.
  int run(Arguments arguments, std::chrono::microseconds limit = std::chrono::hours(1),
          const Arguments& more_environment = {}, const std::function<void(pid_t)>& meanwhile = {}) {
    arguments.insert(arguments.begin(), MELGRAD_BIN);
    return run_other(arguments, limit, more_environment, meanwhile);
  }
  // The same in a shell that first does something else: "ulimit -n 20; exec \"$@\" >&-".
  int run_in_shell(const std::string& script, Arguments arguments,
                   std::chrono::microseconds limit = std::chrono::hours(1),
                   const Arguments& more_environment = {}) {
    const Arguments shell = {"/bin/sh", "-c", script, "sh", MELGRAD_BIN};
    arguments.insert(arguments.begin(), shell.begin(), shell.end());
    return run_other(arguments, limit, more_environment, {});
  }
  std::string out() const { return read_bytes(at("stdout")); }
  std::string err() const { return read_bytes(at("stderr")); }

  // Where standard error and standard input are, if not a file and what the test has: a terminal, of which
  // the program is made to be the first process.
  std::string terminal_;
  Scratch scratch_;

 private:
  int run_other(const Arguments& arguments, std::chrono::microseconds limit,
                const Arguments& more_environment, const std::function<void(pid_t)>& meanwhile) {
    std::vector<char*> argv, environment;
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    // First, because of two settings of one name the first counts.
    for (const std::string& entry : more_environment) environment.push_back(const_cast<char*>(entry.c_str()));
    for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
    argv.push_back(nullptr);
    environment.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (const auto& [fd, name] : {std::pair{1, "stdout"}, {2, "stderr"}})
      posix_spawn_file_actions_addopen(&actions, fd, at(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (!terminal_.empty()) {
      posix_spawn_file_actions_addopen(&actions, 0, terminal_.c_str(), O_RDWR, 0);
      posix_spawn_file_actions_adddup2(&actions, 0, 2);
    }
    // Signals do what they do for a program that a shell starts, however this test was started.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t all;
    sigfillset(&all);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, static_cast<short>(POSIX_SPAWN_SETSIGDEF |
                                                             (terminal_.empty() ? 0 : POSIX_SPAWN_SETSID)));
    pid_t process = 0;
    const int error = posix_spawn(&process, argv[0], &actions, &attributes, argv.data(), environment.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    EXPECT_EQ(error, 0);
    const auto start = Clock::now();
    int status = 0;
    while (waitpid(process, &status, WNOHANG) == 0) {
      if (Clock::now() - start > limit) {
        ::kill(process, SIGKILL);
        waitpid(process, &status, 0);
        break;
      }
      if (meanwhile) meanwhile(process);
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

}  // namespace melgrad::test
