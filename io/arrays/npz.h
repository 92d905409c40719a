// NumPy's files: reads .npz (a ZIP archive of .npy arrays, as np.savez and np.savez_compressed write it) and
// single .npy files, of format versions 1 to 3. Files are not trusted: sizes are checked against each other,
// against what deflate can expand, and against a cap before anything is allocated; checksums are verified;
// pickled objects are refused. Arrays arrive in row-major order (Fortran order is converted).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace melgrad {

struct NpyArray {
  char kind = 'f';                  // as in NumPy: b bool, u i f numbers, U unicode, S bytes
  std::int64_t itemsize = 4;        // bytes of one element
  std::vector<std::int64_t> shape;  // empty for a 0-d array, which has one element
  std::vector<std::byte> bytes;     // little-endian

  std::int64_t numel() const;
  std::string dtype() const;  // "f4", "U9"
  bool is_text() const { return kind == 'U' || kind == 'S'; }
  bool is_integer() const { return kind == 'b' || kind == 'u' || kind == 'i'; }
  // Elements [first, first + count). Numbers of any type; texts for to_text only, as UTF-8 without padding.
  void to_float(std::int64_t first, std::int64_t count, float* out) const;
  std::vector<std::int64_t> to_i64() const;
  std::vector<std::string> to_text() const;
};

constexpr std::int64_t kNpzMaxBytes = std::int64_t{1} << 36;

// Names without ".npy". Throws Error (input) naming the file and the array.
std::map<std::string, NpyArray> read_npz(const std::string& path, std::int64_t max_bytes = kNpzMaxBytes);
NpyArray read_npy(const std::string& path, std::int64_t max_bytes = kNpzMaxBytes);

// The bytes of a version 1 .npy of f32, row-major.
std::string npy_bytes(const std::vector<std::int64_t>& shape, const std::vector<float>& values);

// What both are made of: an .npy of `size` bytes, which `read` gives in order. `label` names it in messages.
NpyArray parse_npy(const std::string& label, std::uint64_t size,
                   const std::function<void(void*, std::size_t)>& read);

}  // namespace melgrad
