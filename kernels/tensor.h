// Tensor: a view of device memory. It never owns, is trivially copyable and always contiguous, row-major.
// One activation layout everywhere: [N, T, F, C] = example, time frame, mel band, channel (channels last).
// A spectrogram is stored frame by frame, so a segment is one contiguous block, and going from convolution
// to a recurrent layer is a reshape. Raw audio is [N, T, 1, 1]. Memory belongs to a Slab or an Arena
// (engine/memory.h).
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "kernels/error.h"

namespace melgrad {

enum class DType : std::uint8_t { f32, f16, bf16, i32, i64, u8 };

constexpr std::int64_t size_of(DType type) {
  switch (type) {
    case DType::f32:
      return 4;
    case DType::f16:
    case DType::bf16:
      return 2;
    case DType::i32:
      return 4;
    case DType::i64:
      return 8;
    case DType::u8:
      return 1;
  }
  return 0;
}

constexpr const char* name_of(DType type) {
  switch (type) {
    case DType::f32:
      return "f32";
    case DType::f16:
      return "f16";
    case DType::bf16:
      return "bf16";
    case DType::i32:
      return "i32";
    case DType::i64:
      return "i64";
    case DType::u8:
      return "u8";
  }
  return "?";
}

// Up to four extents. Rank 0 is the empty shape of a default Tensor, not a scalar: scalars are [1].
class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents) {
    require(extents.size() <= kMaxRank, "Shape: {} extents, at most {}", extents.size(), kMaxRank);
    for (std::int64_t e : extents) extent_[static_cast<std::size_t>(rank_++)] = e;
  }

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return extent_[static_cast<std::size_t>(axis)]; }
  std::int64_t numel() const {
    std::int64_t n = rank_ == 0 ? 0 : 1;
    for (int a = 0; a < rank_; ++a) n *= (*this)[a];
    return n;
  }
  bool operator==(const Shape&) const = default;
  std::string str() const {
    std::string s = "[";
    for (int a = 0; a < rank_; ++a) s += (a ? ", " : "") + std::to_string((*this)[a]);
    return s + "]";
  }

 private:
  std::array<std::int64_t, kMaxRank> extent_{};
  int rank_ = 0;
};

struct Tensor {
  void* data = nullptr;
  Shape shape;
  DType dtype = DType::f32;

  explicit operator bool() const { return data != nullptr; }
  std::int64_t numel() const { return shape.numel(); }
  std::int64_t bytes() const { return numel() * size_of(dtype); }
  std::int64_t dim(int axis) const { return shape[axis]; }

  // The elements; only code that runs on the tensor's device may look at them.
  float* f32() const { return static_cast<float*>(checked(DType::f32)); }
  std::uint16_t* f16() const { return static_cast<std::uint16_t*>(checked(DType::f16)); }
  std::uint16_t* bf16() const { return static_cast<std::uint16_t*>(checked(DType::bf16)); }
  std::int32_t* i32() const { return static_cast<std::int32_t*>(checked(DType::i32)); }
  std::int64_t* i64() const { return static_cast<std::int64_t*>(checked(DType::i64)); }
  std::uint8_t* u8() const { return static_cast<std::uint8_t*>(checked(DType::u8)); }

  // The same elements in another shape.
  Tensor reshape(Shape to) const {
    require(to.numel() == numel(), "reshape: {} to {}", shape.str(), to.str());
    return {data, to, dtype};
  }
  // `count` elements from `first` on, counted without regard to shape.
  Tensor span(std::int64_t first, std::int64_t count, Shape as) const {
    require(first >= 0 && first + count <= numel() && as.numel() == count, "span: {} + {} of {} as {}", first,
            count, shape.str(), as.str());
    return {static_cast<char*>(data) + first * size_of(dtype), as, dtype};
  }

 private:
  void* checked(DType want) const {
    if (dtype != want) {
      fail(ErrorKind::internal, "Tensor {}: holds {}, used as {}", shape.str(), name_of(dtype),
           name_of(want));
    }
    return data;
  }

 public:
  Tensor() = default;
  Tensor(void* d, Shape s, DType t = DType::f32) : data(d), shape(s), dtype(t) {}
};

}  // namespace melgrad
