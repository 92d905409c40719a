// The specification of every op as naive loops over host arrays: reference/layers.h, channels.h and
// recurrent.h (what a network computes), training.h (loss, optimizers, data) and augment.h (changes of the
// input, filters). tests/ops compares every device with these, and checks these themselves, in double,
// against central differences. log_mel has its own in tests/ops/mel_test.cpp.
#pragma once

#include "kernels/reference/array.h"
#include "kernels/reference/augment.h"
#include "kernels/reference/channels.h"
#include "kernels/reference/layers.h"
#include "kernels/reference/recurrent.h"
#include "kernels/reference/training.h"
