#!/usr/bin/env bash
# Tests in their long form, two at a time: 2,000 kills, 400 signals, every write failing in three ways, every command in
# every address space; beside them an hour of training and 100,000 predicted clips, on one thread.
# Leaves tests/results/soak-<date>.txt.
#   bash tests/soak.sh [PRESET]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-cpu}
export MELGRAD_KILLS=1000 MELGRAD_FAULTS=all MELGRAD_LONG_SECONDS=3600 MELGRAD_LONG_CLIPS=100000 MELGRAD_LIMITS=all
out=tests/results/soak-$(date +%F).txt
mkdir -p tests/results
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
soak() {  # FILTER
  local status=0 start=$SECONDS
  "build/$preset/bin/apps_test" --gtest_filter="$1" > "$work/$1" 2>&1 || status=1
  { echo "apps_test --gtest_filter='$1', $((SECONDS - start)) s"; grep -vE '^(Running|Note|\[=|\[-)' "$work/$1"; } >> "$out"
  return $status
}
{
  echo "commit $(git rev-parse --short HEAD), $(lscpu | sed -n 's/^Model name: *//p'), $(nproc) cores, $(date +%F)"
  echo "MELGRAD_KILLS=$MELGRAD_KILLS MELGRAD_FAULTS=$MELGRAD_FAULTS MELGRAD_LONG_SECONDS=$MELGRAD_LONG_SECONDS" \
    "MELGRAD_LONG_CLIPS=$MELGRAD_LONG_CLIPS"
} > "$out"
soak 'LongRuns.*' &
status=0
soak 'Crash.*:Faults.*:Limits.*:StrangeFiles.*' || status=1
wait $! || status=1
cat "$out"
exit $status
