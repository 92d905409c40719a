#!/usr/bin/env bash
# Installs the packages, builds, runs all tests, runs them again under AddressSanitizer and UBSan; then programs on the
# installed library (tests/install.sh), one training on two hosts (tests/two_hosts.sh), the files of apps/cluster (tests/cluster.sh), exported networks in onnxruntime (tests/onnx.sh), the Python module (tests/python.sh),
# 10 s of fuzzing for every reader (tests/fuzz/run.sh), valgrind over short runs (tests/memcheck.sh), and in their quick forms ThreadSanitizer
# (tests/races.sh), formatting, clang-tidy and cppcheck (tests/lint.sh). With a CUDA toolkit the first build is the one with CUDA; it needs no GPU, and says which tests would. It
# is for one kind of GPU: what code for others costs is time alone, as no kernel asks which it is compiled for.
# Closes with the count of passed, failed and skipped over all; skips are listed with their cause.
#   bash tests/run.sh            all of it
#   bash tests/run.sh quick      while working: formatting, and in the CPU build all tests but those that kill the program,
#                                deny it what it needs or run it for long, `reproduce mtat` and the whole selftest
#   bash tests/run.sh PRESET     the tests of one preset
set -euo pipefail
cd "$(dirname "$0")/.."
source apps/packages.sh
install_packages "${melgrad_packages[@]}" python3-h5py libopenmpi-dev openmpi-bin iproute2

presets=("$@") others=() few=() python_module=()
if [ ${#presets[@]} -eq 0 ]; then
  source tests/venv.sh
  python_module=(-DMELGRAD_PYTHON=ON "-DPython_EXECUTABLE=$python")
  # What stands in one line leaves a core idle most of its time, and runs side by side.
  others=("install.sh & two_hosts.sh & cluster.sh" "onnx.sh & python.sh & python.sh build/cpu-asan" "fuzz/run.sh 10" "memcheck.sh & races.sh --quick" "lint.sh --quick")
  command -v nvcc >/dev/null || [ ! -x /usr/local/cuda/bin/nvcc ] || export PATH=$PATH:/usr/local/cuda/bin
  presets=("$(command -v nvcc >/dev/null && echo cuda-one || echo cpu)" cpu-asan)
elif [ "${presets[0]}" = quick ]; then
  presets=(cpu) others=(format.sh)
  few=(-E '^(Crash|Faults|Limits|StrangeFiles|LongRuns|Names|ReproduceMtat|Selftest)')
fi
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

passed=0 failed=0 skipped=0
attribute() { sed -n "s/.*<testsuite .*\b$1=\"\([0-9]*\)\".*/\1/p; s/^[[:space:]]*$1=\"\([0-9]*\)\".*/\1/p" "$2" | head -n 1; }

for preset in "${presets[@]}"; do
  printf '\n== %s\n' "$preset"
  start=$SECONDS
  melgrad_options=(-DMELGRAD_WERROR=ON "${python_module[@]}")
  configure_and_build "$preset" | { grep -v '^\[' || true; }  # a failed build ends this script
  echo "$preset: built in $((SECONDS - start)) s"
  report=build/$preset/tests.xml
  rm -f "$report"
  start=$SECONDS
  status=0
  ctest --preset "$preset" -j "$(nproc)" "${few[@]}" --output-junit "$PWD/$report" |
    { grep -vE ' Passed |^ *Start |^Test project' || true; } || status=$?
  [ -f "$report" ] || { echo "$preset: no test ran" >&2; exit 1; }
  tests=$(attribute tests "$report") failures=$(attribute failures "$report") skips=$(attribute skipped "$report")
  [ "$tests" -gt 0 ] || { echo "$preset: no test ran" >&2; exit 1; }
  # What ctest calls a failure and its report does not, as a test that could not be started.
  [ "$status" -eq 0 ] || [ "$failures" -gt 0 ] || failures=1
  echo "$preset: $tests tests in $((SECONDS - start)) s"
  if [ "$skips" -gt 0 ]; then
    echo "skipped, and why:"
    awk '/<testcase /{name=$0; sub(/.*name="/,"",name); sub(/".*/,"",name)} /Skipped$/{getline; print "  " name ": " $0}' "$report"
  fi
  passed=$((passed + tests - failures - skips)) failed=$((failed + failures)) skipped=$((skipped + skips))
done

export MELGRAD=build/${presets[0]}/bin/melgrad
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
trap 'trap - INT; kill -TERM 0' INT  # what runs in the background does not hear Ctrl-C
timed() {  # SCRIPT AND OPTIONS: what it says, when it ends
  local start=$SECONDS code=0 log
  log=$(mktemp -p "$logs")
  # shellcheck disable=SC2086 -- a script and its option
  bash tests/$1 > "$log" 2>&1 || code=1
  printf '\n== tests/%s\n%s\nin %d s\n' "$1" "$(cat "$log")" $((SECONDS - start))
  return $code
}
for line in "${others[@]}"; do
  running=()
  while read -r script; do
    timed "$script" &
    running+=($!)
  done <<< "${line// & /$'\n'}"
  for one in "${running[@]}"; do
    if wait "$one"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  done
done

printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
