// HDF5 as melgrad uses it: a thin wrapper whose handles close themselves and whose failures are Errors of one
// line that name the file and the object. Every file is written in the latest format (all metadata carries
// checksums), every dataset is chunked with a Fletcher32 checksum per chunk, nothing is compressed and no
// time stamp is stored: the same content gives the same bytes.
// Files opened for reading are not trusted: read-only, no plugins, hard links only, no external or virtual
// storage, and the declared size must equal what is stored before anything is allocated.
// HDF5 is thread safe only where it was built so (Debian's is): one thread at a time is inside it, whatever
// file it works on. Each function here sees to that by an H5Lock; an H5File or H5Dataset is one thread's at a
// time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <hdf5.h>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "kernels/error.h"
#include "kernels/tensor.h"

namespace melgrad {

// Held by whoever calls the library; who has it may take it again.
class H5Lock {
 public:
  H5Lock() : held_(mutex()) {}

 private:
  static std::recursive_mutex& mutex();
  std::lock_guard<std::recursive_mutex> held_;
};

// An HDF5 identifier, closed at the end of its life.
class H5Id {
 public:
  using Close = herr_t (*)(hid_t);

  H5Id() = default;
  H5Id(hid_t id, Close closer) : id_(id), close_(closer) {}
  H5Id(H5Id&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  H5Id& operator=(H5Id&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~H5Id() { close(); }
  // False when the library could not write what was pending.
  bool close() noexcept {
    if (id_ < 0) return true;
    const H5Lock lock;
    return close_(std::exchange(id_, H5I_INVALID_HID)) >= 0;
  }
  hid_t get() const { return id_; }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

// What a dataset or attribute holds. f16 is IEEE binary16 (h5py: float16); text is fixed-length UTF-8, filled
// up with zeros.
struct H5Type {
  enum class Kind { f16, f32, f64, i32, i64, u8, u64, text };
  Kind kind = Kind::u8;
  std::size_t bytes = 1;  // of one element

  H5Type() = default;
  explicit H5Type(Kind kind, std::size_t text_bytes = 0);
  explicit H5Type(DType dtype);
  bool operator==(const H5Type&) const = default;
  std::string str() const;
  DType dtype() const;  // throws Error (internal) for a kind that is none
  bool is_dtype() const { return kind != Kind::f64 && kind != Kind::u64 && kind != Kind::text; }
};

class H5File;
struct H5Output;  // hdf5_output.h

class H5Dataset {
 public:
  const std::vector<std::int64_t>& shape() const { return shape_; }
  H5Type type() const { return type_; }
  std::int64_t numel() const;
  std::int64_t bytes() const { return numel() * static_cast<std::int64_t>(type_.bytes); }

  // Rows [first, first + count) along the first axis; `data` holds their elements without gaps.
  void write_rows(std::int64_t first, std::int64_t count, const void* data);
  void read_rows(std::int64_t first, std::int64_t count, void* data) const;
  void write(const void* data) { write_rows(0, shape_.at(0), data); }
  void read(void* data) const { read_rows(0, shape_.at(0), data); }
  // Throws Error (input) unless type and shape are these; an extent of -1 matches any.
  void expect(H5Type type, const std::vector<std::int64_t>& shape) const;

 private:
  friend class H5File;
  H5Id select(std::int64_t first, std::int64_t count, H5Id& memory) const;

  std::string label_;  // "file: /name", for messages
  ErrorKind kind_ = ErrorKind::input;
  const H5Output* output_ = nullptr;  // of the file, if it is written
  H5Id id_;
  H5Type type_;
  std::vector<std::int64_t> shape_;
};

class H5File {
 public:
  H5File(H5File&& other) noexcept;
  H5File& operator=(H5File&& other) noexcept;
  ~H5File();

  // `path` is written as the file grows (hdf5_output.h); `shown` names it in messages.
  static H5File create(const std::string& path, const std::string& shown);
  // Declared sizes above `max_bytes` (or above the file's own size) are refused.
  static H5File open(const std::string& path, std::int64_t max_bytes = kMaxBytes);
  // Ends a file: writes what is pending. Throws Error (output) if any of it, now or before, could not be
  // written. The destructor closes and is silent.
  void close();

  const std::string& path() const { return shown_; }
  // What kind of file it is: attributes format, version and writer of "/". expect_format throws Error (input)
  // that says what the file is instead.
  void set_format(const std::string& format, std::int64_t version);
  void expect_format(const std::string& format, std::int64_t version) const;
  bool has(const std::string& name) const;
  // Names of all datasets below `group`, relative to it ("param/conv1.weight"), in byte order.
  std::vector<std::string> datasets(const std::string& group) const;

  // Groups on the way to `name` are made as needed.
  H5Dataset create_dataset(const std::string& name, H5Type type, const std::vector<std::int64_t>& shape);
  H5Dataset open_dataset(const std::string& name) const;

  void write(const std::string& name, const std::vector<std::int64_t>& values);
  void write(const std::string& name, const std::vector<std::uint64_t>& values);
  void write(const std::string& name, const std::vector<std::string>& values);
  // One-dimensional datasets; `count` is the promised length, -1 = any.
  std::vector<std::int64_t> read_i64(const std::string& name, std::int64_t count = -1) const;
  std::vector<std::uint64_t> read_u64(const std::string& name, std::int64_t count = -1) const;
  std::vector<std::string> read_text(const std::string& name, std::int64_t count = -1) const;

  // Attributes of the object `owner` ("/" is the file itself).
  void set_attribute(const std::string& owner, const std::string& name, const std::string& value);
  void set_attribute(const std::string& owner, const std::string& name, std::int64_t value);
  void set_attribute(const std::string& owner, const std::string& name, std::uint64_t value);
  void set_attribute(const std::string& owner, const std::string& name, double value);
  bool has_attribute(const std::string& owner, const std::string& name) const;
  std::string text_attribute(const std::string& owner, const std::string& name) const;
  std::int64_t i64_attribute(const std::string& owner, const std::string& name) const;
  std::uint64_t u64_attribute(const std::string& owner, const std::string& name) const;
  double f64_attribute(const std::string& owner, const std::string& name) const;

 private:
  static constexpr std::int64_t kMaxBytes = std::int64_t{1} << 40;

  [[noreturn]] void broken(const std::string& object, const std::string& what) const;
  void make_groups(const std::string& name);
  void check_links(const std::string& name) const;
  void check_storage(const H5Dataset& dataset) const;
  void collect(const std::string& group, const std::string& prefix, int depth,
               std::vector<std::string>& names) const;
  void write_attribute(const std::string& owner, const std::string& name, H5Type type, const void* value);
  void read_attribute(const std::string& owner, const std::string& name, H5Type type, void* value) const;
  template <typename T>
  std::vector<T> read_numbers(const std::string& name, H5Type type, std::int64_t count) const;

  H5File();

  std::string shown_;
  ErrorKind kind_ = ErrorKind::input;
  std::int64_t max_bytes_ = 0;
  std::unique_ptr<H5Output> output_;  // of a file that is written; outlives id_
  H5Id id_;
};

// Throws Error (output) that names the file if a write has failed.
void expect_written(const H5Output* output);
// Throws Error with the library's own explanation of what just failed; clears it.
[[noreturn]] void h5_failure(ErrorKind kind, const std::string& label, const std::string& what);
H5Id h5_property_list(hid_t kind);

}  // namespace melgrad
