#include "io/arrays/hdf5_output.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <iterator>
#include <limits>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/error.h"

namespace melgrad {
namespace {

// What HDF5 holds of an open file: its own part comes first.
struct OpenFile {
  H5FD_t common;
  int file;
  haddr_t end_of_space, end_of_file;  // as HDF5 has dealt it out, and as it lies on the disk
  H5Output* output;
};

OpenFile& of(H5FD_t* file) { return *reinterpret_cast<OpenFile*>(file); }
const OpenFile& of(const H5FD_t* file) { return *reinterpret_cast<const OpenFile*>(file); }

void note_failure(H5Output& output) {
  if (output.error == 0) output.error = errno == 0 ? EIO : errno;
}

H5FD_t* open_file(const char* name, unsigned flags, hid_t access, haddr_t /*most*/) {
  H5Output& output = **static_cast<H5Output* const*>(H5Pget_driver_info(access));
  const int how = O_RDWR | O_CLOEXEC | ((flags & H5F_ACC_TRUNC) != 0 ? O_TRUNC : 0) |
                  ((flags & H5F_ACC_CREAT) != 0 ? O_CREAT : 0);
  const int file = ::open(name, how, 0666);
  struct stat status {};
  if (file < 0 || ::fstat(file, &status) != 0) {
    // HDF5 first looks whether there is such a file.
    if ((flags & H5F_ACC_CREAT) != 0 || errno != ENOENT) note_failure(output);
    if (file >= 0) ::close(file);
    return nullptr;
  }
  auto* opened = new (std::nothrow) OpenFile{{}, file, 0, static_cast<haddr_t>(status.st_size), &output};
  return opened == nullptr ? nullptr : &opened->common;
}

herr_t close_file(H5FD_t* file) {
  const OpenFile& f = of(file);
  if (::close(f.file) != 0) note_failure(*f.output);
  delete &f;
  return 0;
}

herr_t read_file(H5FD_t* file, H5FD_mem_t /*type*/, hid_t /*list*/, haddr_t at, std::size_t size,
                 void* buffer) {
  const OpenFile& f = of(file);
  auto* to = static_cast<char*>(buffer);
  while (size > 0) {
    const ssize_t n = ::pread(f.file, to, size, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      note_failure(*f.output);
      return -1;
    }
    if (n == 0) break;
    to += n, at += static_cast<haddr_t>(n), size -= static_cast<std::size_t>(n);
  }
  std::memset(to, 0, size);  // beyond the end
  return 0;
}

herr_t write_file(H5FD_t* file, H5FD_mem_t /*type*/, hid_t /*list*/, haddr_t at, std::size_t size,
                  const void* buffer) {
  OpenFile& f = of(file);
  const auto* from = static_cast<const char*>(buffer);
  while (size > 0) {
    errno = 0;
    const ssize_t n = ::pwrite(f.file, from, size, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      note_failure(*f.output);
      break;
    }
    from += n, at += static_cast<haddr_t>(n), size -= static_cast<std::size_t>(n);
  }
  f.end_of_file = std::max(f.end_of_file, at + size);
  return 0;
}

herr_t truncate_file(H5FD_t* file, hid_t /*list*/, hbool_t /*closing*/) {
  OpenFile& f = of(file);
  if (f.end_of_space == f.end_of_file) return 0;
  if (::ftruncate(f.file, static_cast<off_t>(f.end_of_space)) != 0) note_failure(*f.output);
  f.end_of_file = f.end_of_space;
  return 0;
}

hid_t driver() {
  static const hid_t id = [] {
    H5FD_class_t c{};
#ifdef H5FD_CLASS_VERSION  // HDF5 1.14
    c.version = H5FD_CLASS_VERSION;
    c.value = static_cast<H5FD_class_value_t>(512);  // of those free for anyone
#endif
    c.name = "melgrad";
    c.maxaddr = static_cast<haddr_t>(std::numeric_limits<off_t>::max());
    c.fc_degree = H5F_CLOSE_WEAK;
    c.fapl_size = sizeof(void*);  // an H5Output*
    c.open = open_file;
    c.close = close_file;
    c.query = [](const H5FD_t* /*file*/, unsigned long* flags) -> herr_t {
      *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
               H5FD_FEAT_AGGREGATE_SMALLDATA;
      return 0;
    };
    c.get_eoa = [](const H5FD_t* file, H5FD_mem_t /*type*/) { return of(file).end_of_space; };
    c.set_eoa = [](H5FD_t* file, H5FD_mem_t /*type*/, haddr_t end) -> herr_t {
      of(file).end_of_space = end;
      return 0;
    };
    c.get_eof = [](const H5FD_t* file, H5FD_mem_t /*type*/) { return of(file).end_of_file; };
    c.read = read_file;
    c.write = write_file;
    c.truncate = truncate_file;
    constexpr H5FD_mem_t kMap[] = H5FD_FLMAP_DICHOTOMY;
    std::copy(std::begin(kMap), std::end(kMap), c.fl_map);
    return H5FDregister(&c);
  }();
  return id;
}

}  // namespace

void h5_write_through(hid_t access, H5Output& output) {
  H5Output* info = &output;
  if (H5Pset_driver(access, driver(), &info) < 0)
    fail(ErrorKind::internal, "HDF5: the driver for writing cannot be installed");
}

}  // namespace melgrad
