// Rank tests and projections against scipy and scikit-learn (golden/make_analysis.py), and what they must do.
#include "models/metrics/statistics.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "apps/analysis/discriminants.h"
#include "apps/analysis/projection.h"
#include "tests/golden.h"
#include "tests/places.h"

namespace melgrad {
namespace {

nlohmann::json golden_file() {
  std::ifstream file(source_path("tests/golden/analysis.json"));
  return nlohmann::json::parse(file);
}

Matrix random_rows(std::uint64_t seed, std::size_t rows, std::size_t columns) {
  Matrix x{columns, {}};
  for (const float v : golden::uniform(seed, static_cast<std::int64_t>(rows * columns), 1.0))
    x.values.push_back(v);
  return x;
}

TEST(Statistics, quartiles_interpolate) {
  const Quartiles q = quartiles({4, 1, 3, 2});
  EXPECT_EQ(q.count, 4U);
  EXPECT_DOUBLE_EQ(q.low, 1.75);
  EXPECT_DOUBLE_EQ(q.median, 2.5);
  EXPECT_DOUBLE_EQ(q.high, 3.25);
  EXPECT_EQ(quartiles({5}).high, 5);
  EXPECT_TRUE(std::isnan(quartiles({}).median));
}

TEST(Statistics, mean_and_deviation_of_a_sample) {
  EXPECT_DOUBLE_EQ(mean({1, 2, 6}), 3);
  EXPECT_DOUBLE_EQ(deviation({1, 2, 6}), std::sqrt(7.0));
  EXPECT_EQ(deviation({5}), 0);
}

TEST(Statistics, rank_tests_agree_with_scipy) {
  const auto golden = golden_file()["rank_tests"];
  ASSERT_EQ(golden.size(), 6U);
  for (const auto& want : golden) {
    const RankTest t = mann_whitney(want["a"], want["b"]);
    const double auc = want["auc"], p = want["p"];
    EXPECT_NEAR(t.auc, auc, 1e-12) << want["name"];
    EXPECT_NEAR(t.delta, 2 * auc - 1, 1e-12) << want["name"];
    EXPECT_NEAR(t.p, p, 1e-9 * p) << want["name"];
  }
}

TEST(Statistics, exchanging_the_samples_turns_the_sign_alone) {
  const std::vector<double> a = {1, 2, 2, 5, 9, 11}, b = {0, 2, 3, 4};
  const RankTest ab = mann_whitney(a, b), ba = mann_whitney(b, a);
  EXPECT_DOUBLE_EQ(ab.delta, -ba.delta);
  EXPECT_DOUBLE_EQ(ab.z, -ba.z);
  EXPECT_DOUBLE_EQ(ab.p, ba.p);
  EXPECT_TRUE(std::isnan(mann_whitney(a, {}).p));
}

// Of samples from one distribution a share of 5 % has p < 0.05.
TEST(Statistics, p_is_what_it_says) {
  int below = 0;
  for (std::uint64_t trial = 0; trial < 1000; ++trial) {
    const auto u = golden::uniform(5000 + trial, 70, 1.0);
    below += mann_whitney({u.begin(), u.begin() + 30}, {u.begin() + 30, u.end()}).p < 0.05 ? 1 : 0;
  }
  EXPECT_NEAR(below, 50, 4 * 6.9);
}

struct GoldenRows {
  nlohmann::json want = golden_file()["projection"];
  Matrix rows;
  std::vector<bool> second;

