// The network of Dong 2018 (arXiv 1802.09697): two convolutions, two dense layers.
#pragma once

#include "models/networks/model.h"

namespace melgrad {

std::unique_ptr<Model> make_dong2018(const ModelOptions& options, const InputShape& input,
                                     std::int64_t classes);

}  // namespace melgrad
