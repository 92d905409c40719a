#include "apps/terminal/usage.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>

#include "kernels/text.h"

namespace melgrad {
const char* const kVersion = "melgrad " MELGRAD_VERSION;

const char* const kFirstHour = R"(
A first hour (melgrad help COMMAND tells more; every command has --json):
  melgrad check music                          what is there, what is broken
  melgrad extract music --out music.h5         features once; train reads them from then on
  melgrad train music.h5 --out runs/first      a folder per genre, or CSV lines path,label; several tags: a;b
  melgrad evaluate runs/first --mistakes mistakes.csv
  melgrad report runs/first -o first.html
  melgrad predict runs/first songs --csv > songs.csv
  melgrad train --resume runs/first --set train.epochs=400    longer
  melgrad recipes                              the recipes; with a NAME all its keys, for --set and for files)";

namespace {

std::vector<std::string> commands_of(const CLI::App& root) {
  std::vector<std::string> names = {"help", "version"};
  for (const CLI::App* command : root.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

// The first argument that is neither an option of the program nor the value of one.
std::string first_word(const CLI::App& root, const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (!arguments[i].starts_with('-')) return arguments[i];
    const CLI::Option* option = root.get_option_no_throw(arguments[i]);
    if (option != nullptr && option->get_items_expected_max() > 0) ++i;
  }
  return "";
}

// The option among `rest` that neither the command nor the program has.
std::string unknown_option(const std::vector<std::string>& rest) {
  const auto at = std::find_if(rest.begin(), rest.end(), [](const std::string& argument) {
    return argument.starts_with('-') && argument.size() > 1 && argument != "--";
  });
  return at == rest.end() ? "" : at->substr(0, at->find('='));
}

// The nearest name, or where to look.
std::string hint(const std::string& word, const std::vector<std::string>& names, const std::string& where) {
  const std::string nearest = did_you_mean(word, names);
  return nearest.empty() ? "; " + where : nearest;
}

}  // namespace

std::vector<std::string> spelled_out(std::vector<std::string> arguments) {
  if (arguments.empty()) return {"--help"};
  if (arguments[0] == "version" && arguments.size() == 1) return {"--version"};
  if (arguments[0] != "help") return arguments;
  arguments.erase(arguments.begin());
  arguments.emplace_back("--help");
  return arguments;
}

std::string what_is_wrong(const CLI::App& root, const CLI::ParseError& error,
                          const std::vector<std::string>& arguments) {
  const auto commands = root.get_subcommands();
  const std::string word = first_word(root, arguments);
  if (error.get_exit_code() == 0 && (word.empty() || !commands.empty())) return "";
  if (commands.empty()) {
    const std::string unknown = unknown_option(root.remaining());
    if (!word.empty())
      return fmt::format("melgrad: {}: no such command{}", printable(word),
                         hint(word, commands_of(root), "melgrad help lists them"));
    if (!unknown.empty())
      return fmt::format("melgrad: {}: no such option{}", printable(unknown),
                         hint(unknown, options_of(root), "see melgrad help"));
    return "melgrad: name a command; melgrad help lists them";
  }
  std::vector<std::string> options;
  std::string path = "melgrad";
  for (const CLI::App* app = &root; app != nullptr;) {
    const auto own = options_of(*app);
    options.insert(options.end(), own.begin(), own.end());
    const auto chosen = app->get_subcommands();
    app = chosen.empty() ? nullptr : chosen[0];
    if (app != nullptr) path += " " + app->get_name();
  }
  const std::vector<std::string> rest = root.remaining(true);
  if (const std::string unknown = unknown_option(rest); !unknown.empty())
    return fmt::format("{}: {}: no such option{}", path, printable(unknown),
                       hint(unknown, options, "see " + path + " --help"));
  if (!rest.empty())
    return fmt::format("{}: {}: one argument too many; see {} --help", path, printable(rest[0]), path);
  return fmt::format("{}: {}; see {} --help", path, printable(error.what()), path);
}

}  // namespace melgrad
