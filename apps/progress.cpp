#include "apps/progress.h"

#include <cmath>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace melgrad {
namespace {

std::string clock_text(double seconds) {
  const auto s = std::llround(seconds);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

}  // namespace

Progress::Progress(std::string label, std::int64_t total, std::string unit, std::int64_t first)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      first_(first),
      done_(first),
      terminal_(isatty(STDERR_FILENO) != 0),
      start_(Clock::now()),
      last_(start_) {}

Progress::~Progress() {
  if (terminal_) {
    std::fputs(("\r\x1b[K" + line(done_, last_note_, true) + "\n").c_str(), stderr);
  } else {
    std::fputs((line(done_, last_note_, false) + "\n").c_str(), stderr);
  }
}

std::string Progress::line(std::int64_t done, const std::string& note, bool bar) const {
  const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
  const double rate = elapsed > 0 ? static_cast<double>(done - first_) / elapsed : 0;
  std::string text = label_ + " ";
  if (bar) {
    constexpr std::int64_t kWidth = 24;
    const std::int64_t filled = total_ > 0 ? kWidth * done / total_ : kWidth;
    for (std::int64_t i = 0; i < kWidth; ++i) text += i < filled ? "█" : "░";
    text += " ";
  }
  text += fmt::format("{}/{} {}  {:.3g} {}/s", done, total_, unit_, rate, unit_);
  if (done < total_ && rate > 0) {
    text += fmt::format("  {} left", clock_text(static_cast<double>(total_ - done) / rate));
  } else {
    text += fmt::format("  {}", clock_text(elapsed));
  }
  if (!note.empty()) text += "  " + note;
  return text;
}

void Progress::update(std::int64_t done, const std::string& note) {
  const std::lock_guard lock(mutex_);
  done_ = done;
  if (!note.empty()) last_note_ = note;
  const auto now = Clock::now();
  if (now - last_ < (terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(10))) return;
  last_ = now;
  if (terminal_) {
    print("\r\x1b[K" + line(done_, last_note_, true));
  } else {
    print(line(done_, last_note_, false) + "\n");
  }
}

void Progress::message(const std::string& text) {
  const std::lock_guard lock(mutex_);
  print((terminal_ ? "\r\x1b[K" : "") + text + "\n");
}

void Progress::print(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace melgrad
