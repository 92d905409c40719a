// melgrad predict: the genre of songs.
#include <algorithm>
#include <deque>
#include <filesystem>
#include <future>
#include <thread>

#include "apps/interrupt.h"
#include "apps/predictor.h"
#include "apps/train.h"
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

std::string top_text(const std::vector<float>& probs, const std::vector<std::string>& classes, int top) {
  std::string text;
  const auto order = most_probable_first(probs);
  for (std::size_t i = 0; i < std::min<std::size_t>(order.size(), static_cast<std::size_t>(top)); ++i) {
    text += fmt::format("{}{} {:.3f}", i ? "  " : "", classes[order[i]], probs[order[i]]);
  }
  return text;
}

nlohmann::ordered_json top_json(const std::vector<float>& probs, const std::vector<std::string>& classes,
                                int top) {
  nlohmann::ordered_json out;
  const auto order = most_probable_first(probs);
  for (std::size_t i = 0; i < std::min<std::size_t>(order.size(), static_cast<std::size_t>(top)); ++i) {
    out[classes[order[i]]] = probs[order[i]];
  }
  return out;
}

nlohmann::ordered_json as_json(const fs::path& file, const Prediction& p,
                               const std::vector<std::string>& classes, const Arguments& args) {
  nlohmann::ordered_json out = {{"file", file.string()},
                                {"genre", classes[most_probable_first(p.mean)[0]]},
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

// Decodes files in order, ahead of whoever asks for them, as many at once as there are threads. With one
// thread a file is decoded when it is asked for.
class DecodeAhead {
 public:
  DecodeAhead(const std::vector<fs::path>& files, int sample_rate, int threads)
      : files_(files),
        rate_(sample_rate),
        threads_(threads > 0 ? static_cast<std::size_t>(threads)
                             : std::max<std::size_t>(1, std::thread::hardware_concurrency())) {}

  // Throws what read_audio threw for that file.
  Audio next() {
    const auto policy = threads_ == 1 ? std::launch::deferred : std::launch::async | std::launch::deferred;
    for (; started_ < files_.size() && ahead_.size() <= threads_; ++started_)
      ahead_.push_back(std::async(policy, read_audio, files_[started_], rate_, AudioOptions{}));
    std::future<Audio> first = std::move(ahead_.front());
    ahead_.pop_front();
    return first.get();
  }

 private:
  const std::vector<fs::path>& files_;
  int rate_;
  std::size_t threads_, started_ = 0;
  std::deque<std::future<Audio>> ahead_;
};

void predict(Settings& settings, const Arguments& args) {
  const auto device = open_device(settings);
  Predictor predictor(*device, args.model);
  auto results = nlohmann::ordered_json::array();
  const std::vector<fs::path> files = audio_files(args.inputs);
  DecodeAhead audio(files, predictor.recipe().features.sample_rate, settings.threads);
  for (const fs::path& file : files) {
    if (interrupted()) {
      settings.exit_code = kExitInterrupted;
      break;
    }
    try {
      const Prediction p = predictor(audio.next(), file.string());
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
