#include "models/onnx/front_end.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "kernels/error.h"
#include "kernels/math/mel_math.h"

namespace melgrad {
namespace {

using Ints = std::vector<std::int64_t>;
constexpr const char* kConstants = "features.";  // in front of the names of all constants here

// Bins [first, first + count) hold all that the filters read.
struct Bins {
  std::int64_t first = 0, count = 0;
};

Bins read_bins(const MelTables& tables) {
  if (tables.options.n_mels == 0) return {0, tables.bands()};
  std::int64_t first = tables.options.n_fft / 2 + 1, end = 0;
  for (std::size_t m = 0; m + 1 < tables.filter_offset.size(); ++m) {
    const std::int64_t width = tables.filter_offset[m + 1] - tables.filter_offset[m];
    if (width == 0) continue;
    first = std::min<std::int64_t>(first, tables.filter_first[m]);
    end = std::max<std::int64_t>(end, tables.filter_first[m] + width);
  }
  return {first, std::max<std::int64_t>(1, end - first)};
}

// Row k and row count + k: cosine and sine of bin k, times the window, of a frame whose mean was taken away
// and whose samples were pre-emphasised; all of that is linear. [2 count, frame]
std::vector<float> transform_rows(const MelTables& tables, const Bins& bins, std::int64_t frame) {
  const MelOptions& o = tables.options;
  const std::int64_t begin = tables.window_first(), length = o.win_length;
  std::vector<float> rows(static_cast<std::size_t>(2 * bins.count * frame));
  for (std::int64_t r = 0; r < 2 * bins.count; ++r) {
    std::vector<double> row(static_cast<std::size_t>(length));  // what multiplies each sample of the window
    for (std::int64_t i = 0; i < length; ++i) {
      const std::int64_t turn = (bins.first + r % bins.count) * (begin + i) % o.n_fft;
      const double angle = 2 * std::numbers::pi * static_cast<double>(turn) / o.n_fft;
      row[static_cast<std::size_t>(i)] = (r < bins.count ? std::cos(angle) : std::sin(angle)) *
                                         tables.window[static_cast<std::size_t>(begin + i)] * o.input_scale;
    }
    const std::vector<double> windowed = row;
    for (std::size_t i = 0; i < row.size(); ++i) {  // the transpose of x[i] -= c x[i - 1], x[0] -= c x[0]
      if (i + 1 < row.size()) row[i] -= o.pre_emphasis * windowed[i + 1];
      if (i == 0) row[i] -= o.pre_emphasis * windowed[i];
    }
    double mean = 0;
    for (const double v : row) mean += v / static_cast<double>(length);
    for (std::int64_t i = 0; i < length; ++i)
      rows[static_cast<std::size_t>(r * frame + begin + i)] =
          static_cast<float>(row[static_cast<std::size_t>(i)] - (o.remove_dc ? mean : 0));
  }
  return rows;
}

// [bands, columns]; `times` copies side by side.
std::vector<float> filter_matrix(const MelTables& tables, const Bins& bins, std::int64_t times) {
  const std::int64_t bands = tables.bands(), columns = times * bins.count;
  std::vector<float> matrix(static_cast<std::size_t>(bands * columns));
  for (std::int64_t m = 0; m < bands; ++m) {
    const auto band = static_cast<std::size_t>(m);
    const std::int64_t offset = tables.filter_offset[band];
    for (std::int64_t i = offset; i < tables.filter_offset[band + 1]; ++i)
      for (std::int64_t c = 0; c < times; ++c) {
        const std::int64_t bin = tables.filter_first[band] + (i - offset) - bins.first;
        matrix[static_cast<std::size_t>(m * columns + c * bins.count + bin)] =
            tables.filter_weight[static_cast<std::size_t>(i)];
      }
  }
  return matrix;
}

class FrontEnd {
 public:
  FrontEnd(OnnxGraph& graph, const MelOptions& options)
      : graph_(graph), tables_(options), o_(tables_.options), bins_(read_bins(tables_)) {}

  std::string padded(const std::string& samples) {
    if (o_.padding == Padding::none) return samples;
    const std::int64_t half = o_.n_fft / 2;
    return graph_.node("Pad", {samples, graph_.integers({0, half, 0, half})},
                       {{"mode", std::string(o_.padding == Padding::reflect ? "reflect" : "constant")}});
  }

  // [n, bins, frames] each bin's power or magnitude, or with `stacked` the squares of both parts one below
  // the other
  std::string spectrum_by_conv(const std::string& padded, bool stacked) {
    // As MelTables::frames counts them.
    const bool short_frames = o_.left_aligned_window && o_.padding == Padding::none;
    const std::int64_t frame = short_frames ? o_.win_length : o_.n_fft, rows = 2 * bins_.count;
    const std::string kernel = constant("transform", {rows, 1, frame}, transform_rows(tables_, bins_, frame));
    const std::string parts =
        graph_.node("Conv", {graph_.node("Unsqueeze", {padded, graph_.integers({1})}), kernel},
                    {{"kernel_shape", Ints{frame}}, {"strides", Ints{o_.hop_length}}});
    const std::string squares = graph_.node("Mul", {parts, parts});
    if (stacked) return squares;
    const auto half = [&](std::int64_t from) {
      return graph_.node("Slice", {squares, graph_.integers({from}), graph_.integers({from + bins_.count}),
                                   graph_.integers({1})});
    };
    return rooted(graph_.node("Add", {half(0), half(bins_.count)}));
  }

