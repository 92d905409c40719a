// melgrad embed: what a network makes of each track, as a table of vectors.
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
#include "io/datasets/open_data_set.h"
#include "io/files/hash.h"
#include "kernels/text.h"
#include "models/embeddings/embedding_writer.h"
#include "models/runs/model_library.h"
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
  EmbeddingTable about;
};

Collection of_data_set(const DataSet& set) {
  Collection out;
  out.about.classes = set.classes;
  const ClassIndex index(set.classes);
  for (const Track& track : set.tracks) {
    out.files.push_back(track.path);
    out.about.names.push_back(track.name);
    std::vector<std::uint8_t> labels(set.classes.size(), 0);
    for (const std::string& label : track.labels) labels[index(label)] = 1;
    out.about.labels.insert(out.about.labels.end(), labels.begin(), labels.end());
    for (std::size_t k = 0; k < set.columns.size(); ++k)
      out.about.columns[set.columns[k]].push_back(track.columns[k]);
  }
  return out;
}

// One folder or table that is a data set brings labels and columns; anything else is files and folders of
// them.
Collection collection(const EmbedArguments& args, Settings& settings, nlohmann::ordered_json& left_out_json) {
  if (args.inputs.size() == 1 && (fs::is_directory(args.inputs[0]) || is_table(args.inputs[0]))) {
    try {
      DataSetOptions options;
      options.ffmpeg = settings.ffmpeg;
      const DataSet set = open_data_set(args.inputs[0], options);
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

std::string file_of(const std::string& model) {
  const std::string path = model_path(model);
  return fs::is_directory(path) ? (fs::path(path) / "model.h5").string() : path;
}

void embed(Settings& settings, const EmbedArguments& args) {
  if (!args.out.ends_with(".h5") && !args.out.ends_with(".npy"))
    fail(ErrorKind::usage, "--out {}: must end with .h5 or .npy", args.out);
  const auto device = open_device(settings);
  Predictor predictor(*device, args.model);
  auto problems = nlohmann::ordered_json::array();
  const Collection all = collection(args, settings, problems);
  const bool segments = args.over == "segments";
  EmbeddingWriter writer(args.out, {args.model, xxh3_of_file(file_of(args.model)), segments});
  MelOptions features = predictor.recipe().features;
  if (!args.mix.empty()) set_mel_field(features, "mix", args.mix);

  struct Item {
    std::string name;
    std::uint64_t digest;
  };
  std::vector<Item> todo;
  std::vector<fs::path> files;
  for (std::size_t i = 0; i < all.files.size(); ++i) {
    const std::uint64_t digest = xxh3_of_file(all.files[i]);
    if (writer.has(all.about.names[i], digest)) continue;
    todo.push_back({all.about.names[i], digest});
    files.push_back(all.files[i]);
  }
  const std::size_t taken_over = all.files.size() - todo.size();
  DecodeAhead decoded(files, features.sample_rate, {.mix = features.mix, .ffmpeg = settings.ffmpeg},
                      settings.threads);
  std::optional<Progress> progress;
  if (!todo.empty()) progress.emplace("embed", std::ssize(todo), "files");
  for (std::size_t i = 0; i < todo.size(); ++i) {
    if (interrupted()) {
      progress.reset();
      say("melgrad: stopped after {} of {} files; the same command goes on from there", i, todo.size());
      settings.exit_code = kExitInterrupted;
      return;
    }
    try {
      const SegmentEmbeddings found = predictor.embed(decoded.next(), files[i].string());
      for (const float value : found.values)
        if (!std::isfinite(value))
          fail(ErrorKind::input, "{}: its embedding is not finite", files[i].string());
      if (segments) writer.add(todo[i].name, todo[i].digest, found.starts, found.values);
      else writer.add(todo[i].name, todo[i].digest, {0.0F}, found.mean());
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::input) throw;
      say("skipped: {}", e.what());
      problems.push_back({{"file", files[i].string()}, {"error", e.what()}});
      settings.exit_code = kExitProblemsFound;
    }
    if (progress) progress->update(static_cast<std::int64_t>(i + 1));
  }
  progress.reset();
  const std::int64_t rows = writer.finish(all.about);
  if (settings.json) {
    print_json(nlohmann::ordered_json{{"embeddings", args.out},
                                      {"rows", rows},
                                      {"files", all.files.size()},
                                      {"taken_over", taken_over},
                                      {"model", args.model},
                                      {"problems", problems}});
  } else {
    print("{}: {} {} of {} files by {}{}\n", args.out, rows, segments ? "segments" : "tracks",
          all.files.size(), args.model,
          taken_over > 0 ? fmt::format(", {} of them done before", taken_over) : "");
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
