#include "io/files/json.h"

#include <cmath>
#include <limits>

#include "kernels/text.h"

namespace melgrad {
namespace {

template <class Json>
Json with_utf8(const Json& json) {
  if (json.is_string()) return as_utf8(json.template get_ref<const std::string&>());
  if (!json.is_structured()) return json;
  Json out = json.is_object() ? Json::object() : Json::array();
  for (const auto& [key, value] : json.items()) {
    if (json.is_object()) out[as_utf8(key)] = with_utf8(value);
    else out.push_back(with_utf8(value));
  }
  return out;
}

}  // namespace

std::vector<double> decimals(const std::vector<float>& values) {
  std::vector<double> out;
  out.reserve(values.size());
  for (const float value : values) out.push_back(decimal(value));
  return out;
}

nlohmann::ordered_json or_null(std::optional<double> number) {
  return number && std::isfinite(*number) ? nlohmann::ordered_json(*number) : nlohmann::ordered_json();
}

template <class Json>
bool is_count(const Json& json) {
  if (json.is_number_unsigned())
    return json.template get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<std::int64_t>::max()};
  return json.is_number_integer() && json.template get<std::int64_t>() >= 0;
}

template <class Json>
std::int64_t count_of(const Json& json) {
  if (!is_count(json)) throw NotACount("must be a count, but is " + json.dump().substr(0, 40));
  return json.template get<std::int64_t>();
}

template <class Json>
std::vector<std::int64_t> counts_of(const Json& json) {
  std::vector<std::int64_t> counts;
  for (const Json& one : json) counts.push_back(count_of(one));
  return counts;
}

template <class Json>
std::uint64_t seed_of(const Json& json) {
  return json.is_number_unsigned() ? json.template get<std::uint64_t>()
                                   : static_cast<std::uint64_t>(count_of(json));
}

template <class Json>
Json parse_json(std::string_view text) {
  return Json::parse(text);
}

template <class Json>
std::optional<Json> json_or_none(std::string_view text) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

template <class Json>
std::string json_text(const Json& json, int indent) {
  try {
    return json.dump(indent);
  } catch (const nlohmann::json::type_error&) {  // a string in it is no UTF-8
    return with_utf8(json).dump(indent);
  }
}

#define MELGRAD_JSON(Json)                                     \
  template bool is_count(const Json&);                         \
  template std::int64_t count_of(const Json&);                 \
  template std::vector<std::int64_t> counts_of(const Json&);   \
  template std::uint64_t seed_of(const Json&);                 \
  template Json parse_json<Json>(std::string_view);            \
  template std::optional<Json> json_or_none(std::string_view); \
  template std::string json_text(const Json&, int);
MELGRAD_JSON(nlohmann::json)
MELGRAD_JSON(nlohmann::ordered_json)
#undef MELGRAD_JSON

}  // namespace melgrad
