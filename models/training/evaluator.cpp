#include "models/training/evaluator.h"

#include <algorithm>
#include <cmath>

#include "models/training/task.h"

namespace melgrad {

Evaluator::Evaluator(Device& device, Model& model, const Task& task, const SegmentOptions& segment,
                     std::int64_t batch)
    : device_(&device),
      model_(&model),
      task_(&task),
      frames_(segment.frames),
      batch_(batch),
      both_ways_(segment.test_reverse),
      memory_(device, {{&zero_, {1}, DType::i64}}),
      arena_(device),
      tape_(device, arena_) {}

std::vector<float> Evaluator::for_segments(const TrackTable& data,
                                           const std::vector<std::int64_t>& first_rows,
                                           const std::function<Tensor(Tensor x)>& make) {
  const auto total = static_cast<std::int64_t>(first_rows.size());
  std::vector<float> out;
  constexpr std::int64_t kValues = 2 << 20;
  const std::int64_t batch =
      batch_ > 0 ? batch_ : std::clamp<std::int64_t>(kValues / (frames_ * data.bands()), 1, 128);
  for (std::int64_t begin = 0; begin < total; begin += batch) {
    const std::int64_t n = std::min(batch, total - begin);
    tape_.reset(false);
    const Tensor x = tape_.take({n, frames_, data.bands(), 1});
    data.cut({first_rows.begin() + begin, first_rows.begin() + begin + n}, x);
    const Tensor made = make(x);
    const std::int64_t width = made.numel() / n;
    out.resize(static_cast<std::size_t>(total * width));
    device_->to_host(out.data() + begin * width, made);
  }
  return out;
}

std::vector<float> Evaluator::probabilities(const TrackTable& data,
                                            const std::vector<std::int64_t>& first_rows) {
  const auto heard = [&](Tensor x) { return task_->probabilities(tape_, model_->logits(tape_, x, {})); };
  if (!both_ways_) return for_segments(data, first_rows, heard);
  std::vector<float> sum = for_segments(data, first_rows, heard);
  const std::vector<float> backwards = for_segments(data, first_rows, [&](Tensor x) {
    const Tensor y = tape_.take(x.shape);
    Resample resample;
    resample.reverse = 1;
    resample.counter = zero_;
    device_->ops().resample(x, resample, y);
    return heard(y);
  });
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = (sum[i] + backwards[i]) / 2;
  return sum;
}

std::vector<float> Evaluator::embeddings(const TrackTable& data,
                                         const std::vector<std::int64_t>& first_rows) {
  return for_segments(data, first_rows, [&](Tensor x) { return tape_.value(model_->embedding(tape_, x)); });
}

std::vector<float> Evaluator::segments(const TrackTable& data, const std::vector<std::int64_t>& first_rows) {
  return for_segments(data, first_rows, [](Tensor x) { return x; });
}

std::int64_t segment_step(const SegmentOptions& options) {
  const double step = static_cast<double>(options.frames) * (1 - options.overlap);
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::lround(step)));
}

std::vector<std::int64_t> segment_starts(std::int64_t rows, const SegmentOptions& options) {
  std::vector<std::int64_t> starts;
  if (options.test_crops > 0) {
    // As Won et al. 2020 do: from i floor((rows - frames) / crops), so that the end is never reached.
    for (std::int64_t i = 0; i < options.test_crops && rows >= options.frames; ++i)
      starts.push_back(i * ((rows - options.frames) / options.test_crops));
    return starts;
  }
  const std::int64_t step = segment_step(options), last = rows - options.frames;
  // The author's floor((rows - frames - 1) / step) leaves out the last start; a short track keeps its only
  // one.
  const std::int64_t all = last < 0 ? 0 : last / step + 1;
  const std::int64_t count =
      options.skip_last_start && last >= 0 ? std::max<std::int64_t>(1, (last - 1) / step) : all;
  for (std::int64_t k = 0; k < count; ++k) starts.push_back(k * step);
  return starts;
}

TestSegments test_segments(const TrackTable& data, const std::vector<std::int32_t>& tracks,
                           const SegmentOptions& segment) {
  TestSegments out;
  for (const std::int32_t index : tracks) {
    const auto& track = data.tracks()[static_cast<std::size_t>(index)];
    const auto starts = segment_starts(track.rows, segment);
    for (const std::int64_t start : starts) out.rows.push_back(track.first_row + start);
    out.counts.push_back(static_cast<std::int64_t>(starts.size()));
  }
  return out;
}

}  // namespace melgrad
