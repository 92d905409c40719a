// melgrad embed: what a network makes of each track, as a table of vectors.
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/data/data_set.h"
#include "apps/data/extract.h"
#include "apps/embeddings/embed_tracks.h"
#include "apps/processes/part.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/progress.h"
#include "io/files/hash.h"
#include "models/embeddings/embedding_writer.h"

namespace melgrad {
namespace {

struct EmbedArguments {
  std::string model, out, over = "track", mix;
  std::vector<std::string> inputs;
  std::optional<Part> part;
};

// Embeds what is not done yet of some tracks. Returns false where it was stopped.
class Embedding {
 public:
  Embedding(Settings& settings, Predictor& predictor, EmbeddingWriter& writer, const EmbeddingModel& model,
            Part part)
      : settings_(&settings), predictor_(&predictor), writer_(&writer), model_(&model), part_(part) {}

  bool operator()(TracksToEmbed& all) {
    const std::vector<std::size_t> waiting = not_done(all);
    taken_over = files - waiting.size();
    all.begin(waiting, model_->mix);
    std::optional<Progress> progress;
    if (!waiting.empty()) progress.emplace("embed", std::ssize(waiting), "tracks");
    for (std::size_t k = 0; k < waiting.size(); ++k) {
      if (interrupted()) {
        progress.reset();
        say("melgrad: stopped after {} of {} tracks; the same command goes on from there", k, waiting.size());
        return false;
      }
      add(all, waiting[k]);
      progress->update(static_cast<std::int64_t>(k + 1));
    }
    return true;
  }

  std::size_t files = 0, taken_over = 0;
  nlohmann::ordered_json problems = nlohmann::ordered_json::array();

 private:
  // Files with a row are read for their digest; of all others it is taken when they are embedded.
  std::vector<std::size_t> not_done(const TracksToEmbed& all) {
    std::vector<std::size_t> waiting;
    for (std::size_t i = 0; i < all.places.size(); ++i) {
      if (!part_.has(i)) continue;
      ++files;
      const std::uint64_t made_of = writer_->made_of(all.about.names[i]);
      if (made_of == 0 || interrupted() || all.digest(i) != made_of) waiting.push_back(i);
    }
    return waiting;
  }

  void add(TracksToEmbed& all, std::size_t i) {
    const std::string& name = all.about.names[i];
    try {
      const SegmentEmbeddings found = all.next(*predictor_);
      for (const float value : found.values)
        if (!std::isfinite(value)) fail(ErrorKind::input, "{}: its embedding is not finite", all.places[i]);
      if (model_->segments) writer_->add(name, all.digest(i), found.starts, found.values);
      else writer_->add(name, all.digest(i), {0.0F}, found.mean());
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::input) throw;
      writer_->forget(name);  // what was made of an earlier file of that name
      say("skipped: {}", e.what());
      problems.push_back({{"file", all.places[i]}, {"error", e.what()}});
      settings_->exit_code = kExitProblemsFound;
    }
  }

  Settings* settings_;
  Predictor* predictor_;
  EmbeddingWriter* writer_;
  const EmbeddingModel* model_;
  Part part_;
};

void embed(Settings& settings, const EmbedArguments& args) {
  expect_part(args.part);
  if (!args.out.ends_with(".h5") && !args.out.ends_with(".npy"))
    fail(ErrorKind::usage, "--out {}: must end with .h5 or .npy", args.out);
  if (args.part && !args.out.ends_with(".h5"))
    fail(ErrorKind::usage, "--out {}: a part must end with .h5", args.out);
  const auto device = open_device(settings);
  Predictor predictor(*device, args.model);
  tell_of_features(predictor.recipe().features);
  EmbeddingModel model = {args.model, predictor.digest(), args.over == "segments", args.mix};
  for (const auto& [field, value] : mel_fields(predictor.recipe().features))
    if (field == "mix" && args.mix.empty()) model.mix = value;
  auto left_out = nlohmann::ordered_json::array();
  const auto all = tracks_to_embed(args.inputs, predictor.recipe().features, settings, left_out);
  if (!all->mix.empty()) {
    if (!args.mix.empty()) fail(ErrorKind::usage, "--mix: plays no part: {} is a cache", args.inputs[0]);
    model.mix = all->mix;
  }
  const std::string out = args.part ? part_path(args.out, *args.part) : args.out;
  EmbeddingWriter writer(out, model);
  Embedding embedding(settings, predictor, writer, model, args.part.value_or(Part{}));
  if (!embedding(*all)) {
    settings.exit_code = kExitInterrupted;
    return;
  }
  std::optional<PartOf> part;
  if (args.part) part = {*args.part, xxh3_of_texts(all->about.names)};
  const std::int64_t rows = writer.finish(all->about, part);
  if (settings.json) {
    for (auto& problem : embedding.problems) left_out.push_back(std::move(problem));
    print_json(nlohmann::ordered_json{{"embeddings", out},
                                      {"rows", rows},
                                      {"files", embedding.files},
                                      {"taken_over", embedding.taken_over},
                                      {"model", args.model},
                                      {"problems", left_out}});
  } else {
    print("{}: {}{} of {} tracks by {}{}\n", out, rows, model.segments ? " segments" : "", embedding.files,
          args.model,
          embedding.taken_over > 0 ? fmt::format(", {} of them done before", embedding.taken_over) : "");
  }
}

}  // namespace

void register_embed(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("embed", "a vector for each track: what a network's last layer sees");
  auto args = std::make_shared<EmbedArguments>();
  command->add_option("model", args->model, "run folder, model file, or a name of melgrad models")
      ->required();
  command
      ->add_option("inputs", args->inputs,
                   "a data set or a feature cache (labels are kept), or audio files and folders")
      ->required();
  command->add_option("--out", args->out, "table to write or to complete: .h5, or .npy with a file of names")
      ->required();
  command->add_option("--over", args->over, "one vector for a track, or for each of its segments")
      ->is_member({"track", "segments"})
      ->capture_default_str();
  add_mix(*command, [args](const std::string& mix) { args->mix = mix; });
  add_part(*command, args->part, "tracks, into a table of its own (melgrad merge)");
  command->callback([=, &settings] { embed(settings, *args); });
}

}  // namespace melgrad
