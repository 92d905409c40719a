// melgrad predict: the genre of songs.
#include <algorithm>
#include <filesystem>
#include <numeric>

#include "apps/interrupt.h"
#include "apps/train.h"
#include "engine/feature_extractor.h"
#include "io/audio.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string model;
  std::vector<std::string> inputs;
  int top = 3;
  bool segments = false;
};

struct Prediction {
  std::vector<float> mean;                   // [classes]
  std::vector<double> starts;                // seconds, one per segment
  std::vector<std::vector<float>> segments;  // [segments][classes]
};

// Audio files among the inputs; folders are searched, in a fixed order.
std::vector<fs::path> audio_files(const std::vector<std::string>& inputs) {
  std::vector<fs::path> files;
  for (const std::string& input : inputs) {
    if (!fs::is_directory(input)) {
      files.emplace_back(input);
      continue;
    }
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(input)) {
      if (entry.is_regular_file() && has_audio_extension(entry.path())) found.push_back(entry.path());
    }
    if (found.empty()) fail(ErrorKind::input, "{}: no audio files in this folder", input);
    std::sort(found.begin(), found.end());
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

class Predictor {
 public:
  Predictor(Device& device, LoadedModel loaded)
      : device_(&device),
        loaded_(std::move(loaded)),
        features_(device, loaded_.recipe.features),
        evaluator_(device, *loaded_.model, loaded_.recipe.task == "tags", loaded_.recipe.segment.frames) {}

  Prediction operator()(const fs::path& path) {
    const MelOptions& mel = loaded_.recipe.features;
    const Audio audio = read_audio(path, mel.sample_rate);
    const std::vector<float> values = features_(audio.samples);
    const std::int64_t bands = features_.tables().bands(),
                       rows = static_cast<std::int64_t>(values.size()) / bands;
    SegmentOptions segment = loaded_.recipe.segment;
    segment.skip_last_start = false;
    const std::vector<std::int64_t> starts = segment_starts(rows, segment);
    const double frame = static_cast<double>(mel.hop_length) / mel.sample_rate;
    if (starts.empty()) {
      fail(ErrorKind::input, "{}: {:.2f} s are too short; a segment lasts {:.2f} s", path.string(),
           audio.seconds(), frame * static_cast<double>(segment.frames));
    }
    const TrackTable table(*device_, values.data(), DType::f32, rows, bands,
                           {{0, static_cast<std::int32_t>(rows), 0}});
    const std::vector<float> probs = evaluator_.probabilities(table, starts);

    const std::size_t classes = loaded_.classes.size();
    Prediction out{std::vector<float>(classes, 0.0F), {}, {}};
    for (std::size_t s = 0; s < starts.size(); ++s) {
      out.starts.push_back(frame * static_cast<double>(starts[s]));
      out.segments.emplace_back(probs.begin() + static_cast<std::ptrdiff_t>(s * classes),
                                probs.begin() + static_cast<std::ptrdiff_t>((s + 1) * classes));
      for (std::size_t c = 0; c < classes; ++c)
        out.mean[c] += probs[s * classes + c] / static_cast<float>(starts.size());
    }
    return out;
  }
  const std::vector<std::string>& classes() const { return loaded_.classes; }

 private:
  Device* device_;
  LoadedModel loaded_;
  FeatureExtractor features_;
  Evaluator evaluator_;
};

std::vector<std::size_t> best_first(const std::vector<float>& probs) {
  std::vector<std::size_t> order(probs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return probs[a] > probs[b]; });
  return order;
}

std::string top_text(const std::vector<float>& probs, const std::vector<std::string>& classes, int top) {
  std::string text;
  const auto order = best_first(probs);
  for (std::size_t i = 0; i < std::min<std::size_t>(order.size(), static_cast<std::size_t>(top)); ++i) {
    text += fmt::format("{}{} {:.3f}", i ? "  " : "", classes[order[i]], probs[order[i]]);
  }
  return text;
}

nlohmann::ordered_json top_json(const std::vector<float>& probs, const std::vector<std::string>& classes,
                                int top) {
  nlohmann::ordered_json out;
  const auto order = best_first(probs);
  for (std::size_t i = 0; i < std::min<std::size_t>(order.size(), static_cast<std::size_t>(top)); ++i) {
    out[classes[order[i]]] = probs[order[i]];
  }
  return out;
}

nlohmann::ordered_json as_json(const fs::path& file, const Prediction& p,
                               const std::vector<std::string>& classes, const Arguments& args) {
  nlohmann::ordered_json out = {{"file", file.string()},
                                {"genre", classes[best_first(p.mean)[0]]},
                                {"probabilities", top_json(p.mean, classes, args.top)}};
  for (std::size_t s = 0; args.segments && s < p.starts.size(); ++s) {
    out["segments"].push_back(
        {{"start", p.starts[s]}, {"probabilities", top_json(p.segments[s], classes, args.top)}});
  }
  return out;
}

void print_text(const fs::path& file, const Prediction& p, const std::vector<std::string>& classes,
                const Arguments& args) {
  fmt::print("{}: {}\n", file.string(), top_text(p.mean, classes, args.top));
  for (std::size_t s = 0; args.segments && s < p.starts.size(); ++s) {
    fmt::print("  {:7.2f} s  {}\n", p.starts[s], top_text(p.segments[s], classes, args.top));
  }
}

std::string model_file(const std::string& path) {
  if (!fs::exists(path)) fail(ErrorKind::input, "{}: no such run folder or model file", path);
  if (!fs::is_directory(path)) return path;
  const std::string file = (fs::path(path) / "model.h5").string();
  if (!fs::exists(file)) fail(ErrorKind::input, "{}: has no model.h5; is its training finished?", path);
  return file;
}

void predict(Settings& settings, const Arguments& args) {
  const auto device = open_device(settings);
  const std::string path = model_file(args.model);
  LoadedModel loaded = load_model(*device, path);
  if (loaded.recipe.features.preset == "imported") {
    fail(ErrorKind::input, "{}: was trained on imported features; melgrad cannot compute those from audio",
         path);
  }
  Predictor predictor(*device, std::move(loaded));
  auto results = nlohmann::ordered_json::array();
  for (const fs::path& file : audio_files(args.inputs)) {
    if (interrupted()) {
      settings.exit_code = kExitInterrupted;
      break;
    }
    try {
      const Prediction p = predictor(file);
      if (settings.json) results.push_back(as_json(file, p, predictor.classes(), args));
      else print_text(file, p, predictor.classes(), args);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::input) throw;
      fmt::print(stderr, "skipped: {}\n", e.what());
      if (settings.json) results.push_back({{"file", file.string()}, {"error", e.what()}});
      settings.exit_code = kExitProblemsFound;
    }
  }
  if (settings.json) fmt::print("{}\n", results.dump(2));
}

}  // namespace

void register_predict(CLI::App& root, Settings& settings) {
  auto* command = root.add_subcommand("predict", "the genre of audio files, with probabilities");
  auto args = std::make_shared<Arguments>();
  command->add_option("model", args->model, "run folder or model.h5")->required();
  command->add_option("inputs", args->inputs, "audio files and folders")->required();
  command->add_option("--top", args->top, "how many genres to print")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_flag("--segments", args->segments, "the answer of every segment, with its start in seconds");
  command->callback([=, &settings] { predict(settings, *args); });
}

}  // namespace melgrad
