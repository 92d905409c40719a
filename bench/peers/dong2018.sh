#!/usr/bin/env bash
# One recipe of Dong 2018 in melgrad and in PyTorch, on the same features and the same splits, side by side, each on
# half of the cores (so its seconds say nothing about speed).
#   bash bench/peers/dong2018.sh GTZAN FOLDER RECIPE SPLITS SEGMENT_FRAMES [EPOCHS [SEED]]
# GTZAN is what `melgrad reproduce` takes: a folder of genres or a cache. With EPOCHS both train so long, whatever the
# recipe says: the author's stopping rule ends equal runs anywhere between 1,000 and 11,000 updates, and the length
# then decides ("" leaves it to the recipe). SEED is the first split's in both (default 0); the next have the next.
# All stays in FOLDER; interrupted, the same command goes on where it was. FOLDER/comparison.json holds
# both accuracies per split with machine, commit and command.
# PYTHON names an interpreter that has torch, h5py and numpy (default python3); MELGRAD the program.
set -euo pipefail
gtzan=$1 folder=$2 recipe=$3 splits=$4 frames=$5 epochs=${6:-} seed=${7:-0}
here=$(dirname "$0")
python=${PYTHON:-python3} melgrad=${MELGRAD:-$here/../../build/cpu/bin/melgrad}
threads=$(($(nproc) > 1 ? $(nproc) / 2 : 1))
# glibc otherwise returns PyTorch's large blocks to the kernel after each use, which doubles its time.
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=4294967296

ours=("$melgrad" --json --threads "$threads" reproduce dong2018)
if [ -f "$folder/run.json" ]; then
  ours+=(--resume "$folder")
else
  ours+=(--gtzan "$gtzan" --out "$folder" --recipe "$recipe" --splits "$splits" --seed "$seed"
         --set "segment.frames=$frames")
  [ -z "$epochs" ] || ours+=(--set "train.epochs=$epochs" --set train.stop_block=0)
fi
theirs=(--recipe "$recipe" --segment-frames "$frames" --threads "$threads")
[ -z "$epochs" ] || theirs+=(--epochs "$epochs" --stop-block 0)
"${ours[@]}" > "$folder.json" &
melgrad_runs=$!
trap 'kill $melgrad_runs 2>/dev/null || true' EXIT

[ -d "$gtzan" ] && cache=$folder/features.h5 || cache=$gtzan
for ((k = 0; k < splits; ++k)); do
  split=$(printf '%s/split-%02d' "$folder" "$k")
  [ -f "$split/torch.json" ] && continue
  until [ -f "$split/run.json" ]; do  # written after the split
    kill -0 $melgrad_runs 2>/dev/null || { wait $melgrad_runs; break; }
    sleep 1
  done
  "$python" "$here/dong2018_torch.py" "$cache" "${theirs[@]}" --seed "$((seed + k))" --splits "$split/splits.json" \
    --state "$split/torch.state" > "$split/torch.json.part"
  mv "$split/torch.json.part" "$split/torch.json"
  rm -f "$split/torch.state"
done
wait $melgrad_runs
trap - EXIT
mv "$folder.json" "$folder/melgrad.json"

"$python" - "$folder" "$recipe" "$splits" "$frames" "$epochs" "$seed" "$(git -C "$here" rev-parse --short HEAD)" <<'END'
import datetime, json, statistics, sys
folder, recipe, splits, frames, epochs, seed, commit = sys.argv[1:]
def read(name):
    with open(f"{folder}/{name}", encoding="utf-8") as file:
        return json.load(file)
def row(best, final):
    spread = lambda v: statistics.stdev(v) if len(v) > 1 else 0.0
    return {"best_validation": {"each": best, "mean": statistics.mean(best), "deviation": spread(best)},
            "final": {"each": final, "mean": statistics.mean(final), "deviation": spread(final)}}
ours = read("melgrad.json")
results = [read(f"split-{k:02}/result.json") for k in range(int(splits))]
peers = [read(f"split-{k:02}/torch.json") for k in range(int(splits))]
of_peer = [p["splits"][0] for p in peers]
random = ours["random_splits"]
out = {"what": f"test accuracy of tracks, recipe {recipe}, {frames}-frame segments, {splits} random splits, same splits",
       "date": datetime.date.today().isoformat(), "commit": commit, "machine": ours["device"],
       "command": f"bash bench/peers/dong2018.sh GTZAN FOLDER {recipe} {splits} {frames} {epochs or chr(39) * 2} {seed}",
       "melgrad": row(random["accuracy_best"]["each"], random["accuracy_final"]["each"]),
       "melgrad_updates": [r["steps"] for r in results],
       "torch " + peers[0]["torch"]: row([s["best"] for s in of_peer], [s["final"] for s in of_peer]),
       "torch_updates": [s["updates"] for s in of_peer]}
with open(f"{folder}/comparison.json", "w", encoding="utf-8") as file:
    json.dump(out, file, indent=1)
    file.write("\n")
print(json.dumps(out, indent=1))
END
