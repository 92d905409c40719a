#include "io/arrays/hdf5.h"

#include <array>
#include <numeric>

#include "io/files/atomic_file.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

using Kind = H5Type::Kind;

std::vector<float> ramp(std::size_t n) {
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), 0.0F);
  return values;
}

TEST(Hdf5, KeepsValuesTextsAndAttributes) {
  const Scratch scratch;
  const std::string path = scratch / "a.h5";
  const auto values = ramp(7 * 300000);  // several chunks along the second axis
  {
    H5File file = H5File::create(path, path);
    file.create_dataset("/deep/er/x", H5Type(DType::f32), {7, 300000}).write(values.data());
    file.write("/texts", std::vector<std::string>{"", "é", "long enough"});
    file.write("/none", std::vector<std::string>{});
    file.write("/i", std::vector<std::int64_t>{-1, std::int64_t{1} << 62});
    file.write("/u", std::vector<std::uint64_t>{~std::uint64_t{0}});
    file.set_attribute("/", "t", std::string("text"));
    file.set_attribute("/", "empty", std::string());
    file.set_attribute("/deep/er/x", "u", ~std::uint64_t{1});
    file.set_attribute("/", "f", 0.1);
    file.set_attribute("/", "i", std::int64_t{-5});
    file.close();
  }
  const H5File file = H5File::open(path);
  const H5Dataset x = file.open_dataset("/deep/er/x");
  x.expect(H5Type(DType::f32), {7, 300000});
  std::vector<float> back(values.size());
  x.read(back.data());
  EXPECT_EQ(back, values);
  std::vector<float> rows(2 * 300000);
  x.read_rows(3, 2, rows.data());
  EXPECT_EQ(rows.front(), 900000.0F);
  EXPECT_EQ(rows.back(), 1499999.0F);
  EXPECT_EQ(file.read_text("/texts"), (std::vector<std::string>{"", "é", "long enough"}));
  EXPECT_TRUE(file.read_text("/none", 0).empty());
  EXPECT_EQ(file.read_i64("/i", 2), (std::vector<std::int64_t>{-1, std::int64_t{1} << 62}));
  EXPECT_EQ(file.read_u64("/u").at(0), ~std::uint64_t{0});
  EXPECT_EQ(file.text_attribute("/", "t"), "text");
  EXPECT_EQ(file.text_attribute("/", "empty"), "");
  EXPECT_EQ(file.u64_attribute("/deep/er/x", "u"), ~std::uint64_t{1});
  EXPECT_EQ(file.f64_attribute("/", "f"), 0.1);
  EXPECT_EQ(file.i64_attribute("/", "i"), -5);
  EXPECT_EQ(file.datasets("/"), (std::vector<std::string>{"deep/er/x", "i", "none", "texts", "u"}));
  EXPECT_TRUE(file.has("/deep/er"));
  EXPECT_FALSE(file.has("/deep/none/x"));
}

// Twice the same content; beyond the reach of every cache, with rows written one by one.
TEST(Hdf5, TheSameContentGivesTheSameBytes) {
  const Scratch scratch;
  const auto values = ramp(4 << 20);
  for (const char* name : {"a.h5", "b.h5"}) {
    write_bytes(scratch / name, "what stood there before");
    H5File file = H5File::create(scratch / name, name);
    H5Dataset rows = file.create_dataset("/x", H5Type(DType::f32), {4096, 1024});
    for (std::int64_t row = 0; row < 4096; ++row) rows.write_rows(row, 1, values.data() + row * 1024);
    file.set_attribute("/", "a", std::string("b"));
    file.close();
  }
  EXPECT_TRUE(read_bytes(scratch / "a.h5") == read_bytes(scratch / "b.h5"));
  const H5File file = H5File::open(scratch / "a.h5");
  std::vector<float> back(values.size());
  file.open_dataset("/x").read(back.data());
  EXPECT_TRUE(back == values);
}

