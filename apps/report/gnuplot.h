// Figures drawn by gnuplot, all by one process, with one theme: Okabe and Ito's colours (2008), which the
// colour-blind tell apart, ink and rules that turn in a dark page, letters of 14 pixels.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/report/plot.h"

namespace melgrad {

// Writes <name>.csv, and where gnuplot is <name>.svg and <name>.png, into `folder`, which it makes. In a
// plot's commands `data` is the name of the table; columns are named in its first row. Returns what was not
// drawn and why. Throws Error (output).
std::vector<std::string> draw(const std::vector<const Plot*>& plots, const std::filesystem::path& folder);

// The commands that draw a table as cells, its first row below them turned by so many degrees, its first
// column at their left. More of the same `plot` may follow behind a comma.
std::string heat_map(int degrees);

// The commands that draw the columns from `first` on, one for each of so many groups, over column `x`, as
// dots in seven colours, then again as triangles; a column's head is its name in the legend.
std::string dots_of_groups(std::size_t groups, std::size_t x, std::size_t first);

// Which of so many equal bins from 0 to 1 a value lies in: the first or the last if it lies beyond, the first
// if it is no number, as a file may have it.
std::size_t bin_of(double value, std::size_t bins);

// RFC 4180; a cell that is no number starts no formula in a spreadsheet (io/datasets/csv.h).
std::string as_csv(const TextRows& rows);

}  // namespace melgrad
