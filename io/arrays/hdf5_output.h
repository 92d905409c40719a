// The driver through which HDF5 writes files. HDF5 1.10 does not survive a write that fails: it crashes later
// on, or closes the file as if nothing had happened. So it is never told: the driver goes on, and keeps what
// failed first for H5File, which asks after every dataset and at the end.
#pragma once

#include <hdf5.h>
#include <string>

namespace melgrad {

struct H5Output {
  std::string shown;  // the file's name in messages
  int error = 0;      // errno of the first call that failed
};

// Makes files of this access list go through the driver. `output` must outlive them.
void h5_write_through(hid_t access, H5Output& output);

}  // namespace melgrad
