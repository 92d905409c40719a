// Tables on screen: rows of cells as aligned text, the first column flush left, the others flush right.
#pragma once

#include <string>
#include <vector>

namespace melgrad {

using TextRows = std::vector<std::vector<std::string>>;

// Rows may differ in length. Cells are made printable (kernels/text.h).
std::string align(TextRows rows);
// What stands below a table that was cut; nothing for 0 rows.
std::string more(std::size_t rows, const std::string& what);

}  // namespace melgrad
