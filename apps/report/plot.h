// One figure: what gnuplot draws (apps/report/gnuplot.h) and a page shows (apps/report/page.h).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "apps/terminal/text_table.h"

namespace melgrad {

// A point of a scatter plot that the page draws itself, so that its name shows under the pointer.
struct Dot {
  double x = 0, y = 0;
  std::size_t group = 0;
  std::string name;
};

// The commands draw what is in `data`; they never contain text from a user's files, which reaches gnuplot
// only through the data.
struct Plot {
  std::string name;     // of its files, unique in a page: "confusion-dong2018"
  std::string caption;  // below the picture
  std::string alt;      // what one would say of it on the telephone
  TextRows data;        // the first row names the columns
  std::string commands;
  int width = 460, height = 320;  // CSS pixels; a phone shows 360 of them
  // If there are any, the page shows these; the files beside it are gnuplot's as ever.
  std::vector<Dot> dots = {};
  std::vector<std::string> groups = {};  // names of the dots' groups; at most kMostGroups
  static constexpr std::size_t kMostGroups = 14;
};

}  // namespace melgrad
