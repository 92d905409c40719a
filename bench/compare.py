#!/usr/bin/env python3
"""Faster, slower or the same? Two result files of melgrad_bench, A before and B after, case by case.

    melgrad_bench --benchmark_repetitions=6 --benchmark_out=A.json --benchmark_out_format=json
    compare.py A.json B.json

B is faster only if its slowest repetition is faster than A's fastest, slower only the other way round: with five
repetitions each, chance does that in 1 of 126 cases when nothing has changed, with six in 1 of 462. Below four it proves
nothing, and this program says so. Exit code 1 if a case is slower, 2 if the files share none.
"""
import json
import sys


def repetitions(path):
    with open(path, encoding="utf-8") as file:
        runs = json.load(file)["benchmarks"]
    times = {}
    for run in runs:
        if run.get("run_type", "iteration") == "iteration" and not run.get("error_occurred"):
            scale = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}[run["time_unit"]]
            times.setdefault(run.get("run_name", run["name"]), []).append(run["real_time"] * scale)
    return times


def verdict(a, b):
    if min(len(a), len(b)) < 4:
        return "too few repetitions"
    if max(b) < min(a):
        return "faster"
    return "slower" if min(b) > max(a) else "same"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    a, b = map(repetitions, sys.argv[1:])
    shared = [name for name in a if name in b]
    for name in sorted(set(a) ^ set(b)):
        print(f"only in {sys.argv[1] if name in a else sys.argv[2]}: {name}", file=sys.stderr)
    if not shared:
        print("the files share no case", file=sys.stderr)
        sys.exit(2)
    found = set()
    median = lambda values: sorted(values)[len(values) // 2]
    for name in shared:
        found.add(verdict(a[name], b[name]))
        print(f"{name:60} {median(a[name]):10.4g} s {median(b[name]):10.4g} s  x{median(a[name]) / median(b[name]):.2f}  "
              f"{verdict(a[name], b[name])}")
    sys.exit(1 if "slower" in found else 0)


if __name__ == "__main__":
    main()
