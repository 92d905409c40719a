"""Compares melgrad's features with librosa on real music, which cannot be stored with the tests.

Run by hand: python3 compare_real.py <mel_of_raw program> <folder of audio files> [number of tracks]
Truth is librosa in float64. For each preset librosa can express it prints, over all frames of all tracks:
  power within      smallest e with |a - b| <= e b + c peak for the mel power before the log, where peak is the
                    largest band of the frame, for c = 1e-8, 1e-9 and 0
  log within        largest |a - b| after the log, then the same among bands within 30 dB of the frame's peak
each for melgrad and for librosa's own float32 features, so that one can see what float32 costs anyone.
"""

import pathlib
import subprocess
import sys

import librosa
import numpy as np

PRESETS = {
    "dong2018": (22050, dict(n_fft=512, hop_length=256, n_mels=64, fmax=10000, pad_mode="reflect")),
    "librosa": (22050, dict(n_fft=2048, hop_length=512, n_mels=128, pad_mode="constant")),
    "musicnn": (16000, dict(n_fft=512, hop_length=256, n_mels=96, pad_mode="reflect")),
    "whisper": (16000, dict(n_fft=400, hop_length=160, n_mels=80, pad_mode="reflect")),
}


def to_log(name, power):
    if name == "dong2018":
        return np.log(1 + power)
    if name == "librosa":
        return librosa.power_to_db(power, ref=1.0, top_db=80.0)
    if name == "musicnn":
        return np.log10(1 + 10000 * power)
    log = np.log10(np.maximum(power, 1e-10))
    return (np.maximum(log, log.max() - 8) + 4) / 4


def melgrad(program, samples, preset, bands, *settings):
    out = subprocess.run([program, preset, *settings], input=samples.tobytes(), stdout=subprocess.PIPE, check=True)
    return np.frombuffer(out.stdout, "<f4").reshape(-1, bands).astype(np.float64)


def power_error(a, b, c):
    rest = np.abs(a - b) - c * b.max(axis=1, keepdims=True)
    return np.max(rest[b > 0] / b[b > 0], initial=0.0)


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    limit = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    files = sorted(p for p in folder.rglob("*") if p.suffix in (".flac", ".wav", ".au", ".mp3", ".ogg"))
    files = files[:: max(1, len(files) // limit)][:limit]
    print(f"librosa {librosa.__version__}, {len(files)} tracks")
    for preset, (rate, options) in PRESETS.items():
        worst = {}
        for file in files:
            samples = librosa.load(file, sr=None)[0].astype("<f4")  # taken as if it were at the preset's rate
            last = -1 if preset == "whisper" else None
            make = lambda y, t: librosa.feature.melspectrogram(y=y, sr=rate, dtype=t, **options).T[:last]
            want = make(samples.astype(np.float64), np.float64)
            want_log = to_log(preset, want)
            near = want > 1e-3 * want.max(axis=1, keepdims=True)
            sides = {
                "melgrad": (
                    melgrad(program, samples, preset, want.shape[1], "log=none"),
                    melgrad(program, samples, preset, want.shape[1]),
                )
            }
            single = make(samples, np.float32)
            sides["librosa f32"] = (single.astype(np.float64), to_log(preset, single).astype(np.float64))
            for side, (power, log) in sides.items():
                error = np.abs(log - want_log)
                row = [power_error(power, want, f) for f in (1e-8, 1e-9, 0)] + [error.max(), error[near].max()]
                worst[side] = np.maximum(worst.get(side, 0), row)
        for side, row in worst.items():
            print(
                f"{preset:9} {side:12} power within {row[0]:.1e} (c = 1e-8) {row[1]:.1e} (1e-9) {row[2]:.1e} (0);"
                f" log within {row[3]:.1e}, {row[4]:.1e} near the peak"
            )


if __name__ == "__main__":
    main()
