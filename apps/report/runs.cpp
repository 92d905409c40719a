#include "apps/report/runs.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <functional>
#include <limits>
#include <sstream>

#include "apps/sweep/table.h"
#include "io/files/json.h"
#include "io/files/text_file.h"
#include "kernels/error.h"
#include "models/recipes/recipe.h"
#include "models/runs/run_record.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// Means over neighbouring points, so that no more than kCurvePoints are left; a mean leaves out what is NaN.
std::vector<CurvePoint> thinned(const std::vector<CurvePoint>& all) {
  const std::size_t every = (all.size() + kCurvePoints - 1) / kCurvePoints;
  if (every <= 1) return all;
  std::vector<CurvePoint> out;
  for (std::size_t begin = 0; begin < all.size(); begin += every) {
    const std::size_t end = std::min(begin + every, all.size());
    CurvePoint point;
    for (double CurvePoint::*const field : {&CurvePoint::epoch, &CurvePoint::loss, &CurvePoint::valid,
                                            &CurvePoint::rate, &CurvePoint::seconds_per_step}) {
      double sum = 0, count = 0;
      for (std::size_t i = begin; i < end; ++i) {
        if (std::isnan(all[i].*field)) continue;
        sum += all[i].*field;
        ++count;
      }
      point.*field = count > 0 ? sum / count : kNone;
    }
    out.push_back(point);
  }
  return out;
}

void read_metrics(const std::string& path, ReportRun& run) {
  if (!fs::exists(path)) {
    run.notes.emplace_back("metrics.jsonl is missing: no learning curves");
    return;
  }
  std::istringstream in(read_text_file(path));
  std::vector<CurvePoint> points;
  std::int64_t number = 0, before = 0;
  double seconds_before = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const ordered_json at = json_or_none(line).value_or(nullptr);
    const auto has_count = [&](const char* key) { return at.contains(key) && is_count(at[key]); };
    if (at.is_object() && at.contains("event")) continue;  // a skipped step, a spike of the loss
    if (!at.is_object() || !has_count("epoch") || !has_count("step")) {
      run.notes.push_back(fmt::format("metrics.jsonl, line {}: cannot be read, left out", number));
      continue;
    }
    const auto number_at = [&](const char* key) {
      return at.contains(key) && at[key].is_number() ? at[key].get<double>() : kNone;
    };
    run.epochs = count_of(at["epoch"]);
    run.steps = count_of(at["step"]);
    const double seconds = number_at("seconds");
    // A resumed run's clock starts again.
    const bool known = seconds > seconds_before && run.steps > before;
    points.push_back({number_at("epoch"), number_at("loss"), number_at("valid"), number_at("rate"),
                      known ? (seconds - seconds_before) / static_cast<double>(run.steps - before) : kNone});
    seconds_before = seconds;
    before = run.steps;
  }
  run.curve = thinned(points);
}

GenreTest genre_test(const ordered_json& test) {
  GenreTest out;
  out.classes = test.at("classes").get<std::vector<std::string>>();
  out.accuracy = test.at("accuracy");
  const auto index_of = [&](const std::string& name) {
    const auto found = std::find(out.classes.begin(), out.classes.end(), name);
    if (found == out.classes.end()) fail(ErrorKind::input, "result.json: '{}' is none of its classes", name);
    return static_cast<std::int32_t>(found - out.classes.begin());
  };
  for (const auto& track : test.at("predictions")) {
    const std::int32_t answer = index_of(track.at("answer"));
    out.tracks.push_back({track.at("track"), index_of(track.at("label")), answer,
                          track.at("probabilities").at(static_cast<std::size_t>(answer))});
  }
  return out;
}

template <typename T>
std::vector<T> every_nth(const std::vector<T>& all) {
  if (all.size() <= kCurvePoints) return all;
  std::vector<T> out;
  for (std::size_t i = 0; i < kCurvePoints; ++i)
    out.push_back(all[i * (all.size() - 1) / (kCurvePoints - 1)]);
  return out;
}

// One point for each distinct score, from none predicted to all.
TagCurve tag_curve(const std::string& tag, std::vector<std::pair<double, bool>> scored) {
  std::sort(scored.begin(), scored.end(), std::greater<>());
  double positives = 0;
  for (const auto& [score, has] : scored) positives += has ? 1 : 0;
  const double negatives = static_cast<double>(scored.size()) - positives;
  TagCurve curve{tag, {}, {}};
  if (positives == 0 || negatives == 0) return curve;
  curve.roc.emplace_back(0, 0);
  double right = 0, wrong = 0;
  for (std::size_t i = 0; i < scored.size(); ++i) {
    (scored[i].second ? right : wrong) += 1;
    if (i + 1 < scored.size() && scored[i + 1].first == scored[i].first) continue;
    curve.roc.emplace_back(wrong / negatives, right / positives);
    curve.pr.emplace_back(right / positives, right / (right + wrong));
  }
  curve.roc = every_nth(curve.roc);
  curve.pr = every_nth(curve.pr);
  return curve;
}

