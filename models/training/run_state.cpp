// The state of a run as a checkpoint: weights, the best weights, moments, counters, what validation has seen.
#include <nlohmann/json.hpp>
#include <sstream>

#include "io/files/json.h"
#include "kernels/text.h"
#include "models/training/model_file.h"
#include "models/training/run.h"

namespace melgrad {
namespace {

// "-inf" too, which no stream of the standard library reads.
template <typename Number>
bool read_number(std::istream& in, Number& number) {
  std::string word;
  if (!(in >> word)) return false;
  const auto value = number_in<Number>(word);
  if (value) number = *value;
  return value.has_value();
}

}  // namespace

Checkpoint TrainingRun::state() {
  collect_reports();
  Checkpoint out = model_file(*device_, *model_, nullptr, recipe_, data_->classes(), data_->table().bands());
  const ParamStore& params = model_->params();
  save_slab(*device_, params, &best_, "best", out);
  if (step_.average() != nullptr) save_slab(*device_, params, step_.average(), "average", out);
  auto& moments = step_.optimizer().moments();
  for (std::size_t i = 0; i < moments.size(); ++i) {
    save_slab(*device_, params, &moments[i], fmt::format("moment{}", i), out);
  }
  const TrainingSchedule::State& seen = schedule_.state();
  const std::int64_t validations = std::ssize(seen.scores);
  out.text["split"] =
      json_text(nlohmann::json{{"train", split_.train}, {"valid", split_.valid}, {"test", split_.test}});
  out.text["seed"] = std::to_string(seed_);
  out.text["state"] = json_text(nlohmann::json{
      {"loss_sum", loss_sum_},
      {"hit_sum", hit_sum_},
      {"summed", summed_},
      {"skipped", skipped_},
      {"skipped_in_a_row", skipped_in_a_row_},
      {"best_score", or_null(seen.best_score)},
      {"rate_factor", seen.rate_factor},
      {"last_drop", seen.last_drop},
      {"teacher", teacher_digest_},
      {"usual_loss",
       {{"steps", loss_watch_.steps}, {"mean", loss_watch_.mean}, {"variance", loss_watch_.variance}}}});
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
  load_weights(*device_, *model_, {}, recipe_, in, path);
  load_slab(*device_, params, &best_, "best", in, path);
  if (step_.average() != nullptr) {
    if (!in.arrays.contains("average/" + params.all().front().name))
      fail(ErrorKind::input, "{}: holds no running mean of the weights: the run began without train.average",
           path);
    load_slab(*device_, params, step_.average(), "average", in, path);
  }
  const auto steps = in.need_scalar<std::int64_t>("state/counter", path);
  schedule_.go_to(steps / steps_per_epoch_);
  step_.begin_phase(schedule_.phase(), schedule_.phase_begin() * steps_per_epoch_);
  auto& moments = step_.optimizer().moments();
  for (std::size_t i = 0; i < moments.size(); ++i) {
    load_slab(*device_, params, &moments[i], fmt::format("moment{}", i), in, path);
  }
  step_.set_counter(steps);
  TrainingSchedule::State seen;
  seen.best_epoch = in.need_scalar<std::int64_t>("state/best_epoch", path);
  if (in.text.contains("state")) {
    reading_json(path + ": state",
                 [&] { read_state(parse_json<nlohmann::json>(in.text.at("state")), seen); });
  } else {
    read_state_of_version_1(in, path, seen);
  }
  step_.optimizer().set_factor(seen.rate_factor);
  if (in.arrays.contains("history/epoch")) {
    const auto epochs = in.need_array("history/epoch", path).as<std::int64_t>();
    const auto valid = in.need_array("history/valid", path).as<float>();
    seen.validated.assign(epochs.begin(), epochs.end());
    seen.scores.assign(valid.begin(), valid.end());
  }
  schedule_.set_state(std::move(seen));
  ending_ = schedule_.ending_after(steps / steps_per_epoch_);
}

void TrainingRun::read_state(const nlohmann::json& state, TrainingSchedule::State& seen) {
  loss_sum_ = state.at("loss_sum");
  hit_sum_ = state.at("hit_sum");
  summed_ = count_of(state.at("summed"));
  skipped_ = count_of(state.at("skipped"));
  skipped_in_a_row_ = count_of(state.at("skipped_in_a_row"));
  if (!state.at("best_score").is_null()) seen.best_score = state.at("best_score");
  seen.rate_factor = state.at("rate_factor");
  seen.last_drop = count_of(state.at("last_drop"));
  if (state.contains("teacher")) teacher_digest_ = seed_of(state.at("teacher"));
  const nlohmann::json& usual = state.at("usual_loss");
  loss_watch_ = {count_of(usual.at("steps")), usual.at("mean"), usual.at("variance")};
}

// melgrad 0.1.0 wrote the same as texts of numbers, the last two of which its first checkpoints did not have.
void TrainingRun::read_state_of_version_1(const Checkpoint& in, const std::string& path,
                                          TrainingSchedule::State& seen) {
  const auto scan = [&](const char* name, auto... numbers) {
    std::istringstream text(in.need_text(name, path));
    if (!(read_number(text, *numbers) && ...)) fail(ErrorKind::input, "{}: {} cannot be read", path, name);
  };
  scan("sums", &loss_sum_, &hit_sum_, &seen.best_score);
  if (in.text.contains("plateau")) scan("plateau", &seen.rate_factor, &seen.last_drop);
  if (in.text.contains("watch")) {
    scan("watch", &summed_, &skipped_, &skipped_in_a_row_, &loss_watch_.steps, &loss_watch_.mean,
         &loss_watch_.variance);
  } else {
    summed_ = step_.counter() % steps_per_epoch_;
  }
}

}  // namespace melgrad
