#include "models/runs/model_library.h"

#include <algorithm>

#include "io/files/json.h"
#include "io/files/user_folder.h"
#include "kernels/text.h"
#include "models/networks/networks.h"
#include "models/runs/run_record.h"
#include "models/training/model_file.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

// Model files by their names; of one name the .safetensors.
std::vector<std::pair<std::string, std::string>> files_at_hand() {
  std::vector<std::pair<std::string, std::string>> files;
  std::error_code error;
  for (fs::directory_iterator at(model_folder().value_or(""), error), end; !error && at != end;
       at.increment(error)) {
    const fs::path& path = at->path();
    if (path.extension() == ".safetensors" || path.extension() == ".h5")
      files.emplace_back(path.stem().string(), path.string());
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  });
  files.erase(std::unique(files.begin(), files.end(),
                          [](const auto& a, const auto& b) { return a.first == b.first; }),
              files.end());
  return files;
}

ModelAtHand described(const std::string& name, const std::string& path) {
  const Checkpoint file = read_model_file(path);
  ModelAtHand out{name, path, parse_recipe(file.need_text("recipe", path), path), {}, 0, ""};
  reading_json(path + ": classes", [&] { parse_json(file.need_text("classes", path)).get_to(out.classes); });
  const auto model =
      make_model(out.recipe.model, {out.recipe.segment.frames, file.need_scalar<std::int64_t>("bands", path)},
                 std::ssize(out.classes));
  for (const Param& param : model->params().all())
    if (param.shape.rank() == 2) out.embedding = param.shape[1];  // of the last layer, [classes, width]
  const auto about = file.text.find("about");
  if (about != file.text.end()) out.about = about->second;
  return out;
}

}  // namespace

std::optional<fs::path> model_folder() {
  return user_folder("MELGRAD_MODELS", "XDG_DATA_HOME", ".local/share", "melgrad/models");
}

std::vector<ModelAtHand> models_at_hand(std::vector<std::string>& problems) {
  std::vector<ModelAtHand> models;
  for (const auto& [name, path] : files_at_hand()) {
    try {
      models.push_back(described(name, path));
    } catch (const Error& e) {
      problems.emplace_back(e.what());
    }
  }
  return models;
}

std::string model_path(const std::string& path_or_name) {
  if (fs::exists(path_or_name)) return path_or_name;
  std::vector<std::string> names;
  for (const auto& [name, path] : files_at_hand()) {
    if (name == path_or_name) return path;
    names.push_back(name);
  }
  fail(ErrorKind::input, "{}: neither a run folder nor a model file nor one of melgrad models{}",
       path_or_name, did_you_mean(path_or_name, names));
}

std::string model_file_path(const std::string& path_or_name) {
  const std::string path = model_path(path_or_name);
  const std::string file = fs::is_directory(path) ? (fs::path(path) / "model.h5").string() : path;
  if (!fs::exists(file)) fail(ErrorKind::input, "{}: {}", path, unfinished(RunFolder::open(path)));
  return file;
}

}  // namespace melgrad
