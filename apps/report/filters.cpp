#include "apps/report/filters.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <filesystem>
#include <fmt/format.h>
#include <numbers>
#include <span>

#include "apps/report/sections.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

constexpr std::size_t kPoolFrames = 4, kPoolBands = 2;  // models/networks/dong2018.cpp

// [filters, frames, bands, channels]
struct Kernels {
  std::span<const float> values;  // of the checkpoint
  std::size_t filters, frames, bands, channels;

  double at(std::size_t k, std::size_t t, std::size_t f, std::size_t c) const {
    return values[((k * frames + t) * bands + f) * channels + c];
  }
};

Kernels kernels(const Checkpoint& model, const std::string& layer, const std::string& path) {
  const HostArray& array = model.need_array("param/" + layer + ".weight", path);
  if (array.shape.size() != 4) fail(ErrorKind::input, "{}: {} is no convolution", path, layer);
  const auto extent = [&](std::size_t i) { return static_cast<std::size_t>(array.shape[i]); };
  return {array.as<float>(), extent(0), extent(1), extent(2), extent(3)};
}

void finish(std::vector<ReceptiveField>& fields) {
  for (ReceptiveField& field : fields) {
    for (const double w : field.weight.values) field.norm += w * w;
    field.norm = std::sqrt(field.norm);
  }
  std::stable_sort(fields.begin(), fields.end(),
                   [](const auto& a, const auto& b) { return a.norm > b.norm; });
}

// The penalty on weights shrinks unused filters towards nothing, where their shape is rounding: takes them
// out and returns how many they were.
std::size_t without_dead(std::vector<ReceptiveField>& fields) {
  constexpr double kDead = 1e-3;  // of the largest norm
  const double least = kDead * fields[0].norm;
  return std::erase_if(fields, [&](const ReceptiveField& field) { return field.norm < least; });
}

std::string dead_filters(std::size_t dead, std::size_t all) {
  return dead == 0
             ? ""
             : fmt::format(" The penalty has shrunk {} of {} to nothing; they are not shown.", dead, all);
}

// Fields side by side, eight in a row, a gap between; each as parts of its largest weight. The first is top
// left.
Plot field_plot(const std::vector<ReceptiveField>& fields, const std::string& name, std::string caption,
                const std::string& what) {
  constexpr std::size_t kAcross = 8, kGap = 1;
  const std::size_t frames = fields[0].weight.rows() + kGap, bands = fields[0].weight.columns + kGap;
  const std::size_t down = (fields.size() + kAcross - 1) / kAcross;
  Plot plot{name, std::move(caption), "", {{"frame", "band", "weight"}}, "", 460, 0};
  plot.alt = fmt::format("{} images of {}; their weights are in {}.csv.", fields.size(), what, name);
  for (std::size_t y = 0; y + kGap < down * bands; ++y) {
    for (std::size_t x = 0; x + kGap < kAcross * frames; ++x) {
      const std::size_t which = y / bands * kAcross + x / frames, t = x % frames, f = y % bands;
      std::string weight = "NaN";
      if (which < fields.size() && t + kGap < frames && f + kGap < bands) {
        const Matrix& w = fields[which].weight;
        const double most = std::abs(*std::max_element(
            w.values.begin(), w.values.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }));
        // Low bands at the bottom of a field.
        weight = fmt::format("{:.3f}", most > 0 ? w.row(t)[w.columns - 1 - f] / most : 0.0);
      }
      plot.data.push_back({fmt::format("{}", x), fmt::format("{}", y), weight});
    }
  }
  plot.commands = R"(unset border
unset grid
unset xtics
unset ytics
set margins 1, 1, 1, 1
set yrange [*:*] reverse
set cbrange [-1:1]
unset colorbox
set palette defined (-1 '#2166ac', -0.5 '#92c5de', 0 '#f7f7f7', 0.5 '#f4a582', 1 '#b2182b')
plot data using 1:2:3 with image)";
  plot.height = static_cast<int>(460 * down * bands / std::max(down * bands, kAcross * bands));
  return plot;
}

