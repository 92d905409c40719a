#include "models/training/run.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>

#include "io/arrays/safetensors.h"
#include "io/files/hash.h"
#include "io/files/json.h"
#include "kernels/finite_ops.h"
#include "kernels/math/philox.h"

namespace melgrad {
namespace {

constexpr std::int64_t kMaxSkippedInARow = 10;

HostArray to_array(Device& device, Tensor tensor) {
  std::vector<std::int64_t> shape;
  for (int axis = 0; axis < tensor.shape.rank(); ++axis) shape.push_back(tensor.shape[axis]);
  HostArray array(tensor.dtype, shape);
  device.to_host(array.bytes.data(), tensor);
  return array;
}

void from_array(Device& device, Tensor to, const HostArray& array, const std::string& name,
                const std::string& path) {
  bool same = array.dtype == to.dtype && static_cast<int>(array.shape.size()) == to.shape.rank();
  for (int axis = 0; same && axis < to.shape.rank(); ++axis) {
    same = array.shape[static_cast<std::size_t>(axis)] == to.shape[axis];
  }
  if (!same) {
    fail(ErrorKind::input,
         "{}: {} does not have the shape {} of this network; it is a checkpoint of another model", path, name,
         to.shape.str());
  }
  device.to_device(to, array.bytes.data());
}

// All parameters, or the same parts of another slab, as arrays "<prefix>/<name>"; a moment has no part for
// running statistics.
void save_slab(Device& device, const ParamStore& params, const Slab* slab, const std::string& prefix,
               Checkpoint& out) {
  for (const Param& p : params.all()) {
    if (!p.trainable && prefix.starts_with("moment")) continue;
    out.arrays[prefix + "/" + p.name] = to_array(device, slab != nullptr ? params.part(*slab, p) : p.value);
  }
}

void load_slab(Device& device, const ParamStore& params, const Slab* slab, const std::string& prefix,
               const Checkpoint& in, const std::string& path) {
  for (const Param& p : params.all()) {
    if (!p.trainable && prefix.starts_with("moment")) continue;
    const std::string name = prefix + "/" + p.name;
    from_array(device, slab != nullptr ? params.part(*slab, p) : p.value, in.need_array(name, path), name,
               path);
  }
}

std::int64_t epoch_steps(const TrainOptions& train, std::int64_t tracks, std::int64_t batch) {
  std::int64_t steps = tracks / batch;
  if (train.partial_batch && tracks % batch != 0) ++steps;
  return std::max<std::int64_t>(1, steps - train.drop_batches);
}

std::unique_ptr<Model> new_model(Device& device, const Recipe& recipe, std::int64_t bands,
                                 std::size_t classes) {
  auto model = make_model(recipe.model, {recipe.segment.frames, bands}, static_cast<std::int64_t>(classes));
  model->params().allocate(device);
  return model;
}

// Where the phase begins, in epochs.
std::int64_t first_epoch(const std::vector<TrainPhase>& phases, std::size_t phase) {
  std::int64_t epochs = 0;
  for (std::size_t i = 0; i < phase; ++i) epochs += phases[i].epochs;
  return epochs;
}

// The phase that trains epoch `epoch` (0, 1, ...).
std::size_t phase_of(const std::vector<TrainPhase>& phases, std::int64_t epoch) {
  std::size_t phase = 0;
  while (phase + 1 < phases.size() && first_epoch(phases, phase + 1) <= epoch) ++phase;
  return phase;
}

std::optional<TagTable> tag_table(Device& device, const TrainingData& data, const Recipe& recipe,
                                  const Split& split) {
  if (!data.tags()) return std::nullopt;
  return std::optional<TagTable>(std::in_place, device, data.tag_labels(),
                                 data.tag_weights(recipe.train.tag_weights, split.train));
}

template <typename T>
void shuffle(std::vector<T>& values, std::mt19937_64& random) {
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random() % i]);
}

// Of no use to a reader: "-nan".
double without_sign_of_nan(double v) { return std::isnan(v) ? std::abs(v) : v; }

}  // namespace

