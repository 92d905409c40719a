// A query over a table of embeddings: the 20 nearest of 1,000,000 rows of 200 numbers,
// nearest/<rows>x<width>/<device>; and BLAS's product of that matrix with a vector alone, nearest/blas/...
#include <benchmark/benchmark.h>
#include <cblas.h>
#include <optional>
#include <string>

#include "bench/lab.h"
#include "kernels/math/philox.h"
#include "kernels/ops.h"
#include "models/embeddings/nearest.h"

namespace melgrad {
namespace {

constexpr std::int64_t kRows = 1000000, kWidth = 200;

EmbeddingTable table() {
  EmbeddingTable out;
  out.width = kWidth;
  out.names.resize(kRows);
  out.values.resize(kRows * kWidth);
  for (std::size_t i = 0; i < out.values.size(); i += 4) {
    const Philox4 four = philox(1, 1, 0, i / 4);
    for (std::size_t k = 0; k < 4; ++k) out.values[i + k] = uniform01(four.word[k]) - 0.5F;
  }
  return out;
}

void query(benchmark::State& state, const BenchDevice& where) {
  Lab lab(where, 1);
  std::optional<EmbeddingTable> made(table());
  NearestRows index(lab.device(), *made, false);
  const std::vector<float> vector(made->row(7).begin(), made->row(7).end());
  made.reset();
  Slab slab(lab.device(), (kRows * kWidth + 2 * kRows + kWidth) * 4 + 4 * 256);
  const Tensor rows = slab.take({kRows, kWidth}), zero = slab.take({1}), x = slab.take({1, kWidth}),
               y = slab.take({kRows, 1});
  const double least = lab.least_seconds([&](Device& on) { on.ops().linear_forward(rows, x, zero, y); });
  lab.time(state, least, [&] { benchmark::DoNotOptimize(index.nearest(vector, 20)); });
}

void blas(benchmark::State& state, const BenchDevice& where) {
  Lab lab(where, 1);
  const EmbeddingTable made = table();
  std::vector<float> out(kRows);
  const double least = lab.least_seconds([&](Device&) {});
  lab.time(state, least, [&] {
    cblas_sgemv(CblasRowMajor, CblasNoTrans, kRows, kWidth, 1, made.values.data(), kWidth, made.row(7).data(),
                1, 0, out.data(), 1);
    benchmark::DoNotOptimize(out.data());
  });
}

const bool registered = [] {
  const std::string size = fmt::format("{}x{}", kRows, kWidth);
  for (const BenchDevice& device : bench_devices()) {
    if (device.name != "cpu" && device.name != "cuda/f32") continue;
    add_case(fmt::format("nearest/{}/{}", size, device.name), device, benchmark::kMillisecond,
             [=](benchmark::State& state) { query(state, device); });
    if (device.name == "cpu")
      add_case(fmt::format("nearest/blas/{}/cpu", size), device, benchmark::kMillisecond,
               [=](benchmark::State& state) { blas(state, device); });
  }
  return true;
}();

}  // namespace
}  // namespace melgrad
