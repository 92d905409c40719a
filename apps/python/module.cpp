// The extension module melgrad._melgrad: what the library does, with arrays for vectors. The package around
// it (melgrad/__init__.py) has the interface, the documentation and all that needs no C++. Nothing prints, no
// signal is handled, and what is set for the whole process is set back after each call.
#include <algorithm>
#include <cmath>
#include <mutex>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>
#include <nlohmann/json.hpp>
#include <span>

#include "apps/python/arrays.h"
#include "apps/python/training.h"
#include "apps/python/workplace.h"
#include "io/arrays/cache.h"
#include "io/audio/decode_ahead.h"
#include "io/audio/flaws.h"
#include "io/files/atomic_file.h"
#include "kernels/math/half.h"
#include "models/metrics/tag_metrics.h"
#include "models/onnx/export.h"
#include "models/runs/predictor.h"

namespace melgrad {
namespace {

AudioOptions audio_options(const MelOptions& features, bool ffmpeg) {
  return {.mix = features.mix, .ffmpeg = ffmpeg};
}

// Mean, segments and their starts, as arrays; of answers notes on the sound too.
using AnswerArrays = std::tuple<Vector, Matrix, Vector, std::vector<std::string>>;
using EmbeddingArrays = std::tuple<Vector, Matrix, Vector>;

struct Answer {
  Prediction prediction;
  std::vector<std::string> notes;  // on the sound
};

// Paths are bytes here, whatever they spell.
std::string path_of(const nb::bytes& path) { return {path.c_str(), path.size()}; }

class Many;

class Network {
 public:
  Network(const nb::bytes& path, const std::string& device, int threads, const std::string& mix)
      : place_(device, threads) {
    const std::string file = path_of(path);
    place_.freely([&] {
      place_.alone([&] { predictor_ = std::make_unique<Predictor>(place_.device(), file); });
      digest_ = fmt::format("{:016x}", predictor_->digest());
      features_ = predictor_->recipe().features;
      if (!mix.empty()) set_mel_field(features_, "mix", mix);
    });
  }

  AnswerArrays predict_file(const nb::bytes& at, bool ffmpeg) {
    const std::string path = path_of(at);
    return as_arrays(place_.freely([&] { return heard(read(path, ffmpeg), path); }));
  }
  AnswerArrays predict_samples(const Samples& samples, int rate) {
    return as_arrays(place_.freely([&] { return heard(held(samples, rate), "samples"); }));
  }
  EmbeddingArrays embed_file(const nb::bytes& at, bool ffmpeg) {
    const std::string path = path_of(at);
    return as_arrays(place_.freely([&] { return seen(read(path, ffmpeg), path); }));
  }
  EmbeddingArrays embed_samples(const Samples& samples, int rate) {
    return as_arrays(place_.freely([&] { return seen(held(samples, rate), "samples"); }));
  }

  void write_onnx(const nb::bytes& at, const std::string& front_end, const std::string& segments,
                  const std::string& precision) {
    const std::string path = path_of(at);
    OnnxOptions options;
    assign(options.front_end, front_end, "frontend");
    assign(options.segments, segments, "segments");
    assign(options.precision, precision, "precision");
    place_.freely([&] {
      OnnxGraph graph = place_.alone(
          [&] { return onnx_graph(place_.device(), predictor_->loaded(), options, predictor_->file()); });
      graph.metadata.emplace_back("model_digest", digest_);
      write_file_atomically(path, onnx_file(graph));
    });
  }

  std::vector<std::string> classes() const { return predictor_->classes(); }
  int sample_rate() const { return features_.sample_rate; }
  std::string device() const { return place_.name(); }
  std::string digest() const { return digest_; }
  std::string recipe_toml() const { return as_toml(predictor_->recipe()); }
  double segment_seconds() const {
    return predictor_->frame_seconds() * static_cast<double>(predictor_->recipe().segment.frames);
  }

 private:
  friend class Many;

