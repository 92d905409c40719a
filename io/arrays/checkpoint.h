// A checkpoint: named arrays and named texts in one HDF5 file (io/README.md has the schema). What they mean
// is the business of who saves them: "param/conv1.weight", "moment0/conv1.weight", "state/counter" as arrays;
// "recipe", "model", "classes" as texts. Saved atomically: there is always the old file or the new one. Every
// value carries its XXH3 digest, and a file that is not intact is not loaded.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "io/arrays/host_array.h"
#include "kernels/error.h"

namespace melgrad {

struct Checkpoint {
  std::map<std::string, std::string> text;
  std::map<std::string, HostArray> arrays;

  // The named value. Throws Error (input) naming `path`, for the message, when it is missing.
  const std::string& need_text(const std::string& name, const std::string& path) const;
  const HostArray& need_array(const std::string& name, const std::string& path) const;
  // The same of an array of one element, which must be of type T.
  template <typename T>
  T need_scalar(const std::string& name, const std::string& path) const {
    const HostArray& array = need_array(name, path);
    if (array.dtype != dtype_of<T>() || array.numel() != 1)
      fail(ErrorKind::input, "{}: {} is no scalar", path, name);
    return array.as<T>()[0];
  }
};

// Throws Error (output); the old file is untouched then.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);
// Throws Error (input) naming the file and the value.
Checkpoint load_checkpoint(const std::string& path, std::int64_t max_bytes = std::int64_t{1} << 36);

}  // namespace melgrad
