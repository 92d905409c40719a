// A command on the command line: its options, its commands, what it does. The names are CLI11's, which does
// the work behind this header: its own take seconds to compile, so only command_line.cpp and usage.cpp
// include them.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace melgrad {

class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option* required(bool value = true);
  Option* capture_default_str();  // so that help shows the default
  Option* delimiter(char between_values);
  Option* allow_extra_args(bool allow);  // false: one value each time the option stands there
  Option* excludes(const Option* other);
  Option* excludes(const std::string& other);
  Option* group(const std::string& heading);     // in help
  Option* option_text(const std::string& text);  // in help, for the type
  // What a value may be.
  Option* positive();
  Option* non_negative();
  Option* range(int least, int most);
  Option* range(std::size_t least, std::size_t most);
  Option* range(double least, double most);
  Option* is_member(const std::vector<std::string>& names);

  std::size_t count() const;  // how often it was given
  std::string name() const;

 private:
  CLI::Option* option_;
};

class CommandLine {
 public:
  // The program; `about` is the first line of its help.
  explicit CommandLine(const std::string& about);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  ~CommandLine();

  // What it points at lives as long as the program's.
  CommandLine* add_subcommand(const std::string& name, const std::string& about);
  void alias(const std::string& name);
  void require_subcommand();
  void callback(std::function<void()> work);

  // `names`: "-o,--out", or "data" for an argument by its place. The value is as before where none is given.
  Option* add_option(const std::string& names, std::string& value, const std::string& about);
  Option* add_option(const std::string& names, std::filesystem::path& value, const std::string& about);
  Option* add_option(const std::string& names, int& value, const std::string& about);
  Option* add_option(const std::string& names, std::int64_t& value, const std::string& about);
  Option* add_option(const std::string& names, std::uint64_t& value, const std::string& about);
  Option* add_option(const std::string& names, double& value, const std::string& about);
  Option* add_option(const std::string& names, std::optional<double>& value, const std::string& about);
  Option* add_option(const std::string& names, std::vector<std::string>& values, const std::string& about);
  Option* add_option(const std::string& names, const std::function<void(const std::string&)>& take,
                     const std::string& about);
  Option* add_option(const std::string& names,
                     const std::function<void(const std::vector<std::string>&)>& take,
                     const std::string& about);
  // "!--no-cache" sets false.
  Option* add_flag(const std::string& names, bool& value, const std::string& about);
  // What goes on takes all else from its folder: refuses `resume` beside every other option so far, `besides`
  // apart.
  void goes_alone(Option& resume, const std::set<std::string>& besides = {});

  // Of the program, behind all commands, which would take over the examples below its help.
  void describe(const std::string& name, const std::string& version, const std::string& examples);
  struct Answer {
    std::string help;   // that, or the version, where it was asked for
    std::string wrong;  // with the arguments, in one line
  };
  // Does what the arguments say; what the command throws passes through.
  Answer run(const std::vector<std::string>& arguments);

 private:
  explicit CommandLine(CLI::App* command);
  template <typename T>
  Option* add(const std::string& names, T& value, const std::string& about);
  Option* keep(CLI::Option* option);

  std::unique_ptr<CLI::App> program_;
  CLI::App* app_;
  std::deque<Option> options_;
  std::deque<std::unique_ptr<CommandLine>> commands_;
};

}  // namespace melgrad
