// melgrad selftest: does this device compute what it should, on this machine, with these libraries?
#include "apps/selftest.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/interrupt.h"
#include "apps/progress.h"
#include "apps/train.h"
#include "kernels/math/half.h"
#include "kernels/math/philox.h"
#include "models/recipes.h"
#include "models/training.h"

namespace melgrad {
namespace {

constexpr std::uint64_t kSeed = 1;
constexpr std::int64_t kClasses = 10, kBatch = 4, kSteps = 2, kSpareRows = 30;

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
TrackTable make_data(Device& device, std::int64_t frames, std::int64_t bands, DType dtype) {
  constexpr std::int64_t kTracks = 6;
  std::vector<TrackTable::Track> tracks;
  std::int64_t rows = 0;
  for (std::int32_t k = 0; k < kTracks; ++k) {
    const auto length = static_cast<std::int32_t>(frames + k * kSpareRows / kTracks);
    tracks.push_back({rows, length, k % static_cast<std::int32_t>(kClasses)});
    rows += length;
  }
  std::vector<float> features = uniform(rows * bands, 1);
  for (float& v : features) v *= 4;
  std::vector<std::uint16_t> half(features.size());
  float_to_half(features.data(), half.data(), static_cast<std::int64_t>(features.size()));
  const void* values = dtype == DType::f16 ? static_cast<const void*>(half.data()) : features.data();
  return {device, values, dtype, rows, bands, tracks, TrackTable::Place::device};
}

// Two training steps, the second with a padded batch, and an evaluation.
void run_model(Device& device, const Recipe& recipe, DType dtype) {
  const std::int64_t frames = recipe.segment.frames, bands = MelTables(recipe.features).bands();
  const TrackTable data = make_data(device, frames, bands, dtype);
  const auto model = make_model(recipe.model, {frames, bands}, kClasses);
  model->params().allocate(device);
  model->params().initialise(device, kSeed);
  if (recipe.input.standardise == "bands") {
    const auto count = static_cast<std::size_t>(bands);
    model->standardise_input(device, std::vector<float>(count, 2.0F), std::vector<float>(count, 1.15F));
  }
  TrainingStep step(device, *model, data, recipe, kSeed, kBatch, kSteps);
  step.begin_epoch({3, 1, 4, 0, 5, 2, -1, -1}, 0);
  for (std::int64_t i = 0; i < kSteps; ++i) step.run();
  Evaluator(device, *model, kClasses, frames, kBatch).probabilities(data, {0, 7, frames + 1});
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
  for (const Kind kind : {Kind::constant, Kind::inverse_time, Kind::cosine}) {
    ops.advance(counter, 7);
    ops.learning_rate({kind, 0.1, 1e-3, 0.01, 100, 10}, counter, rate);
  }
  for (const bool nesterov : {false, true})
    ops.sgd_update(w, g, v, rate, norm.span(1, 1, {1}), 0.9F, nesterov);
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
    text += fmt::format("{:24} {:6} {:4} calls   error {:8.2g} of {:6.2g}", name,
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
    run(recipe.name, [&] { run_model(compared, recipe, dtype); });
    dtype = dtype == DType::f16 ? DType::f32 : DType::f16;
  }
  for (const std::string& preset : scope.presets)
    run("features " + preset, [&] { run_features(compared, mel_preset(preset)); });
  if (!scope.recipes.empty()) run("optimizers", [&] { run_unused(compared, scope.recipes[0]); });
  result.operations = compared.ops().findings();
  return result;
}

SelftestScope shipped_scope() {
  SelftestScope scope{{}, mel_preset_names()};
  for (const EmbeddedRecipe& e : embedded_recipes()) scope.recipes.push_back(load_recipe(e.name));
  return scope;
}

void selftest(Device& device, const SelftestScope& scope, Settings& settings) {
  const auto parts = static_cast<std::int64_t>(scope.recipes.size() + scope.presets.size() + 1);
  Progress progress("selftest", parts, "parts");
  std::int64_t begun = 0;
  const Selftest result = run_selftest(device, scope, [&](const std::string& part) {
    if (interrupted()) throw Interrupted{"selftest: nothing was found out"};
    progress.update(begun++, part);
  });
  progress.update(parts);
  if (settings.json) {
    fmt::print("{}\n", as_json(result, device).dump(2));
  } else {
    fmt::print("{}", as_text(result, device));
  }
  if (!result.passed()) settings.exit_code = static_cast<int>(ErrorKind::internal);
}

void register_selftest(CLI::App& root, Settings& settings) {
  auto* command =
      root.add_subcommand("selftest", "check every operation of the device against the reference");
  command->callback([&settings] {
    const auto device = open_device(settings);
    selftest(*device, shipped_scope(), settings);
  });
}

}  // namespace melgrad
