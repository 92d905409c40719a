#include "io/arrays/npz.h"

#include <cmath>

#include "tests/io/arrays/npz_make.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

using Strings = std::vector<std::string>;
using Shape64 = std::vector<std::int64_t>;

std::vector<float> floats(const NpyArray& array) {
  std::vector<float> values(static_cast<std::size_t>(array.numel()));
  array.to_float(0, array.numel(), values.data());
  return values;
}

std::string example_npy() { return npy("<f4", "(2, 3)", raw<float>({1, 2, 3, 4, 5, 6})); }

TEST(Npz, ReadsStoredDeflatedAndZip64) {
  const Scratch scratch;
  for (const bool deflate : {false, true}) {
    for (const bool zip64 : {false, true}) {
      write_bytes(scratch / "a.npz", zip({{"X.npy", example_npy()},
                                          {"T.npy", npy("<U3", "(2,)", unicode({"ab", "cde"}, 3), 3)},
                                          {"readme.txt", "not an array"}},
                                         {deflate, zip64}));
      const auto arrays = read_npz(scratch / "a.npz");
      ASSERT_EQ(arrays.size(), 2U);
      EXPECT_EQ(arrays.at("X").shape, (Shape64{2, 3}));
      EXPECT_EQ(arrays.at("X").dtype(), "f4");
      EXPECT_EQ(floats(arrays.at("X")), (std::vector<float>{1, 2, 3, 4, 5, 6}));
      EXPECT_EQ(arrays.at("T").to_text(), (Strings{"ab", "cde"}));
      EXPECT_EQ(arrays.at("T").dtype(), "U3");
    }
  }
}

TEST(Npz, ReadsEveryType) {
  const Scratch scratch;
  const auto read = [&](const std::string& descr, const std::string& data, int version = 1) {
    write_bytes(scratch / "a.npy", npy(descr, "(2,)", data, version));
    return read_npy(scratch / "a.npy");
  };
  EXPECT_EQ(floats(read("|b1", raw<std::uint8_t>({1, 0}))), (std::vector<float>{1, 0}));
  EXPECT_EQ(floats(read("|u1", raw<std::uint8_t>({255, 3}))), (std::vector<float>{255, 3}));
  EXPECT_EQ(floats(read("|i1", raw<std::int8_t>({-128, 3}))), (std::vector<float>{-128, 3}));
  EXPECT_EQ(floats(read("<i2", raw<std::int16_t>({-300, 3}))), (std::vector<float>{-300, 3}));
  EXPECT_EQ(floats(read("<u2", raw<std::uint16_t>({65535, 3}))), (std::vector<float>{65535, 3}));
  EXPECT_EQ(floats(read("<f2", raw<std::uint16_t>({0x3C00, 0xC000}), 2)), (std::vector<float>{1, -2}));
  EXPECT_EQ(floats(read("<f8", raw<double>({0.5, -1e300}), 3)), (std::vector<float>{0.5F, -HUGE_VALF}));
  EXPECT_EQ(read("<i4", raw<std::int32_t>({-7, 8})).to_i64(), (Shape64{-7, 8}));
  EXPECT_EQ(read("<i8", raw<std::int64_t>({std::int64_t{1} << 60, -1})).to_i64(),
            (Shape64{std::int64_t{1} << 60, -1}));
  EXPECT_EQ(read("|S3", std::string("ab\0cde", 6)).to_text(), (Strings{"ab", "cde"}));
  EXPECT_EQ(read("<U2", raw<std::uint32_t>({0xE9, 0x1F3B5, 'a', 0})).to_text(), (Strings{"é🎵", "a"}));
}

TEST(Npz, ScalarsAndEmptyArrays) {
  const Scratch scratch;
  write_bytes(scratch / "s.npy", npy("<f4", "()", raw<float>({5})));
  EXPECT_EQ(floats(read_npy(scratch / "s.npy")), std::vector<float>{5});
  write_bytes(scratch / "e.npy", npy("<f4", "(0, 7)", ""));
  EXPECT_EQ(read_npy(scratch / "e.npy").numel(), 0);
}

