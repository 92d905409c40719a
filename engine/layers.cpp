#include "engine/layers.h"

#include <algorithm>
#include <cmath>

#include "engine/param.h"

namespace melgrad {

RecurrentLayer::RecurrentLayer(ParamStore& params, const std::string& name, Cell cell, std::int64_t in,
                               std::int64_t units, bool reverse)
    : params_{params.uniform(name + ".weight_input", {gates_of(cell) * units, in},
                             1 / std::sqrt(static_cast<double>(units))),
              params.uniform(name + ".weight_state", {gates_of(cell) * units, units},
                             1 / std::sqrt(static_cast<double>(units))),
              params.bias(name + ".bias_input", gates_of(cell) * units),
              params.bias(name + ".bias_state", gates_of(cell) * units)},
      cell_(cell),
      reverse_(reverse) {
  if (cell == Cell::lstm) std::fill_n(params_.b_input.start.begin() + units, units, 1.0F);  // i, f, g, o
}

}  // namespace melgrad
