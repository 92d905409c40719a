// Leaks inside libraries on files that the tests damage on purpose; everything else is still reported.
//   * libsndfile 1.2.0 does not free libvorbis's state when opening a damaged Ogg file fails.
//   * HDF5 1.10.8 does not free an object header that fails its checksum: H5Oopen returns an error, the 400
//   bytes
//     its metadata cache took for it (H5C_protect) are lost. Handles we forgot to close would not show here
//     anyway: HDF5's own table still points to them.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:vorbis_info_init\nleak:libhdf5\n"; }
