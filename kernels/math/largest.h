// What max pooling keeps: the largest value, the first of equals. NaN counts as larger than any number, so
// that trouble in the data or the weights goes on to the loss.
#pragma once

#include "kernels/math/qualifier.h"

namespace melgrad {

// Whether v takes the place of the largest value before it.
MELGRAD_HD inline bool is_larger(float v, float largest) { return !(v <= largest) && largest == largest; }

}  // namespace melgrad
