#include "models/weights/weight_map.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <toml++/toml.h>

#include "io/arrays/checkpoint.h"
#include "io/files/json.h"
#include "io/files/text_file.h"
#include "kernels/error.h"
#include "kernels/mel.h"
#include "kernels/text.h"
#include "models/embedded.h"
#include "models/metrics/score_table.h"
#include "models/networks/networks.h"
#include "models/recipes/recipe.h"

namespace melgrad {
namespace {

constexpr std::uint64_t kMostMap = 1 << 20;  // bytes

using Leaves = std::map<std::string, std::string>;

struct LayerRule {
  std::string from, to;
  Leaves leaves;
  std::vector<std::int64_t> axes;  // empty: as they are
  bool alternate = false;
};

struct WeightMap {
  std::string architecture, separator = ".";
  std::vector<std::string> ignore, keep;
  std::map<std::string, Leaves> leaves;
  std::vector<LayerRule> layers;
};

// ---- reading a map

class MapReader {
 public:
  MapReader(std::string where, WeightMap& out) : where_(std::move(where)), out_(&out) {}

  void read(const std::string& text, int depth = 0) {
    const toml::table table = [&] {
      try {
        return toml::parse(text);
      } catch (const toml::parse_error& e) {
        fail(ErrorKind::usage, "{}, line {}: {}", where_, e.source().begin.line, e.description());
      }
    }();
    if (const auto base = table["base"].value<std::string>()) {
      const std::string* of_base = embedded_text(embedded_weight_maps(), *base);
      if (of_base == nullptr || depth > 4)
        fail(ErrorKind::usage, "{}: base: there is no map {}", where_, *base);
      MapReader("map " + *base, *out_).read(*of_base, depth + 1);
    }
    for (const auto& [key, node] : table) read_key(std::string(key.str()), node);
    if (const auto* layers = table["layer"].as_array())  // behind the leaves that they name
      for (const auto& layer : *layers) read_layer(layer);
  }

 private:
  [[noreturn]] void wrong(const toml::node& node, const std::string& what) const {
    fail(ErrorKind::usage, "{}, line {}: {}", where_, node.source().begin.line, what);
  }
  std::string text(const toml::node& node, const std::string& key) const {
    const auto value = node.value<std::string>();
    if (!value) wrong(node, key + ": must be a string");
    return *value;
  }
  std::vector<std::string> texts(const toml::node& node, const std::string& key) const {
    const auto* array = node.as_array();
    if (array == nullptr) wrong(node, key + ": must be a list of strings");
    std::vector<std::string> out;
    for (const auto& one : *array) out.push_back(text(one, key));
    return out;
  }

  void read_key(const std::string& key, const toml::node& node) {
    const auto append = [&](std::vector<std::string>& list) {
      for (std::string& one : texts(node, key)) list.push_back(std::move(one));
    };
    if (key == "base") return;
    if (key == "architecture") out_->architecture = text(node, key);
    else if (key == "separator") out_->separator = text(node, key);
    else if (key == "ignore") append(out_->ignore);
    else if (key == "keep") append(out_->keep);
    else if (key == "leaves" && node.is_table()) read_leaves(*node.as_table());
    else if (key != "layer" || !node.is_array()) wrong(node, key + ": is no key of a map of weights");
  }

  void read_leaves(const toml::table& kinds) {
    for (const auto& [kind, node] : kinds) {
      const auto* table = node.as_table();
      if (table == nullptr) wrong(node, "leaves: must be tables of theirs = ours");
      Leaves& leaves = out_->leaves[std::string(kind.str())];
      for (const auto& [theirs, ours] : *table) leaves[std::string(theirs.str())] = text(ours, "leaves");
    }
  }

  std::vector<std::int64_t> axes_of(const toml::array& list) const {
    std::vector<std::int64_t> axes;
    for (const auto& axis : list) {
      if (!axis.is_integer()) wrong(axis, "axes: must be whole numbers");
      axes.push_back(*axis.value<std::int64_t>());
    }
    return axes;
  }

  void read_layer(const toml::node& node) {
    const auto* table = node.as_table();
    if (table == nullptr) wrong(node, "layer: must be a table");
    LayerRule rule;
    std::string kind;
    for (const auto& [name, value] : *table) {
      const std::string key(name.str());
      if (key == "from") rule.from = text(value, key);
      else if (key == "to") rule.to = text(value, key);
      else if (key == "leaves") kind = text(value, key);
      else if (key == "alternate" && value.is_boolean()) rule.alternate = *value.value<bool>();
      else if (key == "axes" && value.is_array()) rule.axes = axes_of(*value.as_array());
      else wrong(value, key + ": is no key of a layer, or has no such value");
    }
    const auto leaves = out_->leaves.find(kind);
    if (rule.from.empty() || rule.to.empty() || leaves == out_->leaves.end())
      wrong(node, "layer: needs from, to and leaves, which name one of [leaves]");
    rule.leaves = leaves->second;
    out_->layers.push_back(std::move(rule));
  }

