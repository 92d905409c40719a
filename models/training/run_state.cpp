// The state of a run as a checkpoint: weights, the best weights, moments, counters, what validation has seen.
#include <nlohmann/json.hpp>

#include "models/training/model_file.h"
#include "models/training/run.h"

namespace melgrad {

Checkpoint TrainingRun::state() {
  collect_reports();
  Checkpoint out = model(false);
  const ParamStore& params = model_->params();
  save_slab(*device_, params, &best_, "best", out);
  auto& moments = step_.optimizer().moments();
  for (std::size_t i = 0; i < moments.size(); ++i) {
    save_slab(*device_, params, &moments[i], fmt::format("moment{}", i), out);
  }
  const TrainingSchedule::State& seen = schedule_.state();
  const std::int64_t validations = std::ssize(seen.scores);
  out.text["split"] =
      nlohmann::json{{"train", split_.train}, {"valid", split_.valid}, {"test", split_.test}}.dump();
  out.text["seed"] = std::to_string(seed_);
  out.text["sums"] = fmt::format("{} {} {}", loss_sum_, hit_sum_, seen.best_score);
  out.text["plateau"] = fmt::format("{} {}", seen.rate_factor, seen.last_drop);
  out.text["watch"] = fmt::format("{} {} {} {} {} {}", summed_, skipped_, skipped_in_a_row_,
                                  loss_watch_.steps, loss_watch_.mean, loss_watch_.variance);
  out.arrays["state/counter"] = HostArray::scalar<std::int64_t>(step_.counter());
  out.arrays["state/best_epoch"] = HostArray::scalar<std::int64_t>(seen.best_epoch);
  if (validations > 0) {
    out.arrays["history/epoch"] = HostArray::of<std::int64_t>({validations}, seen.validated);
    out.arrays["history/valid"] = HostArray::of<float>({validations}, seen.scores);
  }
  return out;
}

void TrainingRun::restore(const Checkpoint& in, const std::string& path) {
  const ParamStore& params = model_->params();
  load_slab(*device_, params, nullptr, "param", in, path);
  load_slab(*device_, params, &best_, "best", in, path);
  const auto steps = in.need_scalar<std::int64_t>("state/counter", path);
  schedule_.go_to(steps / steps_per_epoch_);
  step_.begin_phase(schedule_.phase(), schedule_.phase_begin() * steps_per_epoch_);
  auto& moments = step_.optimizer().moments();
  for (std::size_t i = 0; i < moments.size(); ++i) {
    load_slab(*device_, params, &moments[i], fmt::format("moment{}", i), in, path);
  }
  step_.set_counter(steps);
  TrainingSchedule::State seen;
  const auto plateau = in.text.find("plateau");
  if (plateau != in.text.end() &&
      std::sscanf(plateau->second.c_str(), "%lf %ld", &seen.rate_factor, &seen.last_drop) != 2)
    fail(ErrorKind::input, "{}: plateau cannot be read", path);
  step_.optimizer().set_factor(seen.rate_factor);
  seen.best_epoch = in.need_scalar<std::int64_t>("state/best_epoch", path);
  if (std::sscanf(in.need_text("sums", path).c_str(), "%lf %lf %lf", &loss_sum_, &hit_sum_,
                  &seen.best_score) != 3) {
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
    seen.validated.assign(epochs.begin(), epochs.end());
    seen.scores.assign(valid.begin(), valid.end());
  }
  schedule_.set_state(std::move(seen));
  ending_ = schedule_.ending_after(steps / steps_per_epoch_);
}

}  // namespace melgrad
