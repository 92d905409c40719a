// The specification of every op as naive loops over host arrays: reference/layers.h (what a network computes)
// and reference/training.h (loss, optimizers, data). tests/ops compares every device with these, and checks
// these themselves, in double, against central differences. log_mel has its own in tests/ops/mel_test.cpp.
#pragma once

#include "tests/reference/array.h"
#include "tests/reference/layers.h"
#include "tests/reference/training.h"
