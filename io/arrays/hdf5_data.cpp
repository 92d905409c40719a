// Datasets and attributes of io/arrays/hdf5.h.
#include <algorithm>
#include <array>

#include "io/arrays/hdf5.h"

namespace melgrad {
namespace {

constexpr std::int64_t kChunkBytes = 1 << 20;
// Four chunks. HDF5 1.10 never gives up a chunk that was read in part if their weight is 1.
constexpr std::size_t kCacheSlots = 521, kCacheBytes = 4 * kChunkBytes;
constexpr double kCacheWeight = 0.75;
constexpr std::size_t kMaxTextBytes = 1 << 16;
constexpr int kMaxRank = 8;

H5Id text_type(std::size_t bytes) {
  H5Id type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), bytes);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
  return type;
}

H5Id half_type() {
  H5Id type(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  H5Tset_fields(type.get(), 15, 10, 5, 0, 10);
  H5Tset_size(type.get(), 2);
  H5Tset_ebias(type.get(), 15);
  return type;
}

// The same type in the file and in memory: melgrad runs on little-endian machines, so nothing is converted.
H5Id make_type(H5Type type) {
  using Kind = H5Type::Kind;
  switch (type.kind) {
    case Kind::f16:
      return half_type();
    case Kind::f32:
      return {H5Tcopy(H5T_IEEE_F32LE), H5Tclose};
    case Kind::f64:
      return {H5Tcopy(H5T_IEEE_F64LE), H5Tclose};
    case Kind::i32:
      return {H5Tcopy(H5T_STD_I32LE), H5Tclose};
    case Kind::i64:
      return {H5Tcopy(H5T_STD_I64LE), H5Tclose};
    case Kind::u8:
      return {H5Tcopy(H5T_STD_U8LE), H5Tclose};
    case Kind::u64:
      return {H5Tcopy(H5T_STD_U64LE), H5Tclose};
    case Kind::text:
      return text_type(type.bytes);
  }
  return {};
}

// False when the stored type is none of melgrad's.
bool recognise(hid_t stored, H5Type& type) {
  using Kind = H5Type::Kind;
  if (H5Tget_class(stored) == H5T_STRING) {
    if (H5Tis_variable_str(stored) != 0 || H5Tget_size(stored) > kMaxTextBytes) return false;
    type = H5Type(Kind::text, H5Tget_size(stored));
    return true;
  }
  for (Kind kind : {Kind::f16, Kind::f32, Kind::f64, Kind::i32, Kind::i64, Kind::u8, Kind::u64}) {
    type = H5Type(kind);
    if (H5Tequal(stored, make_type(type).get()) > 0) return true;
  }
  return false;
}

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

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::string up_to_zero(std::string text) {
  text.resize(std::min(text.find('\0'), text.size()));
  return text;
}

}  // namespace

// ---- H5Type -----------------------------------------------------------------------------------------------

H5Type::H5Type(Kind k, std::size_t text_bytes) : kind(k) {
  constexpr std::array<std::size_t, 7> kSizes = {2, 4, 8, 4, 8, 1, 8};
  bytes = k == Kind::text ? std::max<std::size_t>(1, text_bytes) : kSizes.at(static_cast<std::size_t>(k));
}

H5Type::H5Type(DType dtype) {
  switch (dtype) {
    case DType::f16:
      *this = H5Type(Kind::f16);
      break;
    case DType::f32:
      *this = H5Type(Kind::f32);
      break;
    case DType::bf16:  // lives on devices only
      fail(ErrorKind::internal, "HDF5: bf16 is not written to files");
    case DType::i32:
      *this = H5Type(Kind::i32);
      break;
    case DType::i64:
      *this = H5Type(Kind::i64);
      break;
    case DType::u8:
      *this = H5Type(Kind::u8);
      break;
  }
}

std::string H5Type::str() const {
  constexpr std::array<const char*, 7> kNames = {"f16", "f32", "f64", "i32", "i64", "u8", "u64"};
  return kind == Kind::text ? fmt::format("text[{}]", bytes) : kNames.at(static_cast<std::size_t>(kind));
}

