// Datasets of io/arrays/hdf5.h.
#include <algorithm>

#include "io/arrays/hdf5_types.h"
#include "io/arrays/host_array.h"

namespace melgrad {
namespace {

constexpr std::int64_t kChunkBytes = 1 << 20;
// Four chunks. HDF5 1.10 never gives up a chunk that was read in part if their weight is 1.
constexpr std::size_t kCacheSlots = 521, kCacheBytes = 4 * kChunkBytes;
constexpr double kCacheWeight = 0.75;
constexpr int kMaxRank = 8;

// About 1 MiB, whole rows where they fit, of equal size so that little of the last chunk is wasted.
std::vector<hsize_t> chunk_of(const std::vector<std::int64_t>& shape, std::size_t element_bytes) {
  std::vector<hsize_t> chunk(shape.size());
  std::int64_t room = std::max<std::int64_t>(1, kChunkBytes / static_cast<std::int64_t>(element_bytes));
  for (std::size_t a = shape.size(); a-- > 0;) {
    const std::int64_t extent = std::max<std::int64_t>(1, shape[a]);
    const std::int64_t parts = (extent + room - 1) / room;
    const std::int64_t size = (extent + parts - 1) / parts;
    chunk[a] = static_cast<hsize_t>(size);
    room = std::max<std::int64_t>(1, room / size);
  }
  return chunk;
}

}  // namespace

// ---- H5Dataset --------------------------------------------------------------------------------------------

std::int64_t H5Dataset::numel() const {
  std::int64_t n = 1;
  for (std::int64_t e : shape_) n *= e;
  return n;
}

H5Id H5Dataset::select(std::int64_t first, std::int64_t count, H5Id& memory) const {
  require(first >= 0 && count >= 0 && count <= shape_.at(0) && first <= shape_[0] - count,
          "{}: rows {} to {} of {}", label_, first, first + count, shape_[0]);
  std::vector<hsize_t> start(shape_.size(), 0), extent(shape_.begin(), shape_.end());
  start[0] = static_cast<hsize_t>(first);
  extent[0] = static_cast<hsize_t>(count);
  memory = H5Id(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr), H5Sclose);
  H5Id space(H5Dget_space(id_.get()), H5Sclose);
  H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, extent.data(), nullptr);
  return space;
}

void H5Dataset::write_rows(std::int64_t first, std::int64_t count, const void* data) {
  if (count == 0 || numel() == 0) return;
  const H5Lock lock;
  H5Id memory;
  const H5Id space = select(first, count, memory);
  const herr_t written =
      H5Dwrite(id_.get(), make_type(type_).get(), memory.get(), space.get(), H5P_DEFAULT, data);
  expect_written(output_);
  if (written < 0) {
    h5_failure(kind_, label_, "cannot be written");
  }
}

void H5Dataset::read_rows(std::int64_t first, std::int64_t count, void* data) const {
  if (count == 0 || numel() == 0) return;
  const H5Lock lock;
  H5Id memory;
  const H5Id space = select(first, count, memory);
  if (H5Dread(id_.get(), make_type(type_).get(), memory.get(), space.get(), H5P_DEFAULT, data) < 0) {
    h5_failure(kind_, label_, "is damaged and cannot be read; make the file again");
  }
}

void H5Dataset::expect(H5Type type, const std::vector<std::int64_t>& shape) const {
  const bool same_kind =
      type_ == type || (type.kind == H5Type::Kind::text && type_.kind == H5Type::Kind::text);
  bool same = same_kind && shape.size() == shape_.size();
  for (std::size_t a = 0; same && a < shape.size(); ++a) same = shape[a] == -1 || shape[a] == shape_[a];
  if (same) return;
  fail(kind_, "{}: holds {} {}, not {} {} (-1: any)", label_, type_.str(), shape_text(shape_), type.str(),
       shape_text(shape));
}

// ---- datasets ---------------------------------------------------------------------------------------------