  // [n, frames, bins]
  std::string spectrum_by_stft(const std::string& padded) {
    std::vector<float> window = tables_.window;
    for (float& v : window) v = static_cast<float>(v * o_.input_scale);
    const std::string parts =
        graph_.node("STFT",
                    {graph_.node("Unsqueeze", {padded, graph_.integers({2})}),
                     graph_.constant(kConstants + std::string("hop"), {}, Ints{o_.hop_length}),
                     constant("window", {o_.n_fft}, window)},
                    {{"onesided", std::int64_t{1}}});  // [n, frames, n_fft / 2 + 1, 2]
    const std::string read =
        graph_.node("Slice", {parts, graph_.integers({bins_.first}),
                              graph_.integers({bins_.first + bins_.count}), graph_.integers({2})});
    return rooted(graph_.node("ReduceSumSquare", {read}, {{"axes", Ints{3}}, {"keepdims", std::int64_t{0}}}));
  }

  std::string transposed(const std::string& v) {
    return graph_.node("Transpose", {v}, {{"perm", Ints{0, 2, 1}}});
  }

  // [n, frames, bands] before the logarithm
  std::string bands(const std::string& samples, OnnxFrontEnd form) {
    const std::string at = padded(samples);
    if (form == OnnxFrontEnd::stft) {
      const std::string bins = spectrum_by_stft(at);
      if (o_.n_mels == 0) return bins;
      const std::string filters =
          constant("filters", {tables_.bands(), bins_.count}, filter_matrix(tables_, bins_, 1));
      return graph_.node("MatMul", {bins, transposed_filters(filters)});
    }
    const bool stacked = o_.power == 2 && o_.n_mels > 0;  // both squares are summed by the filters
    const std::string bins = spectrum_by_conv(at, stacked);
    if (o_.n_mels == 0) return transposed(bins);
    const std::int64_t times = stacked ? 2 : 1;
    const std::string filters =
        constant("filters", {tables_.bands(), times * bins_.count}, filter_matrix(tables_, bins_, times));
    return transposed(graph_.node("MatMul", {filters, bins}));
  }

  std::string logarithm(std::string v, bool whole_clip) {
    const LogLaw law = log_law(o_);
    if (law.identity) return v;
    if (law.range > 0 && !whole_clip)
      fail(ErrorKind::usage,
           "features.{} looks at the maximum of a whole clip, which a segment does not know: --segments all, "
           "or --frontend none",
           o_.log == LogKind::db ? "top_db" : "log = whisper");
    constexpr float kLargest = std::numeric_limits<float>::max();
    if (law.half) {
      v = graph_.node("Min", {v, graph_.scalar(65504)});
      v = graph_.node("Cast", {graph_.node("Cast", {v}, {{"to", std::int64_t{10}}})},
                      {{"to", std::int64_t{1}}});
    }
    if (law.multiplier != 1) v = graph_.node("Mul", {v, graph_.scalar(law.multiplier)});
    if (law.offset != 0) v = graph_.node("Add", {v, graph_.scalar(law.offset)});
    v = graph_.node("Clip", {v, graph_.scalar(law.floor), graph_.scalar(kLargest)});
    v = graph_.node("Log", {v});
    if (law.scale != 1) v = graph_.node("Mul", {v, graph_.scalar(law.scale)});
    if (law.range == 0) return v;
    const std::string most =
        graph_.node("ReduceMax", {v}, {{"axes", Ints{1, 2}}, {"keepdims", std::int64_t{1}}});
    v = graph_.node("Max", {v, graph_.node("Sub", {most, graph_.scalar(law.range)})});
    if (law.shift != 0) v = graph_.node("Add", {v, graph_.scalar(law.shift)});
    return law.gain == 1 ? v : graph_.node("Mul", {v, graph_.scalar(law.gain)});
  }

  std::string without_last_frame(const std::string& v) {
    if (!o_.drop_last_frame) return v;
    return graph_.node("Slice", {v, graph_.integers({0}), graph_.integers({-1}), graph_.integers({1})});
  }

 private:
  std::string constant(const std::string& name, OnnxShape shape, std::vector<float> values) {
    return graph_.constant(kConstants + name, std::move(shape), std::move(values));
  }
  std::string rooted(const std::string& power) {
    return o_.power == 1 ? graph_.node("Sqrt", {power}) : power;
  }
  std::string transposed_filters(const std::string& filters) {
    return graph_.node("Transpose", {filters}, {{"perm", Ints{1, 0}}});
  }

  OnnxGraph& graph_;
  MelTables tables_;
  const MelOptions& o_;
  Bins bins_;
};

}  // namespace

std::string onnx_front_end(OnnxGraph& graph, const std::string& audio, const MelOptions& options,
                           OnnxFrontEnd form, bool whole_clip) {
  // As read_audio does with what is no usable number.
  const std::string usable = graph.node("LessOrEqual", {graph.node("Abs", {audio}), graph.scalar(1e6F)});
  const std::string samples = graph.node("Where", {usable, audio, graph.scalar(0)});
  if (options.n_fft == 0) {  // the samples themselves
    const std::string scaled =
        options.input_scale == 1
            ? samples
            : graph.node("Mul", {samples, graph.scalar(static_cast<float>(options.input_scale))});
    return graph.node("Unsqueeze", {scaled, graph.integers({2})});
  }
  const bool linear = options.remove_dc || options.pre_emphasis != 0 || options.left_aligned_window;
  if (form == OnnxFrontEnd::stft && linear)
    fail(ErrorKind::usage, "--frontend stft: has no form for features.{}; --frontend conv has",
         options.remove_dc             ? "remove_dc"
         : options.left_aligned_window ? "left_aligned_window"
                                       : "pre_emphasis");
  FrontEnd end(graph, options);
  return end.logarithm(end.without_last_frame(end.bands(samples, form)), whole_clip);
}

}  // namespace melgrad
