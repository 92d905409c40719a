// Networks that are called by name: model files in the user's folder for them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "models/recipes/recipe.h"

namespace melgrad {

// $MELGRAD_MODELS (empty: none), else $XDG_DATA_HOME/melgrad/models, else $HOME/.local/share/melgrad/models;
// none without any of them. It need not be there.
std::optional<std::filesystem::path> model_folder();

// NAME is the file NAME.safetensors or NAME.h5 in the folder.
struct ModelAtHand {
  std::string name, path;
  Recipe recipe;
  std::vector<std::string> classes;
  std::int64_t embedding = 0;  // its width
  std::string about;           // JSON, what import-weights noted of it (models/weights/published.h); or ""
};
// By name. What cannot be read is told in `problems`, a line each.
std::vector<ModelAtHand> models_at_hand(std::vector<std::string>& problems);

// `path_or_name` itself if it is a run folder or a file, else the file of the model of that name. Throws
// Error (input) where there is neither, with the nearest name.
std::string model_path(const std::string& path_or_name);
// The model file itself: of a run folder its model.h5. Throws Error (input) for a run that is not finished.
std::string model_file_path(const std::string& path_or_name);

}  // namespace melgrad
