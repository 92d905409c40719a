#include "io/arrays/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "io/files/atomic_file.h"
#include "io/files/json.h"
#include "io/files/text_file.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kParam = "param/";
constexpr std::uint64_t kMostHeader = 100'000'000;  // as in the format's own library
constexpr std::array<std::pair<DType, const char*>, 6> kTypes = {{{DType::f32, "F32"},
                                                                  {DType::f16, "F16"},
                                                                  {DType::bf16, "BF16"},
                                                                  {DType::i32, "I32"},
                                                                  {DType::i64, "I64"},
                                                                  {DType::u8, "U8"}}};

std::string outside_name(const std::string& name) {
  return name.starts_with(kParam) ? name.substr(kParam.size()) : name;
}

// Parameters have no '/' in their names, and the only other array without one is "bands".
std::string inside_name(const std::string& name) {
  return name.find('/') == std::string::npos && name != "bands" ? std::string(kParam) + name : name;
}

const char* type_name(DType type, const std::string& path, const std::string& name) {
  for (const auto& [known, text] : kTypes)
    if (known == type) return text;
  fail(ErrorKind::input, "{}: {}: safetensors has no type {}", path, name, name_of(type));
}

struct TensorEntry {
  DType type = DType::f32;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;
};

// One tensor's entry of the header, checked against itself and against the `size` bytes there are.
TensorEntry parse_entry(const ordered_json& json, std::uint64_t size, const std::string& where) {
  TensorEntry entry;
  const auto type = json.at("dtype").get<std::string>();
  const auto* known =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& t) { return t.second == type; });
  if (known == kTypes.end()) fail(ErrorKind::input, "{}: type {} is not supported", where, type);
  entry.type = known->first;
  auto bytes = static_cast<std::uint64_t>(size_of(entry.type));
  for (const auto& extent : json.at("shape")) {
    const auto n = static_cast<std::uint64_t>(count_of(extent));
    if (n > 0 && bytes > size / n) fail(ErrorKind::input, "{}: its shape does not fit into the file", where);
    bytes *= n;
    entry.shape.push_back(static_cast<std::int64_t>(n));
  }
  const auto& offsets = json.at("data_offsets");
  entry.begin = static_cast<std::uint64_t>(count_of(offsets.at(0)));
  entry.end = static_cast<std::uint64_t>(count_of(offsets.at(1)));
  if (entry.begin > entry.end || entry.end > size || entry.end - entry.begin != bytes)
    fail(ErrorKind::input, "{}: bytes {} to {} are not those of its shape", where, entry.begin, entry.end);
  if (entry.shape.empty()) entry.shape = {1};  // a scalar
  return entry;
}

}  // namespace

void save_safetensors(const std::string& path, const Checkpoint& model) {
  ordered_json header;
  for (const auto& [name, text] : model.text) header["__metadata__"][name] = text;
  std::string data;
  for (const auto& [name, array] : model.arrays) {
    const std::size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
    header[outside_name(name)] = {{"dtype", type_name(array.dtype, path, name)},
                                  {"shape", array.shape},
                                  {"data_offsets", {begin, data.size()}}};
  }
  std::string text = json_text(header);
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  write_file_atomically(path, file + text + data);
}

Checkpoint load_safetensors(const std::string& path, std::int64_t max_bytes) {
  const RegularFile file(path, static_cast<std::uint64_t>(max_bytes));
  const std::uint64_t size = file.size();
  std::uint64_t length = 0;
  if (file.read(0, &length, sizeof length) < sizeof length || length > kMostHeader ||
      length > size - sizeof length)
    fail(ErrorKind::input, "{}: is no safetensors file: its header is longer than the file", path);
  std::string text(length, '\0');
  file.read(sizeof length, text.data(), length);
  const std::uint64_t data = size - sizeof length - length;
  Checkpoint out;
  std::vector<std::pair<std::string, TensorEntry>> entries;
  reading_json(path + ": its header cannot be read", [&] {
    const auto header = parse_json(text);
    for (const auto& [name, json] : header.items()) {
      if (name == "__metadata__") {
        for (const auto& [key, value] : json.items()) out.text[key] = value.get<std::string>();
      } else {
        entries.emplace_back(name, parse_entry(json, data, path + ": " + name));
      }
    }
  });
  std::sort(entries.begin(), entries.end(),
            [](const auto& x, const auto& y) { return x.second.begin < y.second.begin; });
  std::uint64_t at = 0;
  for (const auto& [name, entry] : entries) {
    if (entry.begin != at)
      fail(ErrorKind::input, "{}: {}: begins at byte {}, not at {}", path, name, entry.begin, at);
    at = entry.end;
  }
  if (at != data) fail(ErrorKind::input, "{}: {} of its {} bytes belong to no tensor", path, data - at, data);
  for (const auto& [name, entry] : entries) {  // in the order of their bytes
    HostArray array(entry.type, entry.shape);
    if (file.read(size - data + entry.begin, array.bytes.data(), array.bytes.size()) < array.bytes.size())
      fail(ErrorKind::input, "{}: {}: is cut short", path, name);
    out.arrays[inside_name(name)] = std::move(array);
  }
  return out;
}

}  // namespace melgrad
