// melgrad selftest: does this device compute what it should, on this machine, with these libraries?
#include "apps/selftest.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/terminal/interrupt.h"
#include "apps/terminal/progress.h"
#include "apps/training/train.h"
#include "engine/layers.h"
#include "kernels/math/augment.h"
#include "kernels/math/half.h"
#include "kernels/math/philox.h"
#include "models/networks/networks.h"
#include "models/training/evaluator.h"
#include "models/training/step.h"

namespace melgrad {
namespace {

constexpr std::uint64_t kSeed = 1;
constexpr std::int64_t kTracks = 6, kClasses = 10, kBatch = 4, kSteps = 2, kSpareRows = 30;

// Uniform in 0 ... 1; `stream` distinguishes tensors.
std::vector<float> uniform(std::int64_t n, std::uint32_t stream) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < n; ++i) {
    const Philox4 four = philox(kSeed, stream, 0, static_cast<std::uint64_t>(i / 4));
    values.push_back(uniform01(four.word[i % 4]));
  }
  return values;
}

// Noise in the range of log-mel features, six tracks, in device memory as `dtype`.
TrackTable make_data(Device& device, std::int64_t frames, std::int64_t bands, DType dtype, bool one_answer) {
  std::vector<TrackTable::Track> tracks;
  std::int64_t rows = 0;
  for (std::int32_t k = 0; k < kTracks; ++k) {
    const auto length = static_cast<std::int32_t>(frames + k * kSpareRows / kTracks);
    tracks.push_back({rows, length, one_answer ? k % static_cast<std::int32_t>(kClasses) : k});
    rows += length;
  }
  std::vector<float> features = uniform(rows * bands, 1);
  for (float& v : features) v *= 4;
  std::vector<std::uint16_t> half(features.size());
  float_to_half(features.data(), half.data(), static_cast<std::int64_t>(features.size()));
  const void* values = dtype == DType::f16 ? static_cast<const void*>(half.data()) : features.data();
  return {device, values, dtype, rows, bands, tracks, TrackTable::Place::device};
}

Targets make_targets(Device& device, const Recipe& recipe) {
  std::vector<std::uint8_t> labels;  // tags: any number for each track
  for (const float u : uniform(kTracks * kClasses, 6)) labels.push_back(u > 0.6F ? 1 : 0);
  std::vector<float> weights = uniform(kClasses, 7);
  for (float& w : weights) w += 0.5F;
  return task_of(recipe).targets(device, labels, weights, recipe);
}

// A small network of every layer there is.
class EveryLayer final : public Model {
 public:
  static constexpr std::int64_t kFrames = 12, kBins = 17, kLevels = 4, kHarmonics = 2;

  EveryLayer()
      : centres_(params_.fixed("centres", {500, 1000, 1000, 2000, 1500, 3000, 2000, 4000})),
        q_(params_.bias("q", 1, 0.3F)),
        norm_(params_, "norm", kHarmonics),
        conv_(params_, "conv", kHarmonics, 6, 3, 3, {1, 1, 1, 1}),
        squeeze_(params_, "squeeze", 6, 6),
        lstm_(params_, "lstm", Cell::lstm, 12, 5),
        gru_(params_, "gru", Cell::gru, 5, 7, true),
        rnn_(params_, "rnn", Cell::rnn, 7, 3),
        attention_(params_, "attention", 6, 2),
        summary_(params_, "summary", 6, 4),
        dense_(params_, "dense", 6 + 4 + 3, kClasses) {}

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& random) override {
    const Tensor power = tape.value(x);
    const std::int64_t n = power.dim(0);
    Var h =
        project(tape, power.reshape({n * kFrames, kBins}),
                harmonic_filters(tape, centres_.value, q_, 250, kBins), {n, kFrames, kLevels, kHarmonics});
    h = conv_(tape, norm_(tape, activation(tape, h, Activation::decibels)));
    const Var gate = activation(tape, squeeze_(tape, global_max(tape, h, n)), Activation::sigmoid);
    h = every_activation(tape, scale_channels(tape, h, gate));
    const Var loudest = max_pool(tape, h, {1, kLevels});
    const Var steps = swap_axes(tape, concat(tape, {loudest, mean_over_bands(tape, h)}));
    const Var state = rnn_(tape, gru_(tape, lstm_(tape, dropout(tape, steps, random.dropout(0.2F, 1)))));
    const Var attended = summary_(tape, attention_(tape, loudest, n));
    return concat(tape, {gate, attended, at(tape, state, kFrames - 1)});
  }
  Var classify(Tape& tape, Var h, const RandomSource& /*random*/) override { return dense_(tape, h); }

 private:
  // The sum of all but that of powers.
  static Var every_activation(Tape& tape, Var x) {
    Var sum = x;
    for (const Activation f : kActivations)
      if (f != Activation::decibels) sum = add(tape, sum, activation(tape, x, f));
    return sum;
  }

  Param &centres_, &q_;
  BatchNormLayer norm_;
  ConvLayer conv_;
  DenseLayer squeeze_;
  RecurrentLayer lstm_, gru_, rnn_;
  AttentionPoolLayer attention_;
  DenseLayer summary_, dense_;
};

