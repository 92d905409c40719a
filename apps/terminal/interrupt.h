// Ctrl-C (SIGINT), SIGTERM, a closed terminal (SIGHUP) and a cluster that wants its machine back (SIGUSR1) as
// a request: long tasks ask `interrupted()` between two pieces of work, save and leave with kExitInterrupted.
// The first signal is answered at once, a second Ctrl-C is told that the work is being saved, a third ends
// the program on the spot. A command that has never asked has nothing to save: it ends at the first.
#pragma once

#include <string>

namespace melgrad {

// Leaves a command after Ctrl-C: `main` prints the message and exits with kExitInterrupted.
struct Interrupted {
  std::string message;  // what was saved, and how to go on
};

// Signals that were ignored when the program began (nohup) stay so. A reader that has gone (SIGPIPE) and a
// limit on the size of files (SIGXFSZ) become errors of whoever writes.
void install_signal_handlers();
bool interrupted();

}  // namespace melgrad
