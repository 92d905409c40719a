// Ctrl-C as a request: long tasks ask `interrupted()` between two pieces of work, save and leave with
// kExitInterrupted. A second Ctrl-C ends the program at once.
#pragma once

#include <string>

namespace melgrad {

// Leaves a command after Ctrl-C: `main` prints the message and exits with kExitInterrupted.
struct Interrupted {
  std::string message;  // what was saved, and how to go on
};

void install_interrupt_handler();  // SIGINT and SIGTERM
bool interrupted();

}  // namespace melgrad
