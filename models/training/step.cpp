#include "models/training/step.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "kernels/math/augment.h"
#include "kernels/math/segments.h"
#include "kernels/ops.h"
#include "models/recipes/recipe.h"

namespace melgrad {
namespace {

enum LogColumn : std::int64_t { kLoss, kAccuracy, kNorm, kRate, kLogColumns };

bool changes(const Augment& a) {
  return a.gain_db > 0 || a.shift > 0 || a.equalise > 0 || a.noise > 0 || a.time_masks * a.time_mask > 0 ||
         a.band_masks * a.band_mask > 0;
}

bool resamples(const Resample& r) {
  return r.tempo > 0 || r.band_scale > 0 || r.band_shift > 0 || r.reverse > 0;
}

}  // namespace

TrainingStep::TrainingStep(Device& device, Model& model, const TrackTable& data, const Targets& targets,
                           const Recipe& recipe, std::uint64_t seed, std::int64_t batch,
                           std::int64_t steps_per_epoch, Collective& ranks)
    : device_(&device),
      model_(&model),
      data_(&data),
      task_(&task_of(recipe)),
      targets_(&targets),
      train_(recipe.train),
      masks_with_mean_(recipe.augment.mask_with == MaskWith::mean),
      frames_(recipe.segment.frames),
      cut_frames_(resampled_frames(frames_, recipe.augment.tempo)),
      batch_(batch / recipe.train.shards),
      steps_per_epoch_(steps_per_epoch) {
  require(batch % shards() == 0, "TrainingStep: {} shards of a batch of {}", shards(), batch);
  const std::int64_t rows = steps_per_epoch * shards();
  shards_.emplace(device, model.params(), shards(), ranks);
  std::vector<Slab::Part> parts = {{&counter_, {1}, DType::i64},
                                   {&phase_counter_, {1}, DType::i64},
                                   {&log_, {kLogRows, kLogColumns}},
                                   {&first_, {batch_}, DType::i64},
                                   {&plan_.order, {rows, batch_}, DType::i32},
                                   {&plan_.step, {1}, DType::i64}};
  if (!data.on_device()) parts.push_back({&sent_, {shards_->mine() * batch_, cut_frames_, data.bands(), 1}});
  if (shards() > 1) {
    parts.push_back({&draw_counter_, {1}, DType::i64});
    parts.push_back({&shares_, {rows, 1}});
  }
  state_.emplace(device, parts);
  if (shards() == 1) draw_counter_ = counter_;
  plan_.first_row = data.first_row;
  plan_.rows = data.rows;
  plan_.labels = targets.labels ? targets.labels : data.labels;
  plan_.shared_start = !recipe.train.own_crop;
  plan_.skip_last_start = recipe.segment.skip_last_start;
  plan_.seed = seed;
  plan_.counter = draw_counter_;
  plan_.class_weights = targets.class_weights;
  if (targets.class_weights) {
    class_weights_.resize(static_cast<std::size_t>(targets.class_weights.numel()));
    device.to_host(class_weights_.data(), targets.class_weights);
  }
  augment_ = {recipe.augment, seed, draw_counter_};
  resample_ = {recipe.augment, seed, draw_counter_};
  mixup_ = {static_cast<float>(recipe.augment.mixup), seed, draw_counter_};
  require(mixup_.alpha == 0 || targets.table, "TrainingStep: mixup without a table of targets");
  if (train_.average > 0) {
    average_.emplace(model.params().like_everything(device));
    const std::int64_t last = train_.average_last > 0 ? train_.average_last : train_.epochs;
    averaging_ = {train_.average, std::max<std::int64_t>(0, train_.epochs - last) * steps_per_epoch,
                  counter_};
  }
  begin_phase(0, 0);
  set_clocks();
}

void TrainingStep::begin_phase(std::size_t phase, std::int64_t first_step) {
  const auto phases = phases_of(train_);
  step_.reset();
  optimizer_.reset();
  optimizer_.emplace(*device_, model_->params(),
                     optimizer_options(train_, phases.at(phase), steps_per_epoch_));
  step_.emplace(*device_, [this](Tape& tape) { program(tape); });
  phase_begin_ = first_step;
  const std::int64_t of_phase = counter() - first_step;
  device_->to_device(phase_counter_, &of_phase);
}

void TrainingStep::begin_epoch(const std::vector<std::int32_t>& order, std::int64_t step) {
  require(static_cast<std::int64_t>(order.size()) == plan_.order.numel(),
          "begin_epoch: {} tracks for a plan {}", order.size(), plan_.order.shape.str());
  device_->to_device(plan_.order, order.data());
  order_ = order;
  next_ = step;
  if (shares_) device_->to_device(shares_, shares_of(order).data());
  set_clocks();
}

// What each shard weighs of its step: the weights of its tracks in the loss.
std::vector<float> TrainingStep::shares_of(const std::vector<std::int32_t>& order) const {
  const auto weight = [&](std::int32_t track) {
    if (track < 0) return 0.0;
    if (class_weights_.empty()) return 1.0;
    const std::int32_t label =
        targets_->labels ? track : data_->tracks()[static_cast<std::size_t>(track)].label;
    return static_cast<double>(class_weights_[static_cast<std::size_t>(label)]);
  };
  std::vector<double> weights(order.size() / static_cast<std::size_t>(batch_));
  for (std::size_t i = 0; i < order.size(); ++i)
    weights[i / static_cast<std::size_t>(batch_)] += weight(order[i]);
  std::vector<float> shares;
  for (std::size_t row = 0; row < weights.size(); ++row) {
    const auto count = static_cast<std::size_t>(shards());
    const auto step = weights.begin() + static_cast<std::ptrdiff_t>(row / count * count);
    const double all = std::accumulate(step, step + shards(), 0.0);
    shares.push_back(all > 0 ? static_cast<float>(weights[row] / all) : 0.0F);
  }
  return shares;
}

// Where this rank's first shard of the coming step stands: in the epoch's order, and in random numbers.
void TrainingStep::set_clocks() {
  const std::int64_t row = next_ * shards() + shards_->first(), draw = draws(0) + shards_->first();
  device_->to_device(plan_.step, &row);
  if (shards() > 1) device_->to_device(draw_counter_, &draw);
}

void TrainingStep::run() {
  if (sent_) {
    std::vector<std::int64_t> rows;
    for (std::int64_t k = shards_->first(); k < shards_->first() + shards_->mine(); ++k)
      for (const std::int64_t row : rows_of(next_ * shards() + k, draws(0) + k)) rows.push_back(row);
    data_->cut(rows, sent_);
  }
  step_->run();
  ++next_;
  ++steps_done_;
}

std::vector<std::int64_t> TrainingStep::rows_of(std::int64_t row, std::int64_t draw) const {
  const std::int32_t* tracks = order_.data() + row * batch_;
  const auto track = [&](std::int64_t n) {
    return data_->tracks()[static_cast<std::size_t>(repeated(tracks[n]))];
  };
  const auto choices = [&](std::int64_t n) {
    return segment_choices(track(n).rows, cut_frames_, plan_.skip_last_start);
  };
  std::int64_t shared = choices(0);
  for (std::int64_t n = 1; n < batch_; ++n) shared = std::min(shared, choices(n));
  std::vector<std::int64_t> rows;
  for (std::int64_t n = 0; n < batch_; ++n) {
    rows.push_back(track(n).first_row + drawn_start(plan_.seed, draw,
                                                    plan_.shared_start || tracks[n] < 0 ? 0 : n,
                                                    plan_.shared_start ? shared : choices(n)));
  }
  return rows;
}

// The segments of the next batch, changed as the recipe wants.
Tensor TrainingStep::picked_input(Tape& tape, std::int64_t index, Tensor labels, Tensor weights) {
  Ops& ops = device_->ops();
  ops.pick_batch(plan_, cut_frames_, first_, labels, weights);
  const Shape shape{batch_, cut_frames_, data_->bands(), 1};
  Tensor x = sent_ ? sent_.span(index * shape.numel(), shape.numel(), shape) : tape.take(shape);
  if (!sent_) ops.gather_segments(data_->table, first_, x);
  if (resamples(resample_)) {
    const Tensor cut = std::exchange(x, tape.take({batch_, frames_, data_->bands(), 1}));
    ops.resample(cut, resample_, x);
  }
  if (masks_with_mean_) augment_.mask_values = model_->input_mean();
  if (changes(augment_)) ops.augment(x, augment_, x);
  return x;
}

CrossEntropy TrainingStep::loss_of(Tape& tape, Tensor x, Tensor labels, Tensor weights) {
  Ops& ops = device_->ops();
  const RandomSource random{plan_.seed, draw_counter_};
  Tensor targets = labels;
  if (targets_->table) {
    targets = tape.take({batch_, targets_->table.dim(1)});
    ops.gather_labels(targets_->table, labels, targets);
  }
  if (mixup_.alpha > 0) mix(tape, x, targets);
  const std::vector<Var> answers = model_->answers(tape, x, random);
  CrossEntropy all = task_->loss(tape, answers[0], targets, weights, *targets_);
  if (answers.size() == 1) return all;
  all.hits = task_->loss(tape, mean(tape, answers), targets, weights, *targets_).hits;
  for (std::size_t k = 1; k < answers.size(); ++k)
    all.loss = add(tape, all.loss, task_->loss(tape, answers[k], targets, weights, *targets_).loss);
  return all;
}

void TrainingStep::mix(Tape& tape, Tensor& x, Tensor& targets) {
  const auto mixed = [&](Tensor of) {
    const Tensor to = tape.take(of.shape);
    const Shape rows = {batch_, of.numel() / batch_};
    device_->ops().mix_examples(of.reshape(rows), mixup_, to.reshape(rows));
    return to;
  };
  x = mixed(x);
  targets = mixed(targets);
}

// One through the network and back, as if it were all of a step.
void TrainingStep::shard(Tape& tape, std::int64_t index) {
  if (index > 0) tape.reset(true);  // it needs the memory of the one before
  const Tensor labels = tape.take({batch_}, DType::i32), weights = tape.take({batch_});
  const Tensor x = picked_input(tape, index, labels, weights);
  Tensor share;
  if (shares_) {
    share = tape.take({1, 1, 1, 1});
    device_->ops().gather_segments(shares_, plan_.step, share);
    share = share.reshape({1});
  }
  const CrossEntropy entropy = loss_of(tape, x, labels, weights);
  const Var loss = add(tape, entropy.loss, l2_penalty(tape, model_->params()));
  tape.backward(loss, model_->params(), share);
  shards_->add(tape.value(loss), entropy.hits, share);
}

void TrainingStep::program(Tape& tape) {
  Ops& ops = device_->ops();
  shards_->begin();
  for (std::int64_t k = 0; k < shards_->mine(); ++k) {
    shard(tape, k);
    const std::int64_t to_next = k + 1 < shards_->mine() ? 1 : 1 + shards() - shards_->mine();
    ops.advance(plan_.step, to_next);
    if (shards() > 1) ops.advance(draw_counter_, to_next);
  }
  shards_->finish();
  optimizer_->update(phase_counter_);
  if (average_) ops.average(model_->params().everything(), averaging_, average_->all());

  ops.record(shards_->loss(), counter_, kLoss, log_);
  ops.record(shards_->hits(), counter_, kAccuracy, log_);
  ops.record(optimizer_->norm().span(0, 1, {1}), counter_, kNorm, log_);
  ops.record(optimizer_->rate(), counter_, kRate, log_);
  for (const Tensor& clock : {counter_, phase_counter_}) ops.advance(clock, 1);
}

std::vector<TrainingStep::Report> TrainingStep::reports(std::int64_t count) {
  std::vector<float> host(kLogRows * kLogColumns);
  device_->to_host(host.data(), log_);
  const std::int64_t done = counter();
  require(count <= std::min(done, kLogRows), "reports: {} steps asked for, {} remembered", count, kLogRows);
  std::vector<Report> out;
  for (std::int64_t step = done - count; step < done; ++step) {
    const float* row = host.data() + step % kLogRows * kLogColumns;
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

void TrainingStep::set_counter(std::int64_t value) {
  device_->to_device(counter_, &value);
  const std::int64_t of_phase = value - phase_begin_;
  device_->to_device(phase_counter_, &of_phase);
  steps_done_ = value;
  set_clocks();
}

}  // namespace melgrad