std::vector<TagCurve> tag_curves(const ordered_json& test) {
  std::vector<TagCurve> curves;
  const auto& tags = test.at("tags");
  for (std::size_t k = 0; k < tags.size(); ++k) {
    const std::string tag = tags[k].at("tag");
    std::vector<std::pair<double, bool>> scored;
    for (const auto& track : test.at("predictions")) {
      const auto& own = track.at("tags");
      scored.emplace_back(track.at("scores").at(k).get<double>(),
                          std::find(own.begin(), own.end(), tag) != own.end());
    }
    curves.push_back(tag_curve(tag, std::move(scored)));
  }
  return curves;
}

void read_result(const RunFolder& folder, ReportRun& run) {
  try {
    if (const std::string why = untested(folder); !why.empty()) {
      // A sweep tests its best point alone.
      if (!fs::exists(folder.file(kTrained)) || fs::exists(folder.file("result.json")))
        run.notes.push_back(why);
      return;
    }
    reading_json("result.json: left out", [&] {
      const ordered_json result = folder.read_json("result.json");
      const ordered_json& test = result.at("test");
      if (test.contains("tags")) {
        if (test.contains("predictions")) run.tag_curves = tag_curves(test);
        run.tags = tag_metrics_of(test);
      } else {
        run.genres = genre_test(test);
      }
    });
  } catch (const Error& error) {
    run.notes.emplace_back(error.what());
  }
}

// Where the run comes from, as far as run.json says.
void read_origin(const RunFolder& folder, ReportRun& run) {
  folder.read("run.json", [&](const ordered_json& json) {
    const auto text = [&](const char* key) {
      if (!json.contains(key)) return std::string("not recorded");
      return json[key].is_string() ? json[key].get<std::string>() : json_text(json[key]);
    };
    run.origin = {{"data set", text(json.contains("data") ? "data" : "cache")},
                  {"tracks", text("tracks")},
                  {"digest of the data", text("data_digest")},
                  {"date", text("started")},
                  {"version", text("melgrad")},
                  {"commit", text("commit")},
                  {"seed", text("seed")},
                  {"device", text("device_description")}};
  });
}

ReportRun read_run(const std::string& path) {
  const RunFolder folder = RunFolder::open(path);
  ReportRun run;
  run.path = path;
  const Recipe recipe = load_recipe(folder.file("recipe.toml"));
  run.group = recipe.name;
  run.best_by = name_of(recipe.train.best_by);
  for (const auto& [key, value] : recipe_fields(recipe)) run.recipe[key] = value;
  read_metrics(folder.file("metrics.jsonl"), run);
  const std::string why = unfinished(folder);
  if (why.starts_with("training failed") || (!why.empty() && !fs::exists(folder.file("result.json"))))
    run.notes.push_back(why);
  read_result(folder, run);
  read_origin(folder, run);
  // What was tested otherwise is no other run of the same.
  folder.read("run.json", [&](const ordered_json& json) {
    if (json.contains("protocol")) run.recipe["protocol"] = json.at("protocol");
  });
  return run;
}

}  // namespace

std::vector<std::vector<std::int64_t>> GenreTest::confusion() const {
  std::vector<std::vector<std::int64_t>> out(classes.size(), std::vector<std::int64_t>(classes.size(), 0));
  for (const Track& track : tracks)
    ++out[static_cast<std::size_t>(track.label)][static_cast<std::size_t>(track.answer)];
  return out;
}

void keep_comparable(std::vector<ReportRun>& runs) {
  for (ReportRun& run : runs) {
    if (!run.genres) continue;
    const auto first = std::find_if(runs.begin(), runs.end(), [&](const ReportRun& other) {
      return other.genres && other.recipe == run.recipe;
    });
    if (first->genres->classes == run.genres->classes) continue;
    run.notes.push_back(
        fmt::format("its genres are not those of {}: its test result is left out", first->path));
    run.genres.reset();
  }
}

std::vector<ReportRun> read_runs(const std::string& path, std::vector<std::string>& problems) {
  std::vector<std::string> found;
  if (fs::exists(fs::path(path) / "splits.json")) found.push_back(path);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (fs::exists(entry.path() / "run.json")) found.push_back(entry.path().string());
  }
  if (found.empty())
    fail(ErrorKind::input,
         "{}: neither a run folder nor one of a reproduction or sweep (no run.json below it)", path);
  std::sort(found.begin(), found.end());
  std::vector<ReportRun> runs;
  for (const std::string& run : found) {
    try {
      runs.push_back(read_run(run));
    } catch (const Error& e) {
      problems.push_back(fmt::format("left out: {}", e.what()));
    }
  }
  return runs;
}

}  // namespace melgrad