TrainingRun::TrainingRun(Device& device, const TrainingData& data, Split split, const Recipe& recipe,
                         std::uint64_t seed)
    : device_(&device),
      data_(&data),
      split_(std::move(split)),
      recipe_(recipe),
      seed_(seed),
      batch_(std::min<std::int64_t>(recipe.train.batch, static_cast<std::int64_t>(split_.train.size()))),
      steps_per_epoch_(
          batch_ > 0 ? epoch_steps(recipe.train, static_cast<std::int64_t>(split_.train.size()), batch_) : 0),
      phases_(phases_of(recipe.train)),
      model_(new_model(device, recipe, data.table().bands(), data.classes().size())),
      tags_(tag_table(device, data, recipe, split_)),
      step_(device, *model_, data.table(), tags_ ? &*tags_ : nullptr, recipe, seed,
            std::max<std::int64_t>(1, batch_), std::max<std::int64_t>(1, steps_per_epoch_),
            tags_ ? std::vector<float>{} : data.class_weights(recipe.train.class_weights, split_.train)),
      evaluator_(device, *model_, data.tags(), recipe.segment.frames),
      best_(model_->params().like_everything(device)) {
  if (split_.train.empty()) fail(ErrorKind::input, "{}: the split has no training tracks", data.path());
  model_->params().initialise(device, seed);
  if (recipe.input.standardise == "bands") {
    const auto statistics = data.band_statistics(split_.train);
    model_->standardise_input(device, statistics.mean, statistics.deviation);
  }
}

Diverged::Diverged(std::int64_t at, double loss, double norm, const std::string& more)
    : Error(ErrorKind::diverged, fmt::format("step {} has loss {} and gradient norm {}{}", at,
                                             without_sign_of_nan(loss), without_sign_of_nan(norm), more)),
      step(at) {}

std::vector<std::int32_t> TrainingRun::order(std::int64_t epoch) const {
  std::mt19937_64 random(seed_ * 0x9E3779B97F4A7C15ULL + static_cast<std::uint64_t>(epoch));
  std::vector<std::int32_t> order = recipe_.train.sampling == "balanced" ? balanced(random) : split_.train;
  shuffle(order, random);
  order.resize(static_cast<std::size_t>(batch_ * steps_per_epoch_), -1);
  return order;
}

// As many tracks as there are for training, the same number of each genre or one more; each track of a genre
// comes once before any comes again.
std::vector<std::int32_t> TrainingRun::balanced(std::mt19937_64& random) const {
  std::map<std::int32_t, std::vector<std::int32_t>> of_label;
  for (const std::int32_t track : split_.train)
    of_label[data_->table().tracks()[static_cast<std::size_t>(track)].label].push_back(track);
  std::vector<std::vector<std::int32_t>> genres;
  for (const auto& [label, tracks] : of_label) genres.push_back(tracks);
  shuffle(genres, random);  // whose turn comes once more
  std::vector<std::int32_t> order;
  for (std::size_t i = 0; i < split_.train.size(); ++i) {
    auto& tracks = genres[i % genres.size()];
    const std::size_t at = i / genres.size() % tracks.size();
    if (at == 0) shuffle(tracks, random);
    order.push_back(tracks[at]);
  }
  return order;
}

void TrainingRun::run(const std::function<bool(std::int64_t)>& after_step,
                      const std::function<bool(const Epoch&)>& after_epoch,
                      const std::function<void(const Incident&)>& on_incident) {
  on_incident_ = on_incident;
  reported_ = step_.counter();
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
  if (recipe_.train.on_nan != "skip") throw Diverged(reported_, decimal(report.loss), decimal(report.norm));
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
    report.valid = validate(order);
    follow_validation(epoch, report.valid->score);
  }
  ending_ = ending_after(epoch);
  if (!finished()) enter_phase_of(epoch);
  go_on = after_epoch(report);
}

// Why the recipe ends the run after `epoch` epochs; empty if it does not.
std::string TrainingRun::ending_after(std::int64_t epoch) const {
  const TrainOptions& train = recipe_.train;
  if (epoch >= train.epochs) return fmt::format("all {} epochs done", epoch);
  if (stands_still(epoch))
    return fmt::format("validation stood still over the last {} epochs", train.stop_block);
  if (train.patience > 0 && best_epoch_ > 0 && epoch - best_epoch_ >= train.patience)
    return fmt::format("validation is no better since epoch {}", best_epoch_);
  return {};
}

// Keeps the best weights, and lowers the rate where validation has stopped improving.
void TrainingRun::follow_validation(std::int64_t epoch, double score) {
  const TrainOptions& train = recipe_.train;
  validated_epochs_.push_back(epoch);
  valid_.push_back(static_cast<float>(score));
  if (score > best_score_) {
    best_score_ = score;
    best_epoch_ = epoch;
    device_->ops().add(model_->params().everything(), {best_.all(), Write::overwrite});
  } else if (train.plateau_patience > 0 &&
             epoch - std::max(best_epoch_, last_drop_) >= train.plateau_patience) {
    plateau_ *= train.plateau_factor;
    last_drop_ = epoch;
    step_.optimizer().set_factor(plateau_);
  }
}

// Before epoch `epoch` (0, 1, ...): a new phase starts from the best weights, with an optimizer of its own.
void TrainingRun::enter_phase_of(std::int64_t epoch) {
  const std::size_t phase = phase_of(phases_, epoch);
  if (phase == phase_) return;
  phase_ = phase;
  if (best_epoch_ > 0) device_->ops().add(best_.all(), {model_->params().everything(), Write::overwrite});
  step_.begin_phase(phase, epoch * steps_per_epoch_);
  plateau_ = 1;
  last_drop_ = epoch;
}

