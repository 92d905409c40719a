#!/usr/bin/env bash
# One recipe of Dong 2018 in melgrad and in PyTorch, on the same cache and the same splits, one after the other.
#   bash bench/peers/dong2018.sh CACHE FOLDER RECIPE SPLITS SEGMENT_FRAMES
# Both runs stay in FOLDER; FOLDER/comparison.json holds both accuracies per split with machine, commit and commands.
# PYTHON names an interpreter that has torch, h5py and numpy (default python3); MELGRAD the program.
set -euo pipefail
cache=$1 folder=$2 recipe=$3 splits=$4 frames=$5
here=$(dirname "$0")
python=${PYTHON:-python3} melgrad=${MELGRAD:-$here/../../build/cpu/bin/melgrad}
# glibc otherwise returns PyTorch's large blocks to the kernel after each use, which doubles its time.
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=4294967296

ours=("$melgrad" --json reproduce dong2018 --gtzan "$cache" --recipe "$recipe" --splits "$splits" --set "segment.frames=$frames")
[ -f "$folder/run.json" ] && ours=("$melgrad" --json reproduce dong2018 --resume "$folder") || ours+=(--out "$folder")
"${ours[@]}" > "$folder.json"
mv "$folder.json" "$folder/melgrad.json"
"$python" "$here/dong2018_torch.py" "$cache" --recipe "$recipe" --segment-frames "$frames" \
  --splits "$folder"/split-*/splits.json > "$folder/torch.json"

"$python" - "$folder" "$recipe" "$splits" "$frames" "$(git -C "$here" rev-parse --short HEAD)" <<'END'
import datetime, json, statistics, sys
folder, recipe, splits, frames, commit = sys.argv[1:]
ours, peer = (json.load(open(f"{folder}/{name}.json")) for name in ("melgrad", "torch"))
def row(best, final):
    spread = lambda v: statistics.stdev(v) if len(v) > 1 else 0.0
    return {"best_validation": {"each": best, "mean": statistics.mean(best), "deviation": spread(best)},
            "final": {"each": final, "mean": statistics.mean(final), "deviation": spread(final)}}
random = ours["random_splits"]
out = {"what": f"test accuracy of tracks, recipe {recipe}, {frames}-frame segments, {splits} random splits, same splits",
       "date": datetime.date.today().isoformat(), "commit": commit, "machine": ours["device"],
       "command": f"bash bench/peers/dong2018.sh CACHE FOLDER {recipe} {splits} {frames}",
       "melgrad": row(random["accuracy_best"]["each"], random["accuracy_final"]["each"]),
       "torch " + peer["torch"]: row([s["best"] for s in peer["splits"]], [s["final"] for s in peer["splits"]]),
       "torch_updates": [s["updates"] for s in peer["splits"]],
       "torch_seconds_per_step": [s["seconds_per_step"] for s in peer["splits"]]}
json.dump(out, open(f"{folder}/comparison.json", "w"), indent=1)
print(json.dumps(out, indent=1))
END
