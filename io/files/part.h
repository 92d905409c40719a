// A part of a list whose other parts are other processes' work, and files that each hold a part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace melgrad {

// Every count-th element, from `index` on.
struct Part {
  std::int64_t index = 0, count = 1;  // 0 <= index < count

  bool has(std::size_t element) const { return static_cast<std::int64_t>(element) % count == index; }
  bool operator==(const Part&) const = default;
};

// Of a file: which part of what.
struct PartOf {
  Part part;
  std::uint64_t whole = 0;  // a digest of the whole list, by which its parts know each other
};

// Where a part lies of a file that has this path as a whole: NAME.part-00000-of-00004.h5 of NAME.h5.
std::string part_path(const std::string& whole, Part part);
// The path of the whole; "" where the name is no part's.
std::string whole_path(const std::string& part);
// The parts that lie there, in order; none where there are none. Throws Error (input) naming the first that
// is missing, or where parts of two divisions lie there.
std::vector<std::string> parts_of(const std::string& whole);
// Throws Error (input) unless the files are all parts of one whole, each once. `parts` in the same order;
// null: the file says of no part.
void expect_all_parts(const std::vector<std::string>& paths, const std::vector<const PartOf*>& parts);

}  // namespace melgrad
