#!/usr/bin/env bash
# valgrind's memcheck over short extractions, trainings and predictions: values used before they are set, which
# AddressSanitizer does not see, and accesses inside the libraries.
#   bash tests/memcheck.sh     MELGRAD is the program, build/cpu's if not said
set -euo pipefail
cd "$(dirname "$0")/.."
source apps/packages.sh
install_packages valgrind
program=$(realpath "${MELGRAD:-build/cpu/bin/melgrad}")
suppressions=$PWD/tests/memcheck.supp
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$program" synth --out music --classes 2 --tracks-per-class 4 --seconds 4 > synth.log 2>&1
"$program" synth --layout mtat --out mtat --clips 12 --seconds 6 >> synth.log 2>&1

export OMP_WAIT_POLICY=passive  # or the program starts itself once more
clean() {
  local code=0
  valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --num-callers=30 \
    --suppressions="$suppressions" "$program" --device cpu --threads 1 "$@" > log 2>&1 || code=$?
  if grep -q '^==' log || [ $code -ne 0 ]; then echo "melgrad $*: code $code"; cat log; exit 1; fi
  echo "clean: melgrad $1 ${2:-}"
}
clean extract music --out c.h5
clean train c.h5 --recipe dong2018-fixed --set train.epochs=2 --set train.batch=4 --set model.filters=4 --out run
clean evaluate run
clean predict run music
"$program" extract mtat --recipe mtat-crnn --out t.h5 >> synth.log 2>&1
clean train t.h5 --recipe mtat-crnn --set model.width=0.125 --set train.batch=2 --set train.epochs=1 --set train.phases= --set segment.frames=370 \
  --out tags
clean evaluate tags
