#include "models/training/transfer.h"

#include <algorithm>
#include <fnmatch.h>

#include "io/files/json.h"
#include "kernels/text.h"
#include "models/networks/networks.h"
#include "models/training/model_file.h"

namespace melgrad {
namespace {

// "a.*, b" -> "a.*", "b"
std::vector<std::string> listed(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    const std::size_t first = text.find_first_not_of(' ', from);
    const std::string word = first < comma ? text.substr(first, comma - first) : "";
    if (!word.empty()) out.push_back(word.substr(0, word.find_last_not_of(' ') + 1));
    from = comma + 1;
  }
  return out;
}

bool fits(const std::string& pattern, const std::string& name) {
  return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

[[noreturn]] void fits_none(const char* key, const std::string& pattern, const ParamStore& params) {
  std::vector<std::string> parts;  // "block1" of "block1.conv.weight"
  for (const Param& p : params.all()) {
    const std::string part = p.name.substr(0, p.name.find('.'));
    if (std::find(parts.begin(), parts.end(), part) == parts.end()) parts.push_back(part);
  }
  fail(ErrorKind::usage, "{}: no parameter is called {}; the network has {}", key, printable(pattern),
       joined(parts));
}

void freeze(ParamStore& params, const std::string& pattern, const std::set<std::string>& last) {
  bool any = false;
  for (Param& p : params.all()) {
    if (!fits(pattern, p.name)) continue;
    any = true;
    if (!last.contains(p.name)) p.trainable = false;
  }
  if (!any) fits_none("train.freeze", pattern, params);
}

// "block1.* 0.1"
void slow_down(ParamStore& params, const std::string& text, std::set<std::string>& done) {
  const std::size_t space = text.rfind(' ');
  const auto factor = space == std::string::npos ? std::nullopt : number_in<double>(text.substr(space + 1));
  if (!factor || !(*factor > 0) || *factor > 1e6)
    fail(ErrorKind::usage, "train.rates: \"{}\" must be a pattern and a factor above 0, as in block1.* 0.1",
         text);
  const std::string pattern = text.substr(0, text.find_last_not_of(' ', space) + 1);
  bool any = false;
  for (Param& p : params.all()) {
    if (!fits(pattern, p.name)) continue;
    any = true;
    if (done.insert(p.name).second) p.rate = *factor;
  }
  if (!any) fits_none("train.rates", pattern, params);
}

void expect_same_input(const Recipe& recipe, const Recipe& theirs, const std::string& path) {
  const auto differs = [&](const std::string& what) {
    fail(ErrorKind::input,
         "{}: its weights are for another input: {}; train with its own recipe, or extract anew", path, what);
  };
  if ((recipe.features.preset == "imported") != (theirs.features.preset == "imported"))
    differs(fmt::format("features.preset: {} against {}", theirs.features.preset, recipe.features.preset));
  if (const std::string what = mel_difference(theirs.features, recipe.features); !what.empty())
    differs("features." + what);
  if (recipe.input.standardise != theirs.input.standardise)
    differs(fmt::format("input.standardise: {} against {}", name_of(theirs.input.standardise),
                        name_of(recipe.input.standardise)));
}

}  // namespace

std::set<std::string> last_layer(const Recipe& recipe, std::int64_t bands, std::size_t classes) {
  const auto declared = [&](std::size_t count) {
    return make_model(recipe.model, {recipe.segment.frames, bands}, static_cast<std::int64_t>(count));
  };
  const auto model = declared(classes), wider = declared(classes + 1);
  std::set<std::string> names;
  auto other = wider->params().all().begin();
  for (const Param& p : model->params().all())
    if (!(p.shape == (other++)->shape)) names.insert(p.name);
  return names;
}

void set_rates(ParamStore& params, const Recipe& recipe, const std::set<std::string>& last) {
  std::set<std::string> done;
  for (const std::string& pattern : listed(recipe.train.freeze)) freeze(params, pattern, last);
  for (const std::string& text : listed(recipe.train.rates)) slow_down(params, text, done);
}

void expect_network(const Recipe& recipe, std::int64_t bands) {
  constexpr std::size_t kClasses = 2;
  const auto model = make_model(recipe.model, {recipe.segment.frames, bands}, kClasses);
  set_rates(model->params(), recipe, last_layer(recipe, bands, kClasses));
}

void expect_same_network(const Recipe& recipe, const Checkpoint& file, const std::string& path) {
  const Recipe theirs = parse_recipe(file.need_text("recipe", path), path);
  if (theirs.model.architecture != recipe.model.architecture)
    fail(ErrorKind::input, "{}: holds a {}, the recipe asks for a {}", path, theirs.model.architecture,
         recipe.model.architecture);
  expect_same_input(recipe, theirs, path);
}

bool start_from(Device& device, Model& model, const Recipe& recipe, std::int64_t bands,
                const std::vector<std::string>& classes, const Checkpoint& file, const std::string& path) {
  expect_same_network(recipe, file, path);
  std::vector<std::string> their_classes;
  reading_json(path + ": classes",
               [&] { parse_json(file.need_text("classes", path)).get_to(their_classes); });
  const bool same = their_classes == classes;
  const auto last = same ? std::set<std::string>() : last_layer(recipe, bands, classes.size());
  load_weights(device, model, last, recipe, file, path);
  return same;
}

}  // namespace melgrad
