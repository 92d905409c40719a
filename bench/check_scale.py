#!/usr/bin/env python3
"""Whether `check` takes as long for a file among 100,000 as among 1,000, and how its memory grows.

    python3 bench/check_scale.py build/cpu/bin/melgrad [--files 1000 10000 100000] [--labels]

Makes so many small WAV files, each of its own sound, in ten class folders, and lets `check` read them three times;
prints the best time per file and the most memory. With --labels they stand in a manifest instead, each file with a
tag of its own: as many tags as files.
"""
import argparse
import os
import random
import struct
import subprocess
import tempfile
import time

RATE, SAMPLES = 8000, 400


def wav(seed):
    sound = random.Random(seed).randbytes(2 * SAMPLES)
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(sound), b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2,
                       16, b"data", len(sound))
    return head + sound


def make(folder, files, labels):
    names = [f"{i % 10}x/{i:06}.wav" for i in range(files)]
    for klass in range(10):
        os.makedirs(f"{folder}/{klass}x")
    for i, name in enumerate(names):
        with open(f"{folder}/{name}", "wb") as out:
            out.write(wav(i))
    if not labels:
        return folder
    with open(f"{folder}/all.csv", "w") as out:
        out.write("path,labels\n")
        out.writelines(f"{name},tag{i};of{i % 10}\n" for i, name in enumerate(names))
    return f"{folder}/all.csv"


def measure(program, data):
    start = time.monotonic()
    process = subprocess.Popen([program, "--json", "check", data, "--min-seconds", "0.01"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 6):
        raise SystemExit(f"check ended with {process.returncode}")
    return time.monotonic() - start, usage.ru_maxrss, usage.ru_utime + usage.ru_stime


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("--files", type=int, nargs="+", default=[1000, 10000, 100000])
    arguments.add_argument("--labels", action="store_true")
    options = arguments.parse_args()
    print(f"{'files':>8}  {'s':>8}  {'us a file':>9}  {'cpu us a file':>13}  {'MB':>6}  {'bytes a file':>12}")
    first = None
    for files in options.files:
        with tempfile.TemporaryDirectory() as folder:
            data = make(folder, files, options.labels)
            runs = [measure(options.program, data) for _ in range(3)]
        seconds, cpu, memory = min(r[0] for r in runs), min(r[2] for r in runs), max(r[1] for r in runs)
        grown = "" if first is None else f"{1024 * (memory - first[1]) / (files - first[0]):12.0f}"
        print(f"{files:8}  {seconds:8.3f}  {1e6 * seconds / files:9.1f}  {1e6 * cpu / files:13.1f}  "
              f"{memory / 1024:6.1f}  {grown:>12}", flush=True)
        first = first or (files, memory)


if __name__ == "__main__":
    main()
