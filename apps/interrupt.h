// Ctrl-C as a request: long tasks ask `interrupted()` between two pieces of work, save and leave with
// kExitInterrupted. A second Ctrl-C ends the program at once.
#pragma once

namespace melgrad {

void install_interrupt_handler();  // SIGINT and SIGTERM
bool interrupted();

}  // namespace melgrad