Plot modulation_plot(const std::vector<ReceptiveField>& fields, const std::string& name,
                     const std::string& label, double frames_per_second) {
  Plot plot;
  plot.name = name;
  const std::string unit = frames_per_second > 0 ? "hertz" : "cycles per frame";
  plot.data = {{"filter", "norm", "rate", "scale", "separability", "direction"}};
  std::size_t separable = 0;
  for (const ReceptiveField& field : fields) {
    const Modulation m = modulation(field);
    separable += m.separability >= 0.9 ? 1 : 0;
    plot.data.push_back({fmt::format("{}", field.filter), fmt::format("{:.4g}", field.norm),
                         fmt::format("{:.4g}", m.rate * (frames_per_second > 0 ? frames_per_second : 1)),
                         fmt::format("{:.4g}", m.scale), fmt::format("{:.3f}", m.separability),
                         m.rate == 0 || m.scale == 0 ? "none"
                         : m.rising                  ? "up"
                                                     : "down"});
  }
  plot.caption = fmt::format(
      "{}: the modulation each second-layer field prefers, rate in {} and scale in cycles per "
      "mel band; coloured by separability (1: a spectral times a temporal profile). {} of {} "
      "are at 0.9 or above.",
      label, unit, separable, fields.size());
  plot.alt = fmt::format(
      "Scatter plot of best scale against best rate of {} filters; {} of them are separable to 0.9.",
      fields.size(), separable);
  plot.commands = fmt::format(R"(set xlabel 'best rate, {}'
set ylabel 'best scale, cycles per band'
set cblabel 'separability'
set cbrange [0:1]
set xrange [0:*]
set yrange [0:*]
set palette defined (0 '#9ecae1', 1 '#08306b')
plot data using 3:4:5 with points pt 7 ps 0.9 palette)",
                              unit);
  return plot;
}

}  // namespace

std::vector<ReceptiveField> first_layer_fields(const Checkpoint& model, const std::string& path) {
  const Kernels w = kernels(model, "conv1", path);
  std::vector<ReceptiveField> fields(w.filters);
  for (std::size_t k = 0; k < w.filters; ++k) {
    fields[k].filter = k;
    fields[k].weight.columns = w.bands;
    for (std::size_t t = 0; t < w.frames; ++t)
      for (std::size_t f = 0; f < w.bands; ++f) fields[k].weight.values.push_back(w.at(k, t, f, 0));
  }
  finish(fields);
  return fields;
}

std::vector<ReceptiveField> second_layer_fields(const Checkpoint& model, const std::string& path) {
  const Kernels w1 = kernels(model, "conv1", path), w2 = kernels(model, "conv2", path);
  if (w2.channels != w1.filters) fail(ErrorKind::input, "{}: conv2 does not fit conv1", path);
  const std::size_t frames = w2.frames * kPoolFrames + w1.frames - 1,
                    bands = w2.bands * kPoolBands + w1.bands - 1;
  std::vector<ReceptiveField> fields(w2.filters);
  for (std::size_t k = 0; k < w2.filters; ++k) {
    fields[k].filter = k;
    fields[k].weight = {bands, std::vector<double>(frames * bands, 0)};
    // First the kernel of conv1's size that acts at one pooled place, then that kernel over the places
    // pooled.
    for (std::size_t t = 0; t < w2.frames; ++t) {
      for (std::size_t f = 0; f < w2.bands; ++f) {
        Matrix seen{w1.bands, std::vector<double>(w1.frames * w1.bands, 0)};
        for (std::size_t c = 0; c < w1.filters; ++c) {
          for (std::size_t i = 0; i < seen.values.size(); ++i)
            seen.values[i] += w2.at(k, t, f, c) * w1.at(c, i / w1.bands, i % w1.bands, 0);
        }
        for (std::size_t pool = 0; pool < kPoolFrames * kPoolBands; ++pool) {
          const std::size_t top = t * kPoolFrames + pool / kPoolBands,
                            left = f * kPoolBands + pool % kPoolBands;
          for (std::size_t i = 0; i < seen.values.size(); ++i) {
            fields[k].weight.values[(top + i / w1.bands) * bands + left + i % w1.bands] +=
                seen.values[i] / static_cast<double>(kPoolFrames * kPoolBands);
          }
        }
      }
    }
  }
  finish(fields);
  return fields;
}

