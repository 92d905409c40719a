// melgrad embed: what a network makes of each track, as a table of vectors.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "apps/audio_files.h"
#include "apps/data_set.h"
#include "apps/extract.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/progress.h"
#include "io/audio/decode_ahead.h"
#include "io/audio/flaws.h"
#include "io/files/hash.h"
#include "kernels/text.h"
#include "models/embeddings/embedding_writer.h"
#include "models/runs/predictor.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

struct EmbedArguments {
  std::string model, out, over = "track", mix;
  std::vector<std::string> inputs;
};

// What is to be embedded, and what is known of it; `about` has a row for each file.
struct Collection {
  std::vector<fs::path> files;
  std::vector<double> min_seconds;  // as Track::min_seconds
  EmbeddingTable about;
};

Collection of_data_set(const DataSet& set) {
  Collection out;
  out.about.classes = set.classes;
  const ClassIndex index(set.classes);
  for (const Track& track : set.tracks) {
    out.files.push_back(track.path);
    out.min_seconds.push_back(track.min_seconds);
    out.about.names.push_back(track.name);
    std::vector<std::uint8_t> labels(set.classes.size(), 0);
    for (const std::string& label : track.labels) labels[index(label)] = 1;
    out.about.labels.insert(out.about.labels.end(), labels.begin(), labels.end());
    for (std::size_t k = 0; k < set.columns.size(); ++k)
      out.about.columns[set.columns[k]].push_back(track.columns[k]);
    out.about.columns["split"].push_back(track.split);
  }
  const auto& splits = out.about.columns["split"];
  if (std::all_of(splits.begin(), splits.end(), [](const auto& split) { return split.empty(); }))
    out.about.columns.erase("split");
  return out;
}

// One folder or table that is a data set brings labels and columns; anything else is files and folders of
// them.
Collection collection(const EmbedArguments& args, Settings& settings, nlohmann::ordered_json& left_out_json) {
  if (args.inputs.size() == 1 && (fs::is_directory(args.inputs[0]) || is_table(args.inputs[0]))) {
    try {
      DataSetRequest request;
      request.path = args.inputs[0];
      request.splits = true;  // its columns are kept
      const DataSet set = open_data_set(request, settings);
      expect_files(set);
      tell_left_out(set.skipped, settings, left_out_json);
      return of_data_set(set);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::input || is_table(args.inputs[0])) throw;
      say("note: taken as files without labels: {}", e.what());
    }
  }
  std::vector<LeftOut> left_out;
  Collection out;
  out.files = audio_files(args.inputs, settings.ffmpeg, left_out);
  out.min_seconds.resize(out.files.size(), 0);
  tell_left_out(left_out, settings, left_out_json);
  const bool one_folder = args.inputs.size() == 1 && fs::is_directory(args.inputs[0]);
  for (const fs::path& file : out.files)
    out.about.names.push_back(
        as_utf8((one_folder ? file.lexically_relative(args.inputs[0]) : file).generic_string()));
  std::set<std::string> seen;
  for (const std::string& name : out.about.names)
    if (!seen.insert(name).second) fail(ErrorKind::usage, "{}: is named twice", name);
  return out;
}

// Embeds what is not done yet of a collection. Returns false where it was stopped.
class Embedding {
 public:
  Embedding(Settings& settings, Predictor& predictor, EmbeddingWriter& writer, const EmbeddingModel& model)
      : settings_(&settings), predictor_(&predictor), writer_(&writer), model_(&model) {}

  bool operator()(const Collection& all) {
    const std::vector<std::size_t> waiting = not_done(all);
    taken_over = all.files.size() - waiting.size();
    std::vector<fs::path> files;
    for (const std::size_t i : waiting) files.push_back(all.files[i]);
    MelOptions features = predictor_->recipe().features;
    set_mel_field(features, "mix", model_->mix);
    DecodeAhead decoded(files, features.sample_rate, {.mix = features.mix, .ffmpeg = settings_->ffmpeg},
                        settings_->threads);
    std::optional<Progress> progress;
    if (!waiting.empty()) progress.emplace("embed", std::ssize(waiting), "files");
    for (std::size_t k = 0; k < waiting.size(); ++k) {
      if (interrupted()) {
        progress.reset();
        say("melgrad: stopped after {} of {} files; the same command goes on from there", k, waiting.size());
        return false;
      }
      add(all.about.names[waiting[k]], files[k], all.min_seconds[waiting[k]], decoded);
      progress->update(static_cast<std::int64_t>(k + 1));
    }
    return true;
  }

