#!/usr/bin/env bash
# Everything that can only be seen on a GPU, in 9 minutes or less: each operation against the reference, all tests (a skip
# is a failure), memory and races under compute-sanitizer, every recipe stopped and resumed, a short training in each
# precision, the same on ranks, timings, profiles, and PyTorch's timings beside them where this machine's Python has it.
#   bash bench/gpu_check.sh BUNDLE OUT        BUNDLE: the .tar.xz of apps/package/bundle.sh, or the folder it unpacks to
# OUT gets report.json, log.txt, bench.json, bench-tags.json, peers.json, engines.txt, and where ncu is found profile-*.csv
# and details-*.txt; the last lines printed are a short table. Exit code 1 if anything failed. Not longer than
# MELGRAD_CHECK_SECONDS (520); profiles of MELGRAD_CHECK_PROFILES (NETWORK/PRECISION ...). CUDA's and cuDNN's libraries are
# taken from LD_LIBRARY_PATH, the toolkit, or Python's nvidia packages.
set -uo pipefail
bundle=$1 out=$2
mkdir -p "$out"
out=$(cd "$out" && pwd)
log=$out/log.txt
: > "$log"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -f "$bundle" ]; then
  tar -C "$scratch" -xJf "$bundle" || exit 1
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

# ---- checks -----------------------------------------------------------------------------------------------------
checks=0
mkdir "$scratch/checks"
# perform NUMBER NAME LIMIT_SECONDS COMMAND...: runs it, keeps its output, status and time.
perform() {
  local at=$scratch/checks/$1 name=$2 limit=$3 start=$SECONDS status=0 left=$((${MELGRAD_CHECK_SECONDS:-520} - SECONDS))
  shift 3
  printf '\n==== %s: %s\n' "$name" "$*" > "$at.output"
  [ "$limit" -le "$left" ] || limit=$left
  if [ "$left" -gt 0 ]; then timeout -k 5 "$limit" "$@" >> "$at.output" 2>&1 || status=$?; else status="no time left"; fi
  printf '%s\n' "$name" > "$at.name"
  printf '%s\n' "$status" > "$at.status"
  printf '%s\n' $((SECONDS - start)) > "$at.seconds"
  printf '%-36s %s, %d s\n' "$name" "$(result_of "$at")" $((SECONDS - start))
}
result_of() { if [ "$(cat "$1.status")" = 0 ]; then echo ok; else echo "failed ($(cat "$1.status"))"; fi; }
# check NAME LIMIT_SECONDS COMMAND...: now, alone; begin: beside the others, up to the next `wait`.
check() { perform $((100 + checks++)) "$@"; }
begin() {
  OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive perform $((100 + checks)) "$@" &
  checks=$((checks + 1))
}
# tests PROGRAM FILTER: as bash -c runs it, under the clock. A skipped test fails here, and so does a filter that finds none.
tests() {
  "$bin/$1" --gtest_filter="$2" 2>&1 | grep --line-buffered -vE '^\[ RUN|^\[       OK|^\[---' | tee "$scratch/tests.$$"
  local status=${PIPESTATUS[0]}
  grep -qE '\[  SKIPPED \]|Running 0 tests' "$scratch/tests.$$" && return 3
  return "$status"
}
export -f tests

"$bin/melgrad" --device "$device" info 2>&1 | tee -a "$log"
nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,power.limit --format=csv >> "$log" 2>&1

# ---- the same results as the reference, side by side, since nothing here is timed --------------------------------------
for precision in f32 tf32 bf16; do
  begin "selftest $precision" 100 "$bin/melgrad" --device "$device" --precision $precision selftest
  begin "every recipe resumes, $precision" 100 env MELGRAD_TEST_DEVICE="$device" MELGRAD_TEST_PRECISION=$precision \
    bash -c 'tests apps_test "*EveryRecipe*:Training.*"'
done
for shard in 0 1 2 3; do
  begin "tests of operations, part $shard" 150 env GTEST_TOTAL_SHARDS=4 GTEST_SHARD_INDEX=$shard \
    bash -c 'tests ops_test "*/cuda:Dropout*:Coverage*"'
done
begin "tests of libraries" 100 bash -c 'tests cuda_test "-*without_a_driver*"'
begin "tests of models" 100 bash -c 'tests models_test "*"'
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null || true)
if [ -n "$sanitizer" ]; then
  small='*/OpTest.*/cuda:-*stem*:*pick_batch*:*conv2d*:*linear*'
  begin "memcheck" 100 "$sanitizer" --tool memcheck --error-exitcode 9 "$bin/ops_test" --gtest_filter="$small"
  # What threads of a block hand to each other: shared memory is all that racecheck watches.
  shared=
  for name in OpTest.{augment,mix_examples,cross_entropy_forward,gradient_norm,adam_update,batch_norm_backward} \
    OpTest.{stem_forward,stem_backward_params,recurrent_forward,recurrent_backward} LogMel.ShortClips; do
    shared="$shared:*/$name/cuda"
  done
  begin "initcheck" 100 "$sanitizer" --tool initcheck --error-exitcode 9 "$bin/ops_test" --gtest_filter='*/OpTest.recurrent*/cuda'
  begin "racecheck" 150 "$sanitizer" --tool racecheck --error-exitcode 9 "$bin/ops_test" --gtest_filter="$shared"
else
  echo "compute-sanitizer is not on this machine" | tee -a "$log"
fi
wait

