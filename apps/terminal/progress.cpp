#include "apps/terminal/progress.h"

#include <cmath>
#include <fmt/format.h>
#include <new>
#include <poll.h>
#include <unistd.h>

#include "apps/terminal/screen.h"

namespace melgrad {
namespace {

const std::string kFresh = "\r\x1b[K";  // the line anew

std::string clock_text(double seconds) {
  const auto s = std::llround(seconds);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

// Whether what is written now is taken now.
bool can_be_shown() {
  pollfd message{STDERR_FILENO, POLLOUT, 0};
  return ::poll(&message, 1, 0) > 0 && (message.revents & POLLOUT) != 0;
}

}  // namespace

Progress::Progress(std::string label, std::int64_t total, std::string unit, std::int64_t first)
    : label_(printable(label)),
      unit_(std::move(unit)),
      total_(total),
      first_(first),
      done_(first),
      terminal_(isatty(STDERR_FILENO) != 0),
      start_(Clock::now()),
      last_(start_) {}

Progress::~Progress() {
  try {
    const std::string bar =
        terminal_ ? kFresh + line(done_, last_note_, true) : line(done_, last_note_, false);
    screen::write_message(bar + "\n");
  } catch (const std::bad_alloc&) {  // why this ends may be told elsewhere
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
  if (!note.empty()) last_note_ = printable(note);
  const auto now = Clock::now();
  if (now - last_ < (terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(10))) return;
  last_ = now;
  if (!can_be_shown()) return;
  screen::write_message(terminal_ ? kFresh + line(done_, last_note_, true)
                                  : line(done_, last_note_, false) + "\n");
}

void Progress::message(const std::string& text) {
  const std::lock_guard lock(mutex_);
  screen::write_message((terminal_ ? kFresh : "") + printable(text) + "\n");
}

}  // namespace melgrad