TEST(Hdf5, AFullDiskIsReportedAtOnce) {
  const auto values = ramp(8 << 20);  // more than the cache of chunks holds
  H5File file = H5File::create("/dev/full", "cache.h5");
  H5Dataset x = file.create_dataset("/x", H5Type(DType::f32), {8 << 20});
  const std::string wanted = "cache.h5: cannot be written (No space left on device)";
  EXPECT_EQ(error_of(ErrorKind::output, [&] { x.write(values.data()); }), wanted);
  EXPECT_EQ(error_of(ErrorKind::output, [&] { file.close(); }), wanted);
}

TEST(Hdf5, SaysWhatAFileIs) {
  const Scratch scratch;
  const auto open = [&](const std::string& name) { H5File::open(scratch / name); };
  EXPECT_NE(error_of(ErrorKind::input, [&] { open("none"); }).find("does not exist"), std::string::npos);
  EXPECT_NE(error_of(ErrorKind::input, [&] { open("."); }).find("not a regular file"), std::string::npos);
  write_bytes(scratch / "short", "x");
  EXPECT_NE(error_of(ErrorKind::input, [&] { open("short"); }).find("not an HDF5 file"), std::string::npos);
  H5File file = H5File::create(scratch / "whole.h5", "x");
  file.write("/i", std::vector<std::int64_t>{1});
  file.close();
  const std::string whole = read_bytes(scratch / "whole.h5");
  write_bytes(scratch / "cut.h5", whole.substr(0, whole.size() - 1));
  EXPECT_NE(error_of(ErrorKind::input, [&] { open("cut.h5"); }).find("damaged or incomplete"),
            std::string::npos);
}

// A hostile file, made with the library itself; `make` gets an open file.
template <typename Make>
std::string refusal(const Scratch& scratch, Make&& make) {
  const std::string path = scratch / "hostile.h5";
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
  make(file);
  H5Fclose(file);
  H5Pclose(access);
  return error_of(ErrorKind::input, [&] { H5File::open(path).open_dataset("/x"); });
}

void make_dataset(hid_t file, hid_t type, const std::vector<hsize_t>& shape, hid_t creation, bool write_it) {
  const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
  const hid_t set = H5Dcreate2(file, "x", type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  ASSERT_GE(set, 0);
  const std::vector<char> data(4096, 1);
  if (write_it) {
    ASSERT_GE(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data.data()), 0);
  }
  H5Dclose(set);
  H5Sclose(space);
}

hid_t chunked(hsize_t chunk) {
  const hid_t list = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(list, 1, &chunk);
  return list;
}

TEST(Hdf5, RefusesWhatMelgradNeverWrites) {
  const Scratch scratch;
  write_bytes(scratch / "secret", std::string(64, 's'));
  const auto contains = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  contains(refusal(scratch,
                   [&](hid_t f) {
                     const hid_t list = H5Pcreate(H5P_DATASET_CREATE);
                     H5Pset_external(list, (scratch / "secret").c_str(), 0, 64);
                     make_dataset(f, H5T_STD_U8LE, {64}, list, false);
                   }),
           "not stored in chunks within this file");
  contains(refusal(scratch,
                   [&](hid_t f) {
                     const hid_t list = H5Pcreate(H5P_DATASET_CREATE);
                     const hsize_t n = 8;
                     const hid_t space = H5Screate_simple(1, &n, nullptr);
                     H5Pset_virtual(list, space, (scratch / "a.h5").c_str(), "/y", space);
                     make_dataset(f, H5T_STD_U8LE, {8}, list, false);
                   }),
           "not stored in chunks within this file");
  contains(refusal(scratch, [](hid_t f) { make_dataset(f, H5T_STD_U8LE, {64}, chunked(64), true); }),
           "Fletcher32");
  contains(refusal(scratch,
                   [](hid_t f) {
                     const hid_t list = chunked(64);
                     H5Pset_deflate(list, 1);
                     H5Pset_fletcher32(list);
                     make_dataset(f, H5T_STD_U8LE, {64}, list, true);
                   }),
           "Fletcher32 checksum alone");
  contains(refusal(scratch,
                   [](hid_t f) {
                     const hid_t list = chunked(1 << 20);
                     H5Pset_fletcher32(list);
                     make_dataset(f, H5T_IEEE_F32LE, {hsize_t{1} << 44}, list, false);
                   }),
           "more data than the file can hold");
  contains(refusal(scratch,
                   [](hid_t f) {
                     const hid_t list = chunked(64);
                     H5Pset_fletcher32(list);
                     make_dataset(f, H5T_STD_U8LE, {256}, list, false);
                   }),
           "stores another amount of data");
  contains(refusal(scratch, [](hid_t f) { make_dataset(f, H5T_STD_U16BE, {64}, chunked(64), true); }),
           "type");
  contains(refusal(scratch, [](hid_t f) { H5Lcreate_soft("/y", f, "x", H5P_DEFAULT, H5P_DEFAULT); }), "link");
  contains(
      refusal(scratch, [](hid_t f) { H5Lcreate_external("a.h5", "/x", f, "x", H5P_DEFAULT, H5P_DEFAULT); }),
      "link");
  contains(refusal(scratch, [](hid_t) {}), "is missing");
}

