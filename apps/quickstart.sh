#!/usr/bin/env bash
# From nothing to a trained genre classifier: installs the packages, builds, makes a small data set of
# synthetic music, trains, evaluates and classifies a song. Results go to runs/quickstart.
set -euo pipefail
cd "$(dirname "$0")/.."
source apps/packages.sh
say() { printf '\n== %s\n' "$*"; }

say "packages"
install_packages "${melgrad_packages[@]}"

say "build"
preset=cpu
if command -v nvcc >/dev/null && nvidia-smi >/dev/null 2>&1; then preset=cuda; fi
configure_and_build $preset melgrad | { grep -v '^\[' || true; }  # a failed build ends this script
melgrad=build/$preset/bin/melgrad

out=runs/quickstart
rm -rf "$out"
mkdir -p "$out"

say "a data set: 10 kinds of synthetic music, 16 tracks each"
"$melgrad" synth --out "$out/music" --classes 10 --tracks-per-class 16 --seconds 10
"$melgrad" check "$out/music"

say "training (recipe dong2018-fixed, shortened)"
"$melgrad" train "$out/music" --recipe dong2018-fixed --set train.epochs=60 --set train.batch=20 \
  --out "$out/run"

say "evaluation on tracks it has not seen"
"$melgrad" evaluate "$out/run"

say "prediction"
song=$(find "$out/music" -name '*.00001.wav' | sort | head -n 1)
"$melgrad" predict "$out/run" "$song"

say "done"
echo "data set   $out/music"
echo "network    $out/run/model.h5"
echo "metrics    $out/run/metrics.jsonl, $out/run/result.json"
echo "next       $melgrad reproduce dong2018 --gtzan FOLDER   (README.md)"