// The author's rule: at the end of a block, compare the mean of its first and of its last validations.
bool TrainingRun::stands_still(std::int64_t epoch) const {
  const TrainOptions& train = recipe_.train;
  if (train.stop_block == 0 || epoch == 0 || epoch % train.stop_block != 0) return false;
  std::vector<float> block;
  for (std::size_t i = 0; i < valid_.size(); ++i) {
    if (validated_epochs_[i] > epoch - train.stop_block) block.push_back(valid_[i]);
  }
  const auto window = std::min<std::ptrdiff_t>(train.stop_window, std::ssize(block));
  if (window == 0) return false;
  const double first = std::accumulate(block.begin(), block.begin() + window, 0.0);
  const double last = std::accumulate(block.end() - window, block.end(), 0.0);
  return std::abs(last - first) / static_cast<double>(window) < train.stop_change;
}

TrainingRun::Validation TrainingRun::validate(const std::vector<std::int32_t>& order) {
  if (data_->tags()) return validate_tags();
  const double accuracy = recipe_.train.validation == "crop"
                              ? validate_on_last_crop(order)
                              : evaluate_tracks(evaluator_, data_->table(), split_.valid, recipe_.segment,
                                                data_->classes().size())
                                    .accuracy();
  return {accuracy, {{"valid", accuracy}}};
}

TrainingRun::Validation TrainingRun::validate_tags() {
  const TagScores scores = score_tags(evaluator_, data_->table(), split_.valid, recipe_.segment,
                                      data_->tag_labels(), data_->names(), data_->classes());
  const TagMetrics metrics = tag_metrics(scores, {.resamples = 0});
  const double loss = binary_cross_entropy(scores), roc_auc = metrics.macro.roc_auc.value,
               pr_auc = metrics.macro.pr_auc.value;
  const std::string& by = recipe_.train.best_by;
  const double compared = by == "loss" ? loss : by == "roc_auc" ? roc_auc : pr_auc;
  return {by == "loss" ? -loss : compared,
          {{"valid", compared}, {"valid_loss", loss}, {"valid_roc_auc", roc_auc}, {"valid_pr_auc", pr_auc}}};
}

