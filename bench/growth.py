#!/usr/bin/env python3
"""How time and memory grow with batch, clip length, clips and width: the cases of growth_bench.cpp, with fitted slopes.

    growth.py MELGRAD_BENCH > growth.json

A slope is the exponent p of size^p, fitted by least squares on logarithms over the upper half of the sizes (at least
three), where fixed costs no longer count; 1 is linear. A table goes to standard error. Exit code 1 if a slope of time
or memory is above 1.15, but for the width of a GRU, whose weights grow with its square (limit 2.15).
"""
import json
import math
import subprocess
import sys


def slope(points):
    points = points[-max(3, len(points) // 2 + 1):]
    xs, ys = [math.log(x) for x, _ in points], [math.log(y) for _, y in points]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / sum((x - mx) ** 2 for x in xs)


def main():
    program = sys.argv[1]
    command = [program, "--benchmark_filter=^growth/", "--benchmark_format=json", "--benchmark_min_time=0.2"]
    out = json.loads(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout)
    cases = {}
    for run in out["benchmarks"]:
        name, size = run["name"].removeprefix("growth/").removesuffix("/real_time").rsplit("/", 1)
        assert run["time_unit"] == "ms"
        cases.setdefault(name, []).append((int(size), run["real_time"], run["bytes"]))
    steep, result = False, {}
    for name, points in cases.items():
        time = slope([(n, t) for n, t, _ in points])
        memory = slope([(n, b) for n, _, b in points])
        limit = 2.15 if "hidden" in name else 1.15
        steep |= time > limit or memory > limit
        result[name] = dict(time_slope=round(time, 2), memory_slope=round(memory, 2),
                            points=[dict(size=n, ms=round(t, 3), MB=round(b / 1e6, 3)) for n, t, b in points])
        print(f"{name:22} time ^{time:.2f}  memory ^{memory:.2f}  {points[0][1]:.3g} to {points[-1][1]:.3g} ms",
              file=sys.stderr)
    json.dump(result, sys.stdout, indent=1)
    print()
    sys.exit(steep)


if __name__ == "__main__":
    main()