TEST(Hdf5, GroupsThatContainThemselvesAreRefused) {
  const Scratch scratch;
  refusal(scratch, [](hid_t f) { H5Lcreate_hard(f, "/", f, "loop", H5P_DEFAULT, H5P_DEFAULT); });
  const H5File file = H5File::open(scratch / "hostile.h5");
  EXPECT_NE(error_of(ErrorKind::input, [&] { file.datasets("/"); }).find("nested too deeply"),
            std::string::npos);
}

TEST(Hdf5, WrongTypesAndShapesAreNamed) {
  const Scratch scratch;
  H5File made = H5File::create(scratch / "x.h5", "x");
  made.write("/i", std::vector<std::int64_t>{1, 2});
  made.set_attribute("/", "a", std::int64_t{1});
  made.close();
  const H5File file = H5File::open(scratch / "x.h5");
  EXPECT_NE(error_of(ErrorKind::input, [&] { file.read_u64("/i"); }).find("x.h5: /i: holds i64 [2], not u64"),
            std::string::npos);
  error_of(ErrorKind::input, [&] { file.read_i64("/i", 3); });
  EXPECT_NE(error_of(ErrorKind::input, [&] { file.text_attribute("/", "a"); }).find("attribute a of /"),
            std::string::npos);
  error_of(ErrorKind::input, [&] { file.i64_attribute("/", "b"); });
}

TEST(AtomicFile, LeavesTheOldFileUntilCommitted) {
  const Scratch scratch;
  const std::string path = scratch / "f";
  write_file_atomically(path, "old");
  {
    AtomicFile file(path);
    file.write("new and longer");
  }
  EXPECT_EQ(read_bytes(path), "old");
  {
    AtomicFile file(path);
    file.write("something longer");
    file.write("new");
    file.commit();
  }
  EXPECT_EQ(read_bytes(path), "new");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(scratch.path()), {}), 1);  // no temporary file
  error_of(ErrorKind::output, [&] { write_file_atomically(scratch / "no/folder", "x"); });
  error_of(ErrorKind::output, [&] { write_file_atomically(scratch.path(), "x"); });
  std::filesystem::create_symlink(path, scratch / "link");
  write_file_atomically(scratch / "link", "through the link");
  EXPECT_EQ(read_bytes(path), "through the link");
}

TEST(AtomicFile, OnlyItsOwnTemporariesAreLeftOver) {
  const Scratch scratch;
  const AtomicFile file(scratch / "model.h5");
  EXPECT_TRUE(is_left_over(std::filesystem::path(file.temp_path()).filename().string())) << file.temp_path();
  for (const char* name : {"notes.tmp", "12-3.tmp", "model.h5.tmp", "model.h5.12-3.tmp.gz", "model.h5"})
    EXPECT_FALSE(is_left_over(name)) << name;
}

}  // namespace
}  // namespace melgrad
