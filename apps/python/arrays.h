// Arrays for the module: what comes in is read where it lies, what goes out is handed over, to NumPy or, on a
// device, by DLPack.
#pragma once

#include <cstdint>
#include <memory>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <string>
#include <utility>
#include <vector>

#include "apps/python/workplace.h"
#include "engine/memory.h"

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
  nb::module_::import_("numpy");  // else nanobind does when the call is over, out of sight of AtWork
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

// What holds an array on a device: its memory, and the device as long as there is any.
struct OnDevice {
  std::shared_ptr<Workplace> place;
  Block block;
};
using DeviceMatrix = nb::ndarray<nb::array_api, float, nb::ndim<2>>;
inline DeviceMatrix device_matrix_of(OnDevice array, std::size_t columns) {
  const std::string name = array.place->name();  // "cpu", "cuda:1"
  const bool host = array.place->device().is_host();
  auto* held = new OnDevice(std::move(array));
  const nb::capsule owner(held, [](void* p) noexcept { delete static_cast<OnDevice*>(p); });
  const std::size_t rows = static_cast<std::size_t>(held->block.bytes()) / sizeof(float) / columns;
  return DeviceMatrix(held->block.data(), {rows, columns}, owner, {}, nb::dtype<float>(),
                      host ? nb::device::cpu::value : nb::device::cuda::value,
                      host ? 0 : std::stoi(name.substr(name.find(':') + 1)));
}

}  // namespace melgrad
