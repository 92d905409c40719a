#include "models/networks/networks.h"

#include <utility>

#include "kernels/text.h"

namespace melgrad {
namespace {

using Make = std::unique_ptr<Model> (*)(const ModelOptions&, const InputShape&, std::int64_t);

// One of a family that differs in its recurrent cell.
template <auto kMake, Cell kCell>
std::unique_ptr<Model> with_cell(const ModelOptions& o, const InputShape& input, std::int64_t classes) {
  return kMake(o, input, classes, kCell);
}

constexpr std::pair<const char*, Make> kModels[] = {
    {"dong2018", make_dong2018},
    {"cnn1d", make_cnn1d},
    {"cnn1d-rnn", with_cell<make_cnn1d_recurrent, Cell::rnn>},
    {"cnn1d-lstm", with_cell<make_cnn1d_recurrent, Cell::lstm>},
    {"cnn1d-gru", with_cell<make_cnn1d_recurrent, Cell::gru>},
    {"cnn1d-chunks", make_cnn1d_chunks},
    {"cnn2d-rnn", with_cell<make_cnn2d, Cell::rnn>},
    {"cnn2d-lstm", with_cell<make_cnn2d, Cell::lstm>},
    {"cnn2d-gru", with_cell<make_cnn2d, Cell::gru>},
    {"fcn", make_fcn},
    {"crnn", make_crnn},
    {"musicnn", make_musicnn},
    {"musicnn-2019", make_musicnn_2019},
    {"vgg-2019", make_vgg_2019},
    {"sample-cnn", make_sample_cnn},
    {"sample-cnn-se", make_sample_cnn_se},
    {"short-chunk", make_short_chunk},
    {"short-chunk-res", make_short_chunk_res},
    {"harmonic", make_harmonic},
    {"resnet-se", make_resnet_se},
    {"modulation", make_modulation},
    {"mlp", make_mlp},
};

// The fewest frames above the input's with which the network can be made; 0 if more frames are no help.
std::int64_t least_frames(Make make, const ModelOptions& options, const InputShape& input,
                          std::int64_t classes) {
  const auto works = [&](std::int64_t frames) {
    try {
      make(options, {frames, input.bands}, classes);
      return true;
    } catch (const Error&) {
      return false;
    }
  };
  constexpr std::int64_t kMost = 1 << 20;
  std::int64_t too_few = std::max<std::int64_t>(input.frames, 1), enough = 2 * too_few;
  while (enough < kMost && !works(enough)) too_few = std::exchange(enough, 2 * enough);
  if (enough >= kMost) return 0;
  while (enough - too_few > 1) {
    const std::int64_t middle = (too_few + enough) / 2;
    (works(middle) ? enough : too_few) = middle;
  }
  return enough;
}

}  // namespace

std::unique_ptr<Model> make_model(const ModelOptions& options, const InputShape& input,
                                  std::int64_t classes) {
  for (const auto& [name, make] : kModels) {
    if (options.architecture != name) continue;
    try {
      return make(options, input, classes);
    } catch (const Error& e) {
      const std::int64_t least = least_frames(make, options, input, classes);
      if (least == 0) throw;
      fail(e.kind(), "{}; set segment.frames to at least {}", e.what(), least);
    }
  }
  fail(ErrorKind::usage, "model.architecture: no such network '{}'; did you mean {}?", options.architecture,
       nearest(options.architecture, model_names()));
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const auto& [name, make] : kModels) names.emplace_back(name);
  return names;
}

}  // namespace melgrad
