#include "io/arrays/hdf5.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "io/arrays/hdf5_output.h"
#include "io/files/text_file.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxObjects = 1 << 16;

// The innermost message of the library's error stack, or the system's part of it.
std::string library_message() {
  std::string text;
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned n, const H5E_error2_t* error, void* out) -> herr_t {
        if (n == 0 && error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
        return 0;
      },
      &text);
  const std::string key = "error message = '";
  if (const auto at = text.find(key); at != std::string::npos) {
    text.erase(0, at + key.size());
    text.resize(std::min(text.find('\''), text.size()));
  }
  return text.empty() ? "no further explanation" : text;
}

// Called before any other use of the library; the error stack may be one per thread. The clean-up at exit
// would crash over a file that could not be written; every file is closed by its owner, so none is needed.
void quiet() {
  H5dont_atexit();
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  H5PLset_loading_state(0);
}

H5Id access_list() {
  H5Id access = h5_property_list(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access.get(), H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
  H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
  // Files are written under a temporary name and never changed afterwards, so nothing needs a lock, and
  // network file systems without locks work.
  H5Pset_file_locking(access.get(), false, true);
  return access;
}

}  // namespace

std::recursive_mutex& H5Lock::mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

void h5_failure(ErrorKind kind, const std::string& label, const std::string& what) {
  const std::string message = library_message();
  H5Eclear2(H5E_DEFAULT);
  fail(kind, "{}: {} (HDF5: {})", label, what, message);
}

void expect_written(const H5Output* output) {
  if (output != nullptr && output->error != 0)
    fail(ErrorKind::output, "{}: cannot be written ({})", output->shown, system_reason(output->error));
}

H5Id h5_property_list(hid_t kind) { return {H5Pcreate(kind), H5Pclose}; }

// ---- H5File: opening and closing --------------------------------------------------------------------------

H5File::H5File() = default;
H5File::H5File(H5File&& other) noexcept = default;
H5File& H5File::operator=(H5File&& other) noexcept = default;
H5File::~H5File() = default;

H5File H5File::create(const std::string& path, const std::string& shown) {
  const H5Lock lock;
  quiet();
  H5File file;
  file.shown_ = shown;
  file.kind_ = ErrorKind::output;
  file.output_ = std::make_unique<H5Output>(H5Output{shown});
  const H5Id access = access_list(), creation = h5_property_list(H5P_FILE_CREATE);
  h5_write_through(access.get(), *file.output_);
  H5Pset_obj_track_times(creation.get(), false);
  H5Pset_attr_phase_change(creation.get(), 64, 32);  // up to 64 attributes in the plain, compact form
  file.id_ = H5Id(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose);
  expect_written(file.output_.get());
  if (file.id_.get() < 0) h5_failure(file.kind_, shown, "cannot be created");
  return file;
}

H5File H5File::open(const std::string& path, std::int64_t max_bytes) {
  const H5Lock lock;
  quiet();
  H5File file;
  file.shown_ = path;
  const RegularFile bytes(path);
  std::array<char, 8> head{};
  bytes.read(0, head.data(), head.size());
  if (std::memcmp(head.data(), "\x89HDF\r\n\x1a\n", head.size()) != 0) {
    fail(ErrorKind::input, "{}: is not an HDF5 file, so neither a melgrad cache nor a checkpoint", path);
  }
  file.max_bytes_ = std::min(max_bytes, static_cast<std::int64_t>(bytes.size()));
  errno = 0;
  file.id_ = H5Id(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access_list().get()), H5Fclose);
  if (file.id_.get() < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
    fail(ErrorKind::input, "{}: cannot be opened ({})", path, system_reason(errno));
  if (file.id_.get() < 0) h5_failure(file.kind_, path, "is damaged or incomplete; make the file again");
  return file;
}

void H5File::close() {
  const H5Lock lock;
  const bool closed = id_.close();
  expect_written(output_.get());
  if (!closed) h5_failure(kind_, shown_, "cannot be written completely");
}

void H5File::broken(const std::string& object, const std::string& what) const {
  fail(kind_, "{}: {}: {}", shown_, object, what);
}

void H5File::set_format(const std::string& format, std::int64_t version) {
  set_attribute("/", "format", format);
  set_attribute("/", "version", version);
  set_attribute("/", "writer", std::string("melgrad " MELGRAD_VERSION));
}

void H5File::expect_format(const std::string& format, std::int64_t version) const {
  const H5Lock lock;
  if (H5Aexists(id_.get(), "format") <= 0) {
    fail(kind_, "{}: is an HDF5 file, but no {}: melgrad did not write it", shown_, format);
  }
  const std::string found = text_attribute("/", "format");
  if (found != format) fail(kind_, "{}: is a {}, not a {}; give the right file", shown_, found, format);
  if (const std::int64_t v = i64_attribute("/", "version"); v != version) {
    fail(kind_, "{}: is a {} of version {}, this melgrad reads version {}", shown_, format, v, version);
  }
}

// ---- links ------------------------------------------------------------------------------------------------

bool H5File::has(const std::string& name) const {
  const H5Lock lock;
  for (std::size_t at = name.find('/', 1);; at = name.find('/', at + 1)) {
    if (H5Lexists(id_.get(), name.substr(0, at).c_str(), H5P_DEFAULT) <= 0) return false;
    if (at == std::string::npos) return true;
  }
}

// Every part of the way must be a hard link: soft and external links lead out of what was checked.
void H5File::check_links(const std::string& name) const {
  if (name == "/") return;
  for (std::size_t at = name.find('/', 1);; at = name.find('/', at + 1)) {
    const std::string part = name.substr(0, at);
    H5L_info_t info;
    if (H5Lget_info(id_.get(), part.c_str(), &info, H5P_DEFAULT) < 0) broken(name, "is missing");
    if (info.type != H5L_TYPE_HARD) broken(part, "is a soft or external link, which is refused");
    if (at == std::string::npos) return;
  }
}

std::vector<std::string> H5File::datasets(const std::string& group) const {
  const H5Lock lock;
  std::vector<std::string> names;
  collect(group, "", 0, names);
  std::sort(names.begin(), names.end());
  return names;
}

void H5File::collect(const std::string& group, const std::string& prefix, int depth,
                     std::vector<std::string>& names) const {
  if (depth > kMaxDepth) broken(group, "groups are nested too deeply");
  check_links(group);
  const H5Id object(H5Gopen2(id_.get(), group.c_str(), H5P_DEFAULT), H5Gclose);
  H5G_info_t info;
  if (object.get() < 0 || H5Gget_info(object.get(), &info) < 0) h5_failure(kind_, shown_, group);
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    std::array<char, 1024> text{};
    if (H5Lget_name_by_idx(object.get(), ".", H5_INDEX_NAME, H5_ITER_INC, i, text.data(), text.size(),
                           H5P_DEFAULT) < 0) {
      h5_failure(kind_, shown_, group + " cannot be listed");
    }
    const std::string name = text.data(), full = (group == "/" ? "" : group) + "/" + name;
    check_links(full);
    const H5Id child(H5Oopen(object.get(), name.c_str(), H5P_DEFAULT), H5Oclose);
    const H5I_type_t type = H5Iget_type(child.get());
    if (type == H5I_GROUP) {
      collect(full, prefix + name + "/", depth + 1, names);
    } else if (type == H5I_DATASET) {
      names.push_back(prefix + name);
      if (names.size() > kMaxObjects) broken(group, "holds too many objects");
    } else {
      broken(full, "is neither a dataset nor a group");
    }
  }
}

}  // namespace melgrad
