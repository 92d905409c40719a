// Tables of embeddings: written, read, gone on with, searched.
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "io/arrays/npz.h"
#include "kernels/devices/make_device.h"
#include "models/embeddings/embedding_writer.h"
#include "models/embeddings/nearest.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

// Values that have no direction in common.
EmbeddingTable made(std::int64_t rows, std::int64_t width) {
  EmbeddingTable table;
  table.path = "made";
  table.width = width;
  table.model = {"m", 7, false, "mean"};
  for (std::int64_t i = 0; i < rows; ++i) {
    table.names.push_back(fmt::format("a/{:03}.wav", i));
    table.files.push_back(static_cast<std::uint64_t>(i) + 1);
    for (std::int64_t k = 0; k < width; ++k)
      table.values.push_back(static_cast<float>(std::sin(static_cast<double>(i * width + k) * 12.9898)));
  }
  return table;
}

TEST(Embeddings, ComeBackWithAllThatIsKnownOfThem) {
  const Scratch scratch;
  EmbeddingTable table = made(5, 3);
  table.classes = {"x", "y"};
  table.labels = {1, 0, 0, 1, 1, 1, 0, 0, 1, 0};
  table.columns["artist"] = {"a", "b", "", "a", "c"};
  table.files[4] = 0xFFFFFFFFFFFFFFFF;
  write_embeddings(scratch / "e.h5", table);
  const EmbeddingTable back = read_embeddings(scratch / "e.h5");
  EXPECT_EQ(back.values, table.values);
  EXPECT_EQ(back.names, table.names);
  EXPECT_EQ(back.files, table.files);
  EXPECT_EQ(back.labels, table.labels);
  EXPECT_EQ(back.columns, table.columns);
  EXPECT_TRUE(back.model == table.model);

  write_embeddings(scratch / "e.npy", table);
  const NpyArray array = read_npy(scratch / "e.npy");
  EXPECT_EQ(array.shape, (std::vector<std::int64_t>{5, 3}));
  const EmbeddingTable plain = read_embeddings(scratch / "e.npy");
  EXPECT_EQ(plain.values, table.values);
  EXPECT_EQ(plain.names, table.names);
}

TEST(Embeddings, WhatCannotBeIsNamed) {
  const Scratch scratch;
  const auto refused = [&](const std::string& path) {
    return error_of(ErrorKind::input, [&] { read_embeddings(path); });
  };
  EmbeddingTable poisoned = made(4, 3);
  poisoned.values[7] = std::nanf("");
  write_bytes(scratch / "p.npy", npy_bytes({4, 3}, poisoned.values));
  write_bytes(scratch / "p.names.txt", "a\nb\nc\nd\n");
  expect_contains(refused(scratch / "p.npy"), "p.npy: row 2 (c) holds a number that is not finite");
  write_bytes(scratch / "n.npy", npy_bytes({4, 3}, made(4, 3).values));
  expect_contains(refused(scratch / "n.npy"), "n.names.txt with the names of its rows");
  write_bytes(scratch / "n.names.txt", "a\nb\nc\n");
  expect_contains(refused(scratch / "n.npy"), "has 12 numbers for 3 names");
  write_bytes(scratch / "n.names.txt", "a\nb\nc\na\n");
  expect_contains(refused(scratch / "n.npy"), "n.names.txt: name \"a\" is there twice");
  write_bytes(scratch / "v.npy", npy_bytes({12}, made(4, 3).values));
  expect_contains(refused(scratch / "v.npy"), "must hold numbers [rows, width], holds f4 [12]");
}

