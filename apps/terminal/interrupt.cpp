#include "apps/terminal/interrupt.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <unistd.h>

#include "apps/terminal/cli.h"
#include "io/files/atomic_file.h"

namespace melgrad {
namespace {

// Lock-free, so that a handler may use them.
std::atomic<int> g_signals = 0, g_keys = 0;  // all of them; those that somebody types
std::atomic<bool> g_asked = false;           // whether anybody looks at them
bool g_terminal = false;

// Nothing here but what is safe in a handler.
void tell(std::string_view line) {
  if (g_terminal) static_cast<void>(!::write(STDERR_FILENO, "\n", 1));  // below the bar and the "^C"
  static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
}

[[noreturn]] void end_at_once(std::string_view line) {
  tell(line);
  remove_pending_files();
  ::_exit(kExitInterrupted);
}

// Only Ctrl-C is counted: of other signals a process may get several for one reason, from the terminal, the
// shell and `timeout`.
void on_signal(int signal) {
  const int before = errno;
  const bool first = g_signals++ == 0;
  const int keys = signal == SIGINT ? ++g_keys : 0;
  if (!g_asked) end_at_once("melgrad: interrupted\n");
  if (keys >= 3) end_at_once("melgrad: ended without saving\n");
  if (first) tell("melgrad: stopping after the piece of work at hand; what is done is saved\n");
  else if (keys == 2) tell("melgrad: saving; a third Ctrl-C ends at once, unsaved\n");
  errno = before;
}

}  // namespace

void install_signal_handlers() {
  g_terminal = ::isatty(STDERR_FILENO) != 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;  // what is being read or written comes to its end
  sigfillset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    struct sigaction inherited {};
    if (::sigaction(signal, nullptr, &inherited) == 0 && inherited.sa_handler == SIG_IGN) continue;
    ::sigaction(signal, &action, nullptr);
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

bool interrupted() {
  g_asked = true;
  return g_signals != 0;
}

}  // namespace melgrad
