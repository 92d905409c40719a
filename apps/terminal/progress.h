// Progress of a long task on standard error: a bar that redraws itself on a terminal, otherwise a plain line
// every ten seconds and one at the end. Safe to call from several threads. What cannot be shown is left out:
// a terminal that is stopped or a reader that is slow holds nothing up.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace melgrad {

class Progress {
 public:
  // `unit` names what is counted: "files", "steps". `first` items were done before (a resumed task).
  Progress(std::string label, std::int64_t total, std::string unit, std::int64_t first = 0);
  ~Progress();  // ends the bar's line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of `total`; `note` follows the figures (loss, accuracy).
  void update(std::int64_t done, const std::string& note = "");
  // A line of its own above the bar.
  void message(const std::string& line);

 private:
  std::string line(std::int64_t done, const std::string& note, bool bar) const;

  using Clock = std::chrono::steady_clock;
  std::string label_, unit_, last_note_;
  std::int64_t total_, first_, done_;
  bool terminal_;
  Clock::time_point start_, last_;
  std::mutex mutex_;
};

}  // namespace melgrad