// A run that ends anywhere, in the middle of a write too, goes on with all that was whole.
TEST(Embeddings, AWriterGoesOnWhereItWasCutOff) {
  const Scratch scratch;
  const EmbeddingTable table = made(6, 4);
  const std::string path = scratch / "e.h5", rows = path + ".partial/rows";
  const auto add = [&](EmbeddingWriter& writer, std::int64_t i) {
    const auto row = table.row(i);
    writer.add(table.names[static_cast<std::size_t>(i)], table.files[static_cast<std::size_t>(i)], {0},
               {row.begin(), row.end()});
  };
  {
    EmbeddingWriter writer(path, table.model);
    for (std::int64_t i = 0; i < 4; ++i) add(writer, i);
    EXPECT_THROW(EmbeddingWriter(path, table.model), Error);  // one at a time
  }
  const std::string whole = read_bytes(rows);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    write_bytes(rows, whole.substr(0, size));
    EmbeddingWriter writer(path, table.model);
    std::int64_t done = 0;
    for (std::int64_t i = 0; i < 4; ++i)
      done += writer.made_of(table.names[static_cast<std::size_t>(i)]) == static_cast<std::uint64_t>(i + 1);
    EXPECT_EQ(done == 4, size == whole.size()) << size;
  }
  write_bytes(rows, whole);
  expect_contains(error_of(ErrorKind::input,
                           [&] {
                             EmbeddingWriter(path, {"other", 8, false, "mean"});
                           }),
                  "was begun with another model");
  expect_contains(error_of(ErrorKind::input,
                           [&] {
                             EmbeddingWriter(path, {"m", 7, false, "left"});
                           }),
                  "of another mix");
  {
    EmbeddingWriter writer(path, table.model);
    for (std::int64_t i = 4; i < 6; ++i) add(writer, i);
    EXPECT_EQ(writer.finish(table), 6);
  }
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
  EXPECT_EQ(read_embeddings(path).values, table.values);
  {
    EmbeddingWriter more(path, table.model);  // what the table holds is done
    EXPECT_EQ(more.made_of(table.names[5]), 6U);
    more.forget(table.names[5]);
    EXPECT_EQ(more.made_of(table.names[5]), 0U);
  }
  expect_contains(error_of(ErrorKind::input,
                           [&] {
                             EmbeddingWriter(path, {"other", 8, false, "mean"});
                           }),
                  "was made by another model (m)");
}

TEST(Embeddings, TheNearestAreThoseOfTheFormula) {
  const auto device = make_device("cpu");
  EmbeddingTable table = made(200, 17);
  std::fill_n(table.values.begin() + 3 * 17, 17, 0.0F);  // row 3 has no direction
  for (const bool centre : {false, true}) {
    std::vector<double> mean(17, 0.0);
    for (std::size_t i = 0; centre && i < table.values.size(); ++i) mean[i % 17] += table.values[i] / 200.0;
    const auto cosine = [&](std::int64_t a, std::int64_t b) {
      double product = 0, square_a = 0, square_b = 0;
      for (std::size_t k = 0; k < 17; ++k) {
        const double x = table.row(a)[k] - mean[k], y = table.row(b)[k] - mean[k];
        product += x * y, square_a += x * x, square_b += y * y;
      }
      return square_a * square_b > 0 ? product / std::sqrt(square_a * square_b) : 0.0;
    };
    NearestRows index(*device, table, centre);
    const std::vector<float> all = index.similarities(table.row(11));
    for (std::int64_t i = 0; i < 200; ++i)
      EXPECT_NEAR(all[static_cast<std::size_t>(i)], cosine(11, i), 1e-6) << i;
    const auto near = index.nearest(table.row(11), 5, [](std::int64_t row) { return row % 2 == 0; });
    ASSERT_EQ(near.size(), 5U);
    for (std::size_t k = 0; k < near.size(); ++k) {
      EXPECT_EQ(near[k].row % 2, 0);
      EXPECT_LE(near[k].similarity, near[k > 0 ? k - 1 : 0].similarity);
    }
    std::size_t as_near = 0;
    for (std::size_t i = 0; i < 200; i += 2) as_near += all[i] >= near.back().similarity ? 1 : 0;
    EXPECT_EQ(as_near, near.size());
  }
}

}  // namespace
}  // namespace melgrad
