// Which windows of a pooling hold a position: windows w of `size` positions that begin at w * step.
#pragma once

#include <cstdint>

#include "kernels/math/qualifier.h"

namespace melgrad {

// The first window that holds the position; the others follow it, up to the last that begins at or before it.
template <typename Int>
MELGRAD_HD constexpr Int first_window(Int position, Int size, Int step) {
  return position < size ? 0 : (position - size) / step + 1;
}

}  // namespace melgrad
