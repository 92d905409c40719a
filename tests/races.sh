#!/usr/bin/env bash
# ThreadSanitizer over everything that works on several threads of its own: the worker pool, caches and the commands that
# read many files; over a short training, and several at once. OpenMP is held to one thread, because GCC's does not tell ThreadSanitizer
# of its barriers.
#   bash tests/races.sh [--quick]     quick: the pool and the caches, without the commands
set -euo pipefail
cd "$(dirname "$0")/.."
source apps/packages.sh
install_packages "${melgrad_packages[@]}" python3-h5py
targets=(io_test)
[ "${1:-}" = --quick ] || targets+=(melgrad)
configure_and_build cpu-tsan "${targets[@]}" | { grep -v '^\[' || true; }  # a failed build ends this script

export OMP_THREAD_LIMIT=1 TSAN_OPTIONS=halt_on_error=1:exitcode=66:suppressions=$PWD/tests/races.supp
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# ThreadSanitizer cannot place its shadow where addresses are laid out at random with 32 bits.
bin() { setarch -R "build/cpu-tsan/bin/$@"; }
run() {
  if OMP_WAIT_POLICY=passive bin melgrad --threads 4 "$@" > "$work/log" 2>&1; then
    echo "clean: melgrad --threads 4 $1"
  else
    echo "melgrad $*: code $?"; cat "$work/log"; exit 1
  fi
}

bin io_test --gtest_brief=1 --gtest_filter=-MtatSize.*:Manifest.a_hundred_thousand*  # which ask for a speed that nothing has here
echo "clean: io_test"
[ "${1:-}" != --quick ] || exit 0
run synth --out "$work/music" --classes 4 --tracks-per-class 10 --seconds 3
run synth --layout mtat --out "$work/mtat" --clips 24
run check "$work/music"
run extract "$work/music" --out "$work/c.h5"
run train "$work/c.h5" --recipe dong2018-fixed --set train.epochs=2 --set train.batch=8 --set model.filters=4 \
  --hold file --out "$work/run"
run sweep dong2018-fixed --data "$work/c.h5" --set train.rate=1e-3,1e-2 --set train.epochs=2 --set train.batch=8 \
  --set model.filters=4 --seeds 2 --jobs 3 --out "$work/sweep"
run predict "$work/run" "$work/music"
run extract "$work/mtat" --protocol all --tags top10 --out "$work/t.h5" --recipe mtat-musicnn
run analyze "$work/mtat"
