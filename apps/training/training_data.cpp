// What commands that train begin with: a data set of audio or a cache, and the features of the first.
#include "apps/data/extract.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/screen.h"
#include "apps/training/train.h"
#include "io/datasets/open_data_set.h"

namespace melgrad {

DataSetRequest data_request(const RunRequest& request) {
  DataSetRequest data;
  data.path = request.data;
  data.classes_are_folders = request.classes_are_folders;
  data.group = request.group;
  data.splits = true;
  return data;
}

std::optional<DataSet> audio_of(const DataSetRequest& data, const Settings& settings) {
  if (!names_sound(data.path)) return std::nullopt;
  return open_data_set(data, settings);
}

void extract_to(const std::string& cache, const DataSet& set, const MelOptions& mel, Device& device,
                Settings& settings) {
  const auto store = feature_store(settings);
  const ExtractResult result =
      extract_shown(set, mel, DType::f32, device, settings.threads, cache, store ? &*store : nullptr);
  if (store && result.resumed > 0)
    say("{} of {} tracks were computed before (melgrad cache)", result.resumed, result.items);
  if (result.interrupted) {
    throw Interrupted{fmt::format("{} is not complete; melgrad extract {} --out {} goes on where it stopped",
                                  cache, set.root.string(), cache)};
  }
  if (result.skipped > 0) settings.exit_code = kExitProblemsFound;
}

}  // namespace melgrad
