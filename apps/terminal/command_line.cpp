#include "apps/terminal/command_line.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <sstream>

#include "apps/terminal/usage.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

// Whether all of `text` is a number of this type, in digits: CLI11 itself takes -1 for 2^64 - 1, what is too
// large for the largest number, 010 for 8, and nan.
template <class Number>
bool is_number(const std::string& text) {
  const auto value = number_in<Number>(text);
  bool good = value.has_value();
  if constexpr (std::is_floating_point_v<Number>) good = good && std::isfinite(*value);
  else good = good && (text == "0" || text[text[0] == '-' ? 1 : 0] != '0');
  return good;
}

// Lets every option of `app` and its commands that takes a number take nothing else.
void expect_numbers(CLI::App& app) {
  const auto refuse_unless = [](bool (*good)(const std::string&), const char* wanted) {
    return CLI::Validator([=](std::string& text) { return good(text) ? "" : text + " is not " + wanted; },
                          "");
  };
  for (CLI::Option* option : app.get_options()) {
    const std::string type = option->get_type_name();
    if (type.starts_with("UINT"))
      option->check(refuse_unless(is_number<std::uint64_t>, "a whole number from 0 to 2^64 - 1"));
    else if (type.starts_with("INT")) option->check(refuse_unless(is_number<std::int64_t>, "a whole number"));
    else if (type.starts_with("FLOAT")) option->check(refuse_unless(is_number<double>, "a number"));
  }
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) expect_numbers(*command);
}

}  // namespace

Option* Option::required(bool value) {
  option_->required(value);
  return this;
}
Option* Option::capture_default_str() {
  option_->capture_default_str();
  return this;
}
Option* Option::delimiter(char between_values) {
  option_->delimiter(between_values);
  return this;
}
Option* Option::allow_extra_args(bool allow) {
  option_->allow_extra_args(allow);
  return this;
}
Option* Option::excludes(const Option* other) {
  option_->excludes(other->option_);
  return this;
}
Option* Option::excludes(const std::string& other) {
  option_->excludes(other);
  return this;
}
Option* Option::group(const std::string& heading) {
  option_->group(heading);
  return this;
}
Option* Option::option_text(const std::string& text) {
  option_->option_text(text);
  return this;
}
Option* Option::positive() {
  option_->check(CLI::PositiveNumber);
  return this;
}
Option* Option::non_negative() {
  option_->check(CLI::NonNegativeNumber);
  return this;
}
Option* Option::range(int least, int most) {
  option_->check(CLI::Range(least, most));
  return this;
}
Option* Option::range(std::size_t least, std::size_t most) {
  option_->check(CLI::Range(least, most));
  return this;
}
Option* Option::range(double least, double most) {
  option_->check(CLI::Range(least, most));
  return this;
}
Option* Option::is_member(const std::vector<std::string>& names) {
  option_->check(CLI::IsMember(names));
  return this;
}
std::size_t Option::count() const { return option_->count(); }
std::string Option::name() const { return option_->get_name(); }

CommandLine::CommandLine(const std::string& about)
    : program_(std::make_unique<CLI::App>(about)), app_(program_.get()) {
  app_->fallthrough();
}
CommandLine::CommandLine(CLI::App* command) : app_(command) {}
CommandLine::~CommandLine() = default;

CommandLine* CommandLine::add_subcommand(const std::string& name, const std::string& about) {
  commands_.push_back(std::unique_ptr<CommandLine>(new CommandLine(app_->add_subcommand(name, about))));
  return commands_.back().get();
}
void CommandLine::alias(const std::string& name) { app_->alias(name); }
void CommandLine::require_subcommand() { app_->require_subcommand(1); }
void CommandLine::callback(std::function<void()> work) { app_->callback(std::move(work)); }

Option* CommandLine::keep(CLI::Option* option) { return &options_.emplace_back(option); }

template <typename T>
Option* CommandLine::add(const std::string& names, T& value, const std::string& about) {
  return keep(app_->add_option(names, value, about));
}
Option* CommandLine::add_option(const std::string& names, std::string& value, const std::string& about) {
  return add(names, value, about);
}
Option* CommandLine::add_option(const std::string& names, std::filesystem::path& value,
                                const std::string& about) {
  return add(names, value, about);
}
Option* CommandLine::add_option(const std::string& names, int& value, const std::string& about) {
  return add(names, value, about);
}
Option* CommandLine::add_option(const std::string& names, std::int64_t& value, const std::string& about) {
  return add(names, value, about);
}
Option* CommandLine::add_option(const std::string& names, std::uint64_t& value, const std::string& about) {
  return add(names, value, about);
}
Option* CommandLine::add_option(const std::string& names, double& value, const std::string& about) {
  return add(names, value, about);
}
Option* CommandLine::add_option(const std::string& names, std::optional<double>& value,
                                const std::string& about) {
  return add(names, value, about);
}
Option* CommandLine::add_option(const std::string& names, std::vector<std::string>& values,
                                const std::string& about) {
  return add(names, values, about);
}
Option* CommandLine::add_option(const std::string& names, const std::function<void(const std::string&)>& take,
                                const std::string& about) {
  return keep(app_->add_option_function<std::string>(names, take, about));
}
Option* CommandLine::add_option(const std::string& names,
                                const std::function<void(const std::vector<std::string>&)>& take,
                                const std::string& about) {
  return keep(app_->add_option_function<std::vector<std::string>>(names, take, about));
}
Option* CommandLine::add_flag(const std::string& names, bool& value, const std::string& about) {
  return keep(app_->add_flag(names, value, about));
}

void CommandLine::goes_alone(Option& resume, const std::set<std::string>& besides) {
  for (Option& option : options_)
    if (&option != &resume && !besides.contains(option.name())) resume.excludes(&option);
}

void CommandLine::describe(const std::string& name, const std::string& version, const std::string& examples) {
  app_->name(name);
  app_->set_version_flag("--version,-V", version);
  app_->footer(examples);
}

CommandLine::Answer CommandLine::run(const std::vector<std::string>& arguments) {
  expect_numbers(*app_);
  try {
    app_->parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    return {};
  } catch (const CLI::ParseError& e) {
    if (std::string wrong = what_is_wrong(*app_, e, arguments); !wrong.empty()) return {"", std::move(wrong)};
    std::ostringstream help, nothing;
    app_->exit(e, help, nothing);
    return {help.str(), ""};
  } catch (const Error&) {  // of a value; that an option is unknown, which may have left it there, says more
    const std::vector<std::string> rest = app_->remaining(true);
    if (rest.empty()) throw;
    return {"", what_is_wrong(*app_, CLI::ExtrasError(rest), arguments)};
  }
}

}  // namespace melgrad
