#include "apps/report/spaces.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <numeric>

#include "apps/analysis/discriminants.h"
#include "apps/report/gnuplot.h"
#include "apps/terminal/screen.h"
#include "kernels/error.h"
#include "models/runs/run_folder.h"
#include "models/training/data.h"
#include "models/training/evaluator.h"
#include "models/training/model_file.h"

namespace melgrad {
namespace {

constexpr std::size_t kComponents = 600;      // of the author's stored figure
constexpr std::size_t kFitted = 2000;         // segments, at most, that the components are fitted to
constexpr std::size_t kDrawnSegments = 1000;  // segments, at most, in a picture

// Segments of some tracks: where they begin in the table, and the genre of each.
struct Segments {
  std::vector<std::int64_t> first_rows;
  std::vector<std::int32_t> genre;

  // `most` of them, evenly spread.
  Segments some(std::size_t most) const {
    if (genre.size() <= most) return *this;
    Segments out;
    for (std::size_t i = 0; i < most; ++i) {
      out.first_rows.push_back(first_rows[i * genre.size() / most]);
      out.genre.push_back(genre[i * genre.size() / most]);
    }
    return out;
  }
};

Segments segments_of(const std::vector<std::int32_t>& tracks, const TrackTable& table,
                     const SegmentOptions& options) {
  Segments out;
  for (const std::int32_t index : tracks) {
    const TrackTable::Track& track = table.tracks()[static_cast<std::size_t>(index)];
    for (const std::int64_t start : segment_starts(track.rows, options)) {
      out.first_rows.push_back(track.first_row + start);
      out.genre.push_back(track.label);
    }
  }
  return out;
}

Matrix as_matrix(const std::vector<float>& values, std::size_t rows) {
  return {values.size() / rows, {values.begin(), values.end()}};
}

// What is measured of one space.
struct Space {
  std::string name, id;
  Matrix test;                       // coordinates of the test segments on the discriminant axes
  std::vector<std::int32_t> answer;  // of a linear classifier
};

double right(const std::vector<std::int32_t>& answer, const std::vector<std::int32_t>& genre) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < genre.size(); ++i) n += answer[i] == genre[i] ? 1 : 0;
  return static_cast<double>(n) / static_cast<double>(genre.size());
}

// A dot for each segment; a column for each genre, so that its name reaches the legend.
Plot scatter(const Space& space, const Segments& test, const std::vector<std::string>& classes,
             std::size_t axis, const RunGroup& group, const std::string& caption) {
  Plot plot;
  plot.name = fmt::format("{}-{}-{}", space.id, axis + 1, group.id);
  plot.caption = caption;
  plot.alt =
      fmt::format("Scatter plot of test segments on discriminant axes 1 and {} of {}, coloured by genre.",
                  axis + 1, space.name);
  plot.data = {{"axis 1"}};
  plot.data[0].insert(plot.data[0].end(), classes.begin(), classes.end());
  const std::size_t drawn = std::min(kDrawnSegments, test.genre.size());
  for (std::size_t i = 0; i < drawn; ++i) {
    const std::size_t at = i * test.genre.size() / drawn;
    std::vector<std::string> row(1 + classes.size());
    row[0] = fmt::format("{:.3f}", space.test.row(at)[0]);
    row[1 + static_cast<std::size_t>(test.genre[at])] = fmt::format("{:.3f}", space.test.row(at)[axis]);
    plot.data.push_back(std::move(row));
  }
  plot.commands =
      fmt::format("set xlabel 'axis 1'\nset ylabel 'axis {}'\nset key above horizontal width -3\n", axis + 1);
  plot.commands += dots_of_groups(classes.size(), 1, 2);
  plot.height = 400;
  return plot;
}

// The segments of a run's tracks, and what a linear classifier makes of them before and after the network.
struct RunSpaces {
  std::vector<std::string> classes;
  Segments train, test;
  std::vector<Space> spaces = {};  // the raw segments, the last hidden layer
  std::size_t components = 0;
  double kept = 0;  // the components' share of the variance
};

