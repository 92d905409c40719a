#!/usr/bin/env bash
# Fuzzes every reader for some seconds each, as many at once as there are cores, from the inputs of corpus.tar.xz and from
# valid files that the program makes; needs a build of the program.
#   bash tests/fuzz/run.sh [SECONDS [READER...]]     60 and all if not said; MELGRAD is the program, build/cpu's if not said
#   bash tests/fuzz/run.sh keep                      puts the least set of inputs that reaches the same into corpus.tar.xz
# Closes with a line a reader: executions, edges seen, files kept. A crash ends it with code 1; its input stays in
# build/fuzz/found and belongs, once mended, into a test. What was found stays in build/fuzz/corpus: the next call goes on
# from it. What libFuzzer cannot see is the inside of libsndfile and HDF5.
set -euo pipefail
cd "$(dirname "$0")/../.."
source apps/packages.sh
kept=tests/fuzz/corpus.tar.xz
if [ "${1:-}" = keep ]; then
  least=$(mktemp -d)
  trap 'rm -rf "$least"' EXIT
  for reader in build/fuzz/corpus/*/; do
    reader=$(basename "$reader")
    mkdir "$least/$reader"
    MELGRAD_FUZZ=$reader OMP_NUM_THREADS=1 build/cpu-asan/bin/fuzz -set_cover_merge=1 -max_len=262144 "$least/$reader" \
      "build/fuzz/corpus/$reader" > "build/fuzz/$reader.log" 2>&1 || { tail -n 30 "build/fuzz/$reader.log" >&2; exit 1; }
    echo "$reader: $(find "$least/$reader" -type f | wc -l) of $(find "build/fuzz/corpus/$reader" -type f | wc -l) files"
  done
  tar -C "$least" --sort=name --owner=0 --group=0 --mtime=@0 -c . | xz -9e > $kept
  exit
fi
seconds=${1:-60} program=$(realpath "${MELGRAD:-build/cpu/bin/melgrad}")
readers=("${@:2}")
[ ${#readers[@]} -gt 0 ] || readers=(audio cache checkpoint safetensors npz npy pth bundle recipe manifest tar annotations clip-info split result metrics analysis)
install_packages xz-utils
configure_and_build cpu-asan fuzz | { grep -v '^\[' || true; }  # a failed build ends this script

export work=$PWD/build/fuzz/work corpus=$PWD/build/fuzz/corpus found=$PWD/build/fuzz/found seconds
rm -rf "$work"
mkdir -p "$work" "$found" "$corpus"
tar -C "$corpus" --skip-old-files -xJf $kept
trap 'cat build/fuzz/seeds.log >&2' ERR
(
  cd "$work"
  "$program" synth --out music --classes 2 --tracks-per-class 8 --seconds 0.8
  "$program" synth --layout mtat --out mtat --clips 40 --seconds 2
  for format in au aiff flac ogg opus mp3; do
    "$program" synth --out "$format" --classes 2 --tracks-per-class 1 --seconds 1 --format "$format"
  done
  "$program" extract music --out c.h5
  "$program" train c.h5 --recipe dong2018-fixed --set segment.frames=34 --set train.epochs=1 --set train.batch=2 \
    --set model.filters=1 --out run
  "$program" evaluate run
  "$program" export run --out model.safetensors
  "$program" extract mtat --recipe mtat-crnn --protocol all --tags top10 --out t.h5
  "$program" train t.h5 --recipe mtat-crnn --set segment.frames=100 --set train.epochs=2 --set train.batch=8 \
    --set train.phases= --set model.width=0.05 --out tags
  "$program" evaluate tags
  "$program" analyze music --out music.json
  "$program" analyze mtat --pairs slow:fast --out mtat.json
  printf 'path,labels,split\nmusic/a.wav,"x;y",train\n' > manifest.csv
  mkdir samples
  printf rock > samples/a.b.cls
  printf '{"tags": ["x", "y"], "split": "val", "fold": 3}' > samples/c.json
  head -c 600 /dev/zero | tee samples/a.b.wav > samples/c.wav
  for format in v7 ustar gnu pax; do
    tar --format=$format -cf $format.tar samples
    tar --format=$format --transform='s,^samples/,classes/long-name-of-a-class-of-which-there-are-several/&,' -rf $format.tar samples
  done
  truncate -s 40000 samples/holes.wav
  tar -cSf sparse.tar samples
  printf '{"train": ["a"], "valid": ["b"], "test": ["c", "a"]}\n' > splits.json
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
trap - ERR
seed() {  # READER FILE...
  mkdir -p "$corpus/$1"
  cp -n "${@:2}" "$corpus/$1/"
}
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
seed tar "$work"/*.tar
seed annotations "$work"/mtat/annotations_final.csv
seed clip-info "$work"/mtat/clip_info_final.csv
seed split "$work"/splits.json
seed result "$work"/run/result.json
cp -n "$work"/tags/result.json "$corpus"/result/tags.json
seed metrics "$work"/run/metrics.jsonl
seed analysis "$work"/music.json "$work"/mtat.json

fuzz() {  # READER
  mkdir -p "$found/$1"
  local log=build/fuzz/$1.log code=0
  MELGRAD_FUZZ=$1 OMP_NUM_THREADS=1 build/cpu-asan/bin/fuzz -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 \
    -max_len=262144 -print_final_stats=1 -artifact_prefix="$found/$1/" "$corpus/$1" > "$log" 2>&1 || code=1
  printf '%-12s %s executions, %s edges, %s files kept\n' "$1" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -c6-)" \
    "$(find "$corpus/$1" -type f | wc -l)"
  [ $code -eq 0 ] || { printf '  crash: %s\n' "$(find "$found/$1" -type f)"; tail -n 30 "$log"; }
  return $code
}
export -f fuzz
status=0
printf '%s\n' "${readers[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz {}' || status=1
rm -rf /dev/shm/melgrad-fuzz-*
exit $status
