#include "models/recipes/recipe_keys.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

using Pair = std::pair<const char*, const char*>;

// In PyTorch, Lightning, Keras, scikit-learn, librosa, torchaudio; only what can mean nothing else here.
constexpr Pair kOtherNames[] = {
    {"lr", "train.rate"},
    {"learning_rate", "train.rate"},
    {"batch_size", "train.batch"},
    {"train_batch_size", "train.batch"},
    {"num_epochs", "train.epochs"},
    {"n_epochs", "train.epochs"},
    {"max_epochs", "train.epochs"},
    {"early_stopping", "train.patience"},
    {"early_stopping_patience", "train.patience"},
    {"wd", "train.weight_decay"},
    {"optim", "train.optimizer"},
    {"scheduler", "train.schedule"},
    {"lr_scheduler", "train.schedule"},
    {"lr_schedule", "train.schedule"},
    {"warmup_steps", "train.warmup"},
    {"beta_1", "train.beta1"},
    {"beta_2", "train.beta2"},
    {"eps", "train.epsilon"},
    {"clipnorm", "train.clip_norm"},
    {"grad_clip", "train.clip_norm"},
    {"gradient_clip_val", "train.clip_norm"},
    {"clip_grad_norm", "train.clip_norm"},
    {"max_grad_norm", "train.clip_norm"},
    {"class_weight", "train.class_weights"},
    {"pos_weight", "train.tag_weights"},
    {"sampler", "train.sampling"},
    {"mixup_alpha", "augment.mixup"},
    {"time_stretch", "augment.tempo"},
    {"pitch_shift", "augment.band_shift"},
    {"ema", "train.average"},
    {"ema_decay", "train.average"},
    {"distillation_alpha", "train.teacher_share"},
    {"pool", "model.pooling"},
    {"dropout_rate", "model.dropout"},
    {"arch", "model.architecture"},
    {"model", "model.architecture"},
    {"width_multiplier", "model.width"},
    {"normalize", "input.standardise"},
    {"standardize", "input.standardise"},
    {"segment_frames", "segment.frames"},
    {"train_size", "split.train"},
    {"val_size", "split.valid"},
    {"validation_split", "split.valid"},
    {"test_size", "split.test"},
    {"sr", "features.sample_rate"},
    {"fs", "features.sample_rate"},
    {"sampling_rate", "features.sample_rate"},
    {"hop", "features.hop_length"},
    {"hop_size", "features.hop_length"},
    {"fft_size", "features.n_fft"},
    {"nfft", "features.n_fft"},
    {"win_size", "features.win_length"},
    {"window_size", "features.win_length"},
    {"mels", "features.n_mels"},
    {"num_mels", "features.n_mels"},
    {"num_mel_bins", "features.n_mels"},
    {"mel_bins", "features.n_mels"},
    {"f_min", "features.fmin"},
    {"f_max", "features.fmax"},
};

// What is set elsewhere, or not at all.
constexpr Pair kNoKeys[] = {
    {"seed", "is an option of train: --seed N"},
    {"random_seed", "is an option of train: --seed N"},
    {"random_state", "is an option of train: --seed N"},
    {"device", "is an option: --device cpu or cuda:N"},
    {"gpu", "is an option: --device cuda:N"},
    {"gpus", "is an option: --device cuda:N"},
    {"precision", "is an option: --precision f32, tf32 or bf16"},
    {"amp", "is an option: --precision tf32 or bf16"},
    {"fp16", "is an option: --precision tf32 or bf16"},
    {"num_workers", "is an option: --threads N"},
    {"n_jobs", "is an option: --threads N"},
    {"threads", "is an option: --threads N"},
    {"shuffle", "is always on; train.sampling says how"},
    {"val_check_interval", "does not exist; train.validate_every counts epochs"},
    {"duration", "does not exist; segment.frames counts frames: seconds * sample_rate / hop_length"},
    {"segment_seconds", "does not exist; segment.frames counts frames: seconds * sample_rate / hop_length"},
    {"clip_duration", "does not exist; segment.frames counts frames: seconds * sample_rate / hop_length"},
};

constexpr std::array<std::string_view, 9> kGeneralSections = {
    "training", "trainer", "train", "optimizer", "optim", "hparams", "data", "audio", "mel"};

template <std::size_t n>
const char* found(const Pair (&table)[n], const std::string& word) {
  const auto at =
      std::find_if(std::begin(table), std::end(table), [&](const Pair& p) { return word == p.first; });
  return at == std::end(table) ? nullptr : at->second;
}

std::string section_of(const std::string& key) {
  const auto dot = key.find('.');
  return dot == std::string::npos ? "" : key.substr(0, dot);
}
std::string name_of(const std::string& key) { return key.substr(key.rfind('.') + 1); }

// As others write it: small, with _ between the words.
std::string plain(std::string word) {
  for (char& c : word) c = c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return word;
}

// The key whose name `word` is, if there is just one.
std::string only_key_named(const std::string& word, const std::vector<std::string>& keys) {
  std::string only;
  for (const std::string& key : keys) {
    if (name_of(key) != word) continue;
    if (!only.empty()) return "";
    only = key;
  }
  return only;
}

// By the whole key, or if the word has no section by the name alone.
std::string nearest_key(const std::string& word, const std::vector<std::string>& keys) {
  if (!section_of(word).empty()) return nearest(word, keys);
  std::vector<std::string> names;
  for (const std::string& key : keys) names.push_back(name_of(key));
  for (const Pair& other : kOtherNames) names.emplace_back(other.first);
  const std::string name = nearest(word, names);
  const char* other = found(kOtherNames, name);
  const auto key = std::find_if(keys.begin(), keys.end(), [&](const auto& k) { return name_of(k) == name; });
  return key != keys.end() ? *key : other;
}

}  // namespace

std::string recipe_key(const std::string& word, const std::vector<std::string>& keys) {
  if (std::find(keys.begin(), keys.end(), word) != keys.end()) return word;
  const std::string section = section_of(plain(word)), name = name_of(plain(word));
  const bool general =
      std::find(kGeneralSections.begin(), kGeneralSections.end(), section) != kGeneralSections.end();
  const char* other = found(kOtherNames, name);
  const std::string key = other != nullptr ? other : only_key_named(name, keys);
  if (!key.empty() && (section.empty() || section == section_of(key) || (general && other != nullptr)))
    return key;
  const char* elsewhere = found(kNoKeys, name);
  if (elsewhere != nullptr && (section.empty() || general))
    fail(ErrorKind::usage, "{}: {}", printable(word), elsewhere);
  fail(ErrorKind::usage, "{}: no such recipe key; did you mean {}? melgrad recipes NAME lists them all",
       printable(word), key.empty() ? nearest_key(word, keys) : key);
}

}  // namespace melgrad