// A tagging network with every change of its input that there is, so narrow that the reference keeps up: its
// calls are the shipped ones but for the number of channels.
Recipe narrowed(Recipe recipe) {
  recipe.model.width = 1.0 / 32;
  AugmentOptions& augment = recipe.augment;
  augment.gain_db = 6;
  augment.shift = 0.5;
  augment.noise = 0.1;
  augment.time_masks = augment.band_masks = 1;
  augment.time_mask = recipe.segment.frames / 8;
  augment.band_mask = 8;
  augment.mask_value = 0.25;
  augment.equalise = 0.25;
  augment.band_shift = 2;
  augment.reverse = 0.5;
  augment.mixup = 0.4;
  recipe.train.label_smoothing = 0.1;
  recipe.train.average = 0.9;
  return recipe;
}

// Two training steps, the second with a padded batch if the recipe may, and an evaluation.
void run_network(Device& device, const Recipe& recipe, std::unique_ptr<Model> model, std::int64_t bands,
                 DType dtype) {
  const Task& task = task_of(recipe);
  const std::int64_t frames = recipe.segment.frames;
  const TrackTable data =
      make_data(device, resampled_frames(frames, recipe.augment.tempo), bands, dtype, task.one_answer());
  const Targets targets = make_targets(device, recipe);
  model->params().allocate(device);
  model->params().initialise(device, kSeed);
  if (recipe.input.standardise == Standardise::bands) {
    const auto count = static_cast<std::size_t>(bands);
    model->standardise_input(device, std::vector<float>(count, 2.0F), std::vector<float>(count, 1.15F));
  }
  TrainingStep step(device, *model, data, targets, recipe, kSeed, kBatch, kSteps);
  if (recipe.train.partial_batch) {
    step.begin_epoch({3, 1, 4, 0, 5, 2, ~3, ~3}, 0);
  } else {
    step.begin_epoch({3, 1, 4, 0, 5, 2, 0, 1}, 0);
  }
  for (std::int64_t i = 0; i < kSteps; ++i) step.run();
  Evaluator(device, *model, task, recipe.segment, kBatch).probabilities(data, {0, 7, frames + 1});
}

void run_recipe(Device& device, const Recipe& shipped, DType dtype) {
  Recipe recipe = task_of(shipped).one_answer() ? shipped : narrowed(shipped);
  if (recipe.model.architecture == "resnet-se") recipe.model.width = 0.5;
  const std::int64_t bands = MelTables(recipe.features).bands();
  run_network(device, recipe, make_model(recipe.model, {recipe.segment.frames, bands}, kClasses), bands,
              dtype);
}

void run_layers(Device& device) {
  Recipe recipe = narrowed(load_recipe("mtat"));
  recipe.segment.frames = EveryLayer::kFrames;
  run_network(device, recipe, std::make_unique<EveryLayer>(), EveryLayer::kBins, DType::f32);
}

// A chord over noise.
void run_features(Device& device, const MelOptions& options) {
  constexpr double kSeconds = 1;
  const MelTables mel(options);
  const auto samples = static_cast<std::int64_t>(kSeconds * options.sample_rate);
  std::vector<float> pcm = uniform(samples, 2);
  for (std::int64_t i = 0; i < samples; ++i) {
    float& v = pcm[static_cast<std::size_t>(i)];
    v = 0.1F * (v - 0.5F);
    for (const double pitch : {220.0, 277.2, 329.6}) {
      const double turns = pitch * static_cast<double>(i) / options.sample_rate;
      v += static_cast<float>(0.2 * std::sin(2 * std::acos(-1.0) * turns));
    }
  }
  const std::int64_t frames = mel.frames(samples);
  Slab memory(device, aligned_bytes(4 * samples) + aligned_bytes(4 * frames * mel.bands()));
  const Tensor x = memory.take({samples}), y = memory.take({frames, mel.bands()});
  device.to_device(x, pcm.data());
  device.ops().log_mel(x, mel, y);
}

// Optimizers and schedules that no shipped recipe uses, on a slab of the model's size.
void run_unused(Device& device, const Recipe& recipe) {
  const auto model =
      make_model(recipe.model, {recipe.segment.frames, MelTables(recipe.features).bands()}, kClasses);
  const std::int64_t n = model->params().count();
  Slab memory(device, 3 * aligned_bytes(4 * n) + 3 * aligned_bytes(8));
  const Tensor w = memory.take({n}), g = memory.take({n}), v = memory.take({n});
  const Tensor rate = memory.take({1}), norm = memory.take({2}), counter = memory.take({1}, DType::i64);
  for (const auto& [tensor, stream] : {std::pair{w, 3U}, {g, 4U}, {v, 5U}})
    device.to_device(tensor, uniform(n, stream).data());
  Ops& ops = device.ops();
  ops.gradient_norm(g, 1.0F, norm);  // so long a gradient is clipped
  using Kind = Schedule::Kind;
  for (const Kind kind : {Kind::constant, Kind::inverse_time, Kind::step, Kind::cosine}) {
    ops.advance(counter, 7);
    ops.learning_rate({kind, 0.1, 1e-3, 0.01, 100, 10, 5, {}}, counter, rate);
  }
  for (const bool nesterov : {false, true})
    ops.sgd_update(w, g, v, rate, norm.span(1, 1, {1}), 0.9F, nesterov, 1e-4F);
}