// One by one, because groups that the library makes on the way carry a time stamp.
void H5File::make_groups(const std::string& name) {
  const H5Id creation = h5_property_list(H5P_GROUP_CREATE);
  H5Pset_obj_track_times(creation.get(), false);
  for (std::size_t at = name.find('/', 1); at != std::string::npos; at = name.find('/', at + 1)) {
    const std::string group = name.substr(0, at);
    if (H5Lexists(id_.get(), group.c_str(), H5P_DEFAULT) > 0) continue;
    const H5Id made(H5Gcreate2(id_.get(), group.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT), H5Gclose);
    if (made.get() < 0) h5_failure(kind_, shown_ + ": " + group, "cannot be created");
  }
}

H5Dataset H5File::create_dataset(const std::string& name, H5Type type,
                                 const std::vector<std::int64_t>& shape) {
  const H5Lock lock;
  H5Dataset d;
  d.label_ = shown_ + ": " + name;
  d.kind_ = kind_;
  d.output_ = output_.get();
  d.type_ = type;
  d.shape_ = shape;
  require(!shape.empty() && shape.size() <= kMaxRank, "{}: rank {}", d.label_, shape.size());
  std::vector<hsize_t> extent(shape.begin(), shape.end()), most = extent;
  for (hsize_t& e : most) e = e == 0 ? H5S_UNLIMITED : e;  // a fixed extent of 0 cannot be chunked
  make_groups(name);
  const H5Id space(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), most.data()), H5Sclose);
  const auto chunk = chunk_of(shape, type.bytes);
  const H5Id creation = h5_property_list(H5P_DATASET_CREATE);
  H5Pset_obj_track_times(creation.get(), false);
  H5Pset_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data());
  H5Pset_fletcher32(creation.get());
  const H5Id access = h5_property_list(H5P_DATASET_ACCESS);
  H5Pset_chunk_cache(access.get(), kCacheSlots, kCacheBytes, kCacheWeight);
  d.id_ = H5Id(H5Dcreate2(id_.get(), name.c_str(), make_type(type).get(), space.get(), H5P_DEFAULT,
                          creation.get(), access.get()),
               H5Dclose);
  if (d.id_.get() < 0) h5_failure(kind_, d.label_, "cannot be created");
  return d;
}

H5Dataset H5File::open_dataset(const std::string& name) const {
  const H5Lock lock;
  check_links(name);
  H5Dataset d;
  d.label_ = shown_ + ": " + name;
  d.kind_ = kind_;
  const H5Id access = h5_property_list(H5P_DATASET_ACCESS);
  H5Pset_chunk_cache(access.get(), kCacheSlots, kCacheBytes, kCacheWeight);
  d.id_ = H5Id(H5Dopen2(id_.get(), name.c_str(), access.get()), H5Dclose);
  if (d.id_.get() < 0) h5_failure(kind_, d.label_, "cannot be opened");
  const H5Id type(H5Dget_type(d.id_.get()), H5Tclose), space(H5Dget_space(d.id_.get()), H5Sclose);
  if (!recognise(type.get(), d.type_)) broken(name, "holds a type that melgrad does not use");
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 1 || rank > kMaxRank) broken(name, fmt::format("has rank {}", rank));
  std::vector<hsize_t> extent(static_cast<std::size_t>(rank));
  H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr);
  std::int64_t room = max_bytes_ / static_cast<std::int64_t>(d.type_.bytes);
  for (hsize_t e : extent) {
    if (e > static_cast<hsize_t>(room)) broken(name, "declares more data than the file can hold");
    room = e == 0 ? room : room / static_cast<std::int64_t>(e);
    d.shape_.push_back(static_cast<std::int64_t>(e));
  }
  check_storage(d);
  return d;
}

