#include "apps/terminal/screen.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <iostream>
#include <unistd.h>

#include "io/files/json.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

[[noreturn]] void output_lost(int reason) {
  fail(ErrorKind::output, "standard output: {}; what was printed is not complete",
       reason != 0 ? system_reason(reason) : "cannot be written");
}

bool g_silent = false;

}  // namespace

void screen::silence(bool silent) noexcept { g_silent = silent; }

void screen::write_out(std::string_view text) {
  if (g_silent) return;
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) < text.size()) output_lost(errno);
}

void screen::write_message(std::string_view text) noexcept {
  if (g_silent) return;
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void print_json(const nlohmann::json& json) { screen::write_out(json_text(json, 2) + "\n"); }
void print_json(const nlohmann::ordered_json& json) { screen::write_out(json_text(json, 2) + "\n"); }

void take_standard_files() {
  for (const int file : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // The lowest free number is this one, as those below it are taken.
    if (::fcntl(file, F_GETFD) < 0 && errno == EBADF)
      static_cast<void>(::open("/dev/null", file == STDIN_FILENO ? O_WRONLY : O_RDONLY));
  }
}

void flush_output() {
  errno = 0;
  std::cout.flush();
  const bool flushed = std::fflush(stdout) == 0;
  if (!flushed || std::ferror(stdout) != 0 || !std::cout) output_lost(errno);
}

}  // namespace melgrad
