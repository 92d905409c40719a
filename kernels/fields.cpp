#include "kernels/fields.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>

#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

std::optional<std::int64_t> integer_in(const FieldValue& value) {
  constexpr double kExact = 9007199254740992;  // 2^53: up to there every whole number is a double
  if (const auto* text = std::get_if<std::string>(&value)) return number_in<std::int64_t>(*text);
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole;
  const auto* real = std::get_if<double>(&value);
  if (real == nullptr || std::trunc(*real) != *real || std::abs(*real) > kExact) return std::nullopt;
  return static_cast<std::int64_t>(*real);
}

std::optional<double> real_in(const FieldValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return number_in<double>(*text);
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
  if (const auto* real = std::get_if<double>(&value)) return *real;
  return std::nullopt;
}

}  // namespace

std::string as_text(const std::string& value) { return value; }
std::string as_text(bool value) { return value ? "true" : "false"; }
std::string as_text(std::int64_t value) { return fmt::format("{}", value); }
std::string as_text(double value) { return shortest(value); }
std::string as_text(const FieldValue& value) {
  return std::visit([](const auto& v) { return as_text(v); }, value);
}

std::string text_from(const FieldValue& value, const std::string& where) {
  if (!std::holds_alternative<std::string>(value))
    fail(ErrorKind::usage, "{}: {} is no text; write \"{}\"", where, as_text(value), as_text(value));
  const auto& text = std::get<std::string>(value);
  if (as_utf8(text) != text) fail(ErrorKind::usage, "{}: '{}' is not UTF-8", where, printable(text));
  return text;
}

bool bool_from(const FieldValue& value, const std::string& where) {
  if (const auto* truth = std::get_if<bool>(&value)) return *truth;
  const std::string text = as_text(value);
  if (text != "true" && text != "false")
    fail(ErrorKind::usage, "{}: '{}' is neither true nor false", where, printable(text));
  return text == "true";
}

std::int64_t integer_from(const FieldValue& value, std::size_t bytes, const std::string& where) {
  const std::optional<std::int64_t> whole = integer_in(value);
  const bool fits = whole && (bytes == 8 || *whole == static_cast<std::int32_t>(*whole));
  if (!fits)
    fail(ErrorKind::usage, "{}: '{}' is not a whole number of {} bits", where, printable(as_text(value)),
         8 * bytes);
  return *whole;
}

double real_from(const FieldValue& value, const std::string& where) {
  const std::optional<double> real = real_in(value);
  if (!real) fail(ErrorKind::usage, "{}: '{}' is not a number", where, printable(as_text(value)));
  return *real;
}

std::size_t choice_from(const FieldValue& value, std::span<const char* const> names,
                        const std::string& where) {
  const std::string text = as_text(value);
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end())
    fail(ErrorKind::usage, "{}: '{}' is not one of {}", where, printable(text),
         joined({names.begin(), names.end()}));
  return static_cast<std::size_t>(found - names.begin());
}

std::string allowed(const FieldInfo& info) {
  if (!info.choices.empty()) return joined(info.choices);
  // A range in words says its unit itself.
  const bool ends_in_number =
      !info.range.empty() && std::isdigit(static_cast<unsigned char>(info.range.back())) != 0;
  return ends_in_number && !info.unit.empty() ? info.range + ' ' + info.unit : info.range;
}

}  // namespace melgrad