nlohmann::ordered_json as_json(const Selftest& result, const Device& device) {
  auto operations = nlohmann::ordered_json::array();
  for (const auto& [name, f] : result.operations) {
    nlohmann::ordered_json line = {{"name", name}, {"ok", f.wrong.empty()}, {"calls", f.calls}};
    if (std::isfinite(f.error)) line["error"] = f.error;  // JSON has no infinity
    line["limit"] = f.limit;
    line["shapes"] = f.shapes;
    if (!f.wrong.empty()) {
      line["wrong"] = f.wrong;
      line["wrong_calls"] = f.wrong_calls;
    }
    operations.push_back(std::move(line));
  }
  return {{"device", device.name()},
          {"description", device.description()},
          {"precision", name_of(device.precision())},
          {"ok", result.passed()},
          {"stopped", result.stopped},
          {"operations", std::move(operations)}};
}

std::string as_text(const Selftest& result, const Device& of) {
  const std::string device = fmt::format("{} ({})", of.name(), of.description());
  std::string text;
  for (const auto& [name, f] : result.operations) {
    text += fmt::format("{:31} {:6} {:4} calls   error {:8.2g} of {:6.2g}", name,
                        f.wrong.empty() ? "ok" : "WRONG", f.calls, f.error, f.limit);
    if (!f.wrong.empty())
      text += fmt::format("   in {} calls, first {}, arguments {}", f.wrong_calls, f.wrong, f.shapes);
    text += "\n";
  }
  for (const std::string& line : result.stopped) text += fmt::format("STOPPED {}\n", line);
  const auto total = static_cast<std::int64_t>(result.operations.size());
  if (result.passed()) {
    return text + fmt::format("selftest: {} operations of {} agree with the reference\n", total, device);
  }
  text += fmt::format("selftest: {} of {} operations of {} are wrong", result.wrong(), total, device);
  if (!result.stopped.empty()) text += fmt::format("; {} parts ended early", result.stopped.size());
  return text + "\n";
}

}  // namespace

std::int64_t Selftest::wrong() const {
  std::int64_t count = 0;
  for (const auto& [name, f] : operations) count += f.wrong.empty() ? 0 : 1;
  return count;
}

Selftest run_selftest(Device& device, const SelftestScope& scope,
                      const std::function<void(const std::string&)>& part) {
  ComparingDevice compared(device);
  Selftest result;
  // What one part meets must not keep the others from running.
  const auto run = [&](const std::string& name, const std::function<void()>& work) {
    part(name);
    try {
      work();
    } catch (const std::exception& e) {
      result.stopped.push_back(fmt::format("{}: {}", name, e.what()));
    }
  };
  DType dtype = DType::f16;
  for (const Recipe& recipe : scope.recipes) {
    run(recipe.name, [&] { run_recipe(compared, recipe, dtype); });
    dtype = dtype == DType::f16 ? DType::f32 : DType::f16;
  }
  for (const std::string& preset : scope.presets)
    run("features " + preset, [&] { run_features(compared, mel_preset(preset)); });
  run("layers", [&] { run_layers(compared); });
  if (!scope.recipes.empty()) run("optimizers", [&] { run_unused(compared, scope.recipes[0]); });
  result.operations = compared.ops().findings();
  return result;
}

SelftestScope shipped_scope() {
  SelftestScope scope{{}, mel_preset_names()};
  // Networks for tags: between them every operation and kind of shape.
  for (const char* name :
       {"dong2018", "dong2018-fixed", "gtzan-small", "mtat-cnn1d-lstm", "mtat-cnn1d-chunks", "mtat-crnn",
        "mtat-musicnn", "mtat-sample-cnn-se", "mtat-short-chunk-res", "mtat-harmonic"})
    scope.recipes.push_back(load_recipe(name));
  return scope;
}

void selftest(Device& device, const SelftestScope& scope, Settings& settings) {
  const auto parts = static_cast<std::int64_t>(scope.recipes.size() + scope.presets.size() + 2);
  Progress progress("selftest", parts, "parts");
  std::int64_t begun = 0;
  const Selftest result = run_selftest(device, scope, [&](const std::string& part) {
    if (interrupted()) throw Interrupted{"selftest: nothing was found out"};
    progress.update(begun++, part);
  });
  progress.update(parts);
  if (settings.json) {
    print_json(as_json(result, device));
  } else {
    print("{}", Lines{as_text(result, device)});
  }
  if (!result.passed()) settings.exit_code = static_cast<int>(ErrorKind::internal);
}

void register_selftest(CommandLine& root, Settings& settings) {
  auto* command =
      root.add_subcommand("selftest", "check every operation of the device against the reference");
  command->callback([&settings] {
    const auto device = open_device(settings);
    selftest(*device, shipped_scope(), settings);
  });
}

}  // namespace melgrad
