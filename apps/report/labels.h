// The part of a report on tags as labels: how frequent they are and which come together.
#pragma once

#include <string>
#include <vector>

#include "apps/analysis/tag_statistics.h"
#include "apps/report/page.h"

namespace melgrad {

void add_labels(Page& page, const TagStatistics& labels);

// The most frequent tags: as many as a picture has room for, and that in words.
std::vector<std::size_t> frequent(const TagStatistics& labels);
std::string of_frequent(const TagStatistics& labels);

// Of a picture with a row for each tag from above, its name at the left: gnuplot's settings, the height.
std::string row_axis(std::size_t rows);
int height_of(std::size_t rows);

}  // namespace melgrad
