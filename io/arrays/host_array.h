// HostArray: an owned array in ordinary memory, as it comes from and goes to files. Row-major; scalars are
// [1]. Unlike a Tensor it may have any rank, and it owns its bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/error.h"
#include "kernels/tensor.h"

namespace melgrad {

// The element type in C++ of a DType; f16 travels as its bits.
template <typename T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::f32;
  else if constexpr (std::is_same_v<T, std::uint16_t>) return DType::f16;
  else if constexpr (std::is_same_v<T, std::int32_t>) return DType::i32;
  else if constexpr (std::is_same_v<T, std::int64_t>) return DType::i64;
  else {
    static_assert(std::is_same_v<T, std::uint8_t>, "no DType for this type");
    return DType::u8;
  }
}

// "[2, 3]"
inline std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

struct HostArray {
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;

  HostArray() = default;
  HostArray(DType type, std::vector<std::int64_t> extents) : dtype(type), shape(std::move(extents)) {
    bytes.resize(static_cast<std::size_t>(numel() * size_of(dtype)));
  }
  template <typename T>
  static HostArray of(std::vector<std::int64_t> extents, std::span<const T> values) {
    HostArray array(dtype_of<T>(), std::move(extents));
    require(static_cast<std::int64_t>(values.size()) == array.numel(), "HostArray: {} values for {} elements",
            values.size(), array.numel());
    std::copy(values.begin(), values.end(), array.as<T>().begin());
    return array;
  }
  template <typename T>
  static HostArray scalar(T value) {
    return of<T>({1}, std::span<const T>(&value, 1));
  }

  std::int64_t numel() const {
    std::int64_t n = shape.empty() ? 0 : 1;
    for (std::int64_t e : shape) n *= e;
    return n;
  }
  template <typename T>
  std::span<T> as() {
    return {reinterpret_cast<T*>(bytes.data()), checked_size<T>()};
  }
  template <typename T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(bytes.data()), checked_size<T>()};
  }
  bool operator==(const HostArray&) const = default;

 private:
  template <typename T>
  std::size_t checked_size() const {
    require(dtype_of<T>() == dtype, "HostArray: asked for {}, holds {}", name_of(dtype_of<T>()),
            name_of(dtype));
    return bytes.size() / sizeof(T);
  }
};

}  // namespace melgrad