  GoldenRows() {
    rows.columns = want["rows"][0].size();
    for (const auto& row : want["rows"]) rows.add_row(row.get<std::vector<double>>());
    for (const int s : want["second"]) second.push_back(s == 1);
  }
};

TEST(Projection, principal_axes_agree_with_scikit_learn) {
  const GoldenRows golden;
  const PrincipalAxes pca = principal_axes(golden.rows);
  for (std::size_t a = 0; a < golden.rows.columns; ++a)
    EXPECT_NEAR(pca.share(a), golden.want["share"][a].get<double>(), 1e-9) << a;
  for (std::size_t a = 0; a < 3; ++a) {
    // The sign of an axis is a convention: take it from the first row.
    const double sign =
        pca.project(golden.rows.row(0), 3)[a] * golden.want["coordinates"][0][a].get<double>() < 0 ? -1 : 1;
    for (std::size_t i = 0; i < golden.rows.rows(); ++i) {
      const double want = golden.want["coordinates"][i][a];
      EXPECT_NEAR(sign * pca.project(golden.rows.row(i), 3)[a], want, 1e-6) << a << " " << i;
    }
  }
}

TEST(Projection, the_discriminant_agrees_with_scikit_learn) {
  const GoldenRows golden;
  const Discriminant line = discriminant(golden.rows, golden.second);
  EXPECT_EQ(line.axes, golden.want["axes_kept"].get<std::size_t>());
  const double sign = line(golden.rows.row(0)) * golden.want["line"][0].get<double>() < 0 ? -1 : 1;
  for (std::size_t i = 0; i < golden.rows.rows(); ++i)
    EXPECT_NEAR(sign * line(golden.rows.row(i)), golden.want["line"][i].get<double>(), 1e-6) << i;
}

TEST(Projection, separability_agrees_with_scikit_learn) {
  const GoldenRows golden;
  const Separability s = separability(golden.rows, golden.second);
  const std::vector<double> folds = golden.want["fold_aucs"];
  ASSERT_EQ(folds.size(), kFolds);
  double mean = 0;
  for (const double auc : folds) mean += auc / kFolds;
  EXPECT_NEAR(s.mean, mean, 1e-12);
  EXPECT_NEAR(s.lowest, *std::min_element(folds.begin(), folds.end()), 1e-12);
  EXPECT_NEAR(s.highest, *std::max_element(folds.begin(), folds.end()), 1e-12);
}

TEST(Projection, the_second_group_lies_higher_and_within_the_groups_the_variance_is_one) {
  const GoldenRows golden;
  const Discriminant line = discriminant(golden.rows, golden.second);
  double mean[2] = {0, 0}, count[2] = {0, 0}, within = 0;
  for (std::size_t i = 0; i < golden.second.size(); ++i) {
    mean[golden.second[i]] += line(golden.rows.row(i));
    count[golden.second[i]] += 1;
  }
  for (const std::size_t g : {0, 1}) mean[g] /= count[g];
  EXPECT_GT(mean[1], mean[0]);
  for (std::size_t i = 0; i < golden.second.size(); ++i)
    within += std::pow(line(golden.rows.row(i)) - mean[golden.second[i]], 2);
  EXPECT_NEAR(within / static_cast<double>(golden.second.size()), 1, 1e-9);
}

// Random groups: a line fitted to 40 columns parts the rows it was fitted to, and says nothing about others.
TEST(Projection, random_groups_are_not_separable) {
  const Matrix rows = random_rows(3, 300, 40);
  std::vector<bool> second;
  for (const float u : golden::uniform(4, 300, 1.0)) second.push_back(u < 0);
  const Discriminant line = discriminant(rows, second);
  std::vector<double> fitted[2];
  for (std::size_t i = 0; i < rows.rows(); ++i) fitted[second[i] ? 1 : 0].push_back(line(rows.row(i)));
  EXPECT_GT(mann_whitney(fitted[1], fitted[0]).auc, 0.65);
  EXPECT_NEAR(separability(rows, second).mean, 0.5, 0.1);
}

TEST(Projection, groups_far_apart_are_separable) {
  Matrix rows = random_rows(3, 100, 10);
  std::vector<bool> second;
  for (std::size_t i = 0; i < 100; ++i) {
    second.push_back(i % 3 == 0);
    for (std::size_t c = 0; c < 10; ++c) rows.values[i * 10 + c] += second[i] ? 2 : 0;
  }
  const Separability s = separability(rows, second);
  EXPECT_EQ(s.mean, 1);
  EXPECT_EQ(s.lowest, 1);
}

TEST(Projection, equal_rows_and_few_rows_are_no_fault) {
  Matrix same{3, {}};
  std::vector<bool> second;
  for (int i = 0; i < 20; ++i) {
    same.add_row(std::vector<double>{1, 2, 3});
    second.push_back(i % 2 == 0);
  }
  EXPECT_EQ(separability(same, second).mean, 0.5);
  for (std::size_t i = 0; i < second.size(); ++i)
    if (second[i]) same.values[3 * i] = 5;  // no spread within the groups
  EXPECT_EQ(separability(same, second).mean, 1);
  const Matrix wide = random_rows(1, 10, 47);
  second.resize(10);
  EXPECT_EQ(discriminant(wide, second).axes, 2U);
}

Matrix matrix_of(const nlohmann::json& rows) {
  Matrix out{rows[0].size(), {}};
  for (const auto& row : rows) out.add_row(row.get<std::vector<double>>());
  return out;
}

// The sign of an axis is a convention: `got` is turned to agree where `want` is largest.
void expect_same_up_to_sign(const Matrix& got, const Matrix& want, const std::string& what) {
  ASSERT_EQ(got.columns, want.columns) << what;
  ASSERT_EQ(got.rows(), want.rows()) << what;
  for (std::size_t a = 0; a < want.columns; ++a) {
    std::size_t largest = 0;
    for (std::size_t i = 0; i < want.rows(); ++i)
      if (std::abs(want.row(i)[a]) > std::abs(want.row(largest)[a])) largest = i;
    const double sign = got.row(largest)[a] * want.row(largest)[a] < 0 ? -1 : 1;
    for (std::size_t i = 0; i < want.rows(); ++i)
      EXPECT_NEAR(sign * got.row(i)[a], want.row(i)[a], 1e-6) << what << ", axis " << a << ", row " << i;
  }
}

TEST(Discriminants, components_agree_with_scikit_learn) {
  const auto golden = golden_file()["components"];
  ASSERT_EQ(golden.size(), 2U);
  for (const auto& want : golden) {
    const Matrix rows = matrix_of(want["rows"]);
    const auto variance = want["variance"].get<std::vector<double>>();
    const Components got = principal_components(rows, variance.size());
    double kept = 0;
    for (std::size_t k = 0; k < variance.size(); ++k) {
      EXPECT_NEAR(got.variance[k], variance[k], 1e-9) << want["name"];
      kept += got.variance[k] / got.whole;
    }
    EXPECT_NEAR(kept, want["kept"].get<double>(), 1e-9) << want["name"];
    expect_same_up_to_sign(got.map(rows), matrix_of(want["coordinates"]), want["name"]);
  }
}

TEST(Discriminants, of_groups_agree_with_scikit_learn) {
  const auto golden = golden_file()["groups"];
  const auto group = golden["group"].get<std::vector<std::int32_t>>();
  const Discriminants lda = discriminants(matrix_of(golden["rows"]), group, 4);
  const Matrix others = lda.map(matrix_of(golden["others"]));
  expect_same_up_to_sign(others, matrix_of(golden["coordinates"]), "groups");
  EXPECT_EQ(lda.classify(others), golden["answer"].get<std::vector<std::int32_t>>());
}

// No more components than rows less one, and a direction without spread within the groups does no harm.
TEST(Discriminants, leave_out_what_has_no_spread) {
  EXPECT_EQ(principal_components(random_rows(3, 5, 9), 9).map.axes.rows(), 4U);
  Matrix rows = random_rows(4, 30, 4);
  std::vector<std::int32_t> group;
  for (std::size_t i = 0; i < 30; ++i) {
    rows.values[i * 4 + 2] = 7;
    group.push_back(static_cast<std::int32_t>(i % 3));
  }
  const Discriminants lda = discriminants(rows, group, 3);
  EXPECT_EQ(lda.map.axes.rows(), 2U);
  for (const double x : lda.map(rows).values) EXPECT_TRUE(std::isfinite(x));
}

}  // namespace
}  // namespace melgrad