  std::string where_;
  WeightMap* out_;
};

WeightMap read_map(const std::string& name_or_path, const std::string& text) {
  WeightMap map;
  MapReader(name_or_path, map).read(text);
  return map;
}

WeightMap map_for(const std::string& architecture, const std::string& name_or_path) {
  const auto& ours = embedded_weight_maps();
  if (const std::string* text = embedded_text(ours, name_or_path))
    return read_map("map " + name_or_path, *text);
  if (!name_or_path.empty()) {
    if (!std::filesystem::exists(name_or_path))
      fail(ErrorKind::usage, "--map {}: neither a file nor one of {}{}", name_or_path, joined(names_of(ours)),
           did_you_mean(name_or_path, names_of(ours)));
    return read_map(name_or_path, read_text_file(name_or_path, kMostMap));
  }
  for (const EmbeddedFile& file : ours) {
    WeightMap map = read_map("map " + file.name, file.text);
    if (map.architecture == architecture) return map;
  }
  fail(ErrorKind::usage, "there is no map of weights for the network {}; write one and name it with --map",
       architecture);
}

// ---- names

// Whether `pattern`, in which "*" stands for any text, is `name`.
bool is_like(std::string_view pattern, std::string_view name) {
  const auto star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  if (!name.starts_with(pattern.substr(0, star))) return false;
  for (std::size_t at = star; at <= name.size(); ++at)
    if (is_like(pattern.substr(star + 1), name.substr(at))) return true;
  return false;
}

// What {k} stands for in `name`; nothing where the pattern is another name. A pattern without {k} gives "".
std::optional<std::string> matched(const std::string& pattern, const std::string& name,
                                   const std::string& separator) {
  constexpr std::string_view kHole = "{k}";
  const auto hole = pattern.find(kHole);
  if (hole == std::string::npos) return pattern == name ? std::optional<std::string>("") : std::nullopt;
  const std::string before = pattern.substr(0, hole), after = pattern.substr(hole + kHole.size());
  if (name.size() <= before.size() + after.size() || !name.starts_with(before) || !name.ends_with(after))
    return std::nullopt;
  std::string middle = name.substr(before.size(), name.size() - before.size() - after.size());
  if (middle.find(separator) != std::string::npos) return std::nullopt;
  return middle;
}

std::string filled(const std::string& pattern, const std::string& middle) {
  const auto hole = pattern.find("{k}");
  return hole == std::string::npos ? pattern : pattern.substr(0, hole) + middle + pattern.substr(hole + 3);
}

// ---- numbers

// Axis k of the result is axis axes[k] of `array`, -1 a new one of length 1; an axis that is left out has
// length 1.
HostArray permuted(const HostArray& array, const std::vector<std::int64_t>& axes, const std::string& where) {
  const auto rank = static_cast<std::int64_t>(array.shape.size());
  std::vector<std::int64_t> stride_of(array.shape.size(), 1), shape, strides;
  for (std::int64_t a = rank - 2; a >= 0; --a)
    stride_of[static_cast<std::size_t>(a)] =
        stride_of[static_cast<std::size_t>(a) + 1] * array.shape[static_cast<std::size_t>(a) + 1];
  std::set<std::int64_t> used;
  for (const std::int64_t axis : axes) {
    if (axis >= rank || axis < -1 || (axis >= 0 && !used.insert(axis).second))
      fail(ErrorKind::input, "{}: {} has no such axes as the map asks for", where, shape_text(array.shape));
    shape.push_back(axis < 0 ? 1 : array.shape[static_cast<std::size_t>(axis)]);
    strides.push_back(axis < 0 ? 0 : stride_of[static_cast<std::size_t>(axis)]);
  }
  HostArray out(DType::f32, shape);
  if (out.numel() != array.numel())
    fail(ErrorKind::input, "{}: {} has more axes than the map takes", where, shape_text(array.shape));
  const auto from = array.as<float>();
  const auto to = out.as<float>();
  std::vector<std::int64_t> at(shape.size(), 0);
  std::int64_t place = 0;
  for (float& value : to) {
    value = from[static_cast<std::size_t>(place)];
    for (std::size_t a = shape.size(); a-- > 0;) {
      place += strides[a];
      if (++at[a] < shape[a]) break;
      place -= at[a] * strides[a];
      at[a] = 0;
    }
  }
  return out;
}

// Along the last axis a0 b0 a1 b1 ... becomes a0 a1 ... b0 b1 ...
void part_halves(HostArray& array, const std::string& where) {
  if (array.shape.back() % 2 != 0)
    fail(ErrorKind::input, "{}: {} has no halves along its last axis", where, shape_text(array.shape));
  const auto width = static_cast<std::size_t>(array.shape.back()), half = width / 2;
  std::vector<float> row(width);
  const auto values = array.as<float>();
  for (std::size_t begin = 0; begin < values.size(); begin += width) {
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(begin), width, row.begin());
    for (std::size_t k = 0; k < width; ++k) values[begin + k] = row[k < half ? 2 * k : 2 * (k - half) + 1];
  }
}

// ---- the import

struct Place {
  std::size_t tensor;
  const LayerRule* rule;
};

// Which tensor goes to which parameter.
std::map<std::string, Place> places(const WeightSource& source, const WeightMap& map,
                                    const std::string& path) {
  std::map<std::string, Place> out;
  for (std::size_t k = 0; k < source.tensors().size(); ++k) {
    const std::string& name = source.tensors()[k].name;
    bool used = false;
    for (const LayerRule& rule : map.layers) {
      for (const auto& [theirs, ours] : rule.leaves) {
        const auto middle = matched(rule.from + map.separator + theirs, name, map.separator);
        if (!middle) continue;
        used = true;
        const std::string to = filled(rule.to, *middle) + "." + ours;
        const auto [at, fresh] = out.emplace(to, Place{k, &rule});
        if (!fresh)
          fail(ErrorKind::input, "{}: {} and {} are both {}", path, source.tensors()[at->second.tensor].name,
               name, to);
      }
    }
    const auto ignored = [&](const std::string& pattern) { return is_like(pattern, name); };
    if (!used && std::none_of(map.ignore.begin(), map.ignore.end(), ignored))
      fail(ErrorKind::input, "{}: {} {} belongs to no layer of the map for {}", path, name,
           shape_text(source.tensors()[k].shape), map.architecture);
  }
  return out;
}

HostArray taken(const WeightSource& source, const Place& place, const std::string& path) {
  const std::string where = path + ": " + source.tensors()[place.tensor].name;
  HostArray array = source.read(place.tensor);
  if (array.shape.size() > 1 && !place.rule->axes.empty()) array = permuted(array, place.rule->axes, where);
  if (place.rule->alternate) part_halves(array, where);
  for (const float value : std::as_const(array).as<float>())
    if (!std::isfinite(value)) fail(ErrorKind::input, "{}: holds a number that is not finite", where);
  return array;
}

HostArray as_it_starts(const Param& param, const std::string& path) {
  if (param.start.empty()) fail(ErrorKind::usage, "{}: keep: {} starts at random", path, param.name);
  HostArray array(DType::f32, {static_cast<std::int64_t>(param.start.size())});
  std::copy(param.start.begin(), param.start.end(), array.as<float>().begin());
  return array;
}

}  // namespace

