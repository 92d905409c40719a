"""Writes the golden features of kernels/mel.h's presets: mel_input.f32 and mel_<preset>.f32 beside this file.

Input: 0.8 s of chirp, plucked strings, noise and silence, made here, so it carries no licence.
Features: computed in float64 by code that shares nothing with melgrad, then stored as little-endian float32.
  dong2018, librosa, musicnn(-2019)
                              librosa.feature.melspectrogram, pad_mode given explicitly
  whisper                     librosa's filters and STFT, Whisper's published log law
  torchaudio, kaldi, mtat-mel the published definitions in numpy; compared with torchaudio if installed
  linear                      librosa's STFT, magnitude, an odd window in a frame of 120 samples
mel_index.txt lists the shapes. Run: python3 make_mel.py (needs numpy and librosa; torchaudio is optional).
"""

import pathlib

import librosa
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent


def make_input():
    """0.8 s at 22,050 Hz. The presets for 16 kHz read the same samples as if they were at their rate."""
    rate, n = 22050, 17640
    t = np.arange(n) / rate
    rng = np.random.Generator(np.random.PCG64(2018))
    y = 0.3 * np.sin(2 * np.pi * (60 * t + 0.5 * (9000 - 60) / t[-1] * t**2))  # chirp, 60 Hz to 9 kHz
    for k, pitch in enumerate((110.0, 277.2, 659.3)):  # plucked strings: a noise burst in a damped loop
        period, start = int(rate / pitch), 2500 * (k + 1)
        string = rng.uniform(-0.5, 0.5, period)
        for i in range(start, min(n, start + 9000)):
            j = (i - start) % period
            y[i] += string[j]
            string[j] = 0.498 * (string[j] + string[(j + 1) % period])
    y[12000:14000] += 0.2 * rng.standard_normal(2000)
    y[14000:16000] = 0.0  # digital silence meets the floors of the logs
    y[16000:] += 0.01  # a DC step
    return np.clip(y, -1, 1).astype("<f4")


def stft_power(y, n_fft, hop, pad_mode):
    return np.abs(librosa.stft(y, n_fft=n_fft, hop_length=hop, pad_mode=pad_mode, dtype=np.complex128)) ** 2


def librosa_mel(y, sr, n_fft, hop, n_mels, fmax, pad_mode):
    return librosa.feature.melspectrogram(
        y=y, sr=sr, n_fft=n_fft, hop_length=hop, n_mels=n_mels, fmax=fmax, pad_mode=pad_mode, dtype=np.float64
    ).T


def dong2018(y):
    return np.log(1 + librosa_mel(y, 22050, 512, 256, 64, 10000, "reflect"))


def librosa_default(y):
    return librosa.power_to_db(librosa_mel(y, 22050, 2048, 512, 128, None, "constant"), ref=1.0, top_db=80.0)


def musicnn(y):
    return np.log10(10000 * librosa_mel(y, 16000, 512, 256, 96, None, "reflect") + 1)


def musicnn_2019(y):
    """musicnn 0.1.0 rounds the bands to float16. NumPy 1 goes on in float32, NumPy 2 in float16, which overflows."""
    mel = librosa_mel(y, 16000, 512, 256, 96, None, "reflect").astype(np.float16)
    return np.log10(10000 * mel.astype(np.float64) + 1)


def whisper(y):
    filters = librosa.filters.mel(sr=16000, n_fft=400, n_mels=80, dtype=np.float64)
    mel = filters @ stft_power(y, 400, 160, "reflect")[:, :-1]
    log = np.log10(np.maximum(mel, 1e-10))
    return ((np.maximum(log, log.max() - 8) + 4) / 4).T


def linear(y):
    options = dict(n_fft=120, hop_length=500, win_length=81, window="hamming", pad_mode="constant")
    return np.abs(librosa.stft(y, dtype=np.complex128, **options)).T


def htk_mel(hz):
    return 2595 * np.log10(1 + np.asarray(hz) / 700)


