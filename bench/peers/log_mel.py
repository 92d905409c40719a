"""Log-mel extraction by librosa, torch and torchaudio (what is installed), and melgrad, in turn, one thread.

Run: python3 log_mel.py [melgrad_bench program]. Prints one JSON object: for each preset and each program the
best of several repetitions as seconds of audio per second of wall and of processor time. Input: 30 s of noise in
memory, float32 throughout. Rounds alternate between the programs, so a busy machine hits all of them.
torch is torch.stft, a dense filter matrix and the log law: the fastest form of the features in that library.
"""

import json
import os
import subprocess
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import librosa  # noqa: E402
import numpy as np  # noqa: E402

SECONDS, ROUNDS, REPETITIONS = 30, 5, 3
#          rate   n_fft hop  bands fmax   librosa's pad_mode
PRESETS = {
    "dong2018": (22050, 512, 256, 64, 10000, "reflect"),
    "librosa": (22050, 2048, 512, 128, 11025, "constant"),
    "musicnn": (16000, 512, 256, 96, 8000, "reflect"),
    "whisper": (16000, 400, 160, 80, 8000, "reflect"),
}


def log_law(preset, lib, power):
    if preset == "dong2018":
        return lib.log(1 + power)
    if preset == "musicnn":
        return lib.log10(1 + 10000 * power)
    log = lib.log10(lib.clip(power, 1e-10, None))
    if preset == "librosa":
        return lib.clip(10 * log, (10 * log).max() - 80, None)
    return (lib.clip(log, log.max() - 8, None) + 4) / 4


def librosa_case(preset, y):
    rate, n_fft, hop, bands, fmax, pad = PRESETS[preset]
    options = dict(sr=rate, n_fft=n_fft, hop_length=hop, n_mels=bands, fmax=fmax, pad_mode=pad)
    return lambda: log_law(preset, np, librosa.feature.melspectrogram(y=y, **options))


def torch_case(preset, y):
    import torch

    torch.set_num_threads(1)
    rate, n_fft, hop, bands, fmax, pad = PRESETS[preset]
    filters = torch.from_numpy(librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=bands, fmax=fmax))
    window, wave = torch.hann_window(n_fft), torch.from_numpy(y)

    def run():
        with torch.no_grad():
            spectrum = torch.stft(wave, n_fft, hop, window=window, pad_mode=pad, return_complex=True)
            return log_law(preset, torch, filters @ (spectrum.real**2 + spectrum.imag**2))

    return run


def torchaudio_case(preset, y):
    import torch
    import torchaudio

    torch.set_num_threads(1)
    rate, n_fft, hop, bands, fmax, pad = PRESETS[preset]
    options = dict(hop_length=hop, n_mels=bands, f_max=fmax, pad_mode=pad, norm="slaney", mel_scale="slaney")
    mel = torchaudio.transforms.MelSpectrogram(rate, n_fft, **options)
    wave = torch.from_numpy(y)

    def run():
        with torch.no_grad():
            return log_law(preset, torch, mel(wave))

    return run


def best_rate(run):
    """(wall, processor) seconds of audio per second, best of REPETITIONS."""
    wall, cpu = [], []
    for _ in range(REPETITIONS):
        w, c = time.perf_counter(), time.process_time()
        run()
        wall.append(time.perf_counter() - w)
        cpu.append(time.process_time() - c)
    return SECONDS / min(wall), SECONDS / min(cpu)


def melgrad_rates(program, preset):
    command = [program, f"--benchmark_filter=^log_mel/{preset}/cpu/", "--benchmark_format=json",
               "--benchmark_min_time=0.1"]  # fmt: skip
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    case = json.loads(out)["benchmarks"][0]
    unit = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3}[case["time_unit"]]
    return SECONDS / (case["real_time"] * unit), SECONDS / (case["cpu_time"] * unit)


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else None
    unit = "seconds of audio per second, one thread"
    result = {"unit": unit, "librosa": librosa.__version__, "presets": {}}
    for preset, (rate, *_) in PRESETS.items():
        y = (0.1 * np.random.Generator(np.random.PCG64(1)).standard_normal(SECONDS * rate)).astype(np.float32)
        cases = {"librosa": librosa_case(preset, y)}
        for name, make in (("torch", torch_case), ("torchaudio", torchaudio_case)):
            try:
                cases[name] = make(preset, y)
                result[name] = str(sys.modules[name].__version__)
            except ImportError:
                pass
        for run in cases.values():
            run()  # warm up: plans, caches, compiled parts
        rates = {}
        for _ in range(ROUNDS):
            for name, run in cases.items():
                rates[name] = np.maximum(rates.get(name, 0), best_rate(run))
            if program:
                rates["melgrad"] = np.maximum(rates.get("melgrad", 0), melgrad_rates(program, preset))
        result["presets"][preset] = {
            name: {"wall": round(float(wall)), "cpu": round(float(cpu))} for name, (wall, cpu) in rates.items()
        }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
