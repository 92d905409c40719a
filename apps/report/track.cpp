#include "apps/report/track.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

#include "kernels/error.h"
#include "models/runs/predictor.h"

namespace melgrad {
namespace {

constexpr std::size_t kColumns = 300;  // of a picture, at most

std::string five_digits(double value) { return fmt::format("{:.5g}", value); }

// A frame around what the network takes as its first segment.
std::string marked(double seconds) {
  return fmt::format(
      "set object rectangle from 0,graph 0 to {:.4f},graph 1 front fillstyle empty border lc rgb '#d55e00' "
      "lw 2\n",
      seconds);
}

Plot waveform(const Audio& audio, double segment_seconds) {
  Plot plot;
  plot.name = "waveform";
  plot.data = {{"seconds", "least", "most"}};
  const std::size_t n = audio.samples.size(), columns = std::min(kColumns, n);
  for (std::size_t c = 0; c < columns; ++c) {
    const auto from = audio.samples.begin() + static_cast<std::ptrdiff_t>(c * n / columns),
               to = audio.samples.begin() + static_cast<std::ptrdiff_t>((c + 1) * n / columns);
    const auto [least, most] = std::minmax_element(from, to);
    plot.data.push_back({five_digits(static_cast<double>(from - audio.samples.begin()) / audio.sample_rate),
                         five_digits(*least), five_digits(*most)});
  }
  plot.caption = "The waveform, least and most of every stretch; the frame is the first segment.";
  plot.alt = fmt::format("Waveform of {:.1f} seconds.", audio.seconds());
  plot.commands =
      marked(segment_seconds) +
      "set xlabel 'seconds'\nset ylabel 'amplitude'\nplot data using 1:2:3 with filledcurves lt 1";
  plot.height = 220;
  return plot;
}

// Frames over time, means over neighbouring ones; `unit` is one step of the vertical axis.
Plot picture(const std::string& name, const std::vector<float>& values, std::size_t bands,
             double frame_seconds, double unit, const std::string& axis, const std::string& caption,
             double segment_seconds) {
  Plot plot;
  plot.name = name;
  plot.data = {{"seconds", axis, "value"}};
  const std::size_t frames = values.size() / bands, columns = std::min(kColumns, frames),
                    together = bands > 128 ? 2 : 1;  // bins in a row of the picture
  for (std::size_t c = 0; c < columns; ++c) {
    const std::size_t from = c * frames / columns, to = (c + 1) * frames / columns;
    for (std::size_t b = 0; b + together <= bands; b += together) {
      double sum = 0;
      for (std::size_t t = from; t < to; ++t)
        for (std::size_t k = b; k < b + together; ++k) sum += values[t * bands + k];
      plot.data.push_back(
          {five_digits(frame_seconds * static_cast<double>(c * frames) / static_cast<double>(columns)),
           five_digits(unit * (static_cast<double>(b) + 0.5 * static_cast<double>(together - 1))),
           fmt::format("{:.3g}", sum / static_cast<double>((to - from) * together))});
    }
  }
  plot.caption = caption;
  plot.alt = fmt::format("{} of {:.1f} seconds, time from left to right; the values are in {}.csv.", caption,
                         frame_seconds * static_cast<double>(frames), name);
  plot.commands = marked(segment_seconds) + fmt::format(
                                                "unset grid\nset autoscale fix\nset xlabel 'seconds'\nset "
                                                "ylabel '{}'\nplot data using 1:2:3 with image",
                                                axis);
  return plot;
}

Plot answers(const Prediction& p, const std::vector<std::string>& classes, double segment_seconds) {
  constexpr std::size_t kShown = 5;
  const std::vector<std::size_t> order = most_probable_first(p.mean);
  const std::size_t shown = std::min(kShown, classes.size());
  Plot plot;
  plot.name = "over-time";
  plot.data = {{"seconds"}};
  for (std::size_t k = 0; k < shown; ++k) plot.data[0].push_back(classes[order[k]]);
  for (std::size_t s = 0; s < p.starts.size(); ++s) {
    std::vector<std::string> row = {five_digits(p.starts[s] + segment_seconds / 2)};
    for (std::size_t k = 0; k < shown; ++k) row.push_back(five_digits(p.segments[s][order[k]]));
    plot.data.push_back(std::move(row));
  }
  plot.caption = fmt::format("Probabilities of each segment, at its middle: the {} most probable of {}.",
                             shown, classes.size());
  plot.alt =
      fmt::format("Line chart of the probabilities over {} segments; over the track {} leads with {:.2f}.",
                  p.starts.size(), classes[order[0]], p.mean[order[0]]);
  plot.commands =
      "set xlabel 'seconds'\nset ylabel 'probability'\nset yrange [0:1]\nset key above horizontal width -3\n";
  for (std::size_t k = 0; k < shown; ++k) {
    plot.commands += fmt::format("{} data using 1:{} with linespoints lt {} ps 0.5 title columnhead({})",
                                 k == 0 ? "plot" : ",", k + 2, k + 1, k + 2);
  }
  return plot;
}

}  // namespace

void add_track(Page& page, const RunGroup& group, Device& device, const std::string& path) {
  Predictor predictor(device, group.runs[0]->path);
  const Recipe& recipe = predictor.recipe();
  if (recipe.features.n_fft == 0)
    fail(ErrorKind::input, "{}: listens to samples; --track draws spectrograms", group.runs[0]->path);
  const Audio audio = read_audio(path, recipe.features.sample_rate, {.mix = recipe.features.mix});
  const std::vector<float> mel = predictor.features(audio);
  const Prediction prediction = predictor.of_features(mel, path);
  MelOptions linear = recipe.features;
  linear.n_mels = 0;
  linear.log = LogKind::db;
  linear.log_multiplier = 1;
  linear.log_floor = 1e-10;
  linear.top_db = 80;
  FeatureExtractor spectrogram(device, linear);
  const double frame = predictor.frame_seconds(),
               segment = frame * static_cast<double>(recipe.segment.frames);

  const std::size_t best = most_probable_first(prediction.mean)[0];
  page.heading(2, "One track: " + std::filesystem::path(path).filename().string());
  page.paragraph(fmt::format("{}: {} with {:.3f}, by {}.", path, predictor.classes()[best],
                             prediction.mean[best], group.runs[0]->path));
  page.plot(waveform(audio, segment));
  page.plot(picture(
      "spectrogram", spectrogram(audio.samples), static_cast<std::size_t>(spectrogram.tables().bands()),
      frame, 1e-3 * linear.sample_rate / linear.n_fft, "kHz", "Linear spectrogram, decibels", segment));
  page.plot(picture("features", mel, static_cast<std::size_t>(predictor.bands()), frame, 1, "band",
                    "What the network sees (" + recipe.features.preset + ")", segment));
  page.plot(answers(prediction, predictor.classes(), segment));
}

}  // namespace melgrad
