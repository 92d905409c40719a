// Settings of features for tests, as text.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kernels/mel.h"

namespace melgrad {

inline MelOptions with(MelOptions o, const std::vector<std::pair<std::string, std::string>>& settings) {
  for (const auto& [field, value] : settings) set_mel_field(o, field, value);
  return o;
}

}  // namespace melgrad
