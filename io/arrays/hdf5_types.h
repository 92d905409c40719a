// The types of melgrad's datasets and attributes as HDF5 has them; for the sources of hdf5.h.
#pragma once

#include <string>

#include "io/arrays/hdf5.h"

namespace melgrad {

constexpr std::size_t kMaxTextBytes = 1 << 16;  // of one text

// The same type in the file and in memory: melgrad runs on little-endian machines, so nothing is converted.
H5Id make_type(H5Type type);
// False when the stored type is none of melgrad's.
bool recognise(hid_t stored, H5Type& type);
// Text is stored in as many bytes as the longest of its dataset takes, filled up with zeros.
std::string up_to_zero(std::string text);

}  // namespace melgrad
