// A part of a list whose other parts are other processes' work: every count-th element, from `index` on.
#pragma once

#include <cstddef>
#include <cstdint>

namespace melgrad {

struct Part {
  std::int64_t index = 0, count = 1;  // 0 <= index < count

  bool has(std::size_t element) const { return static_cast<std::int64_t>(element) % count == index; }
  bool operator==(const Part&) const = default;
};

}  // namespace melgrad
