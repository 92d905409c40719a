#!/usr/bin/env bash
# Static analysis of the program's sources, and of the CUDA kernels as the simulator compiles them: clang-tidy with the
# checks of .clang-tidy, cppcheck with the exceptions of tests/cppcheck.txt. Every finding ends it with code 1.
#   bash tests/lint.sh [--quick] [FILE...]     all files if none is named; quick is without clang-analyzer, half the time
set -euo pipefail
cd "$(dirname "$0")/.."
source apps/packages.sh
install_packages "${melgrad_packages[@]}" clang-14 libclang-rt-14-dev libomp-14-dev clang-tidy-14 cppcheck
mkdir -p build
# How Clang compiles each file, and what is generated.
configure_and_build lint apps/events.pb.h > build/lint.log || { cat build/lint.log >&2; exit 1; }

checks=()
[ "${1:-}" != --quick ] || { checks=(--checks=-clang-analyzer-*); shift; }
folders=(kernels engine models io apps bench)
files=("$@")
# kernels/cuda/*.cpp call NVIDIA's libraries, which need not be here.
[ ${#files[@]} -gt 0 ] ||
  mapfile -t files < <(find "${folders[@]}" \( -name '*.cpp' -not -path 'kernels/cuda/*' -o -name '*.cu' \) | sort)
start=$SECONDS
status=0
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy-14 -p build/lint --quiet "${checks[@]}" 2> build/lint.log ||
  { status=1; grep -v 'warnings generated' build/lint.log >&2 || true; }
echo "clang-tidy: ${#files[@]} files in $((SECONDS - start)) s"
cppcheck -q -j "$(nproc)" --std=c++20 --language=c++ --enable=warning,performance,portability --inline-suppr \
  --suppressions-list=tests/cppcheck.txt --error-exitcode=1 -I. "${folders[@]}" || status=1
[ $status -eq 0 ] && echo "lint: clean"
exit $status
