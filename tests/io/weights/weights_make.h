// Small files of published weights made byte by byte: TensorFlow checkpoints and PyTorch's pickles.
#pragma once

#include <cstdint>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/files/hash.h"
#include "tests/io/arrays/npz_make.h"

namespace melgrad {

struct MadeTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

// ---- TensorFlow

inline std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}
inline std::string field(int number, std::uint64_t value) {
  return varint(static_cast<std::uint64_t>(number) << 3) + varint(value);
}
inline std::string field(int number, const std::string& bytes) {
  return varint(static_cast<std::uint64_t>(number) << 3 | 2) + varint(bytes.size()) + bytes;
}

// A LevelDB block: names are not shortened, one restart.
inline std::string table_block(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string block;
  for (const auto& [key, value] : entries)
    block += varint(0) + varint(key.size()) + varint(value.size()) + key + value;
  block += little_endian(std::uint32_t{0}) + little_endian(std::uint32_t{1}) + '\0';
  return block + little_endian(masked_crc32c(block));
}

// .index and .data-00000-of-00001
inline std::pair<std::string, std::string> tensor_bundle(const std::vector<MadeTensor>& tensors) {
  std::vector<std::pair<std::string, std::string>> entries = {{"", field(1, 1)}};
  std::string data;
  for (const MadeTensor& tensor : tensors) {
    std::string shape;
    for (const std::int64_t extent : tensor.shape)
      shape += field(2, field(1, static_cast<std::uint64_t>(extent)));
    const std::string bytes = raw(tensor.values);
    const std::string checksum = varint(6 << 3 | 5) + little_endian(masked_crc32c(bytes));
    entries.emplace_back(tensor.name, field(1, 1) + field(2, shape) + field(4, data.size()) +
                                          field(5, bytes.size()) + checksum);
    data += bytes;
  }
  const std::string block = table_block(entries);
  const std::string meta = table_block({});
  const std::string index = table_block({{"z", varint(0) + varint(block.size() - 5)}});
  std::string footer = varint(block.size()) + varint(meta.size() - 5) + varint(block.size() + meta.size()) +
                       varint(index.size() - 5);
  footer.resize(40, '\0');
  return {block + meta + index + footer + little_endian(std::uint64_t{0xdb4775248b80fb57}), data};
}

// ---- PyTorch

namespace pickle {

inline std::string text(const std::string& word) {
  return "X" + little_endian(static_cast<std::uint32_t>(word.size())) + word;
}
inline std::string number(std::int64_t value) {
  return "J" + little_endian(static_cast<std::int32_t>(value));
}
inline std::string tuple(const std::vector<std::int64_t>& values) {
  std::string out = "(";
  for (const std::int64_t value : values) out += number(value);
  return out + "t";
}

// A tensor over storage `key`, all of it in order.
inline std::string tensor(const MadeTensor& t, const std::string& key,
                          const std::string& storage = "FloatStorage") {
  std::vector<std::int64_t> strides(t.shape.size(), 1);
  for (std::size_t a = t.shape.size(); a-- > 1;) strides[a - 1] = strides[a] * t.shape[a];
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" + storage + "\n" + text(key) +
         text("cpu") + number(static_cast<std::int64_t>(t.values.size())) + "tQ" + number(0) +
         tuple(t.shape) + tuple(strides) +
         "\x89"
         "ccollections\nOrderedDict\n)RtR";
}

inline std::string state_dict(const std::vector<MadeTensor>& tensors) {
  std::string out =
      "\x80\x02"
      "ccollections\nOrderedDict\n)R(";
  for (std::size_t k = 0; k < tensors.size(); ++k)
    out += text(tensors[k].name) + tensor(tensors[k], std::to_string(k));
  return out + "u.";
}

}  // namespace pickle

// As torch.save wrote before PyTorch 1.6.
inline std::string legacy_torch_file(const std::vector<MadeTensor>& tensors) {
  std::string out = "\x80\x02\x8a\x0a";
  out += std::string("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10) + ".";
  out += std::string("\x80\x02M\xe9\x03.", 6);
  out += "\x80\x02}" + pickle::text("little_endian") + "\x88s.";
  out += pickle::state_dict(tensors) + "\x80\x02](";
  for (std::size_t k = 0; k < tensors.size(); ++k) out += pickle::text(std::to_string(k));
  out += "e.";
  for (const MadeTensor& t : tensors)
    out += little_endian(static_cast<std::int64_t>(t.values.size())) + raw(t.values);
  return out;
}

}  // namespace melgrad
