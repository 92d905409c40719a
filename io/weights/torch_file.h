// What torch.save wrote: a state_dict of tensors, in the layout of before PyTorch 1.6 (pickles, then
// storages) or of after it (a ZIP archive). A pickle is a program; this reads the few instructions that a
// dictionary of tensors needs, knows OrderedDict, the storages and torch._utils._rebuild_tensor_v2, and
// refuses all else. Nothing is ever executed. Dictionaries within dictionaries give names with dots; what is
// no tensor in them (an epoch, a loss) is left out.
#pragma once

#include <memory>
#include <string>

#include "io/weights/weight_source.h"

namespace melgrad {

std::unique_ptr<WeightSource> open_torch_file(const std::string& path);

}  // namespace melgrad