Checkpoint import_weights(const WeightSource& source, const std::string& path, const Recipe& recipe,
                          const std::vector<std::string>& classes, const std::string& map_name) {
  if (recipe.input.standardise != Standardise::none)
    fail(ErrorKind::usage,
         "recipe {}: input.standardise: weights of others come without the means of its bands", recipe.name);
  WeightMap map = map_for(recipe.model.architecture, map_name);
  map.architecture = recipe.model.architecture;  // for messages, if the map has none
  std::map<std::string, Place> found = places(source, map, path);
  const std::int64_t bands = MelTables(recipe.features).bands();
  const auto model =
      make_model(recipe.model, {recipe.segment.frames, bands}, static_cast<std::int64_t>(classes.size()));
  Checkpoint out;
  for (const Param& param : model->params().all()) {
    std::vector<std::int64_t> shape;
    for (int axis = 0; axis < param.shape.rank(); ++axis) shape.push_back(param.shape[axis]);
    HostArray& to = out.arrays["param/" + param.name];
    const auto place = found.find(param.name);
    if (place != found.end()) to = taken(source, place->second, path);
    else if (std::find(map.keep.begin(), map.keep.end(), param.name) != map.keep.end())
      to = as_it_starts(param, path);
    else
      fail(ErrorKind::input, "{}: has no tensor for {} {} of {}", path, param.name, shape_text(shape),
           recipe.name);
    if (to.shape != shape)
      fail(ErrorKind::input, "{}: {} would be {} {}, which is {} with {} classes in {}", path,
           place != found.end() ? source.tensors()[place->second.tensor].name : "keep", param.name,
           shape_text(to.shape), shape_text(shape), classes.size(), recipe.name);
    if (place != found.end()) found.erase(place);
  }
  if (!found.empty())
    fail(ErrorKind::input, "{}: {} would be {}, which {} does not have", path,
         source.tensors()[found.begin()->second.tensor].name, found.begin()->first, recipe.name);
  out.text["recipe"] = as_toml(recipe);
  out.text["classes"] = json_text(nlohmann::ordered_json(classes));
  out.arrays["bands"] = HostArray::scalar<std::int64_t>(bands);
  return out;
}

std::vector<std::string> class_list(const std::string& name_or_path) {
  const auto& ours = embedded_class_lists();
  if (const std::string* text = embedded_text(ours, name_or_path)) return names_in(*text, name_or_path);
  if (!std::filesystem::exists(name_or_path))
    fail(ErrorKind::usage, "--classes {}: neither a file nor one of {}{}", name_or_path,
         joined(names_of(ours)), did_you_mean(name_or_path, names_of(ours)));
  return read_names(name_or_path);
}

}  // namespace melgrad
