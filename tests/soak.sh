#!/usr/bin/env bash
# The crash and fault tests in their long form: 2,000 kills, every write failing in three ways. Takes about half an hour
# and leaves tests/results/soak-<date>.txt.
#   bash tests/soak.sh [PRESET]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-cpu}
export MELGRAD_KILLS=1000 MELGRAD_FAULTS=all
out=tests/results/soak-$(date +%F).txt
mkdir -p tests/results
{
  echo "commit $(git rev-parse --short HEAD), $(lscpu | sed -n 's/^Model name: *//p'), $(nproc) cores, $(date +%F)"
  echo "MELGRAD_KILLS=$MELGRAD_KILLS MELGRAD_FAULTS=$MELGRAD_FAULTS apps_test --gtest_filter='Crash.*:Faults.*'"
  "build/$preset/bin/apps_test" --gtest_filter='Crash.*:Faults.*' | grep -vE '^(Running|Note|\[=|\[-)'
} | tee "$out"