// Only what melgrad writes: chunks in this very file, all of them there, each with its checksum.
void H5File::check_storage(const H5Dataset& d) const {
  const std::string name = d.label_.substr(shown_.size() + 2);
  const H5Id list(H5Dget_create_plist(d.id_.get()), H5Pclose);
  if (H5Pget_layout(list.get()) != H5D_CHUNKED || H5Pget_external_count(list.get()) != 0) {
    broken(name, "is not stored in chunks within this file, which is refused");
  }
  unsigned flags = 0, config = 0;
  std::size_t values = 0;
  if (H5Pget_nfilters(list.get()) != 1 ||
      H5Pget_filter2(list.get(), 0, &flags, &values, nullptr, 0, nullptr, &config) != H5Z_FILTER_FLETCHER32) {
    broken(name, "is not stored with a Fletcher32 checksum alone, which is refused");
  }
  std::array<hsize_t, kMaxRank> chunk{};
  const int rank = H5Pget_chunk(list.get(), kMaxRank, chunk.data());
  if (rank != static_cast<int>(d.shape_.size())) broken(name, "has chunks of another rank");
  hsize_t chunks = 1, chunk_bytes = d.type_.bytes;
  for (std::size_t a = 0; a < d.shape_.size(); ++a) {
    chunks *= (static_cast<hsize_t>(d.shape_[a]) + chunk[a] - 1) / chunk[a];
    chunk_bytes *= chunk[a];
  }
  if (H5Dget_storage_size(d.id_.get()) != chunks * (chunk_bytes + 4)) {
    broken(name, fmt::format("declares {} but stores another amount of data", shape_text(d.shape_)));
  }
}

// ---- one-dimensional datasets -----------------------------------------------------------------------------

void H5File::write(const std::string& name, const std::vector<std::int64_t>& values) {
  create_dataset(name, H5Type(H5Type::Kind::i64), {static_cast<std::int64_t>(values.size())})
      .write(values.data());
}

void H5File::write(const std::string& name, const std::vector<std::uint64_t>& values) {
  create_dataset(name, H5Type(H5Type::Kind::u64), {static_cast<std::int64_t>(values.size())})
      .write(values.data());
}

void H5File::write(const std::string& name, const std::vector<std::string>& values) {
  std::size_t width = 1;
  for (const std::string& v : values) {
    if (v.find('\0') != std::string::npos || v.size() > kMaxTextBytes) {
      broken(name, "a text with a zero byte or of more than 64 KiB cannot be stored");
    }
    width = std::max(width, v.size());
  }
  std::string table(width * values.size(), '\0');
  for (std::size_t i = 0; i < values.size(); ++i) values[i].copy(&table[i * width], width);
  create_dataset(name, H5Type(H5Type::Kind::text, width), {static_cast<std::int64_t>(values.size())})
      .write(table.data());
}

template <typename T>
std::vector<T> H5File::read_numbers(const std::string& name, H5Type type, std::int64_t count) const {
  const H5Dataset d = open_dataset(name);
  d.expect(type, {count});
  std::vector<T> values(static_cast<std::size_t>(d.numel()));
  d.read(values.data());
  return values;
}

std::vector<std::int64_t> H5File::read_i64(const std::string& name, std::int64_t count) const {
  return read_numbers<std::int64_t>(name, H5Type(H5Type::Kind::i64), count);
}

std::vector<std::uint64_t> H5File::read_u64(const std::string& name, std::int64_t count) const {
  return read_numbers<std::uint64_t>(name, H5Type(H5Type::Kind::u64), count);
}

std::vector<std::string> H5File::read_text(const std::string& name, std::int64_t count) const {
  const H5Dataset d = open_dataset(name);
  d.expect(H5Type(H5Type::Kind::text), {count});
  std::string table(static_cast<std::size_t>(d.bytes()), '\0');
  d.read(table.data());
  std::vector<std::string> values;
  for (std::size_t at = 0; at < table.size(); at += d.type().bytes) {
    values.push_back(up_to_zero(table.substr(at, d.type().bytes)));
  }
  return values;
}

}  // namespace melgrad