def torchaudio_mel(y, n_fft, n_mels):
    """MelSpectrogram with a hop of half a frame, and AmplitudeToDB."""
    hz = 700 * (10 ** (np.linspace(0, htk_mel(8000), n_mels + 2) / 2595) - 1)
    bins = np.linspace(0, 8000, n_fft // 2 + 1)[:, None]
    rising, falling = (bins - hz[:-2]) / np.diff(hz)[:-1], (hz[2:] - bins) / np.diff(hz)[1:]
    filters = np.maximum(0, np.minimum(rising, falling))
    padded = np.pad(y, n_fft // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[:: n_fft // 2]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    return 10 * np.log10(np.maximum(power @ filters, 1e-10))


def kaldi(y):
    frames = np.lib.stride_tricks.sliding_window_view(y * 32768.0, 400)[::160]
    frames = frames - frames.mean(axis=1, keepdims=True)
    frames = frames - 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    frames = frames * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    power = np.abs(np.fft.rfft(frames, 512)) ** 2
    mel = htk_mel(np.arange(257) * 16000 / 512)[:, None]
    edge = np.linspace(htk_mel(20), htk_mel(8000), 25)
    width = edge[1] - edge[0]
    filters = np.maximum(0, np.minimum((mel - edge[:-2]) / width, (edge[2:] - mel) / width))
    return np.log(np.maximum(power @ filters, np.finfo(np.float32).eps))


def check_against_torchaudio(y, features):
    try:
        import torch
        import torchaudio
    except ImportError:
        print("torchaudio is not installed: its presets rest on their definitions alone")
        return
    wave = torch.from_numpy(y.astype(np.float64))[None]
    # The modules fill float32 tables; .double() widens the window and the filters, rounded as they are.
    def mel(**settings):
        power = torchaudio.transforms.MelSpectrogram(**settings).double()(wave)
        return torchaudio.transforms.AmplitudeToDB()(power)[0].T.numpy()

    theirs = {
        "torchaudio": mel(),
        "kaldi": torchaudio.compliance.kaldi.fbank(wave * 32768, dither=0.0).numpy(),
        "mtat-mel96": mel(n_fft=512, n_mels=96),
        "mtat-mel128": mel(n_fft=512, n_mels=128),
    }
    # Their tables are rounded to float32, so what a loud band leaks into an empty one differs: compare the
    # bands within 60 dB of the loudest of their frame.
    for name in theirs:
        reach = 6 * np.log(10) if name == "kaldi" else 60.0
        value, want = theirs[name], features[name]
        assert value.shape == want.shape
        near = want > want.max(axis=1, keepdims=True) - reach
        worst = np.abs(value - want)[near].max()
        print(f"{name}: torchaudio {torchaudio.__version__} itself differs by at most {worst:.1e}")
        assert worst < 1e-3


def main():
    samples = make_input()
    y = samples.astype(np.float64)
    features = {
        "dong2018": dong2018(y),
        "librosa": librosa_default(y),
        "torchaudio": torchaudio_mel(y, 400, 128),
        "kaldi": kaldi(y),
        "whisper": whisper(y),
        "musicnn": musicnn(y),
        "musicnn-2019": musicnn_2019(y),
        "linear": linear(y),
        "mtat-mel96": torchaudio_mel(y, 512, 96),
        "mtat-mel128": torchaudio_mel(y, 512, 128),
    }
    check_against_torchaudio(samples, features)
    samples.tofile(HERE / "mel_input.f32")
    with open(HERE / "mel_index.txt", "w") as index:
        for name, value in features.items():
            value.astype("<f4").tofile(HERE / f"mel_{name}.f32")
            index.write(f"{name} {value.shape[0]} {value.shape[1]}\n")
            print(f"{name}: {value.shape} frames x bands, {value.min():.4f} ... {value.max():.4f}")
    print(f"librosa {librosa.__version__}, numpy {np.__version__}")


if __name__ == "__main__":
    main()
