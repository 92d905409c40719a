#include "io/weights/tensor_bundle.h"

#include <cstring>
#include <map>

#include "io/files/hash.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

constexpr std::uint64_t kTableMagic = 0xdb4775248b80fb57;
constexpr std::size_t kFooter = 48, kTrailer = 5;  // a block is followed by its compression and its checksum

// What is left of a protocol buffer, a block or a footer.
class Bytes {
 public:
  Bytes(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(&where) {}
  bool empty() const { return bytes_.empty(); }
  [[noreturn]] void broken(const char* what) const { fail(ErrorKind::input, "{}: {}", *where_, what); }

  std::string_view take(std::uint64_t n) {
    if (n > bytes_.size()) broken("is damaged: an entry is longer than its block");
    const std::string_view out = bytes_.substr(0, n);
    bytes_.remove_prefix(n);
    return out;
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    broken("is damaged: a number does not end");
  }
  std::uint32_t fixed32() {
    std::uint32_t value = 0;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  // visit(field, number, bytes) for each field of a message; bytes are empty for a number.
  template <typename Visit>
  void fields(const Visit& visit) {
    while (!empty()) {
      const std::uint64_t tag = varint();
      switch (tag & 7) {
        case 0:
          visit(tag >> 3, varint(), std::string_view());
          break;
        case 1:
          take(8);
          break;
        case 2:
          visit(tag >> 3, 0, take(varint()));
          break;
        case 5:
          visit(tag >> 3, fixed32(), std::string_view());
          break;
        default:
          broken("is damaged: a field of no known kind");
      }
    }
  }

 private:
  std::string_view bytes_;
  const std::string* where_;
};

// TensorFlow's rotation, so that a checksum of data with checksums in it says something.
bool matches(std::uint32_t stored, std::string_view bytes) { return masked_crc32c(bytes) == stored; }

// visit(key, value) for each entry of the block at `offset`.
template <typename Visit>
void each_entry(std::string_view file, std::uint64_t offset, std::uint64_t size, const std::string& where,
                const Visit& visit) {
  if (size > file.size() || offset > file.size() - size || file.size() - size - offset < kTrailer || size < 4)
    fail(ErrorKind::input, "{}: is damaged: a block lies outside the file", where);
  const std::string_view block = file.substr(offset, size);
  if (file[offset + size] != 0) fail(ErrorKind::input, "{}: is compressed, which is not read", where);
  Bytes trailer(file.substr(offset + size + 1, 4), where);
  if (!matches(trailer.fixed32(), file.substr(offset, size + 1)))
    fail(ErrorKind::input, "{}: is damaged: the checksum of a block differs", where);
  Bytes count(block.substr(size - 4), where);
  const std::uint64_t restarts = 4 * (std::uint64_t{count.fixed32()} + 1);
  if (restarts > size) fail(ErrorKind::input, "{}: is damaged: a block without its end", where);
  std::string key;
  for (Bytes rest(block.substr(0, size - restarts), where); !rest.empty();) {
    const std::uint64_t shared = rest.varint(), own = rest.varint(), value = rest.varint();
    if (shared > key.size()) rest.broken("is damaged: a name without its beginning");
    key.resize(shared);
    key += rest.take(own);
    visit(key, rest.take(value));
  }
}

struct Entry {
  std::uint64_t type = 0, shard = 0, offset = 0, size = 0;
  std::uint32_t checksum = 0;
  bool partitioned = false;
};

struct BundleType {
  std::uint64_t number;
  const char* name;
  char kind;  // as floats() takes it; ' ': no real number
  std::uint64_t width;
};
// DataType of TensorFlow's types.proto.
constexpr BundleType kBundleTypes[] = {{1, "float32", 'f', 4},   {2, "float64", 'f', 8},
                                       {3, "int32", ' ', 4},     {9, "int64", ' ', 8},
                                       {14, "bfloat16", 'b', 2}, {19, "float16", 'f', 2}};

const BundleType* bundle_type(std::uint64_t number) {
  for (const BundleType& type : kBundleTypes)
    if (type.number == number) return &type;
  return nullptr;
}

class TensorBundle final : public WeightSource {
 public:
  TensorBundle(std::string prefix, const std::string& index,
               const std::function<std::string(const std::string&)>& shard)
      : prefix_(std::move(prefix)), where_(prefix_ + ".index") {
    if (index.size() < kFooter) fail(ErrorKind::input, "{}: is no index of a TensorFlow checkpoint", where_);
    const std::string_view footer = std::string_view(index).substr(index.size() - kFooter);
    std::uint64_t magic = 0;
    std::memcpy(&magic, footer.data() + kFooter - sizeof magic, sizeof magic);
    if (magic != kTableMagic) fail(ErrorKind::input, "{}: is no index of a TensorFlow checkpoint", where_);
    Bytes handles(footer.substr(0, kFooter - sizeof magic), where_);
    handles.varint();  // of the block of filters: none
    handles.varint();
    const std::uint64_t at = handles.varint(), size = handles.varint();
    std::uint64_t shards = 1;
    each_entry(index, at, size, where_, [&](const std::string&, std::string_view block) {
      Bytes handle(block, where_);
      const std::uint64_t offset = handle.varint(), bytes = handle.varint();
      each_entry(index, offset, bytes, where_, [&](const std::string& key, std::string_view value) {
        if (key.empty()) shards = header(value);
        else add(key, value);
      });
    });
    if (shards == 0 || shards > 9999) fail(ErrorKind::input, "{}: names {} files of data", where_, shards);
    for (const Entry& entry : entries_) {
      if (entry.shard >= shards)
        fail(ErrorKind::input, "{}: is damaged: names data file {}", where_, entry.shard);
      const std::string name = fmt::format("{}.data-{:05}-of-{:05}", prefix_, entry.shard, shards);
      if (!data_.contains(entry.shard)) data_[entry.shard] = shard(name);
    }
  }

  HostArray read(std::size_t k) const override {
    const SourceTensor& tensor = tensors_[k];
    const Entry& entry = entries_[k];
    const BundleType* type = bundle_type(entry.type);
    const std::string where = prefix_ + ": " + tensor.name;
    if (type == nullptr || type->kind == ' ')
      fail(ErrorKind::input, "{}: holds {}, no real numbers", where, tensor.type);
    if (entry.partitioned) fail(ErrorKind::input, "{}: is stored in parts, which are not read", where);
    const std::string& data = data_.at(entry.shard);
    if (entry.size > data.size() || entry.offset > data.size() - entry.size)
      fail(ErrorKind::input, "{}: lies outside its file", where);
    if (count_within(tensor.shape, type->width, data.size(), where) * type->width != entry.size)
      fail(ErrorKind::input, "{}: {} bytes are not those of its shape", where, entry.size);
    const std::string_view bytes = std::string_view(data).substr(entry.offset, entry.size);
    if (!matches(entry.checksum, bytes))
      fail(ErrorKind::input, "{}: is damaged: its checksum differs", where);
    return floats(type->kind, type->width, tensor.shape, bytes);
  }

 private:
  // BundleHeaderProto: 1 num_shards, 2 endianness.
  std::uint64_t header(std::string_view value) const {
    std::uint64_t shards = 1;
    Bytes(value, where_).fields([&](std::uint64_t field, std::uint64_t number, std::string_view) {
      if (field == 1) shards = number;
      if (field == 2 && number != 0) fail(ErrorKind::input, "{}: is big-endian, which is not read", where_);
    });
    return shards;
  }

  // BundleEntryProto: 1 dtype, 2 shape, 3 shard_id, 4 offset, 5 size, 6 crc32c, 7 slices.
  void add(const std::string& name, std::string_view value) {
    Entry entry;
    SourceTensor tensor{name, "", {}};
    Bytes(value, where_).fields([&](std::uint64_t field, std::uint64_t number, std::string_view bytes) {
      if (field == 1) entry.type = number;
      else if (field == 2) tensor.shape = shape_of(bytes);
      else if (field == 3) entry.shard = number;
      else if (field == 4) entry.offset = number;
      else if (field == 5) entry.size = number;
      else if (field == 6) entry.checksum = static_cast<std::uint32_t>(number);
      else if (field == 7) entry.partitioned = true;
    });
    const BundleType* type = bundle_type(entry.type);
    tensor.type = type != nullptr ? type->name : fmt::format("type {}", entry.type);
    tensors_.push_back(std::move(tensor));
    entries_.push_back(entry);
  }

  // TensorShapeProto: 2 dim, each 1 size.
  std::vector<std::int64_t> shape_of(std::string_view bytes) const {
    std::vector<std::int64_t> shape;
    Bytes(bytes, where_).fields([&](std::uint64_t field, std::uint64_t, std::string_view dim) {
      if (field != 2) return;
      shape.push_back(0);
      Bytes(dim, where_).fields([&](std::uint64_t key, std::uint64_t number, std::string_view) {
        if (key == 1) shape.back() = static_cast<std::int64_t>(number);
      });
    });
    return shape;
  }

  std::string prefix_, where_;
  std::vector<Entry> entries_;
  std::map<std::uint64_t, std::string> data_;
};

}  // namespace

std::unique_ptr<WeightSource> open_tensor_bundle(
    const std::string& prefix, const std::string& index,
    const std::function<std::string(const std::string&)>& shard) {
  return std::make_unique<TensorBundle>(prefix, index, shard);
}

}  // namespace melgrad