  Audio read(const std::string& path, bool ffmpeg) const {
    return read_audio(path, features_.sample_rate, audio_options(features_, ffmpeg));
  }
  Audio held(const Samples& samples, int rate) const {
    return audio_of({samples.data(), samples.size()}, static_cast<int>(samples.shape(1)), rate,
                    features_.sample_rate, audio_options(features_, false));
  }
  Answer heard(const Audio& audio, const std::string& name) {
    return {place_.alone([&] { return (*predictor_)(audio, name); }), notes_of(audio)};
  }
  SegmentEmbeddings seen(const Audio& audio, const std::string& name) {
    return place_.alone([&] { return predictor_->embed(audio, name); });
  }
  static std::vector<float> as_floats(const std::vector<double>& values) {
    return {values.begin(), values.end()};
  }
  AnswerArrays as_arrays(Answer answer) const {
    std::vector<float> segments;
    for (const auto& row : answer.prediction.segments)
      segments.insert(segments.end(), row.begin(), row.end());
    return {vector_of(std::move(answer.prediction.mean)), matrix_of(std::move(segments), classes().size()),
            vector_of(as_floats(answer.prediction.starts)), answer.notes};
  }
  static EmbeddingArrays as_arrays(SegmentEmbeddings embeddings) {
    std::vector<float> mean = embeddings.mean();
    const std::size_t width = mean.size();
    return {vector_of(std::move(mean)), matrix_of(std::move(embeddings.values), width),
            vector_of(std::move(embeddings.starts))};
  }

  Workplace place_;
  std::unique_ptr<Predictor> predictor_;
  std::string digest_;
  MelOptions features_;
};

// Many files, decoded while the one before is heard; the answers in their order.
class Many {
 public:
  Many(Network& network, const std::vector<nb::bytes>& paths, bool ffmpeg, int threads)
      : network_(network),
        paths_(paths_of(paths)),
        decoded_({paths_.begin(), paths_.end()}, network.features_.sample_rate,
                 audio_options(network.features_, ffmpeg), threads) {}

  Many(const Many&) = delete;
  Many& operator=(const Many&) = delete;

  // Of the next file, of which there must be one. Throws what is wrong with it, and goes on behind it then.
  AnswerArrays next() {
    const std::string& path = paths_.at(at_++);
    return network_.as_arrays(network_.place_.freely([&] { return network_.heard(decoded_.next(), path); }));
  }

 private:
  static std::vector<std::string> paths_of(const std::vector<nb::bytes>& paths) {
    std::vector<std::string> all;
    for (const nb::bytes& path : paths) all.push_back(path_of(path));
    return all;
  }

  Network& network_;
  std::vector<std::string> paths_;
  DecodeAhead decoded_;
  std::size_t at_ = 0;
};

// Samples as they are where features can be made of them so, else what they are made of.
class Usable {
 public:
  Usable(const Samples& samples, int rate, const MelOptions& options) : own_(samples.data(), samples.size()) {
    const bool usable = std::all_of(own_.begin(), own_.end(), [](float x) { return std::abs(x) <= 1; });
    if (rate == options.sample_rate && samples.shape(1) == 1 && usable) return;
    made_ = audio_of(own_, static_cast<int>(samples.shape(1)), rate, options.sample_rate,
                     audio_options(options, false))
                .samples;
    own_ = made_;
  }
  std::span<const float> samples() const { return own_; }

 private:
  std::span<const float> own_;
  std::vector<float> made_;
};

class Features {
 public:
  Features(const std::vector<std::pair<std::string, std::string>>& fields, const std::string& device)
      : place_(std::make_shared<Workplace>(device, 1)) {
    MelOptions options;
    for (const auto& [name, value] : fields) {
      if (name == "preset") options = mel_preset(value);
      else set_mel_field(options, name, FieldValue(value));
    }
    validate(options);
    extractor_ = std::make_unique<FeatureExtractor>(place_->device(), options);
  }

  Matrix of_file(const nb::bytes& at, bool ffmpeg) {
    const std::string path = path_of(at);
    return made(place_->freely([&] { return (*extractor_)(read(path, ffmpeg)); }));
  }
  Matrix of_samples(const Samples& samples, int rate) {
    return made(place_->freely([&] { return (*extractor_)(Usable(samples, rate, options()).samples()); }));
  }
  // The same, left on the device, in memory of their own.
  DeviceMatrix of_file_on_device(const nb::bytes& at, bool ffmpeg) {
    const std::string path = path_of(at);
    return lent(place_->freely([&] { return left(read(path, ffmpeg)); }));
  }
  DeviceMatrix of_samples_on_device(const Samples& samples, int rate) {
    return lent(place_->freely([&] { return left(Usable(samples, rate, options()).samples()); }));
  }
  std::vector<std::pair<std::string, std::string>> fields() const { return mel_fields(options()); }

