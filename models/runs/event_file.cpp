#include "models/runs/event_file.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <png.h>
#include <span>

#include "events.pb.h"
#include "io/files/hash.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

static_assert(std::endian::native == std::endian::little);

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

template <typename T>
void append(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

// Buckets that grow by a tenth, on both sides of zero, as TensorBoard's own writers have them.
void fill(events::Histogram& histogram, std::span<const float> values) {
  // Below 0 and above it: 0 for less than 1e-12, else 1 + the power of 1.1 above that; floats end at 1,210.
  constexpr int kPowers = 1300;
  std::vector<double> counts(2 * kPowers + 1, 0);
  histogram.set_min(*std::min_element(values.begin(), values.end()));
  histogram.set_max(*std::max_element(values.begin(), values.end()));
  histogram.set_num(static_cast<double>(values.size()));
  double sum = 0, squares = 0;
  for (const double v : values) {
    sum += v;
    squares += v * v;
    const double size = std::abs(v) / 1e-12;
    const int power =
        size >= 1 ? 1 + static_cast<int>(std::min(std::log(size) / std::log(1.1), kPowers - 2.0)) : 0;
    ++counts[static_cast<std::size_t>(kPowers + (v < 0 ? -power : power))];
  }
  histogram.set_sum(sum);
  histogram.set_sum_squares(squares);
  for (int power = -kPowers; power <= kPowers; ++power) {  // below 0 the end nearer to it is the upper one
    const double count = counts[static_cast<std::size_t>(kPowers + power)];
    if (count == 0) continue;
    const double end = 1e-12 * std::pow(1.1, power < 0 ? -power - 1 : power);
    histogram.add_bucket_limit(power < 0 ? -end : end);
    histogram.add_bucket(count);
  }
}

// Kernels [filters, frames, bands, 1] side by side, eight in a row, from black (its least) to white (its
// most).
void fill(events::Image& image, const HostArray& kernels) {
  constexpr std::size_t kAcross = 8, kZoom = 8;
  const auto filters = static_cast<std::size_t>(kernels.shape[0]),
             frames = static_cast<std::size_t>(kernels.shape[1]),
             bands = static_cast<std::size_t>(kernels.shape[2]);
  const std::size_t down = (filters + kAcross - 1) / kAcross;
  const std::size_t width = kAcross * (frames + 1) * kZoom, height = down * (bands + 1) * kZoom;
  std::vector<std::uint8_t> pixels(width * height, 128);
  const std::span<const float> w = kernels.as<float>();
  for (std::size_t k = 0; k < filters; ++k) {
    const auto kernel = w.subspan(k * frames * bands, frames * bands);
    const auto [least, most] = std::minmax_element(kernel.begin(), kernel.end());
    const double range = std::max(1e-30, double{*most} - *least);
    for (std::size_t y = 0; y < bands * kZoom; ++y) {
      for (std::size_t x = 0; x < frames * kZoom; ++x) {
        const std::size_t band = bands - 1 - y / kZoom;  // low bands at the bottom
        const std::size_t at =
            (k / kAcross * (bands + 1) * kZoom + y) * width + k % kAcross * (frames + 1) * kZoom + x;
        pixels[at] =
            static_cast<std::uint8_t>(255 * (double{kernel[x / kZoom * bands + band]} - *least) / range);
      }
    }
  }
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(width);
  png.height = static_cast<png_uint_32>(height);
  png.format = PNG_FORMAT_GRAY;
  std::vector<char> encoded(PNG_IMAGE_PNG_SIZE_MAX(png));
  png_alloc_size_t size = encoded.size();
  require(png_image_write_to_memory(&png, encoded.data(), &size, 0, pixels.data(), 0, nullptr) != 0,
          "event file: libpng says {}", png.message);
  image.set_width(static_cast<int>(width));
  image.set_height(static_cast<int>(height));
  image.set_colorspace(1);
  image.set_encoded_image_string(encoded.data(), size);
}

}  // namespace

EventFile::EventFile(const std::string& folder, std::int64_t step)
    : file_(fmt::format("{}/events.out.tfevents.{:010}.{:010}", folder, static_cast<std::int64_t>(now()),
                        step)) {
  events::Event first;
  first.set_wall_time(now());
  first.set_step(step);
  first.set_file_version("brain.Event:2");
  write(first.SerializeAsString());
}

void EventFile::scalars(std::int64_t step, const std::vector<std::pair<std::string, double>>& values) {
  events::Event event;
  event.set_wall_time(now());
  event.set_step(step);
  for (const auto& [tag, value] : values) {
    auto& out = *event.mutable_summary()->add_value();
    out.set_tag(tag);
    out.set_simple_value(static_cast<float>(value));
  }
  write(event.SerializeAsString());
}

void EventFile::weights(std::int64_t step, const Checkpoint& model) {
  constexpr std::string_view kParam = "param/";
  events::Event event;
  event.set_wall_time(now());
  event.set_step(step);
  for (const auto& [name, array] : model.arrays) {
    if (!name.starts_with(kParam) || array.numel() == 0) continue;
    auto& values = *event.mutable_summary()->add_value();
    values.set_tag(name);
    fill(*values.mutable_histo(), array.as<float>());
    if (array.shape.size() != 4 || array.shape[3] != 1) continue;
    auto& picture = *event.mutable_summary()->add_value();
    picture.set_tag("kernels/" + name.substr(kParam.size()));
    fill(*picture.mutable_image(), array);
  }
  write(event.SerializeAsString());
}

void EventFile::write(const std::string& event) {
  std::string record;
  append(record, std::uint64_t{event.size()});
  append(record, masked_crc32c(record));
  record += event;
  append(record, masked_crc32c(event));
  file_.append(record);
}

}  // namespace melgrad
