// How far the genres of a run lie apart before and after the network: Fisher's discriminants of the raw
// segments (principal components first, as in Dong 2018, figure 5) and of what the network's last layer sees,
// fitted to the training tracks, drawn on the test tracks.
#pragma once

#include "apps/report/page.h"
#include "apps/report/sections.h"
#include "kernels/device.h"

namespace melgrad {

// For the first run of each group that has a model, on the device; reads the run's cache again and takes up
// to a minute. A group for which it cannot is named in `problems`.
void add_spaces(Page& page, const std::vector<RunGroup>& groups, Device& device,
                std::vector<std::string>& problems);

}  // namespace melgrad
