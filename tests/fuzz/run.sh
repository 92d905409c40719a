#!/usr/bin/env bash
# Fuzzes every reader for some seconds each, from valid files that the program makes; needs a build of the program.
#   bash tests/fuzz/run.sh [SECONDS [PROGRAM]]         60 and build/cpu/bin/melgrad if not said
# Closes with a line a reader: executions, edges seen. A crash ends it with code 1; its input stays in build/fuzz/found and
# belongs, once mended, into a test. What libFuzzer cannot see is the inside of libsndfile and HDF5.
set -euo pipefail
cd "$(dirname "$0")/../.."
source apps/packages.sh
seconds=${1:-60} program=$(realpath "${2:-build/cpu/bin/melgrad}")
install_packages clang-14 libclang-rt-14-dev libomp-14-dev
cmake --preset fuzz > build/fuzz.log && cmake --build --preset fuzz >> build/fuzz.log

work=build/fuzz/work corpus=$PWD/build/fuzz/corpus found=$PWD/build/fuzz/found
rm -rf "$work"
mkdir -p "$work" "$found"
(
  cd "$work"
  "$program" synth --out music --classes 2 --tracks-per-class 3 --seconds 0.8
  "$program" synth --layout mtat --out mtat --clips 6 --seconds 2
  for format in au aiff flac ogg opus mp3; do
    "$program" synth --out "$format" --classes 2 --tracks-per-class 1 --seconds 1 --format "$format"
  done
  "$program" extract music --out c.h5
  "$program" train c.h5 --recipe dong2018-fixed --set segment.frames=34 --set train.epochs=1 --set train.batch=2 --set model.filters=1 --out run
  "$program" export run --out model.safetensors
  printf 'path,labels,split\nmusic/a.wav,"x;y",train\n' > manifest.csv
  python3 -c '
import io, zipfile, struct
def npy(shape, kind, data):
    head = str({"descr": kind, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data
a = npy((2, 3), "<f4", bytes(24))
open("a.npy", "wb").write(a)
with zipfile.ZipFile("a.npz", "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("X.npy", a)
    z.writestr("T.npy", npy((2,), "<U3", bytes(24)))
'
) > build/fuzz/seeds.log 2>&1
seed() { mkdir -p "$corpus/$1"; shift_to=$corpus/$1; shift; cp -n "$@" "$shift_to/"; }
for format in music au aiff flac ogg opus mp3; do
  mkdir -p "$corpus/audio"
  cp -n "$(find "$work/$format" -type f | sort | head -n 1)" "$corpus/audio/$format"
done
seed cache "$work"/c.h5
seed checkpoint "$work"/run/model.h5 "$work"/run/checkpoint.h5
seed safetensors "$work"/model.safetensors
seed npz "$work"/a.npz
seed npy "$work"/a.npy
seed recipe models/recipes/*.toml
seed manifest "$work"/manifest.csv
seed annotations "$work"/mtat/annotations_final.csv
seed clip-info "$work"/mtat/clip_info_final.csv

failed=0
for reader in audio cache checkpoint safetensors npz npy recipe manifest annotations clip-info; do
  mkdir -p "$found/$reader"
  log=build/fuzz/$reader.log
  MELGRAD_FUZZ=$reader build/fuzz/bin/fuzz -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 -max_len=262144 \
    -print_final_stats=1 -artifact_prefix="$found/$reader/" "$corpus/$reader" > "$log" 2>&1 || failed=1
  printf '%-12s %s executions, %s edges, %s files kept\n' "$reader" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -c6-)" \
    "$(find "$corpus/$reader" -type f | wc -l)"
  find "$found/$reader" -type f -printf "  crash: %p\n"
done
rm -f /dev/shm/melgrad-fuzz-*
exit $failed