// One segment of every validation track, at the start that the last batch had.
double TrainingRun::validate_on_last_crop(const std::vector<std::int32_t>& order) {
  const auto& tracks = data_->table().tracks();
  const auto first_of_last = order[static_cast<std::size_t>((steps_per_epoch_ - 1) * batch_)];
  const std::int64_t start = step_.last_rows()[0] - tracks[static_cast<std::size_t>(first_of_last)].first_row;
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

Checkpoint TrainingRun::state() {
  collect_reports();
  Checkpoint out = model(false);
  const ParamStore& params = model_->params();
  save_slab(*device_, params, &best_, "best", out);
  auto& moments = step_.optimizer().moments();
  for (std::size_t i = 0; i < moments.size(); ++i) {
    save_slab(*device_, params, &moments[i], fmt::format("moment{}", i), out);
  }
  const auto validations = static_cast<std::int64_t>(valid_.size());
  const double sums[] = {loss_sum_, hit_sum_, best_score_};
  out.text["split"] =
      nlohmann::json{{"train", split_.train}, {"valid", split_.valid}, {"test", split_.test}}.dump();
  out.text["seed"] = std::to_string(seed_);
  out.text["sums"] = fmt::format("{} {} {}", sums[0], sums[1], sums[2]);
  out.text["plateau"] = fmt::format("{} {}", plateau_, last_drop_);
  out.text["watch"] = fmt::format("{} {} {} {} {} {}", summed_, skipped_, skipped_in_a_row_,
                                  loss_watch_.steps, loss_watch_.mean, loss_watch_.variance);
  out.arrays["state/counter"] = HostArray::scalar<std::int64_t>(step_.counter());
  out.arrays["state/best_epoch"] = HostArray::scalar<std::int64_t>(best_epoch_);
  if (validations > 0) {
    out.arrays["history/epoch"] = HostArray::of<std::int64_t>({validations}, validated_epochs_);
    out.arrays["history/valid"] = HostArray::of<float>({validations}, valid_);
  }
  return out;
}

void TrainingRun::restore(const Checkpoint& in, const std::string& path) {
  const ParamStore& params = model_->params();
  load_slab(*device_, params, nullptr, "param", in, path);
  load_slab(*device_, params, &best_, "best", in, path);
  const auto steps = in.need_scalar<std::int64_t>("state/counter", path);
  phase_ = phase_of(phases_, steps / steps_per_epoch_);
  step_.begin_phase(phase_, first_epoch(phases_, phase_) * steps_per_epoch_);
  auto& moments = step_.optimizer().moments();
  for (std::size_t i = 0; i < moments.size(); ++i) {
    load_slab(*device_, params, &moments[i], fmt::format("moment{}", i), in, path);
  }
  step_.set_counter(steps);
  const auto plateau = in.text.find("plateau");
  if (plateau != in.text.end() &&
      std::sscanf(plateau->second.c_str(), "%lf %ld", &plateau_, &last_drop_) != 2)
    fail(ErrorKind::input, "{}: plateau cannot be read", path);
  step_.optimizer().set_factor(plateau_);
  best_epoch_ = in.need_scalar<std::int64_t>("state/best_epoch", path);
  if (std::sscanf(in.need_text("sums", path).c_str(), "%lf %lf %lf", &loss_sum_, &hit_sum_, &best_score_) !=
      3) {
    fail(ErrorKind::input, "{}: sums cannot be read", path);
  }
  const auto watch = in.text.find("watch");
  if (watch == in.text.end()) {
    summed_ = steps % steps_per_epoch_;  // a checkpoint from before steps could be skipped
  } else if (std::sscanf(watch->second.c_str(), "%ld %ld %ld %ld %lf %lf", &summed_, &skipped_,
                         &skipped_in_a_row_, &loss_watch_.steps, &loss_watch_.mean,
                         &loss_watch_.variance) != 6) {
    fail(ErrorKind::input, "{}: watch cannot be read", path);
  }
  if (in.arrays.contains("history/epoch")) {
    const auto epochs = in.need_array("history/epoch", path).as<std::int64_t>();
    const auto valid = in.need_array("history/valid", path).as<float>();
    validated_epochs_.assign(epochs.begin(), epochs.end());
    valid_.assign(valid.begin(), valid.end());
  }
  ending_ = ending_after(steps / steps_per_epoch_);
}

Checkpoint TrainingRun::model(bool best) {
  Checkpoint out;
  save_slab(*device_, model_->params(), best ? &best_ : nullptr, "param", out);
  out.text["recipe"] = as_toml(recipe_);
  out.text["classes"] = json_text(nlohmann::json(data_->classes()));
  if (model_->input_mean()) {
    out.arrays["input/mean"] = to_array(*device_, model_->input_mean());
    out.arrays["input/scale"] = to_array(*device_, model_->input_scale());
  }
  out.arrays["bands"] = HostArray::scalar<std::int64_t>(data_->table().bands());
  return out;
}

void TrainingRun::with_weights(bool best, const std::function<void()>& work) {
  Slab current = model_->params().like_everything(*device_);
  Ops& ops = device_->ops();
  const Tensor values = model_->params().everything();
  ops.add(values, {current.all(), Write::overwrite});
  if (best && best_epoch_ > 0) ops.add(best_.all(), {values, Write::overwrite});
  work();
  ops.add(current.all(), {values, Write::overwrite});
}

Evaluation TrainingRun::test_genres(bool best) {
  Evaluation result;
  with_weights(best, [&] {
    result =
        evaluate_tracks(evaluator_, data_->table(), split_.test, recipe_.segment, data_->classes().size());
  });
  return result;
}

TagScores TrainingRun::test_tags(bool best) {
  TagScores scores;
  with_weights(best, [&] {
    scores = score_tags(evaluator_, data_->table(), split_.test, recipe_.segment, data_->tag_labels(),
                        data_->names(), data_->classes());
  });
  return scores;
}

std::uint64_t TrainingRun::weights_digest() {
  const HostArray values = to_array(*device_, model_->params().everything());
  return xxh3(values.bytes);
}

LoadedModel load_model(Device& device, const std::string& path) {
  const Checkpoint file = path.ends_with(".safetensors") ? load_safetensors(path) : load_checkpoint(path);
  LoadedModel out;
  out.recipe = parse_recipe(file.need_text("recipe", path), path);
  reading_json(path + ": classes",
               [&] { nlohmann::json::parse(file.need_text("classes", path)).get_to(out.classes); });
  out.bands = file.need_scalar<std::int64_t>("bands", path);
  out.model = new_model(device, out.recipe, out.bands, out.classes.size());
  load_slab(device, out.model->params(), nullptr, "param", file, path);
  if (out.recipe.input.standardise == "bands") {
    out.model->standardise_input(device, std::vector<float>(static_cast<std::size_t>(out.bands)),
                                 std::vector<float>(static_cast<std::size_t>(out.bands)));
    from_array(device, out.model->input_mean(), file.need_array("input/mean", path), "input/mean", path);
    from_array(device, out.model->input_scale(), file.need_array("input/scale", path), "input/scale", path);
  }
  return out;
}

}  // namespace melgrad
