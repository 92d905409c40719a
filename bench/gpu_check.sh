#!/usr/bin/env bash
# Everything that can only be seen on a GPU, in under 9 minutes: each operation against the reference, all tests (a skip
# is a failure), memory and races under compute-sanitizer, recorded against eager steps, a short training in each
# precision, first timings, and PyTorch's beside them where this machine's Python has it.
#   bash bench/gpu_check.sh BUNDLE OUT        BUNDLE: the .tar.gz of bench/bundle.sh, or the folder it unpacks to
# OUT gets report.json, log.txt, bench.json, bench-tags.json and peers.json; the last lines printed are a short table. Exit code 1 if
# anything failed. CUDA's and cuDNN's libraries are taken from LD_LIBRARY_PATH, the toolkit, or Python's nvidia packages.
set -uo pipefail
bundle=$1 out=$2
mkdir -p "$out"
out=$(cd "$out" && pwd)
log=$out/log.txt
: > "$log"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -f "$bundle" ]; then
  tar -C "$scratch" -xzf "$bundle" || exit 1
  bundle=$scratch/melgrad
fi
bundle=$(cd "$bundle" && pwd)
export MELGRAD_SOURCE=$bundle MELGRAD_TEST_CUDA=1 bin=$bundle/bin scratch
device=${MELGRAD_CHECK_DEVICE:-cuda:0}  # another one only to try this script

# ---- libraries ------------------------------------------------------------------------------------------------
python_libraries=$(python3 - 2>/dev/null <<'END'
import glob, os, site, sys
folders = [f for root in site.getsitepackages() + sys.path for f in glob.glob(os.path.join(root, "nvidia", "*", "lib"))]
print(":".join(dict.fromkeys(folders)))
END
)
for folder in $(echo "$python_libraries" | tr ':' ' ') /usr/local/cuda/lib64 /usr/local/cuda/targets/x86_64-linux/lib; do
  [ -d "$folder" ] && export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
done
missing=$(ldd "$bin/melgrad" | grep 'not found' || true)
if [ -n "$missing" ]; then
  printf 'gpu_check: libraries are missing:\n%s\n' "$missing" | tee -a "$log" >&2
  exit 1
fi

# ---- one check after the other ----------------------------------------------------------------------------------
names=() results=() seconds=()
failed=0
# check NAME LIMIT_SECONDS COMMAND...: runs it, keeps its output in the log, notes ok or failed.
check() {
  local name=$1 limit=$2 start=$SECONDS status=0 left=$((520 - SECONDS))
  shift 2
  [ "$left" -gt 0 ] || { note "$name" "no time left" 0; return; }
  [ "$limit" -le "$left" ] || limit=$left
  printf '\n==== %s: %s\n' "$name" "$*" >> "$log"
  timeout "$limit" "$@" > "$scratch/output" 2>&1 || status=$?
  cat "$scratch/output" >> "$log"
  note "$name" "$status" $((SECONDS - start))
}
note() {
  names+=("$1") seconds+=("$3")
  if [ "$2" = 0 ]; then results+=(ok); else results+=("failed ($2)"); failed=1; fi
  printf '%-34s %s, %d s\n' "$1" "${results[-1]}" "$3"
}
# tests PROGRAM FILTER: as bash -c runs it, under the clock. A skipped test fails here, and so does a filter that finds none.
tests() {
  "$bin/$1" --gtest_filter="$2" 2>&1 | grep -vE '^\[ RUN|^\[       OK|^\[---' | tee "$scratch/tests"
  local status=${PIPESTATUS[0]}
  grep -qE '\[  SKIPPED \]|Running 0 tests' "$scratch/tests" && return 3
  return "$status"
}
export -f tests

"$bin/melgrad" --device "$device" info 2>&1 | tee -a "$log"
nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,power.limit --format=csv >> "$log" 2>&1
for precision in f32 tf32 bf16; do
  check "selftest $precision" 60 "$bin/melgrad" --device "$device" --precision $precision selftest
