#include "models/training/run.h"

#include <algorithm>
#include <cmath>

#include "io/files/hash.h"
#include "kernels/decorators/finite_ops.h"
#include "kernels/text.h"
#include "models/training/epoch_order.h"
#include "models/training/model_file.h"
#include "models/training/soft_targets.h"
#include "models/training/transfer.h"

namespace melgrad {
namespace {

constexpr std::int64_t kMaxSkippedInARow = 10;

std::int64_t epoch_steps(const TrainOptions& train, std::int64_t tracks, std::int64_t batch) {
  std::int64_t steps = tracks / batch;
  if (train.partial_batch && tracks % batch != 0) ++steps;
  return std::max<std::int64_t>(1, steps - train.drop_batches);
}

std::int64_t batch_of(const TrainOptions& train, std::int64_t tracks, const Collective& ranks) {
  const std::int64_t batch = std::min(train.batch, tracks);
  if (batch % train.shards != 0)
    fail(ErrorKind::usage, "train.shards: {} do not divide a batch of {}, which are all training tracks",
         train.shards, batch);
  if (train.shards % ranks.size() != 0)
    fail(ErrorKind::usage, "train.shards: {} cannot be dealt to {} ranks: they must divide them{}",
         train.shards, ranks.size(), train.shards == 1 ? "; --set train.shards=N" : "");
  return batch;
}

// Of no use to a reader: "-nan".
double without_sign_of_nan(double v) { return std::isnan(v) ? std::abs(v) : v; }

}  // namespace

TrainingRun::TrainingRun(Device& device, const TrainingData& data, Split split, const Recipe& recipe,
                         std::uint64_t seed, Collective& ranks)
    : device_(&device),
      data_(&data),
      split_(std::move(split)),
      recipe_(recipe),
      seed_(seed),
      ranks_(&ranks),
      batch_(batch_of(recipe.train, std::ssize(split_.train), ranks)),
      steps_per_epoch_(
          batch_ > 0 ? epoch_steps(recipe.train, static_cast<std::int64_t>(split_.train.size()), batch_) : 0),
      schedule_(recipe.train),
      model_(new_model(device, recipe, data.table().bands(), data.classes().size())),
      targets_(data.task().targets(device, data.labels(),
                                   data.task().weights(data, recipe.train, split_.train), recipe)),
      step_(device, *model_, data.table(), targets_, recipe, seed,
            std::max<std::int64_t>(recipe.train.shards, batch_), std::max<std::int64_t>(1, steps_per_epoch_),
            ranks),
      evaluator_(device, *model_, data.task(), recipe.segment),
      best_(model_->params().like_everything(device)) {
  if (split_.train.empty()) fail(ErrorKind::input, "{}: the split has no training tracks", data.path());
  for (const std::int32_t track : split_.train)
    if (data.table().tracks()[static_cast<std::size_t>(track)].rows < step_.cut_frames())
      fail(ErrorKind::usage, "augment.tempo: {} cuts segments out of {} frames; track '{}' has {}",
           recipe.augment.tempo, step_.cut_frames(), printable(data.names()[static_cast<std::size_t>(track)]),
           data.table().tracks()[static_cast<std::size_t>(track)].rows);
  recipe_.features = data.features();
  model_->params().initialise(device, seed);
  if (recipe.input.standardise == Standardise::bands) {
    const auto statistics = data.band_statistics(split_.train);
    model_->standardise_input(device, statistics.mean, statistics.deviation);
  }
}

bool TrainingRun::start_from(const Checkpoint& file, const std::string& path) {
  return melgrad::start_from(*device_, *model_, recipe_, data_->table().bands(), data_->classes(), file,
                             path);
}

Diverged::Diverged(std::int64_t at, double loss, double norm, const std::string& more)
    : Error(ErrorKind::diverged, fmt::format("step {} has loss {} and gradient norm {}{}", at,
                                             without_sign_of_nan(loss), without_sign_of_nan(norm), more)),
      step(at) {}

std::vector<std::int32_t> TrainingRun::order(std::int64_t epoch) const {
  std::vector<std::int32_t> order;
  if (recipe_.train.sampling == Sampling::balanced) {
    std::vector<std::int32_t> labels;
    for (const std::int32_t track : split_.train)
      labels.push_back(data_->table().tracks()[static_cast<std::size_t>(track)].label);
    order = balanced_epoch(split_.train, labels, seed_, epoch);
  } else {
    order = shuffled_epoch(split_.train, seed_, epoch);
  }
  return in_batches(std::move(order), steps_per_epoch_, batch_, recipe_.train.shards);
}

void TrainingRun::run(const std::function<bool(std::int64_t)>& after_step,
                      const std::function<bool(const Epoch&)>& after_epoch,
                      const std::function<void(const Incident&)>& on_incident) {
  on_incident_ = on_incident;
  reported_ = step_.counter();
  take_teacher();
  bool go_on = true;
  while (go_on && !finished()) {
    const std::int64_t done = step_.counter(), epoch = done / steps_per_epoch_;
    const std::vector<std::int32_t> tracks = order(epoch);
    step_.begin_epoch(tracks, done % steps_per_epoch_);
    for (std::int64_t step = done; go_on && step < (epoch + 1) * steps_per_epoch_; ++step) {
      step_.run();
      const std::int64_t finished = step + 1;
      const bool end = finished % steps_per_epoch_ == 0;
      if (end || finished - reported_ == TrainingStep::kLogRows) collect_reports();
      if (end) finish_epoch(epoch + 1, tracks, after_epoch, go_on);
      go_on = after_step(finished) && go_on;
    }
  }
  collect_reports();
}

// Adds what the device has noted since the last time.
void TrainingRun::collect_reports() {
  const std::int64_t done = step_.counter();
  if (done == reported_) return;
  for (const TrainingStep::Report& report : step_.reports(done - reported_)) {
    ++reported_;
    if (!std::isfinite(report.norm)) {
      skip(report);
      continue;
    }
    if (!std::isfinite(report.loss)) throw Diverged(reported_, decimal(report.loss), decimal(report.norm));
    skipped_in_a_row_ = 0;
    ++summed_;
    loss_sum_ += report.loss;
    hit_sum_ += report.accuracy;
    const double usual = loss_watch_.mean;
    if (loss_watch_.add(report.loss)) on_incident_({reported_, false, decimal(report.loss), usual});
    last_ = report;
  }
}

// A step that the optimizer has left out, because its gradient is no number.
void TrainingRun::skip(const TrainingStep::Report& report) {
  if (recipe_.train.on_nan != OnNan::skip)
    throw Diverged(reported_, decimal(report.loss), decimal(report.norm));
  ++skipped_;
  if (++skipped_in_a_row_ == kMaxSkippedInARow)
    throw Diverged(reported_, decimal(report.loss), decimal(report.norm),
                   fmt::format(", the {}th in a row", kMaxSkippedInARow));
  if (reported_ % steps_per_epoch_ == 0 && summed_ == 0)
    throw Diverged(reported_, decimal(report.loss), decimal(report.norm), ", like every step of its epoch");
  on_incident_({reported_, true, decimal(report.loss), loss_watch_.mean});
}

void TrainingRun::finish_epoch(std::int64_t epoch, const std::vector<std::int32_t>& order,
                               const std::function<bool(const Epoch&)>& after_epoch, bool& go_on) {
  const TrainOptions& train = recipe_.train;
  const auto steps = static_cast<double>(summed_);
  Epoch report{epoch,
               epoch * steps_per_epoch_,
               loss_sum_ / steps,
               hit_sum_ / steps,
               decimal(last_.norm),
               decimal(last_.rate),
               skipped_,
               std::nullopt};
  loss_sum_ = hit_sum_ = 0;
  summed_ = 0;
  if (!split_.valid.empty() && (epoch % train.validate_every == 0 || epoch == train.epochs)) {
    with_weights(false, [&](Evaluator&) { report.valid = validate(order); });
    follow_validation(epoch, report.valid->score);
  }
  ending_ = schedule_.ending_after(epoch);
  if (!finished() && schedule_.enters_phase(epoch)) {  // from the best weights, with an optimizer of its own
    if (best_epoch() > 0) device_->ops().copy(best_.all(), model_->params().everything());
    step_.begin_phase(schedule_.phase(), epoch * steps_per_epoch_);
  }
  go_on = after_epoch(report);
}

// Keeps the best weights, and lowers the rate where validation has stopped improving.
void TrainingRun::follow_validation(std::int64_t epoch, double score) {
  switch (schedule_.validated(epoch, score)) {
    case TrainingSchedule::Change::best:
      device_->ops().copy(in_use() != nullptr ? in_use()->all() : model_->params().everything(), best_.all());
      break;
    case TrainingSchedule::Change::slower:
      step_.optimizer().set_factor(schedule_.state().rate_factor);
      break;
    case TrainingSchedule::Change::none:
      break;
  }
}

// The file is read when training begins, so that what is finished can be tested without it.
void TrainingRun::take_teacher() {
  if (recipe_.train.teacher.empty() || finished()) return;
  const TaughtTargets taught = taught_targets(*data_, split_.train, recipe_);
  if (teacher_digest_ != 0 && teacher_digest_ != taught.digest)
    fail(ErrorKind::input, "{}: train.teacher says something else than when the run began",
         recipe_.train.teacher);
  teacher_digest_ = taught.digest;
  device_->to_device(targets_.table, taught.targets.data());
}

Validation TrainingRun::validate(const std::vector<std::int32_t>& order) {
  if (recipe_.train.validation != ValidateBy::crop)
    return data_->task().validate(evaluator_, *data_, split_.valid, recipe_);
  const double accuracy = validate_on_last_crop(order);
  return {accuracy, {{"valid", accuracy}}};
}

// One segment of every validation track, at the start that the last batch had.
double TrainingRun::validate_on_last_crop(const std::vector<std::int32_t>& order) {
  const auto& tracks = data_->table().tracks();
  const auto first_of_last = order[static_cast<std::size_t>((steps_per_epoch_ - 1) * batch_)];
  const std::int64_t start =
      step_.last_first_rows()[0] - tracks[static_cast<std::size_t>(first_of_last)].first_row;
  std::vector<std::int64_t> rows;
  for (const std::int32_t index : split_.valid) {
    const auto& track = tracks[static_cast<std::size_t>(index)];
    rows.push_back(track.first_row + std::min(start, track.rows - recipe_.segment.frames));
  }
  const std::vector<float> probs = evaluator_.probabilities(data_->table(), rows);
  const std::size_t classes = data_->classes().size();
  std::int64_t right = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const float* p = probs.data() + i * classes;
    const std::int32_t label = tracks[static_cast<std::size_t>(split_.valid[i])].label;
    right += std::max_element(p, p + classes) - p == label ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(rows.size());
}

std::string TrainingRun::first_trouble(const Checkpoint* before, std::int64_t step) {
  FiniteDevice device(*device_);
  TrainingRun again(device, *data_, split_, recipe_, seed_);
  if (before != nullptr) again.restore(*before, "checkpoint");
  device.ops().name_of = [&](const Tensor& t) -> std::string {
    for (const Param& p : again.model_->params().all()) {
      if (t.numel() != p.shape.numel()) continue;
      if (t.data == p.value.data) return p.name;
      if (p.trainable && t.data == p.grad.data) return "the gradient of " + p.name;
    }
    return "";
  };
  const auto watch_next = [&](std::int64_t done) { return device.ops().watches = done + 1 == step; };
  watch_next(again.steps());
  try {
    again.run([&](std::int64_t done) { return watch_next(done) || done < step; },
              [](const Epoch&) { return true; });
  } catch (const Error& error) {
    if (device.ops().watches) return error.what();
  }
  return "it did not come again when the step was repeated";
}

Checkpoint TrainingRun::model(bool best) {
  return model_file(*device_, *model_, best ? &best_ : in_use(), recipe_, data_->classes(),
                    data_->table().bands());
}

void TrainingRun::with_weights(bool best, const std::function<void(Evaluator&)>& work) {
  const Slab* other = best && best_epoch() > 0 ? &best_ : in_use();
  if (other == nullptr) return work(evaluator_);
  Slab current = model_->params().like_everything(*device_);
  Ops& ops = device_->ops();
  const Tensor values = model_->params().everything();
  ops.copy(values, current.all());
  ops.copy(other->all(), values);
  work(evaluator_);
  ops.copy(current.all(), values);
}

void TrainingRun::expect_same_weights() {
  collect_reports();
  if (ranks_->size() == 1) return;
  const std::uint64_t mine = weights_digest();
  std::uint64_t of_first = mine;
  ranks_->broadcast(&of_first, sizeof of_first);
  // Whoever differs is named by the highest of their numbers.
  const int differs = ranks_->agree(mine == of_first ? -1 : ranks_->rank());
  if (differs >= 0)
    fail(ErrorKind::internal, "step {}: rank {} has other weights than rank 0", step_.counter(), differs);
}

std::uint64_t TrainingRun::weights_digest() {
  const HostArray values = to_array(*device_, model_->params().everything());
  return xxh3(values.bytes);
}

}  // namespace melgrad