 private:
  const MelOptions& options() const { return extractor_->tables().options; }
  std::vector<float> read(const std::string& path, bool ffmpeg) const {
    return read_audio(path, options().sample_rate, audio_options(options(), ffmpeg)).samples;
  }
  Matrix made(std::vector<float> values) const {
    return matrix_of(std::move(values), static_cast<std::size_t>(extractor_->tables().bands()));
  }
  Block left(std::span<const float> pcm) {
    return place_->alone([&] {
      const Tensor features = extractor_->on_device(pcm);
      Block block(place_->device(), features.bytes());
      place_->device().ops().copy(features, Tensor{block.data(), features.shape, features.dtype});
      place_->device().synchronise();
      return block;
    });
  }
  DeviceMatrix lent(Block block) const {
    const auto bands = static_cast<std::size_t>(extractor_->tables().bands());
    return device_matrix_of({place_, std::move(block)}, bands);
  }

  std::shared_ptr<Workplace> place_;
  std::unique_ptr<FeatureExtractor> extractor_;
};

// A cache of features, whose tracks are read when they are asked for.
class FeatureFile {
 public:
  explicit FeatureFile(const nb::bytes& path) : file_(path_of(path)) {}
  std::size_t size() const { return items().size(); }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const CacheItem& item : items()) names.push_back(item.name);
    return names;
  }
  std::vector<std::string> classes() const { return file_.description().classes; }
  std::vector<std::pair<std::string, std::string>> fields() const {
    return mel_fields(file_.description().mel);
  }
  std::vector<std::uint8_t> labels(std::size_t k) const { return items().at(k).labels; }
  std::string split(std::size_t k) const { return items().at(k).split; }
  Matrix features(std::size_t k) const {
    const CacheItem& item = items().at(k);
    const auto bands = static_cast<std::size_t>(file_.description().bands);
    std::vector<float> values(static_cast<std::size_t>(item.rows) * bands);
    {
      const nb::gil_scoped_release released;
      const std::lock_guard alone(mutex_);
      if (file_.description().dtype == DType::f32) {
        file_.read(item.first_row, item.rows, values.data());
      } else {
        std::vector<std::uint16_t> halves(values.size());
        file_.read(item.first_row, item.rows, halves.data());
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = half_to_float(halves[i]);
      }
    }
    return matrix_of(std::move(values), bands);
  }

 private:
  const std::vector<CacheItem>& items() const { return file_.description().items; }

  CacheFile file_;
  mutable std::mutex mutex_;
};

std::pair<Vector, int> read_sound(const nb::bytes& at, int sample_rate, const std::string& mix, bool ffmpeg) {
  const std::string path = path_of(at);
  MelOptions options;
  set_mel_field(options, "mix", mix);
  Audio audio;
  {
    const nb::gil_scoped_release released;
    audio = read_audio(path, sample_rate, audio_options(options, ffmpeg));
  }
  return {vector_of(std::move(audio.samples)), audio.sample_rate};
}

std::string tag_figures(const Samples& scores, const Labels& targets, std::vector<std::string> tags,
                        double threshold, int resamples, std::uint64_t seed, int threads) {
  TagScores all;
  all.tags = std::move(tags);
  for (std::size_t k = 0; k < scores.shape(0); ++k) all.tracks.push_back(std::to_string(k));
  all.scores.assign(scores.data(), scores.data() + scores.size());
  all.targets.assign(targets.data(), targets.data() + targets.size());
  const nb::gil_scoped_release released;
  return as_json(tag_metrics(all, {threshold, resamples, seed, threads})).dump();
}

// Error's kinds are the classes of melgrad/errors.py.
const char* class_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return "UsageError";
    case ErrorKind::input:
      return "InputError";
    case ErrorKind::output:
      return "OutputError";
    case ErrorKind::device:
      return "DeviceError";
    case ErrorKind::diverged:
      return "DivergedError";
    case ErrorKind::internal:
      break;
  }
  return "InternalError";
}

