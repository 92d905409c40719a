#include "models/runs/predictor.h"

#include <algorithm>
#include <numeric>

#include "io/files/hash.h"
#include "kernels/error.h"
#include "models/runs/model_library.h"
#include "models/runs/run_record.h"
#include "models/training/task.h"

namespace melgrad {
namespace {

LoadedModel load(Device& device, const std::string& file) {
  LoadedModel loaded = load_model(device, file);
  if (loaded.recipe.features.preset == "imported") {
    fail(ErrorKind::input, "{}: was trained on imported features; melgrad cannot compute those from audio",
         file);
  }
  return loaded;
}

}  // namespace

Predictor::Predictor(Device& device, const std::string& path)
    : device_(&device),
      file_(model_file_path(path)),
      loaded_(load(device, file_)),
      features_(device, loaded_.recipe.features),
      evaluator_(device, *loaded_.model, task_of(loaded_.recipe), loaded_.recipe.segment) {}

std::uint64_t Predictor::digest() const { return xxh3_of_file(file_); }

double Predictor::frame_seconds() const {
  return static_cast<double>(loaded_.recipe.features.hop_length) / loaded_.recipe.features.sample_rate;
}

// Samples go to the device, probabilities come back.
Prediction Predictor::operator()(const Audio& audio, const std::string& name) {
  const Tensor features = features_.on_device(audio.samples);
  return of_table({*device_, features, {{0, static_cast<std::int32_t>(features.dim(0)), 0}}}, name);
}

Prediction Predictor::of_features(const std::vector<float>& values, const std::string& name) {
  const std::int64_t bands = features_.tables().bands(), rows = std::ssize(values) / bands;
  return of_table(
      {*device_, values.data(), DType::f32, rows, bands, {{0, static_cast<std::int32_t>(rows), 0}}}, name);
}

std::vector<std::int64_t> Predictor::starts_of(const TrackTable& table, const std::string& name) const {
  const std::int64_t rows = table.tracks()[0].rows;
  SegmentOptions segment = loaded_.recipe.segment;
  segment.skip_last_start = false;
  const std::vector<std::int64_t> starts = segment_starts(rows, segment);
  if (starts.empty()) {
    fail(ErrorKind::input, "{}: {:.2f} s are too short; a segment lasts {:.2f} s", name,
         frame_seconds() * static_cast<double>(rows), frame_seconds() * static_cast<double>(segment.frames));
  }
  return starts;
}

SegmentEmbeddings Predictor::embed(const Audio& audio, const std::string& name) {
  const Tensor features = features_.on_device(audio.samples);
  return embed_table({*device_, features, {{0, static_cast<std::int32_t>(features.dim(0)), 0}}}, name);
}

SegmentEmbeddings Predictor::embed_features(const void* values, DType dtype, std::int64_t rows,
                                            const std::string& name) {
  const std::int64_t bands = features_.tables().bands();
  return embed_table({*device_, values, dtype, rows, bands, {{0, static_cast<std::int32_t>(rows), 0}}}, name);
}

SegmentEmbeddings Predictor::embed_table(const TrackTable& table, const std::string& name) {
  const std::vector<std::int64_t> starts = starts_of(table, name);
  SegmentEmbeddings out{{}, evaluator_.embeddings(table, starts)};
  for (const std::int64_t start : starts)
    out.starts.push_back(static_cast<float>(frame_seconds() * static_cast<double>(start)));
  return out;
}

Prediction Predictor::of_table(const TrackTable& table, const std::string& name) {
  const std::vector<std::int64_t> starts = starts_of(table, name);
  const std::vector<float> probs = evaluator_.probabilities(table, starts);

  const std::size_t classes = loaded_.classes.size();
  Prediction out{std::vector<float>(classes, 0.0F), {}, {}};
  for (std::size_t s = 0; s < starts.size(); ++s) {
    out.starts.push_back(frame_seconds() * static_cast<double>(starts[s]));
    out.segments.emplace_back(probs.begin() + static_cast<std::ptrdiff_t>(s * classes),
                              probs.begin() + static_cast<std::ptrdiff_t>((s + 1) * classes));
    for (std::size_t c = 0; c < classes; ++c)
      out.mean[c] += probs[s * classes + c] / static_cast<float>(starts.size());
  }
  return out;
}

std::vector<float> SegmentEmbeddings::mean() const {
  const std::size_t width = values.size() / starts.size();
  std::vector<double> sum(width, 0.0);
  for (std::size_t i = 0; i < values.size(); ++i) sum[i % width] += values[i];
  std::vector<float> mean;
  for (const double s : sum) mean.push_back(static_cast<float>(s / static_cast<double>(starts.size())));
  return mean;
}

std::vector<std::size_t> most_probable_first(const std::vector<float>& probabilities) {
  std::vector<std::size_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return probabilities[a] > probabilities[b]; });
  return order;
}

}  // namespace melgrad
