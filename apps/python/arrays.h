// Arrays of NumPy for the module: what comes in is read where it lies, what goes out is handed over.
#pragma once

#include <cstdint>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <utility>
#include <vector>

namespace melgrad {

namespace nb = nanobind;

using Vector = nb::ndarray<nb::numpy, float, nb::ndim<1>, nb::c_contig>;
using Matrix = nb::ndarray<nb::numpy, float, nb::ndim<2>, nb::c_contig>;
// Read in place: [frames, channels] or [tracks, tags].
using Samples = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Labels = nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// The numbers themselves, which the array owns from now on.
template <typename Array>
Array array_of(std::vector<float> values, std::initializer_list<std::size_t> shape) {
  auto* held = new std::vector<float>(std::move(values));
  const nb::capsule owner(held, [](void* p) noexcept { delete static_cast<std::vector<float>*>(p); });
  return Array(held->data(), shape, owner);
}
inline Vector vector_of(std::vector<float> values) {
  const std::size_t size = values.size();
  return array_of<Vector>(std::move(values), {size});
}
inline Matrix matrix_of(std::vector<float> values, std::size_t columns) {
  const std::size_t rows = values.size() / columns;
  return array_of<Matrix>(std::move(values), {rows, columns});
}

}  // namespace melgrad
