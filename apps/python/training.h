// melgrad.train of the Python module.
#pragma once

#include <nanobind/nanobind.h>

namespace melgrad {

void add_training(nanobind::module_& module);

}  // namespace melgrad
