#!/usr/bin/env bash
# From nothing to a trained classifier: installs the packages, builds, makes a small data set of synthetic music,
# trains, evaluates, classifies a song and draws a report.
#   bash apps/quickstart.sh           genres, as Dong 2018: results in runs/quickstart
#   bash apps/quickstart.sh mtat      tags, as the MagnaTagATune study: results in runs/quickstart-mtat
set -euo pipefail
cd "$(dirname "$0")/.."
source apps/packages.sh
say() { printf '\n== %s\n' "$*"; }

genres() {
  local out=$1 song
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

  say "report"
  "$melgrad" report "$out/run" --spaces --track "$song" --out "$out/report.html"

  say "done"
  echo "data set   $out/music"
  echo "pictures   $out/report.html"
  echo "network    $out/run/model.h5"
  echo "metrics    $out/run/metrics.jsonl, $out/run/result.json"
  echo "next       $melgrad reproduce dong2018 --gtzan FOLDER   (README.md)"
}

mtat() {
  local out=$1 song
  say "a data set in MagnaTagATune's layout: 160 synthetic clips with tags"
  "$melgrad" synth --layout mtat --out "$out/music"
  "$melgrad" analyze "$out/music" --pairs slow:fast,classical:techno

  say "two networks of the study and one of the field (narrow, shortened)"
  "$melgrad" reproduce mtat --data "$out/music" --models cnn1d-gru,cnn2d-gru,short-chunk-res --set model.width=0.125 \
    --set train.epochs=20 --set train.phases= --set train.rate=5e-3 --out "$out/run"

  say "prediction"
  song=$(find "$out/music/mp3/f" -name '*.mp3' | sort | head -n 1)
  "$melgrad" predict "$out/run/short-chunk-res" "$song" --top 4

  say "report"
  "$melgrad" report "$out/run" --out "$out/report.html"

  say "done"
  echo "data set   $out/music"
  echo "pictures   $out/report.html"
  echo "networks   $out/run/*/model.h5"
  echo "metrics    $out/run/result.json, and in each network's folder"
  echo "next       $melgrad reproduce mtat --data FOLDER   (README.md)"
}

what=${1:-genres}
case $what in genres) out=runs/quickstart ;; mtat) out=runs/quickstart-mtat ;; *) sed -n 4,5p "$0" >&2; exit 2 ;; esac

say "packages"
install_packages "${melgrad_packages[@]}"

say "build"
preset=cpu
if command -v nvcc >/dev/null && nvidia-smi >/dev/null 2>&1; then preset=cuda; fi
configure_and_build $preset melgrad | { grep -v '^\[' || true; }  # a failed build ends this script
melgrad=build/$preset/bin/melgrad

rm -rf "$out"
mkdir -p "$out"
"$what" "$out"