done
check "tests of operations" 120 bash -c 'tests ops_test "*/cuda:Dropout*:Coverage*"'
check "tests of libraries" 120 bash -c 'tests cuda_test "*"'
check "tests of models" 120 bash -c 'tests models_test "*"'

sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null || true)
if [ -n "$sanitizer" ]; then
  small='*/OpTest.*/cuda:-*stem*:*pick_batch*:*conv2d*:*linear*'
  check "memcheck" 90 "$sanitizer" --tool memcheck --error-exitcode 9 "$bin/ops_test" --gtest_filter="$small"
  check "racecheck" 90 "$sanitizer" --tool racecheck --error-exitcode 9 "$bin/ops_test" --gtest_filter="$small"
else
  echo "compute-sanitizer is not on this machine" | tee -a "$log"
fi

# ---- a short training in each precision, on music made here --------------------------------------------------------
"$bin/melgrad" synth --out "$scratch/music" >> "$log" 2>&1
check "extract" 60 "$bin/melgrad" --device "$device" extract "$scratch/music" --out "$scratch/music.h5"
for precision in f32 tf32 bf16; do
  check "train $precision" 60 "$bin/melgrad" --device "$device" --precision $precision train "$scratch/music.h5" \
    --recipe dong2018-fixed --set train.epochs=60 --out "$scratch/run-$precision"
  check "evaluate $precision" 30 "$bin/melgrad" --device "$device" --precision $precision evaluate "$scratch/run-$precision"
done
check "same bits twice" 60 bash -c "'$bin/melgrad' --json --device $device train '$scratch/music.h5' --recipe dong2018-fixed \
  --set train.epochs=60 --out '$scratch/again' | grep -o '\"weights\": \"[0-9a-f]*\"' > '$scratch/second' &&
  '$bin/melgrad' --json --device $device train '$scratch/music.h5' --recipe dong2018-fixed --set train.epochs=60 \
  --out '$scratch/third' | grep -o '\"weights\": \"[0-9a-f]*\"' | diff - '$scratch/second'"

# ---- timings --------------------------------------------------------------------------------------------------------
check "benchmarks" 100 "$bin/melgrad_bench" --benchmark_filter='^(dong2018_step|log_mel|recurrent).*cuda' \
  --benchmark_out="$out/bench.json" --benchmark_out_format=json
check "benchmarks of the tagging networks" 120 "$bin/melgrad_bench" --benchmark_filter='^mtat-.*_step.*cuda' \
  --benchmark_min_time=0.1 --benchmark_out="$out/bench-tags.json" --benchmark_out_format=json
if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
  check "PyTorch beside it" 150 bash -c "python3 '$bundle/bench/peers/gpu_torch.py' '$bin/melgrad_bench' > '$out/peers.json'"
fi

# ---- report -----------------------------------------------------------------------------------------------------------
{
  printf '{\n "date": "%s",\n "commit": "%s",\n' "$(date -I)" "$(tr '\n' ' ' < "$bundle/COMMIT" | sed 's/ $//')"
  printf ' "machine": "%s",\n' "$("$bin/melgrad" --device "$device" info 2>/dev/null | sed -n 2p | tr -d '"')"
  printf ' "driver": "%s",\n' "$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1)"
  printf ' "checks": {'
  for i in "${!names[@]}"; do
    printf '%s\n  "%s": {"result": "%s", "seconds": %d}' "$([ "$i" -gt 0 ] && echo ,)" "${names[$i]}" "${results[$i]}" "${seconds[$i]}"
  done
  printf '\n }\n}\n'
} > "$out/report.json"
printf '\n'
grep -hE '^(dong2018_step|mtat-[a-z0-9-]*_step|log_mel|recurrent)/' "$log" | cut -c 1-110
[ -f "$out/peers.json" ] && cat "$out/peers.json"
printf '\n%d checks, %d failed, %d s\n' "${#names[@]}" "$(printf '%s\n' "${results[@]}" | grep -c failed)" "$SECONDS"
exit $failed
