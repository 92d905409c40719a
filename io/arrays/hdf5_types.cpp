#include "io/arrays/hdf5_types.h"

#include <algorithm>
#include <array>

namespace melgrad {
namespace {

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

}  // namespace

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

std::string up_to_zero(std::string text) {
  text.resize(std::min(text.find('\0'), text.size()));
  return text;
}

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

}  // namespace melgrad
