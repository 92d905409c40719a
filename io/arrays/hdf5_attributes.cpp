// Attributes of io/arrays/hdf5.h.
#include "io/arrays/hdf5_types.h"

namespace melgrad {

void H5File::write_attribute(const std::string& owner, const std::string& name, H5Type type,
                             const void* value) {
  const H5Lock lock;
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
  const H5Lock lock;
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
  const H5Lock lock;
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
