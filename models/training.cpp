#include "models/training.h"

#include <cmath>

namespace melgrad {
namespace {

enum LogColumn : std::int64_t { kLoss, kAccuracy, kNorm, kRate, kColumns };

std::int64_t table_bytes(DType dtype, std::int64_t rows, std::int64_t bands, std::size_t tracks) {
  return aligned_bytes(rows * bands * size_of(dtype)) +
         3 * aligned_bytes(static_cast<std::int64_t>(tracks) * 8);
}

template <typename Value, typename Field>
void upload(Device& device, Tensor to, const std::vector<ResidentData::Track>& tracks, Field field) {
  std::vector<Value> host;
  for (const auto& track : tracks) host.push_back(track.*field);
  device.to_device(to, host.data());
}

}  // namespace

ResidentData::ResidentData(Device& device, const void* features, DType dtype, std::int64_t rows_in_all,
                           std::int64_t bands, std::vector<Track> tracks)
    : tracks_(std::move(tracks)), slab_(device, table_bytes(dtype, rows_in_all, bands, tracks_.size())) {
  const auto n = static_cast<std::int64_t>(tracks_.size());
  table = slab_.take({rows_in_all, bands}, dtype);
  first_row = slab_.take({n}, DType::i64);
  rows = slab_.take({n}, DType::i32);
  labels = slab_.take({n}, DType::i32);
  device.to_device(table, features);
  upload<std::int64_t>(device, first_row, tracks_, &Track::first_row);
  upload<std::int32_t>(device, rows, tracks_, &Track::rows);
  upload<std::int32_t>(device, labels, tracks_, &Track::label);
}

TrainingStep::TrainingStep(Device& device, Model& model, const ResidentData& data, const Recipe& recipe,
                           std::uint64_t seed, std::int64_t batch, std::int64_t steps_per_epoch)
    : device_(&device),
      model_(&model),
      data_(&data),
      frames_(recipe.segment.frames),
      batch_(batch),
      state_(device, 3 * aligned_bytes(8) + aligned_bytes(kLogRows * kColumns * 4) +
                         aligned_bytes(steps_per_epoch * batch * 4) + aligned_bytes(batch * 8)),
      counter_(state_.take({1}, DType::i64)),
      log_(state_.take({kLogRows, kColumns})),
      first_(state_.take({batch}, DType::i64)),
      optimizer_(device, model.params(),
                 optimizer_options(recipe.train, steps_per_epoch * recipe.train.epochs)),
      step_(device, [this](Tape& tape) { program(tape); }) {
  plan_.order = state_.take({steps_per_epoch, batch}, DType::i32);
  plan_.step = state_.take({1}, DType::i64);
  plan_.first_row = data.first_row;
  plan_.rows = data.rows;
  plan_.labels = data.labels;
  plan_.shared_start = !recipe.train.own_crop;
  plan_.skip_last_start = recipe.segment.skip_last_start;
  plan_.seed = seed;
  plan_.counter = counter_;
}

void TrainingStep::begin_epoch(const std::vector<std::int32_t>& order, std::int64_t step) {
  require(static_cast<std::int64_t>(order.size()) == plan_.order.numel(),
          "begin_epoch: {} tracks for a plan {}", order.size(), plan_.order.shape.str());
  device_->to_device(plan_.order, order.data());
  device_->to_device(plan_.step, &step);
}

void TrainingStep::program(Tape& tape) {
  Ops& ops = device_->ops();
  const Tensor labels = tape.take({batch_}, DType::i32), weights = tape.take({batch_});
  const Tensor x = tape.take({batch_, frames_, data_->bands(), 1});
  ops.pick_batch(plan_, frames_, first_, labels, weights);
  ops.gather_segments(data_->table, first_, x);

  const Var logits = model_->logits(tape, x, {plan_.seed, counter_});
  const CrossEntropy entropy = cross_entropy(tape, logits, labels, weights);
  const Var loss = add(tape, entropy.loss, l2_penalty(tape, model_->params()));
  tape.backward(loss, model_->params());
  optimizer_.update(counter_);

  ops.record(tape.value(loss), counter_, kLoss, log_);
  ops.record(entropy.hits, counter_, kAccuracy, log_);
  ops.record(optimizer_.norm().span(0, 1, {1}), counter_, kNorm, log_);
  ops.record(optimizer_.rate(), counter_, kRate, log_);
  ops.advance(counter_, 1);
  ops.advance(plan_.step, 1);
}

std::vector<TrainingStep::Report> TrainingStep::reports(std::int64_t count) {
  std::vector<float> host(kLogRows * kColumns);
  device_->to_host(host.data(), log_);
  const std::int64_t done = counter();
  require(count <= std::min(done, kLogRows), "reports: {} steps asked for, {} remembered", count, kLogRows);
  std::vector<Report> out;
  for (std::int64_t step = done - count; step < done; ++step) {
    const float* row = host.data() + step % kLogRows * kColumns;
    out.push_back({row[kLoss], row[kAccuracy], row[kNorm], row[kRate]});
  }
  return out;
}

std::vector<std::int64_t> TrainingStep::last_rows() {
  std::vector<std::int64_t> host(static_cast<std::size_t>(batch_));
  device_->to_host(host.data(), first_);
  return host;
}

std::int64_t TrainingStep::counter() {
  std::int64_t value = 0;
  device_->to_host(&value, counter_);
  return value;
}

void TrainingStep::set_counter(std::int64_t value) { device_->to_device(counter_, &value); }

Evaluator::Evaluator(Device& device, Model& model, std::int64_t classes, std::int64_t frames,
                     std::int64_t batch)
    : device_(&device),
      model_(&model),
      classes_(classes),
      frames_(frames),
      batch_(batch),
      arena_(device),
      tape_(device, arena_) {}

std::vector<float> Evaluator::probabilities(Tensor table, const std::vector<std::int64_t>& first_rows) {
  const auto total = static_cast<std::int64_t>(first_rows.size());
  std::vector<float> out(static_cast<std::size_t>(total * classes_));
  for (std::int64_t begin = 0; begin < total; begin += batch_) {
    const std::int64_t n = std::min(batch_, total - begin);
    tape_.reset(false);
    const Tensor first = tape_.take({n}, DType::i64), x = tape_.take({n, frames_, table.dim(1), 1});
    device_->to_device(first, first_rows.data() + begin);
    device_->ops().gather_segments(table, first, x);
    const Tensor probs = softmax(tape_, model_->logits(tape_, x, {}));
    device_->to_host(out.data() + begin * classes_, probs);
  }
  return out;
}

std::vector<std::int64_t> segment_starts(std::int64_t rows, const SegmentOptions& options) {
  std::vector<std::int64_t> starts;
  const auto step = std::max<std::int64_t>(
      1, static_cast<std::int64_t>(std::lround(static_cast<double>(options.frames) * (1 - options.overlap))));
  const std::int64_t last = rows - options.frames;
  // The author's floor((rows - frames - 1) / step) leaves out the last start; a short track keeps its only
  // one.
  const std::int64_t all = last < 0 ? 0 : last / step + 1;
  const std::int64_t count =
      options.skip_last_start && last >= 0 ? std::max<std::int64_t>(1, (last - 1) / step) : all;
  for (std::int64_t k = 0; k < count; ++k) starts.push_back(k * step);
  return starts;
}

}  // namespace melgrad
