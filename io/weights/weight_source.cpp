#include "io/weights/weight_source.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "io/arrays/safetensors.h"
#include "io/files/text_file.h"
#include "io/files/zip_archive.h"
#include "io/weights/tensor_bundle.h"
#include "io/weights/torch_file.h"
#include "kernels/error.h"
#include "kernels/math/bf16.h"
#include "kernels/math/half.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

constexpr const char *kIndex = ".index", *kData = ".data-";
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 34;

class Safetensors final : public WeightSource {
 public:
  explicit Safetensors(std::string path) : path_(std::move(path)), file_(load_safetensors(path_)) {
    for (const auto& [name, array] : file_.arrays) {
      tensors_.push_back(
          {name.starts_with("param/") ? name.substr(6) : name, name_of(array.dtype), array.shape});
      arrays_.push_back(&array);
    }
  }
  HostArray read(std::size_t k) const override {
    const HostArray& array = *arrays_[k];
    const bool real = array.dtype == DType::f32 || array.dtype == DType::f16 || array.dtype == DType::bf16;
    if (!real)
      fail(ErrorKind::input, "{}: {}: holds {}, no real numbers", path_, tensors_[k].name,
           name_of(array.dtype));
    return floats(array.dtype == DType::bf16 ? 'b' : 'f', static_cast<std::size_t>(size_of(array.dtype)),
                  array.shape, {reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size()});
  }

 private:
  std::string path_;
  Checkpoint file_;
  std::vector<const HostArray*> arrays_;
};

// A checkpoint in a folder: "model" or "model.index".
std::unique_ptr<WeightSource> bundle_in_folder(const std::string& path) {
  const std::string prefix =
      path.ends_with(kIndex) ? path.substr(0, path.size() - std::strlen(kIndex)) : path;
  return open_tensor_bundle(prefix, read_text_file(prefix + kIndex, kMostBytes),
                            [](const std::string& shard) { return read_text_file(shard, kMostBytes); });
}

// The checkpoint in an archive whose path contains `entry`.
std::unique_ptr<WeightSource> bundle_in_archive(const std::string& path, const std::string& entry) {
  std::set<std::string> prefixes;
  for (ZipArchive zip(path); zip.next();)
    if (zip.name().ends_with(kIndex))
      prefixes.insert(zip.name().substr(0, zip.name().size() - std::strlen(kIndex)));
  const auto named = [&](const std::string& prefix) {
    return ("/" + prefix).find("/" + entry + "/") != std::string::npos;
  };
  std::vector<std::string> chosen;
  for (const std::string& prefix : prefixes)
    if (entry.empty() || named(prefix)) chosen.push_back(prefix);
  if (chosen.size() != 1) {
    std::vector<std::string> names;  // musicnn/MTT_vgg/ is called MTT_vgg
    for (const std::string& prefix : prefixes)
      names.push_back(fs::path(prefix).parent_path().filename().string());
    if (names.empty()) fail(ErrorKind::input, "{}: is an archive without a TensorFlow checkpoint", path);
    fail(ErrorKind::input, "{}: holds the checkpoints {}; choose one with --model", path, joined(names));
  }
  std::map<std::string, std::string> files;
  for (ZipArchive zip(path); zip.next();)
    if (zip.name() == chosen[0] + kIndex || zip.name().starts_with(chosen[0] + kData))
      files[zip.name()] = zip.read();
  return open_tensor_bundle(chosen[0], files[chosen[0] + kIndex], [&](const std::string& shard) {
    const auto found = files.find(shard);
    if (found == files.end()) fail(ErrorKind::input, "{}: {}: is not there", path, shard);
    return found->second;
  });
}

}  // namespace

std::unique_ptr<WeightSource> open_weights(const std::string& path, const std::string& entry) {
  const std::string kind = fs::path(path).extension().string();
  if (kind == ".whl" || kind == ".zip") return bundle_in_archive(path, entry);
  if (!entry.empty())
    fail(ErrorKind::usage, "{}: holds one set of weights; --model chooses from an archive", path);
  if (kind == ".safetensors") return std::make_unique<Safetensors>(path);
  if (kind == ".pth" || kind == ".pt" || kind == ".bin") return open_torch_file(path);
  if (kind == kIndex || fs::exists(path + kIndex)) return bundle_in_folder(path);
  if (!fs::exists(path)) fail(ErrorKind::input, "{}: no such file", path);
  fail(ErrorKind::input,
       "{}: is none of .safetensors, .pth, .pt, .bin, a TensorFlow checkpoint (.index beside it), .whl, .zip",
       path);
}

HostArray floats(char kind, std::size_t width, const std::vector<std::int64_t>& shape,
                 std::string_view bytes) {
  HostArray out(DType::f32, shape.empty() ? std::vector<std::int64_t>{1} : shape);
  const auto to = out.as<float>();
  const char* from = bytes.data();
  for (std::size_t k = 0; k < to.size(); ++k, from += width) {
    if (width == 2) {
      std::uint16_t half = 0;
      std::memcpy(&half, from, width);
      to[k] = kind == 'b' ? to_float(Bf16{half}) : half_to_float(half);
    } else if (width == 8) {
      double real = 0;
      std::memcpy(&real, from, width);
      to[k] = static_cast<float>(real);
    } else {
      std::memcpy(&to[k], from, width);
    }
  }
  return out;
}

std::uint64_t count_within(const std::vector<std::int64_t>& shape, std::uint64_t width, std::uint64_t most,
                           const std::string& where) {
  std::uint64_t count = 1;
  for (const std::int64_t extent : shape) {
    const auto n = static_cast<std::uint64_t>(extent);
    if (extent < 0 || (n > 0 && count > most / width / n))
      fail(ErrorKind::input, "{}: its shape does not fit into the file", where);
    count *= n;
  }
  return count;
}

}  // namespace melgrad