void raise(const std::exception_ptr& thrown, void* /*unused*/) {
  const AtWork at_work;
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    const nb::object line =
        nb::steal(PyUnicode_DecodeFSDefault(error.what()));  // may name a path of any bytes
    PyErr_SetObject(nb::module_::import_("melgrad.errors").attr(class_of(error.kind())).ptr(), line.ptr());
  }
}

}  // namespace
}  // namespace melgrad

NB_MODULE(_melgrad, module) {
  using namespace melgrad;  // NOLINT(google-build-using-namespace): the module's body
  using namespace nb::literals;
  nb::set_leak_warnings(false);  // an interpreter that ends within a generator is no fault
  nb::register_exception_translator(raise);
  module.attr("version") = MELGRAD_VERSION;
  module.def("end", &AtWork::end);
  const nb::call_guard<AtWork> guard;

  nb::class_<Network>(module, "Network")
      .def(nb::init<const nb::bytes&, const std::string&, int, const std::string&>(), "path"_a, "device"_a,
           "threads"_a, "mix"_a, guard)
      .def("predict_file", &Network::predict_file, "path"_a, "ffmpeg"_a, guard)
      .def("predict_samples", &Network::predict_samples, "samples"_a.noconvert(), "sample_rate"_a, guard)
      .def("embed_file", &Network::embed_file, "path"_a, "ffmpeg"_a, guard)
      .def("embed_samples", &Network::embed_samples, "samples"_a.noconvert(), "sample_rate"_a, guard)
      .def("write_onnx", &Network::write_onnx, "path"_a, "front_end"_a, "segments"_a, "precision"_a, guard)
      .def_prop_ro("classes", &Network::classes, guard)
      .def_prop_ro("sample_rate", &Network::sample_rate, guard)
      .def_prop_ro("segment_seconds", &Network::segment_seconds, guard)
      .def_prop_ro("device", &Network::device, guard)
      .def_prop_ro("digest", &Network::digest, guard)
      .def_prop_ro("recipe_toml", &Network::recipe_toml, guard);
  nb::class_<Many>(module, "Many")
      .def(nb::init<Network&, const std::vector<nb::bytes>&, bool, int>(), "network"_a, "paths"_a, "ffmpeg"_a,
           "threads"_a, nb::keep_alive<1, 2>(), guard)
      .def("next", &Many::next, guard);
  nb::class_<Features>(module, "Features")
      .def(nb::init<const std::vector<std::pair<std::string, std::string>>&, const std::string&>(),
           "fields"_a, "device"_a, guard)
      .def("of_file", &Features::of_file, "path"_a, "ffmpeg"_a, guard)
      .def("of_samples", &Features::of_samples, "samples"_a.noconvert(), "sample_rate"_a, guard)
      .def("of_file_on_device", &Features::of_file_on_device, "path"_a, "ffmpeg"_a, guard)
      .def("of_samples_on_device", &Features::of_samples_on_device, "samples"_a.noconvert(), "sample_rate"_a,
           guard)
      .def_prop_ro("fields", &Features::fields, guard);
  nb::class_<FeatureFile>(module, "FeatureFile")
      .def(nb::init<const nb::bytes&>(), "path"_a, guard)
      .def("__len__", &FeatureFile::size, guard)
      .def("features", &FeatureFile::features, "track"_a, guard)
      .def("labels", &FeatureFile::labels, "track"_a, guard)
      .def("split", &FeatureFile::split, "track"_a, guard)
      .def_prop_ro("names", &FeatureFile::names, guard)
      .def_prop_ro("classes", &FeatureFile::classes, guard)
      .def_prop_ro("fields", &FeatureFile::fields, guard);
  add_training(module);
  module.def("presets", &mel_preset_names, guard);
  module.def("read_sound", &read_sound, "path"_a, "sample_rate"_a, "mix"_a, "ffmpeg"_a, guard);
  module.def("tag_figures", &tag_figures, "scores"_a.noconvert(), "targets"_a.noconvert(), "tags"_a,
             "threshold"_a, "resamples"_a, "seed"_a, "threads"_a, guard);
}
