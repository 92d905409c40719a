// What threads may do with HDF5, for those who include nothing of it.
#pragma once

namespace melgrad {

// Whether several threads may read and write caches and checkpoints at once: how HDF5 was built. Debian's
// may.
bool hdf5_takes_threads();

}  // namespace melgrad