TEST(Npz, FortranOrderIsConverted) {
  const Scratch scratch;
  std::vector<std::int32_t> stored;  // value = index in row-major order; the first axis runs fastest
  for (int c = 0; c < 4; ++c) {
    for (int b = 0; b < 3; ++b) {
      for (int a = 0; a < 2; ++a) stored.push_back((a * 3 + b) * 4 + c);
    }
  }
  write_bytes(scratch / "f.npy", npy("<i4", "(2, 3, 4)", raw(stored), 1, true));
  const auto values = read_npy(scratch / "f.npy").to_i64();
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], static_cast<std::int64_t>(i));
}

TEST(Npz, RefusesWhatItCannotRead) {
  const Scratch scratch;
  const auto message = [&](const std::string& bytes) {
    write_bytes(scratch / "a.npy", bytes);
    return error_of(ErrorKind::input, [&] { read_npy(scratch / "a.npy"); });
  };
  expect_contains(message(npy("|O", "(1,)", "12345678")), "a.npy: holds Python objects");
  expect_contains(message(npy(">f4", "(1,)", "1234")), "big-endian");
  expect_contains(message(npy("<c8", "(1,)", "12345678")), "type '<c8'");
  expect_contains(message(npy("<f4", "(2,)", "1234")), "declares more data than it holds");
  expect_contains(message(npy("<f4", "(1,)", "12345")), "holds 5 bytes");
  expect_contains(message(npy("<f4", "(4611686018427387904, 4)", "1234")), "declares more data");
  expect_contains(message(npy("<f4", "(-1,)", "1234")), "shape");
  expect_contains(message(npy("<f4", "(1,)", "1234", 9)), "version 9");
  expect_contains(message("hello"), "not an .npy");
  expect_contains(error_of(ErrorKind::input, [&] { read_npz(scratch / "none.npz"); }), "does not exist");
  expect_contains(error_of(ErrorKind::input, [&] { read_npz(scratch / "a.npy"); }), "not a ZIP archive");
}

TEST(Npz, ABombIsRefusedBeforeItIsUnpacked) {
  const Scratch scratch;
  std::string bytes = zip({{"X.npy", npy("|u1", "(100,)", std::string(100, 'x'))}}, {true, false});
  const std::size_t central = bytes.find("PK\1\2");
  const auto huge = little_endian(std::uint32_t{0x7FFFFFFF});
  bytes.replace(central + 24, 4, huge);
  bytes.replace(bytes.find("PK\3\4") + 22, 4, huge);
  write_bytes(scratch / "a.npz", bytes);
  expect_contains(error_of(ErrorKind::input, [&] { read_npz(scratch / "a.npz"); }), "declares more data");
  write_bytes(scratch / "b.npz",
              zip({{"X.npy", npy("|u1", "(100000,)", std::string(100000, 'x'))}}, {true, false}));
  expect_contains(error_of(ErrorKind::input, [&] { read_npz(scratch / "b.npz", 50000); }),
                  "the most that is read");
}

// The arrays' checksums and the format's own rules: right values or an error, whatever bit is wrong. (Fields
// of the archive that no reader needs, such as times, are harmless.)
TEST(Npz, NoDamagedBitGoesUnnoticed) {
  const Scratch scratch;
  const std::string path = scratch / "a.npz";
  for (const bool deflate : {false, true}) {
    const std::string good = zip({{"X.npy", example_npy()}}, {deflate, true});
    write_bytes(path, good);
    int refused = 0;
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      flip_bits(path, bit / 8, 1 << (bit % 8));
      try {
        const auto arrays = read_npz(path);
        for (const auto& [name, array] : arrays) {  // a damaged name is another name, or no array at all
          ASSERT_EQ(floats(array), (std::vector<float>{1, 2, 3, 4, 5, 6})) << "bit " << bit;
        }
      } catch (const Error& e) {
        ASSERT_EQ(e.kind(), ErrorKind::input) << e.what();
        ++refused;
      }
      flip_bits(path, bit / 8, 1 << (bit % 8));
    }
    EXPECT_GT(refused, 1000);
    for (std::size_t n = 0; n < good.size(); n += 3) {
      write_bytes(path, good.substr(0, n));
      error_of(ErrorKind::input, [&] { read_npz(path); });
    }
  }
}

}  // namespace
}  // namespace melgrad
