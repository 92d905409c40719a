#!/usr/bin/env python3
"""Exported networks in onnxruntime: how far from melgrad, how fast and how large, one thread.

    python3 bench/onnx_export.py MELGRAD OUT.json --models MODEL... --sounds WAV...     mono WAV at the models' sample rate

For each model the largest difference of a clip's probabilities over the sounds that are long enough; of the longest
sound the time of the whole file in milliseconds, of its form with STFT and of the network alone on as many segments; and
the memory of onnxruntime for five minutes of it.
"""
import argparse
import datetime
import json
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np
import onnxruntime


def melgrad(program, *arguments):
    return subprocess.run([program, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True).stdout


def samples_of(path):
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


def session_of(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def best_ms(work, times=5):
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return round(1000 * min(seconds), 1)


def peak_mb(path, samples):
    """Of a process of its own."""
    code = ("import sys, numpy as np, onnxruntime as o; s = o.SessionOptions(); s.intra_op_num_threads = 1;"
            "r = o.InferenceSession(sys.argv[1], s, providers=['CPUExecutionProvider']);"
            "r.run(None, {'audio': np.load(sys.argv[2])});"
            "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0])")
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file.name, samples)
        done = subprocess.run([sys.executable, "-c", code, path, file.name], check=True, stdout=subprocess.PIPE, text=True)
    return round(int(done.stdout) / 1024)


def measured(program, model, sounds, folder):
    def exported(*options):
        path = Path(folder) / f"{len(options)}{'-'.join(options)}.onnx"
        melgrad(program, "export", model, "--out", path, *options)
        return path

    path = exported()
    whole, stft, network = session_of(path), session_of(exported("--frontend", "stft")), session_of(exported("--frontend", "none"))
    metadata = whole.get_modelmeta().custom_metadata_map
    classes, needed = json.loads(metadata["classes"]), int(metadata["segment_samples"])
    heard = [s for s in sounds if len(samples_of(s)) >= needed]
    far = 0.0
    for answer in json.loads(melgrad(program, "--json", "predict", model, "--top", 1000, *heard)):
        ours = np.array([answer["probabilities"][name] for name in classes])
        far = max(far, float(abs(ours - whole.run(["probabilities"], {"audio": samples_of(answer["file"])})[0]).max()))
    x = max(map(samples_of, heard), key=len)
    segments = len(whole.run(["segments"], {"audio": x})[0])
    features = np.random.default_rng(0).uniform(0, 1, (segments, *network.get_inputs()[0].shape[1:])).astype(np.float32)
    five_minutes = np.resize(x, 300 * int(metadata["sample_rate"]))
    row = dict(model=Path(model).name, bytes=path.stat().st_size, sounds=len(heard), difference=far, segments=segments,
               whole_ms=best_ms(lambda: whole.run(None, {"audio": x})), stft_ms=best_ms(lambda: stft.run(None, {"audio": x})),
               network_ms=best_ms(lambda: network.run(None, {"features": features})), five_minutes_mb=peak_mb(path, five_minutes))
    print(row, flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("melgrad")
    parser.add_argument("out")
    parser.add_argument("--models", nargs="+", required=True)
    parser.add_argument("--sounds", nargs="+", required=True)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measured(a.melgrad, model, a.sounds, folder) for model in a.models]
    about = json.loads(melgrad(a.melgrad, "--json", "info"))
    commit = melgrad("git", "-C", Path(__file__).parent, "rev-parse", "--short", "HEAD").strip()
    Path(a.out).write_text(json.dumps(dict(
        what="exported networks in onnxruntime beside melgrad; milliseconds and memory with one thread",
        date=datetime.date.today().isoformat(), commit=commit, onnxruntime=onnxruntime.__version__,
        machine=about["description"],
        command="python3 bench/onnx_export.py melgrad OUT.json --models " + " ".join(Path(m).name for m in a.models) +
                " --sounds " + " ".join(Path(s).name for s in a.sounds), rows=rows), indent=1) + "\n")


main()
