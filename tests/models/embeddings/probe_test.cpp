// What a classifier reads from embeddings: the fit itself, the splits, what straddles them.
#include "models/embeddings/probe.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <numeric>

#include "io/datasets/dataset.h"
#include "kernels/devices/make_device.h"
#include "models/embeddings/labelled.h"
#include "models/embeddings/logistic.h"
#include "tests/golden.h"
#include "tests/io/scratch.h"
#include "tests/places.h"

namespace melgrad {
namespace {

TEST(Logistic, AgreesWithScikitLearn) {
  std::ifstream file(source_path("tests/golden/probe.json"));
  const auto golden = nlohmann::json::parse(file);
  const std::int64_t rows = golden["rows"], width = golden["width"], classes = golden["classes"];
  const std::vector<float> numbers = golden::uniform(301, rows * width, 1);
  const std::vector<double> x(numbers.begin(), numbers.end());
  ASSERT_EQ(golden["cases"].size(), 12U);
  for (const auto& want : golden["cases"]) {
    std::vector<std::uint8_t> targets;
    for (const auto& row : want["targets"])
      for (const int target : row) targets.push_back(static_cast<std::uint8_t>(target));
    const std::vector<double> weights = want["weights"];
    const LogisticRegression fitted(x, width, targets, classes, weights,
                                    {.c = want["c"], .one_class = want["one_class"]});
    EXPECT_TRUE(fitted.converged());
    const std::vector<float> got = fitted.probabilities(x);
    double worst = 0, constants = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const auto k = i % static_cast<std::size_t>(classes);
      worst = std::max(
          worst,
          std::abs(got[i] - want["probabilities"][i / static_cast<std::size_t>(classes)][k].get<double>()));
    }
    EXPECT_LT(worst, 2e-6) << want["c"];
    const std::vector<double>& w = fitted.coefficients();
    for (std::size_t k = 0; k < static_cast<std::size_t>(classes); ++k) {
      for (std::size_t j = 0; j < static_cast<std::size_t>(width); ++j)
        EXPECT_NEAR(w[k * static_cast<std::size_t>(width) + j], want["coefficients"][k][j].get<double>(),
                    3e-5 * (1 + want["c"].get<double>()));
      constants = std::max(constants, std::abs(w[static_cast<std::size_t>(classes * width) + k] -
                                               want["constants"][k].get<double>()));
    }
    EXPECT_LT(constants, 3e-5 * (1 + want["c"].get<double>())) << want["c"];
  }
}

// In more blocks than there are threads.
TEST(Logistic, ThreadsChangeNoBit) {
  constexpr std::int64_t kRows = 3000, kWidth = 40;
  const std::vector<float> numbers = golden::uniform(11, kRows * kWidth, 1);
  const std::vector<double> x(numbers.begin(), numbers.end()), weights(kRows, 1.0);
  std::vector<std::uint8_t> targets;
  for (std::size_t i = 0; i < kRows; ++i)
    for (std::size_t k = 0; k < 4; ++k) targets.push_back(x[i * kWidth + k] > 0.2 ? 1 : 0);
  const auto with = [&](int threads) {
    const auto device = make_device("cpu", {.threads = threads});
    return LogisticRegression(x, kWidth, targets, 4, weights, {.one_class = false}).coefficients();
  };
  EXPECT_EQ(with(1), with(2));
}

// Tracks of `classes` classes whose vectors say which, and an artist for each three of a class.
EmbeddingTable labelled_rows(std::int64_t tracks, std::int64_t classes, std::int64_t rows_each = 1) {
  EmbeddingTable table;
  table.path = "made";
  table.width = 6;
  for (std::int64_t k = 0; k < classes; ++k) table.classes.push_back(fmt::format("class{}", k));
  const std::vector<float> noise = golden::uniform(5, tracks * rows_each * table.width, 1);
  for (std::int64_t i = 0; i < tracks * rows_each; ++i) {
    const std::int64_t track = i / rows_each, klass = track % classes;
    table.names.push_back(fmt::format("{:03}.wav", track));
    table.files.push_back(0);
    if (rows_each > 1) table.starts.push_back(static_cast<float>(i % rows_each));
    for (std::int64_t k = 0; k < classes; ++k) table.labels.push_back(k == klass ? 1 : 0);
    for (std::int64_t j = 0; j < table.width; ++j)
      table.values.push_back(noise[static_cast<std::size_t>(i * table.width + j)] + (j == klass ? 3.0F : 0));
    table.columns["artist"].push_back(fmt::format("{}-{}", klass, track / classes / 3));
  }
  table.model.segments = rows_each > 1;
  return table;
}

nlohmann::ordered_json probed(const Cache& cache, ProbeOptions options = {}, int threads = 0) {
  const auto device = make_device("cpu", {.threads = threads});
  options.mlp = probe_recipe(task_of_labels(cache));
  const TrainingData data(*device, "made", CacheFile(cache), options.mlp);
  return probe(*device, data, cache, options, {});
}

TEST(Probe, OrderOfTheTableAndThreadsChangeNothing) {
  const EmbeddingTable table = labelled_rows(60, 3);
  EmbeddingTable turned = table;
  turned.values.clear();
  turned.labels.clear();
  std::reverse(turned.names.begin(), turned.names.end());
  auto& artists = turned.columns["artist"];
  std::reverse(artists.begin(), artists.end());
  for (std::int64_t i = table.rows() - 1; i >= 0; --i) {
    turned.values.insert(turned.values.end(), table.row(i).begin(), table.row(i).end());
    turned.labels.insert(turned.labels.end(), table.labels.begin() + i * 3, table.labels.begin() + i * 3 + 3);
  }
  const auto result = probed(labelled(table));
  EXPECT_EQ(result, probed(labelled(turned)));
  EXPECT_EQ(result, probed(labelled(table), {}, 1));
  EXPECT_EQ(result["test"]["accuracy"], 1.0);
  EXPECT_EQ(result["fits"].size(), 10U);
  EXPECT_EQ(result["test"]["tracks"], 60);
  for (const auto& fit : result["fits"]) {
    EXPECT_EQ(fit["tested"].size(), 6U);
    EXPECT_EQ(fit["train"], 54);
    EXPECT_EQ(fit["valid"], 0);
    EXPECT_TRUE(fit["converged"]);
  }
  EXPECT_NEAR(result["baseline"].get<double>(), 1.0 / 3, 1e-12);
}

TEST(Probe, OfTwoFoldsOneTrainsForTheOther) {
  const Cache cache = labelled(labelled_rows(60, 3));
  EXPECT_EQ(probed(cache, {.folds = 2})["fits"][0]["train"], 30);
  EXPECT_NE(error_of(ErrorKind::input, [&] { probed(cache, {.head = ProbeHead::mlp, .folds = 2}); })
                .find("no validation tracks"),
            std::string::npos);
}

TEST(Probe, AnotherSeedIsAnotherDivision) {
  const Cache cache = labelled(labelled_rows(60, 3));
  const auto both = probed(cache, {.repeats = 2}), second = probed(cache, {.seed = 1});
  EXPECT_EQ(both["fits"].size(), 20U);
  EXPECT_NE(both["fits"][0]["tested"], both["fits"][10]["tested"]);
  EXPECT_EQ(second["fits"][0]["tested"], both["fits"][10]["tested"]);
}

TEST(Probe, WhatBelongsTogetherNeverStraddles) {
  EmbeddingTable table = labelled_rows(60, 3);
  std::copy_n(table.values.begin(), 6, table.values.begin() + 30 * 6);  // tracks 0 and 30 are the same
  const auto fold_of = [](const nlohmann::ordered_json& result, const std::string& name) {
    for (const auto& fit : result["fits"])
      if (std::find(fit["tested"].begin(), fit["tested"].end(), name) != fit["tested"].end())
        return fit["fold"].get<int>();
    return -1;
  };
  const Cache cache = labelled(table);
  const auto result = probed(cache, {.folds = 7});
  EXPECT_GE(fold_of(result, "000.wav"), 0);
  EXPECT_EQ(fold_of(result, "000.wav"), fold_of(result, "030.wav"));
  EXPECT_EQ(result["leaks"]["identical"], 0);
  EXPECT_GT(result["leaks"]["columns"]["artist"], 30);

  const auto grouped = probed(cache, {.folds = 5, .group = "artist"});
  EXPECT_EQ(grouped["leaks"]["columns"]["artist"], 0);
  std::size_t tested = 0;
  for (const auto& fit : grouped["fits"]) tested += fit["tested"].size();
  EXPECT_EQ(tested, 60U);
  for (int i = 0; i < 60; i += 9)
    for (int other = i; other < std::min(60, i + 9); other += 3)
      EXPECT_EQ(fold_of(grouped, fmt::format("{:03}.wav", i)),
                fold_of(grouped, fmt::format("{:03}.wav", other)));
}

// A split that the data set prescribes stays as it is; what stands on both sides is told.
TEST(Probe, LeaksOfAPrescribedSplitAreTold) {
  EmbeddingTable table = labelled_rows(60, 3);
  for (std::int64_t i = 0; i < 60; ++i)
    table.columns["split"].push_back(i < 30 ? "train" : i < 40 ? "valid" : "test");
  std::copy_n(table.values.begin(), 6, table.values.begin() + 45 * 6);  // 45 is 0
  for (std::int64_t j = 0; j < 6; ++j)                                  // 48 is nearly 3
    table.values[static_cast<std::size_t>(48 * 6 + j)] =
        table.values[static_cast<std::size_t>(3 * 6 + j)] * 1.01F;
  const auto result = probed(labelled(table), {.splits = ProbeSplits::own});
  EXPECT_EQ(result["test"]["tracks"], 20);
  EXPECT_EQ(result["fits"][0]["train"], 30);
  EXPECT_EQ(result["fits"][0]["valid"], 10);
  EXPECT_EQ(result["leaks"]["identical"], 1);
  EXPECT_GE(result["leaks"]["nearly"]["tracks"], 2);
  EXPECT_EQ(result["leaks"]["nearly"]["nearest"][0]["test"], "045.wav");
  EXPECT_EQ(result["leaks"]["nearly"]["nearest"][0]["other"], "000.wav");
  std::vector<std::string> near;
  for (const auto& pair : result["leaks"]["nearly"]["nearest"]) near.push_back(pair["test"]);
  EXPECT_NE(std::find(near.begin(), near.end(), "048.wav"), near.end());
}

// Two classes by whether two numbers have the same sign: no straight line tells them apart.
TEST(Probe, AHiddenLayerSeesWhatALineCannot) {
  EmbeddingTable table;
  table.path = "made";
  table.width = 2;
  table.classes = {"same", "other"};
  table.values = golden::uniform(9, 400, 1);
  for (std::size_t i = 0; i < 200; ++i) {
    const bool same = (table.values[2 * i] > 0) == (table.values[2 * i + 1] > 0);
    table.names.push_back(fmt::format("{:03}", i));
    table.labels.insert(table.labels.end(),
                        {same ? std::uint8_t{1} : std::uint8_t{0}, same ? std::uint8_t{0} : std::uint8_t{1}});
  }
  const Cache cache = labelled(table);
  const double line = probed(cache, {.folds = 4})["test"]["accuracy"];
  const auto hidden = probed(cache, {.head = ProbeHead::mlp, .folds = 4});
  EXPECT_LT(line, 0.65);
  EXPECT_GT(hidden["test"]["accuracy"], 0.9);
  EXPECT_GT(hidden["fits"][0]["best_epoch"], 0);
  EXPECT_EQ(hidden, probed(cache, {.head = ProbeHead::mlp, .folds = 4}));
}

// A track of several rows is one track: in one fold, answered once.
TEST(Probe, SegmentsOfATrackAreOneTrack) {
  const auto result = probed(labelled(labelled_rows(30, 3, 4)), {.folds = 5});
  EXPECT_EQ(result["test"]["tracks"], 30);
  EXPECT_EQ(result["test"]["predictions"][0]["segments"], 4);
  EXPECT_EQ(result["test"]["accuracy"], 1.0);
}

TEST(Probe, TagsAreRanked) {
  EmbeddingTable table = labelled_rows(80, 4);
  for (std::size_t track = 0; track < 80; track += 5)
    for (std::size_t k = 0; k < 2; ++k) {
      table.labels[track * 4 + k] = 1;
      table.values[track * 6 + k] = 3;
    }
  const Cache cache = labelled(table);
  EXPECT_EQ(task_of_labels(cache), TaskKind::tags);
  const auto result = probed(cache, {.folds = 4, .c = {0.01, 1}});
  EXPECT_EQ(result["score"]["of"], "roc_auc");
  EXPECT_GT(result["test"]["macro"]["roc_auc"]["value"], 0.9);
  EXPECT_EQ(result["fits"][0]["valid"], 20);
}

TEST(Probe, LabelsOfADataSetGoWithNames) {
  DataSet set;
  set.classes = {"a", "b"};
  for (int i = 0; i < 6; ++i) {
    Track track;
    track.name = fmt::format("deep/{:03}.mp3", i);
    track.labels = {i % 2 == 0 ? "a" : "b"};
    set.tracks.push_back(track);
  }
  EmbeddingTable table = labelled_rows(9, 3);
  table.labels.clear();
  std::vector<std::string> notes;
  const Cache cache = labelled(table, set, [&](const std::string& line) { notes.push_back(line); });
  ASSERT_EQ(cache.items.size(), 6U);
  EXPECT_EQ(cache.items[1].labels, (std::vector<std::uint8_t>{0, 1}));
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes[0].find("3 tracks are not among the labels (the first: 006.wav)"), std::string::npos);
  error_of(ErrorKind::input, [&] { labelled(table); });
  table.names[1] = "000.flac";
  EXPECT_NE(error_of(ErrorKind::input, [&] { labelled(table, set); }).find("are both deep/000.mp3"),
            std::string::npos);
  for (std::string& name : table.names) name = "x" + name;
  EXPECT_NE(error_of(ErrorKind::input, [&] { labelled(table, set); }).find("none of its names"),
            std::string::npos);
}

}  // namespace
}  // namespace melgrad
