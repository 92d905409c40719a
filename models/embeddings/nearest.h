// Exact search for the rows of a table that point the way a vector points: cosine similarity, by one product
// of the matrix with the vector, on any device.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/memory.h"
#include "models/embeddings/embedding_table.h"

namespace melgrad {

struct Near {
  std::int64_t row = 0;
  float similarity = 0;  // -1 ... 1
};

class NearestRows {
 public:
  // `centre`: the mean of all rows is taken from each first. What all rows have in common makes some of them
  // the neighbours of everything (hubs); without it they are fewer.
  NearestRows(Device& device, const EmbeddingTable& table, bool centre);

  // The `count` rows nearest to `vector` [width], the nearest first, those for which `wanted` is false left
  // out. Of equal ones the earlier row comes first. The similarity of a vector or row without length is 0.
  std::vector<Near> nearest(std::span<const float> vector, std::size_t count,
                            const std::function<bool(std::int64_t)>& wanted = {});
  // Of every row.
  std::vector<float> similarities(std::span<const float> vector);

 private:
  Device* device_;
  std::vector<float> mean_;  // [width], zeros without centring
  Tensor rows_, zero_, vector_, product_;
  Slab slab_;
};

}  // namespace melgrad
