// Settings as text: how the fields of MelOptions and of a recipe are read and printed, one by one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace melgrad {

// The names of an enum's values, in their order: specialised for each enum that is a setting.
template <typename Enum>
constexpr std::nullptr_t kNamesOf = nullptr;

template <typename Enum>
concept Named = std::is_enum_v<Enum> && !std::is_same_v<decltype(kNamesOf<Enum>), const std::nullptr_t>;

template <Named Enum>
constexpr const char* name_of(Enum value) {
  return std::data(kNamesOf<Enum>)[static_cast<std::size_t>(value)];
}
template <Named Enum>
std::vector<std::string> names_of() {
  return {std::begin(kNamesOf<Enum>), std::end(kNamesOf<Enum>)};
}

// What somebody wrote for a field: text, of which any kind of field can be read, or a value of a file that
// tells the kinds apart (TOML).
using FieldValue = std::variant<std::string, bool, std::int64_t, double>;

// As it reads back: numbers at their shortest, "0" for either zero.
std::string as_text(const std::string& value);
std::string as_text(bool value);
std::string as_text(std::int64_t value);
std::string as_text(double value);
std::string as_text(const FieldValue& value);
inline std::string as_text(std::int32_t value) { return as_text(std::int64_t{value}); }
template <Named Enum>
std::string as_text(Enum value) {
  return name_of(value);
}

// The value as a field of one kind has it. Throws Error (usage) that begins with `where`, the field, for one
// that is none. A whole number is a real one too, and a real one that is whole is a whole one.
std::string text_from(const FieldValue& value, const std::string& where);
bool bool_from(const FieldValue& value, const std::string& where);
std::int64_t integer_from(const FieldValue& value, std::size_t bytes, const std::string& where);
double real_from(const FieldValue& value, const std::string& where);
std::size_t choice_from(const FieldValue& value, std::span<const char* const> names,
                        const std::string& where);

template <typename Field>
void assign(Field& field, const FieldValue& value, const std::string& where) {
  if constexpr (std::is_enum_v<Field>) field = static_cast<Field>(choice_from(value, kNamesOf<Field>, where));
  else if constexpr (std::is_same_v<Field, bool>) field = bool_from(value, where);
  else if constexpr (std::is_integral_v<Field>)
    field = static_cast<Field>(integer_from(value, sizeof(Field), where));
  else if constexpr (std::is_floating_point_v<Field>) field = real_from(value, where);
  else field = text_from(value, where);
}

// What there is to say of a field.
struct FieldInfo {
  std::string key, kind;             // kind: "text", "true or false", "whole number", "number" or "choice"
  std::vector<std::string> choices;  // of a choice
  std::string range;                 // of a number: "0 ... 1", "above 0"; "" for any
  FieldValue standard;               // what it is where nobody sets it
  std::string unit, meaning;
};

// What it may be, in words: its choices, or range and unit; "" where every value of its kind will do.
std::string allowed(const FieldInfo& info);

// All but range, unit and meaning, which no type tells.
template <typename Field>
FieldInfo field_info(const std::string& key, const Field& standard) {
  FieldInfo info;
  info.key = key;
  if constexpr (std::is_enum_v<Field>) {
    info.kind = "choice";
    info.choices = names_of<Field>();
    info.standard = as_text(standard);
  } else if constexpr (std::is_same_v<Field, std::string>) {
    info.kind = "text";
    info.standard = standard;
  } else if constexpr (std::is_same_v<Field, bool>) {
    info.kind = "true or false";
    info.standard = standard;
  } else if constexpr (std::is_integral_v<Field>) {
    info.kind = "whole number";
    info.standard = std::int64_t{standard};
  } else {
    info.kind = "number";
    info.standard = double{standard};
  }
  return info;
}

}  // namespace melgrad
