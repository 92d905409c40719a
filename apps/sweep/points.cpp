#include "apps/sweep/points.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "kernels/error.h"
#include "kernels/text.h"
#include "models/recipes/recipe_use.h"

namespace melgrad {
namespace {

bool is_number(const std::string& kind) { return kind == "number" || kind == "whole number"; }

// The keys whose values would make runs that cannot be compared, or that are no setting of them.
const char* why_one_value(const std::string& key) {
  if (key.starts_with("features.")) return "all runs have the features of one cache; a sweep for each";
  if (key.starts_with("split.")) return "all runs have one split";
  if (key == "train.best_by") return "runs are compared by it";
  if (key == "task") return "one task has other figures than the other";
  return "it is no setting";  // name, title
}
bool has_one_value(const std::string& key) {
  return key.starts_with("features.") || key.starts_with("split.") || key == "train.best_by" ||
         key == "task" || key == "name" || key == "title";
}

std::vector<std::string> pieces_of(const std::string& text, char by) {
  std::vector<std::string> parts = {""};
  for (const char c : text)
    if (c == by) parts.emplace_back();
    else parts.back() += c;
  return parts;
}

// "1e-3" and "0.001" are the same.
std::string at_its_shortest(const std::string& value, const std::string& kind) {
  const auto number = is_number(kind) ? number_in<double>(value) : std::nullopt;
  const bool exact = number && std::isfinite(*number) && (kind == "number" || std::abs(*number) < 1e15);
  return exact ? as_text(*number) : value;
}

std::vector<std::string> values_in(const std::string& text, const std::string& key, const std::string& kind) {
  if (kind != "text") return pieces_of(text, ',');
  std::vector<std::string> values = pieces_of(text, ';');
  if (values.size() == 1 && text.find(',') != std::string::npos)
    fail(ErrorKind::usage,
         "--set {}: its values have commas, so a ; ends each: '{}={};' for this one, '{}={}' for several",
         key, key, text, key, [&] {
           std::string several = text;
           std::replace(several.begin(), several.end(), ',', ';');
           return several + ";";
         }());
  if (values.size() > 1 && values.back().empty()) values.pop_back();
  return values;
}

// "1e-4..1e-2".
bool read_range(SweepKey& key, const std::string& text) {
  const auto dots = text.find("..");
  if (!is_number(key.kind) || dots == std::string::npos) return false;
  const auto least = number_in<double>(text.substr(0, dots)), most = number_in<double>(text.substr(dots + 2));
  const auto fits = [&](double end) {
    return std::isfinite(end) && (key.kind == "number" || (end == std::floor(end) && std::abs(end) < 1e15));
  };
  if (!least || !most || !fits(*least) || !fits(*most) || *least >= *most)
    fail(ErrorKind::usage, "--set {}: '{}' is no range of {}s, as 1..10", key.key, text, key.kind);
  key.least = *least;
  key.most = *most;
  return true;
}

SweepKey read_key(const std::string& assignment, const std::vector<FieldInfo>& infos) {
  const auto equals = assignment.find('=');
  if (equals == std::string::npos)
    fail(ErrorKind::usage, "--set {}: expected section.key=value,value", assignment);
  SweepKey key;
  key.key = keys_of({assignment})[0];
  key.kind =
      std::find_if(infos.begin(), infos.end(), [&](const FieldInfo& i) { return i.key == key.key; })->kind;
  const std::string text = assignment.substr(equals + 1);
  if (!read_range(key, text)) {
    std::set<std::string> seen;
    for (const std::string& value : values_in(text, key.key, key.kind)) {
      if (value.empty() && key.kind != "text")
        fail(ErrorKind::usage, "--set {}: a value is missing in '{}'", key.key, text);
      key.values.push_back(at_its_shortest(value, key.kind));
      if (!seen.insert(key.values.back()).second)
        fail(ErrorKind::usage, "--set {}: '{}' comes twice", key.key, key.values.back());
    }
  }
  if (key.values.size() != 1 && has_one_value(key.key))
    fail(ErrorKind::usage, "--set {}: has one value in a sweep: {}", key.key, why_one_value(key.key));
  return key;
}

double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

std::string drawn(const SweepKey& key, std::mt19937_64& random) {
  const double share = uniform(random);
  if (!key.values.empty())
    return key.values[static_cast<std::size_t>(share * static_cast<double>(key.values.size()))];
  const bool whole = key.kind == "whole number";
  const double most = whole ? key.most + 1 : key.most;  // each whole number has its stretch, up to the next
  const bool logarithmic = key.least > 0 && key.most >= 10 * key.least;
  const double value =
      logarithmic ? key.least * std::pow(most / key.least, share) : key.least + (most - key.least) * share;
  if (whole) return as_text(std::clamp(std::floor(value), key.least, key.most));
  const double rounded = *number_in<double>(fmt::format("{:.3g}", value));
  return as_text(std::clamp(rounded, key.least, key.most));
}

}  // namespace

std::vector<SweepKey> sweep_keys(const std::vector<std::string>& assignments) {
  const std::vector<FieldInfo> infos = recipe_field_infos();
  std::vector<SweepKey> keys;
  for (const std::string& assignment : assignments) {
    keys.push_back(read_key(assignment, infos));
    for (std::size_t i = 0; i + 1 < keys.size(); ++i)
      if (keys[i].key == keys.back().key)
        fail(ErrorKind::usage, "--set {}: comes twice; all its values stand in one", keys[i].key);
  }
  return keys;
}

std::vector<SweepPoint> grid_of(const std::vector<SweepKey>& keys) {
  std::vector<SweepPoint> points = {{}};
  for (const SweepKey& key : keys) {
    if (key.values.empty())
      fail(ErrorKind::usage, "--set {}: a range is for --random K, which says how many points", key.key);
    if (points.size() * key.values.size() > kMostPoints)
      fail(ErrorKind::usage, "--set: more than {} points; --random K takes some of them", kMostPoints);
    std::vector<SweepPoint> longer;
    for (const SweepPoint& point : points)
      for (const std::string& value : key.values) {
        longer.push_back(point);
        longer.back().push_back(value);
      }
    points = std::move(longer);
  }
  return points;
}

std::vector<SweepPoint> random_points(const std::vector<SweepKey>& keys, std::int64_t count,
                                      std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<SweepPoint> points;
  std::set<SweepPoint> seen;
  for (std::int64_t tries = 0; std::ssize(points) < count; ++tries) {
    if (tries > 1000 * count)
      fail(ErrorKind::usage, "--random {}: there are not so many different points, {} were found", count,
           points.size());
    SweepPoint point;
    for (const SweepKey& key : keys) point.push_back(drawn(key, random));
    if (seen.insert(point).second) points.push_back(std::move(point));
  }
  return points;
}

std::vector<std::string> assignments_of(const std::vector<SweepKey>& keys, const SweepPoint& point) {
  std::vector<std::string> assignments;
  for (std::size_t i = 0; i < keys.size(); ++i) assignments.push_back(keys[i].key + "=" + point[i]);
  return assignments;
}

nlohmann::ordered_json as_json(const std::vector<SweepKey>& keys) {
  auto json = nlohmann::ordered_json::object();
  for (const SweepKey& key : keys) {
    if (key.values.empty()) json[key.key] = as_text(key.least) + ".." + as_text(key.most);
    else json[key.key] = key.values;
  }
  return json;
}

}  // namespace melgrad
