#include "apps/terminal/cli.h"

#include <charconv>
#include <cmath>

#include "kernels/devices/make_device.h"

namespace melgrad {
namespace {

// Whether all of `text` is a number of this type, in digits: CLI11 itself takes -1 for 2^64 - 1, what is too
// large for the largest number, 010 for 8, and nan.
template <class Number>
bool is_number(const std::string& text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool good = error == std::errc{} && end == text.data() + text.size() && !text.empty();
  if constexpr (std::is_floating_point_v<Number>) good = good && std::isfinite(value);
  else good = good && (text == "0" || text[text[0] == '-' ? 1 : 0] != '0');
  return good;
}

}  // namespace

std::unique_ptr<Device> open_device(const Settings& settings) {
  return make_device(settings.device, {settings.threads, precision_of(settings.precision)});
}

void goes_alone(CLI::App& command, CLI::Option& resume, const std::set<std::string>& besides) {
  for (CLI::Option* option : command.get_options()) {
    if (option != &resume && option != command.get_help_ptr() && !besides.contains(option->get_name()))
      resume.excludes(option);
  }
}

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

}  // namespace melgrad