# ---- a short training in each precision, on music made here --------------------------------------------------------
"$bin/melgrad" synth --out "$scratch/music" >> "$log" 2>&1
check "extract" 60 "$bin/melgrad" --device "$device" extract "$scratch/music" --out "$scratch/music.h5"
# digest RUN PRECISION: of the weights that a training of 60 epochs ends with.
digest() {
  "$bin/melgrad" --json --device "$device" --precision "$2" train "$scratch/music.h5" --recipe dong2018-fixed \
    --set train.epochs=60 --out "$scratch/$1" | grep -o '"weights": "[0-9a-f]*"'
}
same_twice() { [ -n "$(digest "once-$1" "$1" | tee /dev/stderr)" ] && [ "$(digest "again-$1" "$1")" = "$(digest "third-$1" "$1")" ]; }
export -f digest same_twice
export device
for precision in f32 tf32 bf16; do
  check "train, same bits, $precision" 60 bash -c "same_twice $precision"
  check "evaluate $precision" 30 "$bin/melgrad" --device "$device" --precision $precision evaluate "$scratch/once-$precision"
done
# One training on ranks: one, with NCCL in the recorded step, and as many as there are GPUs.
devices=$device
[ "${device%%:*}" = cpu ] && devices=cpu,cpu
gpus=$(nvidia-smi -L 2>/dev/null | wc -l)
[ "$gpus" -gt 1 ] && [ "$device" = cuda:0 ] && devices=$(seq -s , -f 'cuda:%.0f' 0 $((gpus - 1)))
for precision in f32 bf16; do
  check "ranks on $devices, $precision" 120 bash "$bundle/bench/ranks_check.sh" "$bin/melgrad" "$scratch/music.h5" "$devices" $precision
done

# ---- timings --------------------------------------------------------------------------------------------------------
# bench OUT.json FILTER: fails if nothing was measured.
bench() {
  "$bin/melgrad_bench" --benchmark_filter="$2" --benchmark_out="$1" --benchmark_out_format=json && [ -s "$1" ]
}
export -f bench
check "benchmarks" 100 bash -c "bench '$out/bench.json' '^(dong2018_step|recurrent|log_mel/(dong2018|mtat-mel128|whisper)).*cuda'"
check "benchmarks of the tagging networks" 120 bash -c "bench '$out/bench-tags.json' '^mtat-.*_step.*cuda'"
# How fast each of cuDNN's engines is where the network spends its time.
check "engines of cuDNN" 60 bash -c "'$bin/conv_engines' | tee '$out/engines.txt'"
# Where a training step's time goes, kernel by kernel: some hundreds in a row, after those that measure the limits.
ncu=$(command -v ncu || ls /usr/local/cuda/bin/ncu /opt/nvidia/nsight-compute/*/ncu 2>/dev/null | head -n 1 || true)
if [ -n "$ncu" ]; then
  for profile in ${MELGRAD_CHECK_PROFILES-dong2018/f32 dong2018/tf32 dong2018/bf16 mtat-sample-cnn/f32 mtat-musicnn/f32}; do
    network=${profile%/*} precision=${profile#*/}
    check "profile $profile" 60 "$ncu" --clock-control none --csv --log-file "$out/profile-$network-$precision.csv" \
      --launch-skip 300 --launch-count 300 --metrics gpu__time_duration.sum \
      "$bin/melgrad_bench" --benchmark_filter="^${network}_step/.*cuda/$precision"
  done
fi
# What bounds the kernels written by hand.
if [ -n "$ncu" ]; then
  details() {
    "$ncu" --clock-control none --set full --print-details all --log-file "$out/details-$1.txt" --kernel-name-base demangled \
      -k "regex:$2" --launch-skip 2 --launch-count 1 "$bin/melgrad_bench" --benchmark_filter="$3"
  }
  export ncu out
  export -f details
  check "details of log-mel" 40 bash -c "details log-mel FusedLogMel log_mel/dong2018/cuda/f32"
  check "details of the GRU" 40 bash -c "details gru PersistentBackward recurrent/gru/81x16x64/cuda"
fi
if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
  check "PyTorch beside it" 200 python3 "$bundle/bench/peers/gpu_torch.py" "$out/peers.json" "$bin/melgrad_bench"
fi

# ---- report -----------------------------------------------------------------------------------------------------------
{
  printf '{\n "date": "%s",\n "commit": "%s",\n' "$(date -I)" "$(tr '\n' ' ' < "$bundle/COMMIT" | sed 's/ $//')"
  printf ' "machine": "%s",\n' "$("$bin/melgrad" --device "$device" info 2>/dev/null | sed -n 2p | tr -d '"')"
  printf ' "driver": "%s",\n' "$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1)"
  printf ' "checks": {'
  comma=
  for at in "$scratch"/checks/*.name; do
    at=${at%.name}
    printf '%s\n  "%s": {"result": "%s", "seconds": %d}' "$comma" "$(cat "$at.name")" "$(result_of "$at")" "$(cat "$at.seconds")"
    comma=,
  done
  printf '\n }\n}\n'
} > "$out/report.json"
cat "$scratch"/checks/*.output >> "$log"
printf '\n'
grep -hE '^(dong2018_step|mtat-[a-z0-9-]*_step|log_mel|recurrent)/' "$log" | cut -c 1-110
[ -f "$out/peers.json" ] && cat "$out/peers.json"
failed=$(grep -Lx 0 "$scratch"/checks/*.status | wc -l)
printf '\n%d checks, %d failed, %d s\n' "$checks" "$failed" "$SECONDS"
[ "$failed" = 0 ]
