// A recipe as text: its keys with their values, as TOML, and what there is to say of each.
#include <algorithm>
#include <cmath>

#include "kernels/text.h"
#include "models/networks/networks.h"
#include "models/recipes/recipe_table.h"

namespace melgrad {
namespace {

// A value as TOML has it. A whole number stays one of reals ("1.0"), for readers that tell them apart.
std::string toml_text(const std::string& v) {
  std::string out = "\"";
  for (const char c : v) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7F) out += fmt::format("\\u{:04x}", code);
    else out.append(c == '"' || c == '\\' ? "\\" : "").append(1, c);
  }
  return out + '"';
}
std::string toml_text(bool v) { return as_text(v); }
std::string toml_text(std::int64_t v) { return as_text(v); }
std::string toml_text(double v) {
  const std::string text = as_text(v);
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}
template <Named Enum>
std::string toml_text(Enum v) {
  return toml_text(as_text(v));
}

std::string range_text(const Range& range) {
  const auto number = [](double v) { return std::abs(v) >= 1e6 ? fmt::format("{:g}", v) : shortest(v); };
  if (range.least <= -kLarge) return "";
  if (range.without == Range::Without::least)
    return fmt::format("above {}, at most {}", number(range.least), number(range.most));
  if (range.most >= kLarge) return fmt::format("at least {}", number(range.least));
  return fmt::format("{} ... {}{}", number(range.least), number(range.most),
                     range.without == Range::Without::most ? " excluded" : "");
}

// "meaning; what it may be; default X", without a default where it is the value.
std::string comment_on(const FieldInfo& info, const std::string& value) {
  std::string text = info.meaning;
  if (const std::string values = allowed(info); !values.empty()) text += "; " + values;
  if (const std::string standard = as_text(info.standard); standard != value && !standard.empty())
    text += "; default " + standard;
  return text;
}

// `comment(i)` on the line of key i, "" for none.
template <typename Comment>
std::string toml_with(const Recipe& recipe, const Comment& comment) {
  std::vector<std::pair<std::string, std::string>> sections = {{"", ""}};  // name, lines
  std::size_t count = 0;
  const auto add = [&](const std::string& key, const std::string& value) {
    const auto dot = key.find('.');
    const std::string section = dot == std::string::npos ? "" : key.substr(0, dot);
    auto at = std::find_if(sections.begin(), sections.end(), [&](auto& s) { return s.first == section; });
    if (at == sections.end()) at = sections.insert(at, {section, "\n[" + section + "]\n"});
    const std::string line =
        fmt::format("{} = {}", dot == std::string::npos ? key : key.substr(dot + 1), value);
    const std::string remark = comment(count++);
    at->second += remark.empty() ? line + '\n' : fmt::format("{:<30}  # {}\n", line, remark);
  };
  visit_keys(recipe, [&](const RecipeKey& key, const auto& field) { add(key.name, toml_text(field)); });
  for (const auto& [key, text] : mel_fields(recipe.features)) add("features." + key, toml_text(text));
  std::string out;
  for (const auto& [name, lines] : sections) out += lines;
  return out;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> recipe_fields(const Recipe& recipe) {
  std::vector<std::pair<std::string, std::string>> fields;
  visit_keys(recipe,
             [&](const RecipeKey& key, const auto& field) { fields.emplace_back(key.name, as_text(field)); });
  for (const auto& [name, text] : mel_fields(recipe.features)) fields.emplace_back("features." + name, text);
  return fields;
}

std::string as_toml(const Recipe& recipe) {
  return toml_with(recipe, [](std::size_t) { return ""; });
}

std::string described_toml(const Recipe& recipe) {
  const auto infos = recipe_field_infos();
  const auto fields = recipe_fields(recipe);
  return toml_with(recipe, [&](std::size_t i) { return comment_on(infos[i], fields[i].second); });
}

std::vector<FieldInfo> recipe_field_infos() {
  std::vector<FieldInfo> infos;
  const Recipe standard;
  visit_keys(standard, [&](const RecipeKey& key, const auto& field) {
    FieldInfo& info = infos.emplace_back(field_info(key.name, field));
    info.range = range_text(key.range);
    info.unit = key.unit;
    info.meaning = key.meaning;
    if (info.key == "model.architecture") {
      info.kind = "choice";
      info.choices = model_names();
    }
  });
  for (FieldInfo& info : mel_field_infos()) {
    info.key = "features." + info.key;
    infos.push_back(std::move(info));
  }
  return infos;
}

}  // namespace melgrad