  std::size_t taken_over = 0;
  nlohmann::ordered_json problems = nlohmann::ordered_json::array();

 private:
  // Files with a row are read for their digest; of all others it is taken when they are embedded.
  std::vector<std::size_t> not_done(const Collection& all) const {
    std::vector<std::size_t> waiting;
    for (std::size_t i = 0; i < all.files.size(); ++i) {
      const std::uint64_t made_of = writer_->made_of(all.about.names[i]);
      if (made_of == 0 || interrupted() || xxh3_of_file(all.files[i]) != made_of) waiting.push_back(i);
    }
    return waiting;
  }

  void add(const std::string& name, const fs::path& file, double min_seconds, DecodeAhead& decoded) {
    try {
      const Audio audio = decoded.next();
      if (audio.seconds() < min_seconds)
        fail(ErrorKind::input, "{}: {:.2f} s could be decoded of at least {:g} s; the file is damaged",
             file.string(), audio.seconds(), min_seconds);
      if (const auto notes = notes_of(audio); !notes.empty()) say("{}: {}", file.string(), joined(notes));
      const SegmentEmbeddings found = predictor_->embed(audio, file.string());
      for (const float value : found.values)
        if (!std::isfinite(value)) fail(ErrorKind::input, "{}: its embedding is not finite", file.string());
      if (model_->segments) writer_->add(name, xxh3_of_file(file), found.starts, found.values);
      else writer_->add(name, xxh3_of_file(file), {0.0F}, found.mean());
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::input) throw;
      writer_->forget(name);  // what was made of an earlier file of that name
      say("skipped: {}", e.what());
      problems.push_back({{"file", file.string()}, {"error", e.what()}});
      settings_->exit_code = kExitProblemsFound;
    }
  }

  Settings* settings_;
  Predictor* predictor_;
  EmbeddingWriter* writer_;
  const EmbeddingModel* model_;
};

void embed(Settings& settings, const EmbedArguments& args) {
  if (!args.out.ends_with(".h5") && !args.out.ends_with(".npy"))
    fail(ErrorKind::usage, "--out {}: must end with .h5 or .npy", args.out);
  const auto device = open_device(settings);
  Predictor predictor(*device, args.model);
  tell_of_features(predictor.recipe().features);
  EmbeddingModel model = {args.model, predictor.digest(), args.over == "segments", args.mix};
  for (const auto& [field, value] : mel_fields(predictor.recipe().features))
    if (field == "mix" && args.mix.empty()) model.mix = value;
  auto left_out = nlohmann::ordered_json::array();
  const Collection all = collection(args, settings, left_out);
  EmbeddingWriter writer(args.out, model);
  Embedding embedding(settings, predictor, writer, model);
  if (!embedding(all)) {
    settings.exit_code = kExitInterrupted;
    return;
  }
  const std::int64_t rows = writer.finish(all.about);
  if (settings.json) {
    for (auto& problem : embedding.problems) left_out.push_back(std::move(problem));
    print_json(nlohmann::ordered_json{{"embeddings", args.out},
                                      {"rows", rows},
                                      {"files", all.files.size()},
                                      {"taken_over", embedding.taken_over},
                                      {"model", args.model},
                                      {"problems", left_out}});
  } else {
    print("{}: {} {} of {} files by {}{}\n", args.out, rows, model.segments ? "segments" : "tracks",
          all.files.size(), args.model,
          embedding.taken_over > 0 ? fmt::format(", {} of them done before", embedding.taken_over) : "");
  }
}

}  // namespace

void register_embed(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("embed", "a vector for each track: what a network's last layer sees");
  auto args = std::make_shared<EmbedArguments>();
  command->add_option("model", args->model, "run folder, model file, or a name of melgrad models")
      ->required();
  command->add_option("inputs", args->inputs, "a data set (its labels are kept), or audio files and folders")
      ->required();
  command->add_option("--out", args->out, "table to write or to complete: .h5, or .npy with a file of names")
      ->required();
  command->add_option("--over", args->over, "one vector for a track, or for each of its segments")
      ->is_member({"track", "segments"})
      ->capture_default_str();
  add_mix(*command, [args](const std::string& mix) { args->mix = mix; });
  command->callback([=, &settings] { embed(settings, *args); });
}

}  // namespace melgrad