RunSpaces spaces_of(const ReportRun& run, Device& device) {
  const RunFolder folder = RunFolder::open(run.path);
  LoadedModel loaded = load_model(device, folder.file("model.h5"));
  const Recipe recipe = load_recipe(folder.file("recipe.toml"));
  const TrainingData data(device, origin_of(folder).cache, recipe, TrainingData::Hold::automatic, say_line);
  const Split split = read_split(folder.file("splits.json"), data.names());
  RunSpaces out{data.classes(), segments_of(split.train, data.table(), recipe.segment),
                segments_of(split.test, data.table(), recipe.segment)};
  Evaluator evaluator(device, *loaded.model, data.task(), recipe.segment);

  const auto raw = [&](const Segments& s) {
    return as_matrix(evaluator.segments(data.table(), s.first_rows), s.genre.size());
  };
  const Components components = principal_components(raw(out.train.some(kFitted)), kComponents);
  out.components = components.map.axes.rows();
  out.kept = std::accumulate(components.variance.begin(), components.variance.end(), 0.0) / components.whole;
  // Piece by piece: the raw segments of all tracks are more than memory should hold.
  const auto projected = [&](const Segments& s) {
    Matrix all{components.map.axes.rows(), {}};
    for (std::size_t begin = 0; begin < s.genre.size(); begin += kFitted) {
      const std::size_t end = std::min(begin + kFitted, s.genre.size());
      const Segments piece{{s.first_rows.begin() + static_cast<std::ptrdiff_t>(begin),
                            s.first_rows.begin() + static_cast<std::ptrdiff_t>(end)},
                           {s.genre.begin() + static_cast<std::ptrdiff_t>(begin),
                            s.genre.begin() + static_cast<std::ptrdiff_t>(end)}};
      all.add_row(components.map(raw(piece)).values);
    }
    return all;
  };
  const auto hidden = [&](const Segments& s) {
    return as_matrix(evaluator.embeddings(data.table(), s.first_rows), s.genre.size());
  };
  const auto add_space = [&](const char* name, const char* id, const Matrix& fit, const Matrix& tested) {
    const Discriminants lda = discriminants(fit, out.train.genre, out.classes.size());
    Space space{name, id, lda.map(tested), {}};
    space.answer = lda.classify(space.test);
    out.spaces.push_back(std::move(space));
  };
  add_space("the raw segments", "raw", projected(out.train), projected(out.test));
  add_space("the last hidden layer", "hidden", hidden(out.train), hidden(out.test));
  return out;
}

void add_spaces_of(Page& page, const RunGroup& group, Device& device) {
  const RunSpaces run = spaces_of(*group.runs[0], device);
  const auto right_share = [&](const Space& space) { return 100 * right(space.answer, run.test.genre); };
  page.heading(2, fmt::format("How far the genres lie apart: {}, {}", group.label, group.runs[0]->path));
  page.paragraph(fmt::format(
      "Segments on Fisher's discriminant axes, fitted to {} segments of the training tracks, "
      "drawn for the test tracks "
      "({} of {} segments). A linear classifier there is right for {:.1f} % of the test segments "
      "from the raw segments, "
      "by way of {} principal components ({:.1f} % of their variance, fitted to {} segments), "
      "and for {:.1f} % from the "
      "network's last hidden layer; chance is {:.1f} %.",
      run.train.genre.size(), std::min(kDrawnSegments, run.test.genre.size()), run.test.genre.size(),
      right_share(run.spaces[0]), run.components, 100 * run.kept, std::min(kFitted, run.train.genre.size()),
      right_share(run.spaces[1]), 100.0 / static_cast<double>(run.classes.size())));
  for (const Space& space : run.spaces) {
    for (std::size_t axis = 1; axis < std::min<std::size_t>(3, space.test.columns); ++axis) {
      page.plot(scatter(
          space, run.test, run.classes, axis, group,
          fmt::format("{}: discriminant axes 1 and {} of {}; a linear classifier is right for {:.1f} %.",
                      group.label, axis + 1, space.name, right_share(space))));
    }
  }
}

}  // namespace

void add_spaces(Page& page, const std::vector<RunGroup>& groups, Device& device,
                std::vector<std::string>& problems) {
  for (const RunGroup& group : groups) {
    const ReportRun& run = *group.runs[0];
    if (run.recipe.at("task") != name_of(TaskKind::genres) ||
        !std::filesystem::exists(std::filesystem::path(run.path) / "model.h5"))
      continue;
    try {
      add_spaces_of(page, group, device);
    } catch (const Error& error) {
      problems.push_back(fmt::format("{}: no discriminant axes: {}", run.path, error.what()));
    }
  }
}

}  // namespace melgrad
