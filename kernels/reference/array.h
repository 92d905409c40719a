// Array: a host array for the reference and the tests. Owns its elements, row-major, up to four extents.
// Random contents come from a seed alone and are the same on every machine.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "kernels/tensor.h"

namespace melgrad::reference {

using Index = std::int64_t;

template <typename R>
struct Array {
  Shape shape;
  std::vector<R> v;

  Array() = default;
  explicit Array(Shape s, R value = R{}) : shape(s), v(static_cast<std::size_t>(s.numel()), value) {}

  Index size() const { return static_cast<Index>(v.size()); }
  R& operator[](Index i) { return v[static_cast<std::size_t>(i)]; }
  const R& operator[](Index i) const { return v[static_cast<std::size_t>(i)]; }

  // One index per extent.
  template <typename... I>
  R& operator()(I... index) {
    return (*this)[offset(index...)];
  }
  template <typename... I>
  const R& operator()(I... index) const {
    return (*this)[offset(index...)];
  }

  template <typename S>
  Array<S> as() const {
    Array<S> to(shape);
    for (Index i = 0; i < size(); ++i) to[i] = static_cast<S>((*this)[i]);
    return to;
  }

 private:
  template <typename... I>
  Index offset(I... index) const {
    Index at = 0;
    int axis = 0;
    ((at = at * shape[axis++] + static_cast<Index>(index)), ...);
    return at;
  }
};

template <typename R>
Array<R> operator+(Array<R> a, const Array<R>& b) {
  for (Index i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

template <typename R>
double dot(const Array<R>& a, const Array<R>& b) {
  double sum = 0;
  for (Index i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  double uniform(double low, double high) {
    return low + (high - low) * (static_cast<double>(engine_() >> 11) * 0x1p-53);
  }
  Index below(Index n) { return static_cast<Index>(engine_() % static_cast<std::uint64_t>(n)); }

  template <typename R>
  Array<R> array(Shape shape, double low = -1, double high = 1) {
    Array<R> a(shape);
    for (R& e : a.v) e = static_cast<R>(uniform(low, high));
    return a;
  }
  // No element closer than `gap` to zero: away from the kink of ReLU.
  template <typename R>
  Array<R> array_off_zero(Shape shape, double gap) {
    Array<R> a = array<R>(shape);
    for (R& e : a.v) e += static_cast<R>(e < 0 ? -gap : gap);
    return a;
  }
  // All elements at least `gap` apart: no maximum changes place under a step smaller than gap / 2.
  template <typename R>
  Array<R> array_distinct(Shape shape, double gap) {
    Array<R> a(shape);
    for (Index i = 0; i < a.size(); ++i) {
      const Index j = below(i + 1);
      a[i] = a[j];
      a[j] = static_cast<R>(gap * (static_cast<double>(i) - static_cast<double>(a.size()) / 2 + 0.5));
    }
    return a;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace melgrad::reference
