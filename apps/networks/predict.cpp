// melgrad predict: the genre of songs.
#include <algorithm>
#include <filesystem>
#include <optional>

#include "apps/data/audio_files.h"
#include "apps/data/data_set.h"
#include "apps/data/extract.h"
#include "apps/processes/part.h"
#include "apps/terminal/interrupt.h"
#include "apps/training/train.h"
#include "io/audio/decode_ahead.h"
#include "io/audio/flaws.h"
#include "io/datasets/csv.h"
#include "io/files/json.h"
#include "kernels/text.h"
#include "models/runs/predictor.h"
#include "models/runs/run_record.h"
#include "models/training/task.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

struct PredictArguments {
  std::string model;
  std::vector<std::string> inputs;
  int top = 3;
  bool segments = false, csv = false;
  std::string mix;  // empty: as the network was trained
  std::optional<Part> part;
};

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
    out[classes[order[i]]] = decimal(probs[order[i]]);
  }
  return out;
}

nlohmann::ordered_json as_json(const fs::path& file, const Prediction& p,
                               const std::vector<std::string>& notes, const std::vector<std::string>& classes,
                               const PredictArguments& args) {
  nlohmann::ordered_json out = {{"file", file.string()},
                                {"genre", classes[most_probable_first(p.mean)[0]]},
                                {"probabilities", top_json(p.mean, classes, args.top)}};
  if (!notes.empty()) out["notes"] = notes;
  for (std::size_t s = 0; args.segments && s < p.starts.size(); ++s) {
    out["segments"].push_back(
        {{"start", p.starts[s]}, {"probabilities", top_json(p.segments[s], classes, args.top)}});
  }
  return out;
}

void print_text(const fs::path& file, const Prediction& p, const std::vector<std::string>& notes,
                const std::vector<std::string>& classes, const PredictArguments& args) {
  print("{}: {}{}\n", file.string(), top_text(p.mean, classes, args.top),
        notes.empty() ? "" : "  (" + joined(notes) + ")");
  for (std::size_t s = 0; args.segments && s < p.starts.size(); ++s) {
    print("  {:7.2f} s  {}\n", p.starts[s], top_text(p.segments[s], classes, args.top));
  }
}

// One row a file, or a segment: file, the answer (genres), a probability for each class, a note; of a file
// without an answer the note alone.
class CsvOutput {
 public:
  CsvOutput(std::vector<std::string> classes, bool tags, bool segments)
      : classes_(std::move(classes)), tags_(tags), segments_(segments) {
    std::string header = segments ? "file,start" : "file";
    if (!tags) header += ",genre,probability";
    for (const std::string& name : classes_) header += "," + csv_field(name);
    print("{},note\n", header);
  }

  void answer(const fs::path& file, const Prediction& p, const std::string& note) const {
    if (!segments_) row(file, "", p.mean, note);
    for (std::size_t s = 0; segments_ && s < p.starts.size(); ++s)
      row(file, fmt::format("{:.2f}", p.starts[s]), p.segments[s], note);
  }
  void failed(const fs::path& file, const std::string& why) const {
    const std::size_t empty = classes_.size() + (segments_ ? 1 : 0) + (tags_ ? 0 : 2) + 1;
    print("{}{}{}\n", csv_field(file.string()), std::string(empty, ','), csv_field(why));
  }

 private:
  void row(const fs::path& file, const std::string& start, const std::vector<float>& probabilities,
           const std::string& note) const {
    std::string line = csv_field(file.string());
    if (segments_) line += "," + start;
    const std::size_t best = most_probable_first(probabilities)[0];
    if (!tags_) line += fmt::format(",{},{:.4f}", csv_field(classes_[best]), probabilities[best]);
    for (const float p : probabilities) line += fmt::format(",{:.4f}", p);
    print("{},{}\n", line, csv_field(note));
  }

  std::vector<std::string> classes_;
  bool tags_, segments_;
};

void predict(Settings& settings, const PredictArguments& args) {
  expect_part(args.part);
  const auto device = open_device(settings);
  Predictor predictor(*device, args.model);
  if (fs::is_directory(args.model)) {
    const std::string note = untested(RunFolder::open(args.model));
    if (note.starts_with("was trained further")) say("{}: {}", args.model, note);
  }
  tell_of_features(predictor.recipe().features);
  auto results = nlohmann::ordered_json::array();
  std::optional<CsvOutput> csv;
  if (args.csv && settings.json) fail(ErrorKind::usage, "predict: --csv and --json: choose one");
  std::vector<LeftOut> left_out;
  std::vector<FilePart> files;
  for (std::size_t i = 0; FilePart & file : audio_files(args.inputs, settings.ffmpeg, left_out))
    if (!args.part || args.part->has(i++)) files.push_back(std::move(file));
  if (args.csv) csv.emplace(predictor.classes(), !task_of(predictor.recipe()).one_answer(), args.segments);
  tell_left_out(left_out, settings, results);
  MelOptions features = predictor.recipe().features;
  if (!args.mix.empty()) set_mel_field(features, "mix", args.mix);
  DecodeAhead decoded(files, features.sample_rate, {.mix = features.mix, .ffmpeg = settings.ffmpeg},
                      settings.threads);
  for (const FilePart& part : files) {
    const fs::path& file = part.path;
    if (interrupted()) {
      say("melgrad: stopped before {}; the files before it are answered", file.string());
      settings.exit_code = kExitInterrupted;
      break;
    }
    try {
      const Audio audio = decoded.next();
      const std::vector<std::string> notes = notes_of(audio);
      const Prediction p = predictor(audio, file.string());
      if (csv) csv->answer(file, p, joined(notes));
      else if (settings.json) results.push_back(as_json(file, p, notes, predictor.classes(), args));
      else print_text(file, p, notes, predictor.classes(), args);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::input) throw;
      say("skipped: {}", e.what());
      if (csv) csv->failed(file, e.what());
      if (settings.json) results.push_back({{"file", file.string()}, {"error", e.what()}});
      settings.exit_code = kExitProblemsFound;
    }
  }
  if (settings.json) print_json(results);
}

}  // namespace

void register_predict(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("predict", "the genre of audio files, with probabilities");
  auto args = std::make_shared<PredictArguments>();
  command->add_option("model", args->model, "run folder, model file, or a name of melgrad models")
      ->required();
  command->add_option("inputs", args->inputs, "audio files, folders and tar shards")->required();
  add_mix(*command, [args](const std::string& mix) { args->mix = mix; });
  command->add_option("--top", args->top, "how many genres to print")->positive()->capture_default_str();
  command->add_flag("--csv", args->csv,
                    "a table on standard output: file, genre, the probability of every class (or tag), and a "
                    "note where there is no answer");
  command->add_flag("--segments", args->segments, "the answer of every segment, with its start in seconds");
  add_part(*command, args->part, "files");
  command->callback([=, &settings] { predict(settings, *args); });
}

}  // namespace melgrad
