// Log-mel features: one description (MelOptions), one set of tables built from it in double precision
// (MelTables), used by every device. The pipeline, each stage switchable:
//   PCM -> [remove DC, pre-emphasis per frame] -> window -> |FFT|^power -> mel bands or bins -> log
// Named presets reproduce other libraries (kernels/README.md says which version each was checked against).
// Without a spectrum (n_fft = 0) the features are the samples themselves: one frame of one band per sample.
// The options are stored, field by field, in every cache and checkpoint; a mismatch is an error.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "kernels/fields.h"

namespace melgrad {

enum class MelScale { slaney, htk };
enum class MelNorm { none, area };  // area: filter m times 2 / (upper_m - lower_m), in Hz
enum class WindowKind { hann, hamming, povey, rectangular };
enum class Padding {
  none,     // only frames that fit ("snip edges"): 1 + (n - frame) / hop; frame = n_fft, or win_length if
            // the window is left-aligned
  reflect,  // centred, n_fft / 2 mirrored samples on both sides: 1 + n / hop (n - 1 for odd n_fft). A clip
            // shorter than that is mirrored again and again, one of 1 sample repeated, as numpy.pad does
  zeros,    // centred, zeros on both sides
};
enum class LogKind {
  none,           // the mel (or bin) values themselves
  ln1p,           // ln(1 + multiplier x)
  log10_1p,       // log10(1 + multiplier x)
  log10_1p_half,  // the same of x rounded to IEEE half precision, at most 65504
  ln,             // ln(max(x, floor))
  db,             // 10 log10(max(x, floor)), then at least max - top_db if top_db > 0
  whisper,        // log10(max(x, floor)), then at least max - 8, then (v + 4) / 4
};

// How channels become one: their mean, the one with the most power over the whole file, the first, the second
// (the last where there are fewer).
enum class ChannelMix { mean, louder, left, right };

struct MelOptions {
  std::string preset = "custom";     // where the settings come from: a label, not compared by mel_difference
  std::int32_t sample_rate = 22050;  // Hz
  std::int32_t n_fft = 512;          // samples; any size, powers of two are fast. 0 = no spectrum
  std::int32_t win_length = 512;     // samples, at most n_fft; shorter windows are centred in the frame
  std::int32_t hop_length = 256;     // samples
  std::int32_t n_mels = 64;          // 0 = linear spectrogram, n_fft / 2 + 1 bins
  double fmin = 0;                   // Hz
  double fmax = 10000;               // Hz
  MelScale mel_scale = MelScale::slaney;
  MelNorm mel_norm = MelNorm::area;
  WindowKind window = WindowKind::hann;
  bool periodic_window = true;
  Padding padding = Padding::reflect;
  double power = 2;  // exponent of the magnitude: 1 or 2
  LogKind log = LogKind::ln1p;
  double log_multiplier = 1;
  double log_floor = 0;
  double top_db = 0;        // dB below the clip's maximum; 0 = off
  double input_scale = 1;   // PCM is multiplied by this first (Kaldi: 32768)
  bool remove_dc = false;   // subtract each frame's mean
  double pre_emphasis = 0;  // x[i] -= c x[i-1] within the window, x[0] -= c x[0], after the DC removal
  bool left_aligned_window = false;   // a short window starts the frame instead of being centred (Kaldi)
  bool triangles_in_mel = false;      // filter slopes linear in mel instead of Hz (Kaldi)
  bool drop_last_frame = false;       // Whisper
  ChannelMix mix = ChannelMix::mean;  // done by whoever decodes (io/audio/audio.h)

  bool operator==(const MelOptions&) const = default;
};

// Presets: dong2018, librosa, torchaudio, kaldi, whisper, musicnn, musicnn-2019, mtat-linear, mtat-mel96,
// mtat-mel128, harmonic, samples. Throws Error (usage) naming the nearest.
MelOptions mel_preset(const std::string& name);
std::vector<std::string> mel_preset_names();

// Every field as (name, text), in declaration order; numbers print so that they read back exactly. Setting
// "preset" sets the label only, so fields may be read back in any order.
// set_mel_field throws Error (usage) for an unknown field or a value that does not parse, naming the field.
std::vector<std::pair<std::string, std::string>> mel_fields(const MelOptions& options);
void set_mel_field(MelOptions& options, const std::string& name, const FieldValue& value);
// What there is to say of each field.
std::vector<FieldInfo> mel_field_infos();
// Throws Error (usage) that names the field for settings that make no sense (hop 0, fmax above Nyquist, ...).
// Without a spectrum all but sample_rate and input_scale must be as in the preset `samples`.
void validate(const MelOptions& options);
// "" when both give the same features, else one line naming the first field that differs, with both values.
std::string mel_difference(const MelOptions& a, const MelOptions& b);

// (cos, sin) of 2 pi k / n for k = 0 ... n - 1: [n, 2], the angles and the functions in double.
std::vector<float> unit_roots(std::int64_t n);

struct MelTables;
// A line on filters that are empty, and what to do; "" if none is.
std::string note_on_filters(const MelTables& tables);

// What the kernels need: window and sparse filters, computed in double, stored in float.
struct MelTables {
  explicit MelTables(const MelOptions& mel_options);  // validates

  std::int64_t frames(std::int64_t samples) const;  // 0 for 0 samples
  std::int64_t bands() const { return options.n_mels > 0 ? options.n_mels : options.n_fft / 2 + 1; }

  // Mel filters narrower than the bins are apart, which hold no bin: their features say nothing.
  std::int64_t empty_filters() const;

  // First sample of frame 0 relative to the clip (centring makes it negative), first sample of the window
  // relative to its frame.
  std::int64_t first_sample() const { return options.padding == Padding::none ? 0 : -(options.n_fft / 2); }
  std::int64_t window_first() const {
    return options.left_aligned_window ? 0 : (options.n_fft - options.win_length) / 2;
  }

  MelOptions options;
  std::vector<float> window;                // [n_fft], win_length samples placed within, zeros around
  std::vector<float> roots;                 // unit_roots(n_fft), the FFT's twiddle factors
  std::vector<std::int32_t> filter_first;   // [n_mels] first bin of each filter
  std::vector<std::int32_t> filter_offset;  // [n_mels + 1] into filter_weight
  std::vector<float> filter_weight;         // non-zero weights, filter after filter
};

}  // namespace melgrad
