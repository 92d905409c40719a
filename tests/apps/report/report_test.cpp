// Reports of run folders written here: what is drawn agrees with the runs' JSON, what is broken is named.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <numbers>

#include "apps/report/analysis.h"
#include "apps/report/filters.h"
#include "apps/report/gnuplot.h"
#include "apps/report/sections.h"
#include "models/embeddings/embedding_table.h"
#include "models/recipes/recipe.h"
#include "tests/apps/command.h"
#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using test::run_command;

constexpr int kEpochs = 1000, kReportTracks = 40;
const std::vector<std::string> kReportClasses = {"blues", "jazz, \"cool\"", "rock"};

class Report : public ::testing::Test {
 protected:
  // A run whose `right` first tracks are answered rightly, the others with the next class.
  std::string write_run(const std::string& name, int right, const std::string& setting = "model.filters=64",
                        std::vector<std::string> classes = kReportClasses) {
    Recipe recipe = load_recipe("dong2018");
    set_recipe_fields(recipe, {setting});
    const auto put = [&](const char* file, const std::string& text) {
      test::write_bytes(folder_ / (name + "/" + file), text);
    };
    put("run.json", "{}");
    put("splits.json", "{}");
    put("recipe.toml", as_toml(recipe));
    std::string metrics;
    for (int epoch = 1; epoch <= kEpochs; ++epoch) {
      metrics += fmt::format(R"({{"epoch":{},"step":{},"loss":{},"rate":1.0,"seconds":{},"valid":0.5}})",
                             epoch, 2 * epoch, 1000 - epoch, 3 * epoch) +
                 "\n";
    }
    put("metrics.jsonl", metrics + "{\"epoch\":1001,\"st");  // cut by a crash
    nlohmann::json test = {{"classes", classes}, {"accuracy", double{1} * right / kReportTracks}};
    for (int i = 0; i < kReportTracks; ++i) {
      const auto label = static_cast<std::size_t>(i) % classes.size();
      const std::size_t answer = i < right ? label : (label + 1) % classes.size();
      std::vector<double> p(classes.size(), 0.1);
      p[answer] = 0.8;
      test["predictions"].push_back({{"track", fmt::format("track {}", i)},
                                     {"label", classes[label]},
                                     {"answer", classes[answer]},
                                     {"probabilities", p}});
    }
    put("result.json", nlohmann::json{{"test", test}}.dump());
    return (folder_ / name).string();
  }
  test::Outcome report(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "report");
    arguments.insert(arguments.end(), {"--out", page_});
    return run_command(register_report, arguments);
  }
  std::string page() const { return test::read_bytes(page_); }
  std::string figure(const std::string& file) const { return test::read_bytes((figures_ / file).string()); }

  test::TempFolder folder_;
  const std::string page_ = (folder_ / "out/page.html").string();
  const fs::path figures_ = folder_ / "out/page-figures";
};

TEST_F(Report, FiguresAgreeWithTheRun) {
  const auto outcome = report({write_run("a", 30)});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  // 40 tracks are 14, 13 and 13 of the three classes; tracks 30 to 39 are wrong: 4 blues, 3 jazz, 3 rock.
  EXPECT_EQ(figure("confusion-1.csv"),
            ",blues,\"jazz, \"\"cool\"\"\",rock\nblues,0.714286,0.285714,0\n\"jazz, "
            "\"\"cool\"\"\",0,0.769231,0.230769\n"
            "rock,0.230769,0,0.769231\n");
  EXPECT_NE(figure("genres-1.csv").find("\nblues,0.714286,"), std::string::npos);
  EXPECT_EQ(figure("calibration-1.csv").substr(0, 60).find("confidence,accuracy,low,high,tracks\n0.8,0.75,"),
            0U);
  EXPECT_NE(page().find("expected calibration error 0.050"), std::string::npos);  // |0.75 - 0.8|
  EXPECT_NE(page().find("75.0 %"), std::string::npos);
  EXPECT_NE(page().find("the most confident of 10 mistakes"), std::string::npos);
}