DType H5Type::dtype() const {
  for (DType d : {DType::f32, DType::f16, DType::i32, DType::i64, DType::u8}) {
    if (H5Type(d) == *this) return d;
  }
  fail(ErrorKind::internal, "H5Type: {} is no type of a tensor", str());
}

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

// ---- attributes -------------------------------------------------------------------------------------------

void H5File::write_attribute(const std::string& owner, const std::string& name, H5Type type,
                             const void* value) {
  const H5Id object(H5Oopen(id_.get(), owner.c_str(), H5P_DEFAULT), H5Oclose);
  const H5Id stored = make_type(type), space(H5Screate(H5S_SCALAR), H5Sclose);
  const H5Id attribute(
      H5Acreate2(object.get(), name.c_str(), stored.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  if (attribute.get() < 0 || H5Awrite(attribute.get(), stored.get(), value) < 0) {
    h5_failure(kind_, shown_, fmt::format("attribute {} of {} cannot be written", name, owner));
  }
}

void H5File::read_attribute(const std::string& owner, const std::string& name, H5Type type,
                            void* value) const {
  check_links(owner);
  const std::string label = fmt::format("attribute {} of {}", name, owner);
  const H5Id attribute(H5Aopen_by_name(id_.get(), owner.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT),
                       H5Aclose);
  if (attribute.get() < 0) broken(label, "is missing");
  const H5Id stored(H5Aget_type(attribute.get()), H5Tclose), space(H5Aget_space(attribute.get()), H5Sclose);
  H5Type found;
  const bool single = H5Sget_simple_extent_npoints(space.get()) == 1;
  if (!single || !recognise(stored.get(), found) || found.kind != type.kind) {
    broken(label, "is not a single " + type.str());
  }
  if (type.kind == H5Type::Kind::text) {
    auto& text = *static_cast<std::string*>(value);
    text.resize(found.bytes);
    value = text.data();
  }
  if (H5Aread(attribute.get(), make_type(found).get(), value) < 0) {
    h5_failure(kind_, shown_, label + " cannot be read");
  }
}

void H5File::set_attribute(const std::string& owner, const std::string& name, const std::string& value) {
  const H5Type type(H5Type::Kind::text, value.size());
  write_attribute(owner, name, type, value.c_str());
}

void H5File::set_attribute(const std::string& owner, const std::string& name, std::int64_t value) {
  write_attribute(owner, name, H5Type(H5Type::Kind::i64), &value);
}

void H5File::set_attribute(const std::string& owner, const std::string& name, std::uint64_t value) {
  write_attribute(owner, name, H5Type(H5Type::Kind::u64), &value);
}

void H5File::set_attribute(const std::string& owner, const std::string& name, double value) {
  write_attribute(owner, name, H5Type(H5Type::Kind::f64), &value);
}

bool H5File::has_attribute(const std::string& owner, const std::string& name) const {
  check_links(owner);
  return H5Aexists_by_name(id_.get(), owner.c_str(), name.c_str(), H5P_DEFAULT) > 0;
}

std::string H5File::text_attribute(const std::string& owner, const std::string& name) const {
  std::string text;
  read_attribute(owner, name, H5Type(H5Type::Kind::text), &text);
  return up_to_zero(text);
}

std::int64_t H5File::i64_attribute(const std::string& owner, const std::string& name) const {
  std::int64_t value = 0;
  read_attribute(owner, name, H5Type(H5Type::Kind::i64), &value);
  return value;
}

std::uint64_t H5File::u64_attribute(const std::string& owner, const std::string& name) const {
  std::uint64_t value = 0;
  read_attribute(owner, name, H5Type(H5Type::Kind::u64), &value);
  return value;
}

double H5File::f64_attribute(const std::string& owner, const std::string& name) const {
  double value = 0;
  read_attribute(owner, name, H5Type(H5Type::Kind::f64), &value);
  return value;
}

}  // namespace melgrad
