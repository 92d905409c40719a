#include "io/weights/torch_file.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "io/files/text_file.h"
#include "io/files/zip_archive.h"
#include "io/weights/pickle.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

struct StorageType {
  const char* name;
  char kind;  // as floats() takes it; ' ': no real number
  std::uint64_t width;
};
constexpr StorageType kStorageTypes[] = {
    {"FloatStorage", 'f', 4}, {"HalfStorage", 'f', 2}, {"BFloat16Storage", 'b', 2}, {"DoubleStorage", 'f', 8},
    {"LongStorage", ' ', 8},  {"IntStorage", ' ', 4},  {"ShortStorage", ' ', 2},    {"CharStorage", ' ', 1},
    {"ByteStorage", ' ', 1},  {"BoolStorage", ' ', 1}};

const StorageType& storage_type(const TorchTensor& tensor, const std::string& where) {
  for (const StorageType& type : kStorageTypes)
    if (tensor.type == type.name) return type;
  fail(ErrorKind::input, "{}: holds a {}, which is not read", where, tensor.type);
}

class TorchFile final : public WeightSource {
 public:
  TorchFile(std::string path, std::vector<std::pair<std::string, TorchTensor>> found,
            std::map<std::string, std::string> storages)
      : path_(std::move(path)), storages_(std::move(storages)) {
    for (auto& [name, tensor] : found) {
      tensors_.push_back({name, tensor.type, tensor.shape});
      places_.push_back(std::move(tensor));
    }
  }

  HostArray read(std::size_t k) const override {
    const TorchTensor& tensor = places_[k];
    const std::string where = path_ + ": " + tensors_[k].name;
    const StorageType& type = storage_type(tensor, where);
    if (type.kind == ' ') fail(ErrorKind::input, "{}: holds {}, no real numbers", where, tensor.type);
    const auto storage = storages_.find(tensor.storage);
    if (storage == storages_.end())
      fail(ErrorKind::input, "{}: its storage {} is not there", where, tensor.storage);
    const std::string& bytes = storage->second;
    const std::uint64_t numbers = bytes.size() / type.width;
    if (tensor.storage_size < 0 || static_cast<std::uint64_t>(tensor.storage_size) != numbers ||
        bytes.size() % type.width != 0)
      fail(ErrorKind::input, "{}: its storage holds {} bytes, not {} numbers", where, bytes.size(),
           tensor.storage_size);
    const std::uint64_t count = count_within(tensor.shape, type.width, bytes.size(), where);
    return floats(type.kind, type.width, tensor.shape, gathered(tensor, bytes, type.width, count, where));
  }

 private:
  // Its elements in order, out of the storage by its strides.
  static std::string gathered(const TorchTensor& tensor, const std::string& storage, std::uint64_t width,
                              std::uint64_t count, const std::string& where) {
    const std::size_t rank = tensor.shape.size();
    if (tensor.strides.size() != rank)
      fail(ErrorKind::input, "{}: its strides are not those of its shape", where);
    const auto size = static_cast<std::int64_t>(storage.size() / width);
    std::int64_t last = tensor.offset;
    bool inside = last >= 0;
    for (std::size_t a = 0; a < rank && inside && count > 0; ++a) {
      const std::int64_t steps = tensor.shape[a] - 1, stride = tensor.strides[a];
      inside = stride >= 0 && (steps == 0 || stride <= size / steps);
      if (inside) last += steps * stride;
      inside = inside && last < size;
    }
    if (!inside || (count > 0 && last >= size))
      fail(ErrorKind::input, "{}: reaches beyond its storage", where);
    std::string out(count * width, '\0');
    std::vector<std::int64_t> at(rank, 0);
    std::int64_t from = tensor.offset;
    for (std::uint64_t n = 0; n < count; ++n) {
      std::memcpy(out.data() + n * width, storage.data() + static_cast<std::uint64_t>(from) * width, width);
      for (std::size_t a = rank; a-- > 0;) {
        from += tensor.strides[a];
        if (++at[a] < tensor.shape[a]) break;
        from -= at[a] * tensor.strides[a];
        at[a] = 0;
      }
    }
    return out;
  }

  std::string path_;
  std::map<std::string, std::string> storages_;
  std::vector<TorchTensor> places_;
};

// A folder of any name with data.pkl and data/<key>.
std::unique_ptr<WeightSource> from_zip(const std::string& path) {
  std::map<std::string, std::string> storages;
  std::string pickle;
  for (ZipArchive zip(path); zip.next();) {
    const std::string& name = zip.name();
    const auto slash = name.find('/');
    const std::string inside = slash == std::string::npos ? name : name.substr(slash + 1);
    if (inside == "data.pkl") pickle = zip.read();
    else if (inside == "byteorder") {
      if (zip.read() != "little") fail(ErrorKind::input, "{}: is big-endian, which is not read", path);
    } else if (inside.starts_with("data/")) storages[inside.substr(5)] = zip.read();
  }
  if (pickle.empty()) fail(ErrorKind::input, "{}: is a ZIP archive without the data.pkl of PyTorch", path);
  std::string_view bytes = pickle;
  return std::make_unique<TorchFile>(path, unpickle(bytes, path).tensors, std::move(storages));
}

// Magic number, version, machine, the dictionary, the storages' keys; then each storage: how many numbers,
// and those.
std::unique_ptr<WeightSource> from_pickles(const std::string& path) {
  const std::string file = read_text_file(path, std::uint64_t{1} << 34);
  std::string_view bytes = file;
  for (int k = 0; k < 3; ++k) unpickle(bytes, path);
  Unpickled found = unpickle(bytes, path);
  const Unpickled order = unpickle(bytes, path);
  std::map<std::string, std::uint64_t> width;
  for (const auto& [name, tensor] : found.tensors)
    width[tensor.storage] = storage_type(tensor, path + ": " + name).width;
  std::map<std::string, std::string> storages;
  for (const std::string& key : order.keys) {
    std::int64_t count = 0;
    if (bytes.size() < sizeof count) fail(ErrorKind::input, "{}: is cut short", path);
    std::memcpy(&count, bytes.data(), sizeof count);
    bytes.remove_prefix(sizeof count);
    const auto known = width.find(key);
    if (known == width.end()) fail(ErrorKind::input, "{}: storage {} belongs to no tensor", path, key);
    if (count < 0 || static_cast<std::uint64_t>(count) > bytes.size() / known->second)
      fail(ErrorKind::input, "{}: is cut short", path);
    const std::uint64_t size = static_cast<std::uint64_t>(count) * known->second;
    storages[key] = bytes.substr(0, size);
    bytes.remove_prefix(size);
  }
  return std::make_unique<TorchFile>(path, std::move(found.tensors), std::move(storages));
}

}  // namespace

std::unique_ptr<WeightSource> open_torch_file(const std::string& path) {
  char magic[2] = {};
  RegularFile(path).read(0, magic, sizeof magic);
  return magic[0] == 'P' && magic[1] == 'K' ? from_zip(path) : from_pickles(path);
}

}  // namespace melgrad
