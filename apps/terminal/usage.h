// What the command line says of itself, and of what it does not understand.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace melgrad {

extern const char* const kVersion;    // "melgrad 0.2.0"
extern const char* const kFirstHour;  // examples, below the help

// `help`, `help COMMAND` and `version` as the options that mean the same; no arguments: --help. All else as
// it is.
std::vector<std::string> spelled_out(std::vector<std::string> arguments);

// One line on what CLI11 could not parse: the nearest command or option where there is one, and where help
// is; "" where help or the version was asked for.
std::string what_is_wrong(const CLI::App& root, const CLI::ParseError& error,
                          const std::vector<std::string>& arguments);

}  // namespace melgrad
