#include "io/arrays/checkpoint.h"

#include <cstring>

#include "io/arrays/hdf5.h"
#include "io/files/atomic_file.h"
#include "io/files/hash.h"

namespace melgrad {
namespace {

constexpr const char* kCheckpointFormat = "melgrad-checkpoint";
constexpr std::int64_t kCheckpointVersion = 1;
constexpr const char* kDigest = "xxh3";
constexpr std::string_view kText = "text/";

void write_value(H5File& file, const std::string& name, DType dtype, const std::vector<std::int64_t>& shape,
                 const void* data, std::size_t bytes) {
  file.create_dataset("/" + name, H5Type(dtype), shape).write(data);
  file.set_attribute("/" + name, kDigest, xxh3({static_cast<const std::byte*>(data), bytes}));
}

// HDF5 would take these apart or resolve them; the reader lists names, so each must come back as it was.
void check_name(const std::string& path, const std::string& name) {
  const std::string framed = "/" + name + "/";
  const bool good = !name.empty() && name.find('\0') == std::string::npos &&
                    framed.find("//") == std::string::npos && framed.find("/./") == std::string::npos;
  require(good, "{}: '{}' is no name for a value of a checkpoint", path, name);
}

}  // namespace

const std::string& Checkpoint::need_text(const std::string& name, const std::string& path) const {
  const auto at = text.find(name);
  if (at == text.end())
    fail(ErrorKind::input, "{}: has no text '{}'; it is not such a checkpoint", path, name);
  return at->second;
}

const HostArray& Checkpoint::need_array(const std::string& name, const std::string& path) const {
  const auto at = arrays.find(name);
  if (at == arrays.end())
    fail(ErrorKind::input, "{}: has no array '{}'; it is not such a checkpoint", path, name);
  return at->second;
}

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  AtomicFile target(path);
  H5File file = H5File::create(target.temp_path(), path);
  file.set_format(kCheckpointFormat, kCheckpointVersion);
  file.set_attribute("/", "values",
                     static_cast<std::int64_t>(checkpoint.text.size() + checkpoint.arrays.size()));
  for (const auto& [name, value] : checkpoint.text) {
    check_name(path, name);
    write_value(file, std::string(kText) + name, DType::u8, {static_cast<std::int64_t>(value.size())},
                value.data(), value.size());
  }
  for (const auto& [name, array] : checkpoint.arrays) {
    check_name(path, name);
    require(!name.starts_with(kText), "{}: array '{}' stands where the texts are", path, name);
    require(static_cast<std::int64_t>(array.bytes.size()) == array.numel() * size_of(array.dtype),
            "{}: array '{}' has {} bytes for {} elements", path, name, array.bytes.size(), array.numel());
    write_value(file, name, array.dtype, array.shape, array.bytes.data(), array.bytes.size());
  }
  file.close();
  target.commit();
}

Checkpoint load_checkpoint(const std::string& path, std::int64_t max_bytes) {
  const H5File file = H5File::open(path, max_bytes);
  file.expect_format(kCheckpointFormat, kCheckpointVersion);
  Checkpoint checkpoint;
  std::int64_t total = 0;
  const auto names = file.datasets("/");
  if (static_cast<std::int64_t>(names.size()) != file.i64_attribute("/", "values")) {
    fail(ErrorKind::input, "{}: holds {} values, not the number it declares", path, names.size());
  }
  for (const std::string& name : names) {
    const H5Dataset stored = file.open_dataset("/" + name);
    total += stored.bytes();
    if (!stored.type().is_dtype() || total > max_bytes) {
      fail(ErrorKind::input, "{}: /{}: has a type or a size that no checkpoint has", path, name);
    }
    HostArray array(stored.type().dtype(), stored.shape());
    stored.read(array.bytes.data());
    if (xxh3(array.bytes) != file.u64_attribute("/" + name, kDigest)) {
      fail(ErrorKind::input, "{}: /{}: is damaged (its digest differs); use an older checkpoint", path, name);
    }
    if (name.starts_with(kText)) {
      std::string value(array.bytes.size(), '\0');
      if (!value.empty()) std::memcpy(value.data(), array.bytes.data(), value.size());
      checkpoint.text.emplace(name.substr(kText.size()), std::move(value));
    } else {
      checkpoint.arrays.emplace(name, std::move(array));
    }
  }
  return checkpoint;
}

}  // namespace melgrad
