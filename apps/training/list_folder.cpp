// The folder of a list of runs: what was asked for, the recipes, the features.
#include <filesystem>

#include "apps/training/run_list.h"
#include "apps/training/train.h"
#include "io/arrays/cache_parts.h"
#include "io/datasets/tar_shards.h"
#include "io/files/atomic_file.h"
#include "kernels/text.h"
#include "models/runs/run_record.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

[[noreturn]] void asked_otherwise(const std::string& file, const std::string& key, const std::string& there,
                                  const std::string& now) {
  fail(ErrorKind::usage, "{}: {} is {} there and {} now; choose another --out", file, key, there, now);
}

// What two processes ask for in one folder is the same.
void expect_same(const RunFolder& folder, const ordered_json& asked) {
  const ordered_json there = without_sessions(folder.read_json("run.json"));
  const auto text = [](const ordered_json& json, const std::string& key) {
    return json.contains(key) ? json_text(json[key]) : std::string("nothing");
  };
  for (const ordered_json* one : {&asked, &there})
    for (const auto& [key, value] : one->items())
      if (text(there, key) != text(asked, key))
        asked_otherwise(folder.file("run.json"), key, text(there, key), text(asked, key));
}

void expect_same(const std::string& file, const Recipe& recipe) {
  const auto there = recipe_fields(load_recipe(file)), now = recipe_fields(recipe);
  for (std::size_t i = 0; i < now.size(); ++i)
    if (there[i] != now[i])
      asked_otherwise(file, now[i].first, "'" + there[i].second + "'", "'" + now[i].second + "'");
}

using Recipes = std::map<std::string, Recipe>;  // by the names of their files

RunFolder join_list(const ListOptions& options, const std::string& name, const ordered_json& asked,
                    const Recipes& recipes) {
  if (options.out.empty() && options.part->count > 1)
    fail(ErrorKind::usage, "--part: name the folder that the parts share with --out");
  const RunFolder folder = RunFolder::join(options.out, name);
  // First, as run.json says that all is there.
  for (const auto& [file, recipe] : recipes)
    if (!write_file_once(folder.file(file), as_toml(recipe))) expect_same(folder.file(file), recipe);
  if (!write_file_once(folder.file("run.json"), json_text(asked, 2) + "\n")) expect_same(folder, asked);
  const std::string file = session_file(options.part);
  if (fs::exists(folder.file(file))) record_resumption(folder, {}, file);
  else folder.write_json(file, session_record());
  return folder;
}

}  // namespace

std::string session_file(const std::optional<Part>& part) {
  return part ? fmt::format("part-{}-of-{}.json", part->index, part->count) : "run.json";
}

void expect_data(const std::string& option, const std::string& data) {
  if (data == "-")
    fail(ErrorKind::usage, "{} -: standard input cannot be read again when the runs go on", option);
  if (!names_shards(data) && !has_cache(data)) fail(ErrorKind::input, "{}: no such file or folder", data);
}

RunFolder open_list(const ListOptions& options, const std::string& name, const ordered_json& asked,
                    const Recipes& recipes) {
  expect_part(options.part);
  if (options.part) return join_list(options, name, asked, recipes);
  if (!options.resume.empty()) {
    RunFolder folder = RunFolder::resume(options.resume);
    record_resumption(folder);
    return folder;
  }
  RunFolder folder = RunFolder::create(options.out, name);
  for (const auto& [file, recipe] : recipes) write_file_atomically(folder.file(file), as_toml(recipe));
  ordered_json run = asked;
  run.update(session_record());
  folder.write_json("run.json", run);
  return folder;
}

std::string features_of_list(const RunFolder& folder, const DataSetRequest& data, const Recipe& recipe,
                             const std::string& file, const std::optional<Part>& part, Device& device,
                             Settings& settings) {
  const std::string path = folder.file("features" + fs::path(file).stem().string().substr(6) + ".h5");
  if (part && part->count > 1 && has_cache(path)) return path;
  const auto audio = audio_of(data, settings);
  if (!audio) return data.path;
  if (part && part->count > 1)
    fail(ErrorKind::usage,
         "--part: {} is audio, and parts do not wait for another's features: melgrad extract {} --recipe {} "
         "--out {}{}{} makes them",
         data.path, data.path, folder.file(file), path, data.group.empty() ? "" : " --group " + data.group,
         data.classes_are_folders ? " --classes-are-folders" : "");
  extract_to(path, *audio, recipe.features, device, settings);
  return path;
}

}  // namespace melgrad