TEST_F(Report, TaggersStandBesideWhatPredictsNothing) {
  const std::string a = write_run("a", 30), b = write_run("b", 30);
  TagMetrics metrics;
  metrics.tracks = 10;
  metrics.macro.roc_auc = {0.75, 0.5, 0.6, 0.875};
  metrics.tags = {{"slow", 4, 3, 0.4, 0, metrics.macro}, {"fast", 0, 0, 0, 0, {}}};
  metrics.tags[1].figures.roc_auc = {NAN, NAN, NAN, NAN};  // on no track
  const auto put = [](const std::string& run, nlohmann::ordered_json test) {
    test::write_bytes(run + "/result.json", nlohmann::ordered_json{{"test", std::move(test)}}.dump());
  };
  put(a, as_json(metrics));
  metrics.macro.roc_auc.value = 0.65;
  put(b, as_json(metrics));
  auto outcome = report({a, b});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(figure("roc_auc-1.csv"), "tag,value,baseline,low,high\nslow,0.75,0.5,0.6,0.875\nfast,,,,\n");
  EXPECT_NE(figure("macro-roc_auc.csv").find(b + "\",0.65,0.5,0.6,0.875\n"), std::string::npos)
      << figure("macro-roc_auc.csv");
  EXPECT_NE(page().find("0.700 ± 0.071"), std::string::npos);
  auto broken = as_json(metrics);
  broken["tags"][1]["roc_auc"].erase("interval");
  put(b, broken);
  outcome = report({a, b});
  EXPECT_NE(outcome.err.find("result.json: left out: key 'interval' not found"), std::string::npos)
      << outcome.err;
  EXPECT_NE(page().find("0.750"), std::string::npos);
}

TEST_F(Report, AResultOfBeforeAFigureExistedIsShownWithoutIt) {
  const std::string a = write_run("a", 30), b = write_run("b", 30);
  TagMetrics metrics;
  metrics.tracks = 10;
  metrics.macro.roc_auc = {0.75, 0.5, 0.6, 0.875};
  metrics.tags = {{"slow", 4, 3, 0.4, 0, metrics.macro}};
  auto json = as_json(metrics);
  for (const std::string& run : {b, a}) {  // the first of the page lacks it
    test::write_bytes(run + "/result.json", nlohmann::ordered_json{{"test", json}}.dump());
    json["macro"].erase("roc_auc");
    json["tags"][0].erase("roc_auc");
  }
  const auto outcome = report({a, b});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(figure("roc_auc-1.csv"), "tag,value,baseline,low,high\nslow,,,,\n");
  EXPECT_EQ(page().find(">nan<"), std::string::npos);
  EXPECT_NE(page().find(">-<"), std::string::npos);
  EXPECT_NE(page().find(b + " is best with 0.750"), std::string::npos);
}

TEST_F(Report, CurvesAreThinnedToMeans) {
  ASSERT_EQ(report({write_run("a", 30)}).exit_code, 0);
  const std::string loss = figure("loss-1.csv");  // three epochs a point
  EXPECT_EQ(std::count(loss.begin(), loss.end(), '\n'), 1 + 334 + 1);
  EXPECT_NE(loss.find(",2,998\n"), std::string::npos) << loss.substr(0, 200);
  EXPECT_NE(figure("step-time-1.csv").find(",5,1.5\n"), std::string::npos);  // 3 seconds for 2 steps
}

