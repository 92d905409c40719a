// The one exception type of melgrad. `main` catches it, prints `what()` as one line and exits with the
// number of its kind, so the kinds are also the documented exit codes of the program.
// A message names the file, key or operation first, then what is wrong, then what to do.
#pragma once

#include <fmt/format.h>
#include <stdexcept>
#include <string>
#include <utility>

namespace melgrad {

enum class ErrorKind {
  internal = 1,  // a broken promise inside melgrad: wrong shapes, a failed library call
  usage = 2,     // the command line or a recipe asks for something that does not exist
  input = 3,     // a file or folder that is missing, unreadable, corrupt or of another kind
  output = 4,    // a result cannot be written: no space, no permission
  device = 5,    // the device is absent or failed
  diverged = 7,  // training produced a loss that is no number (6: kExitProblemsFound, apps/terminal/cli.h)
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

// For promises between melgrad's own parts; `what` names the operation.
template <typename... Args>
void require(bool holds, fmt::format_string<Args...> format, Args&&... args) {
  if (!holds) throw Error(ErrorKind::internal, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace melgrad