Modulation modulation(const ReceptiveField& field) {
  constexpr int kFrames = 128, kBands = 64;
  const Matrix& w = field.weight;
  Modulation best;
  double most = -1;
  const auto wave = [](double turns) { return std::polar(1.0, -2 * std::numbers::pi * turns); };
  for (int v = 0; v <= kBands / 2; ++v) {  // the half plane of scales from 0 up
    std::vector<std::complex<double>> of_frame(w.rows(), 0);
    for (std::size_t i = 0; i < w.values.size(); ++i)
      of_frame[i / w.columns] += w.values[i] * wave(v * static_cast<double>(i % w.columns) / kBands);
    for (int u = -kFrames / 2 + 1; u <= kFrames / 2; ++u) {
      std::complex<double> sum = 0;
      for (std::size_t t = 0; t < of_frame.size(); ++t)
        sum += of_frame[t] * wave(u * static_cast<double>(t) / kFrames);
      if (std::abs(sum) <= most * (1 + 1e-12)) continue;
      most = std::abs(sum);
      // A wave exp(2 pi i (u t + v f)) stands still where u t + v f does: f falls with t if u and v have one
      // sign.
      best = {std::abs(u) / double{kFrames}, v / double{kBands}, u < 0, 0};
    }
  }
  const std::vector<double> singular = singular_values(w);
  double power = 0;
  for (const double s : singular) power += s * s;
  best.separability = power > 0 ? singular[0] * singular[0] / power : 1;
  return best;
}

namespace {

void add_filters_of(Page& page, const RunGroup& group, const std::string& path) {
  const ReportRun& run = *group.runs[0];
  const Checkpoint model = load_checkpoint(path);
  auto first = first_layer_fields(model, path), second = second_layer_fields(model, path);
  const std::size_t of_first = first.size(), of_second = second.size();
  const std::size_t dead_first = without_dead(first), dead_second = without_dead(second);
  page.heading(2, fmt::format("Filters: {}, {}", group.label, run.path));
  page.plot(field_plot(
      first, "filters-" + group.id,
      fmt::format(
          "Kernels of the first layer, {} frames wide and {} mel bands high, low bands at the bottom, by "
          "falling norm; red above 0, blue below, each in parts of its largest weight.{}",
          first[0].weight.rows(), first[0].weight.columns, dead_filters(dead_first, of_first)),
      "first-layer kernels"));
  page.plot(field_plot(
      second, "fields-" + group.id,
      fmt::format(
          "Receptive fields of the second layer, {} frames by {} bands: its kernels projected back through "
          "the first, pooling taken as a mean; order and colours as before.{}",
          second[0].weight.rows(), second[0].weight.columns, dead_filters(dead_second, of_second)),
      "second-layer receptive fields"));
  double frames_per_second = 0;
  if (run.recipe.at("features.preset") != "imported")
    frames_per_second =
        std::stod(run.recipe.at("features.sample_rate")) / std::stod(run.recipe.at("features.hop_length"));
  page.plot(modulation_plot(second, "modulation-" + group.id, group.label, frames_per_second));
}

}  // namespace

void add_filters(Page& page, const std::vector<RunGroup>& groups, std::vector<std::string>& problems) {
  for (const RunGroup& group : groups) {
    const ReportRun& run = *group.runs[0];
    const std::string path = (std::filesystem::path(run.path) / "model.h5").string();
    if (run.recipe.at("model.architecture") != "dong2018" || !std::filesystem::exists(path)) continue;
    try {
      add_filters_of(page, group, path);
    } catch (const Error& error) {
      problems.push_back(fmt::format("no filters: {}", error.what()));
    }
  }
}

}  // namespace melgrad