TEST_F(Report, NamesWhatIsBrokenAndDrawsTheRest) {
  const std::string a = write_run("all/a", 30), b = write_run("all/b", 20), c = write_run("all/c", 10);
  test::write_bytes(folder_ / "all/b/result.json", "{\"test\": ");
  fs::remove(folder_ / "all/c/result.json");
  fs::remove(folder_ / "all/c/metrics.jsonl");
  write_run("all/e", 10);
  test::write_bytes(folder_ / "all/e/recipe.toml", "name = ");
  test::write_bytes(folder_ / "all/a/model.h5", "no model");
  const auto outcome =
      report({(folder_ / "all").string(), write_run("d", 10, "model.filters=64", {"one", "two"})});
  ASSERT_EQ(outcome.exit_code, kExitProblemsFound) << outcome.err;  // a run is missing from the page
  EXPECT_NE(outcome.err.find("left out: " + (folder_ / "all/e").string()), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("no filters: " + a + "/model.h5"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find(a + ": metrics.jsonl, line 1001: cannot be read"), std::string::npos)
      << outcome.err;
  EXPECT_NE(outcome.err.find(b + "/result.json: "), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("not tested yet: melgrad evaluate " + c), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find(c + ": metrics.jsonl is missing"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("its genres are not those of " + a), std::string::npos) << outcome.err;
  EXPECT_NE(page().find("75.0 %"), std::string::npos);
  EXPECT_EQ(figure("genres-1.csv").find("two"), std::string::npos);
}

TEST_F(Report, RefusesWhatIsNoCount) {
  const auto problems_with = [&](const std::string& together) {
    const std::string path = (folder_ / "found.json").string();
    test::write_bytes(path, R"({"data": "music", "content": null, "no_content": "nobody listened",
      "labels": {"clips": 1, "tags": ["slow"], "tags_per_clip": [0, 1], "counts": [1], "together": [[)" +
                                together + "]]}}");
    Page page("");
    std::vector<std::string> problems;
    add_analyses(page, {read_analysis(path)}, problems);
    return fmt::format("{}", fmt::join(problems, "\n"));
  };
  EXPECT_EQ(problems_with("1"), "");
  for (const char* none : {"8.7e+122", "-1", "0.5", "true", "18446744073709551615"})
    EXPECT_NE(problems_with(none).find(fmt::format("must be a count, but is {}", none)), std::string::npos)
        << none << ": " << problems_with(none);
}

TEST(Bins, TakeWhateverAFileHolds) {
  EXPECT_EQ(bin_of(0, 10), 0U);
  EXPECT_EQ(bin_of(0.35, 10), 3U);
  EXPECT_EQ(bin_of(1, 10), 9U);
  EXPECT_EQ(bin_of(1e300, 10), 9U);
  EXPECT_EQ(bin_of(-1e300, 10), 0U);
  EXPECT_EQ(bin_of(INFINITY, 10), 9U);
  EXPECT_EQ(bin_of(NAN, 10), 0U);
}

TEST_F(Report, ComparesRunsTrackByTrack) {
  ASSERT_EQ(report({write_run("a", 30), write_run("b", 22, "model.filters=32")}).exit_code, 0);
  // Eight tracks only the first gets right, none only the second: 2 / 2^8.
  EXPECT_NE(page().find("<td class=\"n\">8</td><td class=\"n\">0</td><td class=\"n\">0.00781</td>"),
            std::string::npos);
  EXPECT_NE(page().find("dong2018 (2)"), std::string::npos);
  EXPECT_NE(page().find("model.filters 32"), std::string::npos);
}

TEST_F(Report, McNemarIsTheBinomialTest) {  // scipy.stats.binomtest(min(b, c), b + c).pvalue
  EXPECT_DOUBLE_EQ(mcnemar(0, 0), 1);
  EXPECT_DOUBLE_EQ(mcnemar(5, 5), 1);
  EXPECT_NEAR(mcnemar(0, 8), 0.0078125, 1e-12);
  EXPECT_NEAR(mcnemar(10, 3), 0.0922851562, 1e-9);
  EXPECT_NEAR(mcnemar(600, 500), 0.0028195, 3e-5);  // beyond 1,000 pairs the normal approximation
}

TEST_F(Report, AFigureThatFailsDoesNotStopTheOthers) {
  const TextRows data = {{"x", "y"}, {"1", "2"}, {"2", "3"}};
  Page page("three");
  page.plot({"first", "one", "one", data, "plot data using 1:2 with lines"});
  page.plot({"second", "two", "two", data, "plot data using 1:2 with nonsense"});
  page.plot({"third", "three", "three", data, "plot data using 1:2 with lines"});
  const auto problems = page.write(page_);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_NE(problems[0].find("second: not drawn; gnuplot: "), std::string::npos) << problems[0];
  EXPECT_TRUE(fs::exists(figures_ / "first.svg") && fs::exists(figures_ / "third.png"));
  EXPECT_FALSE(fs::exists(figures_ / "second.svg"));
  EXPECT_EQ(test::read_bytes(page_).find("alt=\"two\""), std::string::npos);
}

TEST_F(Report, WithoutGnuplotTheTablesAndDataStay) {
  const std::string run = write_run("a", 30), path = std::getenv("PATH");
  setenv("PATH", "/nonexistent", 1);
  const auto outcome = report({run});
  setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(outcome.exit_code, kExitProblemsFound);
  EXPECT_NE(outcome.err.find("gnuplot is not installed (Debian's package gnuplot-nox)"), std::string::npos);
  EXPECT_TRUE(fs::exists(figures_ / "confusion-1.csv"));
  EXPECT_NE(page().find("75.0 %"), std::string::npos);
  EXPECT_EQ(page().find("<img"), std::string::npos);
}

TEST_F(Report, ThePageStandsAlone) {
  ASSERT_EQ(report({write_run("<b>&", 30)}).exit_code, 0);
  const std::string html = page();
  for (const char* elsewhere : {"src=\"http", "href=\"", "url(http", "@import"})
    EXPECT_EQ(html.find(elsewhere), std::string::npos) << elsewhere;
  EXPECT_EQ(html.find("<b>"), std::string::npos);
  std::size_t images = 0;
  for (std::size_t at = html.find("<img"); at != std::string::npos; at = html.find("<img", at + 1)) {
    ++images;
    EXPECT_EQ(html.substr(html.find("src=", at), 24), "src=\"data:image/svg+xml,");
    EXPECT_GT(html.find("\"", html.find("alt=\"", at) + 5) - html.find("alt=\"", at), 30U);
  }
  EXPECT_EQ(images, 7U);
}

// Tracks on a line, of two classes, with names that a page must not take for its own.
TEST_F(Report, EmbeddingsBecomeAMap) {
  EmbeddingTable table;
  table.width = 3;
  table.classes = {"low", "high"};
  for (int i = 0; i < 8; ++i) {
    table.names.push_back(fmt::format("<i>{}", i));
    table.files.push_back(0);
    const auto at = static_cast<float>(i);
    table.values.insert(table.values.end(), {at, 2 * at, -at});
    table.labels.insert(table.labels.end(),
                        {static_cast<std::uint8_t>(i < 5), static_cast<std::uint8_t>(i >= 5)});
    table.columns["artist"].push_back(fmt::format("artist {:02}", i));
  }
  const std::string path = (folder_ / "e.h5").string();
  write_embeddings(path, table);
  ASSERT_EQ(report({path}).exit_code, 0);
  const std::string html = page();
  EXPECT_EQ(html.find("<i>"), std::string::npos);
  EXPECT_NE(html.find("8 tracks of 3 numbers each, on the two axes along which they differ most, which hold "
                      "100.0 % and 0.0 %"),
            std::string::npos);
  // The first axis puts them in order, at equal distances.
  std::vector<double> x;
  for (int i = 0; i < 8; ++i) {
    const std::size_t title =
        html.find(fmt::format("<title>&lt;i&gt;{}: {}</title>", i, i < 5 ? "low" : "high"));
    ASSERT_NE(title, std::string::npos) << i;
    const std::size_t mark = html.rfind("<circle cx=\"", title);
    x.push_back(std::stod(html.substr(mark + 12)));
    EXPECT_NE(html.substr(mark, title - mark).find(i < 5 ? "class=\"c0\"" : "class=\"c1\""),
              std::string::npos);
  }
  for (std::size_t i = 1; i < 8; ++i) EXPECT_NEAR(std::abs(x[i] - x[i - 1]), 680.0 / 7, 0.11);
  EXPECT_NE(figure("map.csv").find("track,axis 1,low,high\n<i>0: low,"), std::string::npos)
      << figure("map.csv");
  EXPECT_EQ(figure("map.png").substr(1, 3), "PNG");

  ASSERT_EQ(report({path, path, "--by", "high"}).exit_code, 0);
  EXPECT_NE(page().find("not high</li>"), std::string::npos);
  EXPECT_NE(figure("map-2.csv").find("not high"), std::string::npos);
  EXPECT_EQ(report({write_run("a", 30), "--by", "high"}).exit_code, 2);
  const auto unknown = report({path, "--by", "hgh"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_NE(unknown.err.find("has no such tag or column; did you mean high?"), std::string::npos)
      << unknown.err;
}

// A ripple that goes up by one band every two frames, 8 frames and 4 bands a cycle.
TEST(Filters, ModulationFindsARipple) {
  ReceptiveField field;
  field.weight = {16, {}};
  for (int t = 0; t < 32; ++t)
    for (int f = 0; f < 16; ++f)
      field.weight.values.push_back(std::cos(2 * std::numbers::pi * (t / 8.0 - f / 4.0)));
  const Modulation m = modulation(field);
  EXPECT_DOUBLE_EQ(m.rate, 0.125);
  EXPECT_DOUBLE_EQ(m.scale, 0.25);
  EXPECT_TRUE(m.rising);
  EXPECT_NEAR(m.separability, 0.5, 1e-9);  // cos cos + sin sin: two products of equal power
  for (double& w : field.weight.values) w = 1;
  EXPECT_NEAR(modulation(field).separability, 1, 1e-12);
}

// The fields are linear in the input: conv2 of the mean-pooled conv1, computed layer by layer on single
// points.
TEST(Filters, SecondLayerFieldIsTheLinearResponse) {
  constexpr std::size_t kFilters = 3, kFrames = 22, kBands = 8;
  Checkpoint model;
  std::vector<float> w1(kFilters * 9), w2(2 * 15 * kFilters);
  for (std::size_t i = 0; i < w1.size(); ++i)
    w1[i] = static_cast<float>(std::sin(1.0 + 3.0 * static_cast<double>(i)));
  for (std::size_t i = 0; i < w2.size(); ++i)
    w2[i] = static_cast<float>(std::cos(2.0 + 5.0 * static_cast<double>(i)));
  model.arrays["param/conv1.weight"] = HostArray::of<float>({kFilters, 3, 3, 1}, w1);
  model.arrays["param/conv2.weight"] = HostArray::of<float>({2, 5, 3, kFilters}, w2);
  const auto fields = second_layer_fields(model, "model");
  ASSERT_EQ(fields.size(), 2U);
  EXPECT_GE(fields[0].norm, fields[1].norm);
  for (const ReceptiveField& field : fields) {
    ASSERT_EQ(field.weight.rows(), kFrames);
    ASSERT_EQ(field.weight.columns, kBands);
    for (std::size_t point = 0; point < kFrames * kBands; ++point) {
      const std::size_t pt = point / kBands, pf = point % kBands;
      double response = 0;
      for (std::size_t t = 0; t < 5; ++t)
        for (std::size_t f = 0; f < 3; ++f)
          for (std::size_t c = 0; c < kFilters; ++c) {
            double pooled = 0;  // conv1 sees a single 1 at (pt, pf)
            for (std::size_t i = 4 * t; i < 4 * t + 4; ++i)
              for (std::size_t j = 2 * f; j < 2 * f + 2; ++j)
                if (pt >= i && pt < i + 3 && pf >= j && pf < j + 3)
                  pooled += double{w1[c * 9 + (pt - i) * 3 + pf - j]} / 8;
            response += pooled * double{w2[((field.filter * 5 + t) * 3 + f) * kFilters + c]};
          }
      EXPECT_NEAR(field.weight.values[point], response, 1e-12) << pt << ", " << pf;
    }
  }
}

TEST_F(Report, RefusesWhatIsNoRun) {
  const auto outcome = report({folder_.path().string()});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_NE(outcome.err.find("neither a run folder"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace melgrad
