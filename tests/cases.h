// The shapes on which the ops are tested and benchmarked, by name: odd sizes (1, 3, 31, 33, 257) that leave
// every vector, block and tile with a rest, and the layers of the Dong 2018 network, scaled down.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/ops.h"

namespace melgrad::cases {

// Lengths for element-wise ops and whole-slab ops; the last ones span several blocks of any implementation.
inline std::vector<std::int64_t> lengths() { return {1, 3, 31, 33, 257, 4096, 50001}; }

struct Linear {
  std::string name;
  std::int64_t rows, inputs, outputs;
};

inline std::vector<Linear> linear() {
  return {{"one", 1, 1, 1},
          {"row", 1, 33, 31},
          {"column", 257, 3, 1},
          {"one output", 2051, 203, 1},
          {"odd", 31, 257, 33},
          {"tall", 257, 31, 3},
          {"dong2018 dense", 6, 12544, 32},
          {"dong2018 output", 150, 32, 10}};
}

struct Conv {
  std::string name;
  Shape x, w;  // [N, T, F, C], [O, kT, kF, C]
  Conv2d conv;
};

inline std::vector<Conv> conv() {
  return {{"one", {1, 1, 1, 1}, {1, 1, 1, 1}, {}},
          {"pointwise", {3, 5, 7, 33}, {31, 1, 1, 33}, {}},
          {"whole input", {2, 5, 3, 3}, {7, 5, 3, 3}, {}},
          {"odd channels", {2, 9, 11, 3}, {31, 3, 3, 3}, {}},
          {"padded", {1, 9, 33, 5}, {9, 3, 3, 5}, {1, 1, 1, 1}},
          {"uneven padding", {2, 7, 8, 4}, {3, 5, 3, 4}, {1, 1, 2, 0}},
          {"strided, rest dropped", {2, 12, 10, 3}, {17, 3, 2, 3}, {3, 2, 0, 1}},
          {"long", {1, 257, 3, 2}, {3, 31, 3, 2}, {2, 1, 3, 1}},
          {"one band", {3, 33, 1, 7}, {5, 3, 1, 7}, {1, 1, 1, 0}},
          {"pointwise, strided", {2, 9, 11, 3}, {5, 1, 1, 3}, {2, 3, 0, 0}},
          {"pointwise, strided, wide", {2, 16, 8, 12}, {20, 1, 1, 12}, {2, 2, 0, 0}},
          {"wide, padded, strided", {2, 11, 10, 12}, {10, 3, 2, 12}, {2, 3, 1, 1}},
          {"musicnn timbre, more than one part", {7, 188, 96, 1}, {2, 7, 67, 1}, {1, 1, 3, 0}},
          {"dong2018 first", {2, 40, 24, 1}, {16, 3, 3, 1}, {}},
          {"dong2018 second", {2, 19, 15, 32}, {64, 5, 3, 32}, {}}};
}

struct Pool {
  std::string name;
  Shape x;
  Pool2d pool;
};

inline std::vector<Pool> pool() {
  return {{"one", {1, 1, 1, 1}, {1, 1}},
          {"whole", {2, 3, 5, 31}, {3, 5}},
          {"largest window", {1, 16, 16, 3}, {16, 16}},
          {"rest dropped", {3, 31, 33, 3}, {4, 2}},
          {"long", {1, 257, 3, 1}, {2, 3}},
          {"dong2018 first", {2, 38, 22, 16}, {4, 2}},
          {"dong2018 second", {2, 15, 13, 64}, {4, 2}},
          {"overlapping", {2, 17, 13, 16}, {4, 3, 2, 2}},
          {"overlapping, rest dropped", {3, 32, 9, 3}, {5, 4, 3, 2}},
          {"musicnn's vgg first", {2, 187, 96, 8}, {4, 1, 2, 2}},
          {"gaps", {2, 11, 10, 5}, {2, 1, 3, 4}}};
}

// [N, P, C]; the last ones span several pieces of the rows on every device.
struct Channels {
  std::string name;
  Shape x;
};

inline std::vector<Channels> channels() {
  return {{"one", {1, 1, 1}},
          {"one position", {31, 1, 3}},
          {"odd", {3, 31, 33}},
          {"wide", {2, 3, 257}},
          {"long", {1, 257, 31}},
          {"one channel", {2, 33001, 1}},
          {"few channels", {2, 11003, 3}}};
}

// The input of batch normalisation, of M rows of C. Of two rows little but rounding is left in the gradient.
inline std::vector<Channels> norm() {
  return {{"one", {1, 1}},
          {"one row", {1, 31}},
          {"three rows", {3, 257}},
          {"odd", {3, 31, 33, 3}},
          {"dense", {31, 512}},
          {"spectrogram", {2, 257, 96, 1}},
          {"several pieces", {3, 31, 33, 31}}};
}

struct Stem {
  std::string name;
  Shape x, w;
  Pool2d pool;
};

inline std::vector<Stem> stem() {
  return {{"one", {1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1}},
          {"one window", {3, 6, 4, 1}, {5, 3, 3, 1}, {4, 2}},
          {"odd kernel", {2, 33, 31, 1}, {3, 5, 7, 1}, {3, 1}},
          {"rest dropped", {1, 257, 13, 1}, {33, 3, 3, 1}, {4, 2}},
          {"many bands", {1, 9, 257, 1}, {7, 3, 3, 1}, {1, 2}},
          {"dong2018", {3, 40, 24, 1}, {64, 3, 3, 1}, {4, 2}},
          {"dong2018, 96 filters, full segment", {1, 256, 64, 1}, {96, 3, 3, 1}, {4, 2}}};
}

// Sequences for recurrent layers, `hidden` elements of a state.
struct Sequences {
  std::string name;
  std::int64_t steps, batch, hidden;
  std::vector<std::int32_t> lengths;  // empty: all have `steps`
};

// All extents crossed; sequences of mixed lengths, from one step to all of them, at every second.
inline std::vector<Sequences> sequences() {
  std::vector<Sequences> all;
  for (const std::int64_t steps : {1, 3, 31})
    for (const std::int64_t batch : {1, 5})
      for (const std::int64_t hidden : {1, 3, 32, 33}) {
        const std::string name =
            std::to_string(steps) + " x " + std::to_string(batch) + " x " + std::to_string(hidden);
        all.push_back({name, steps, batch, hidden, {}});
        if (steps == 1) continue;
        const auto last = static_cast<std::int32_t>(steps);
        all.push_back({name + ", lengths", steps, batch, hidden, {last / 2, last, 1, last - 1, 2}});
        all.back().lengths.resize(static_cast<std::size_t>(batch));
      }
  // Of 128 the weights fit in the registers and the shared memory of a GPU's block, an LSTM's only just; of
  // 257 they do not.
  all.push_back({"3 x 2 x 128", 3, 2, 128, {}});
  all.push_back({"7 x 2 x 64, lengths", 7, 2, 64, {7, 4}});
  all.push_back({"2 x 3 x 257, lengths", 2, 3, 257, {2, 1, 2}});
  return all;
}

struct Classes {
  std::string name;
  std::int64_t examples, classes;
};

inline std::vector<Classes> classes() {
  return {{"one", 1, 1},    {"two", 1, 2},    {"odd", 31, 33},
          {"many", 257, 3}, {"wide", 3, 257}, {"dong2018", 150, 10}};
}

}  // namespace melgrad::cases
