#!/usr/bin/env bash
# Tests in their long form: 2,000 kills, every write failing in three ways (half an hour), an hour of training and
# 100,000 predicted clips. Leaves tests/results/soak-<date>.txt.
#   bash tests/soak.sh [PRESET]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-cpu}
export MELGRAD_KILLS=1000 MELGRAD_FAULTS=all MELGRAD_LONG_SECONDS=3600 MELGRAD_LONG_CLIPS=100000
filter='Crash.*:Faults.*:LongRuns.*'
out=tests/results/soak-$(date +%F).txt
mkdir -p tests/results
{
  echo "commit $(git rev-parse --short HEAD), $(lscpu | sed -n 's/^Model name: *//p'), $(nproc) cores, $(date +%F)"
  echo "MELGRAD_KILLS=$MELGRAD_KILLS MELGRAD_FAULTS=$MELGRAD_FAULTS MELGRAD_LONG_SECONDS=$MELGRAD_LONG_SECONDS" \
    "MELGRAD_LONG_CLIPS=$MELGRAD_LONG_CLIPS apps_test --gtest_filter='$filter'"
  "build/$preset/bin/apps_test" --gtest_filter="$filter" | grep -vE '^(Running|Note|\[=|\[-)'
} | tee "$out"
