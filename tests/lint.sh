#!/usr/bin/env bash
# Formatting (tests/format.sh) and static analysis of the program's sources, and of the CUDA kernels as the simulator
# compiles them: clang-tidy with the checks of .clang-tidy, cppcheck with the exceptions of tests/cppcheck.txt. Every finding
# ends it with code 1.
#   bash tests/lint.sh [--quick] [FILE...]     all files if none is named
# Quick is without clang-analyzer, which looks at no source that another includes, so that sources can be read several
# as one, as the build under AddressSanitizer compiles them: 6 minutes on two cores where one by one they took 13.
set -euo pipefail
cd "$(dirname "$0")/.."
source apps/packages.sh
install_packages "${melgrad_packages[@]}" clang-tidy-14 cppcheck
preset=lint checks=()
[ "${1:-}" != --quick ] || { preset=cpu-asan checks=(--checks=-clang-analyzer-*,-bugprone-suspicious-include); shift; }
mkdir -p build
# How Clang compiles each file, and what is generated.
configure_and_build $preset models/events.pb.h models/onnx.pb.h > build/lint.log || { cat build/lint.log >&2; exit 1; }

folders=(kernels engine models io apps bench)
# Of the sources as they are compiled those that are ours: below the folders, or several as one in the build's.
# kernels/cuda/*.cpp call NVIDIA's libraries, which need not be here.
compiled() {
  sed -n 's/^ *"file": "\(.*\)".*/\1/p' build/$preset/compile_commands.json | sort -u |
    grep -E "^($PWD|$PWD/build/$preset)/($(IFS='|'; echo "${folders[*]}"))/" | grep -vE '\.(pb\.cc|gen\.cpp)$'
}
holding() { grep -lF "\"$PWD/$1\"" build/$preset/*/CMakeFiles/*/Unity/*.cxx 2>/dev/null || echo "$1"; }  # FILE
if [ $# -eq 0 ]; then mapfile -t files < <(compiled); else mapfile -t files < <(for f in "$@"; do holding "$f"; done | sort -u); fi
start=$SECONDS
status=0
bash tests/format.sh || status=1
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy-14 -p build/$preset --quiet "${checks[@]}" \
  --header-filter="$PWD/($(IFS='|'; echo "${folders[*]}"))/" 2> build/lint.log ||
  { status=1; grep -v 'warnings generated' build/lint.log >&2 || true; }
echo "clang-tidy: ${#files[@]} files in $((SECONDS - start)) s"
cppcheck -q -j "$(nproc)" --std=c++20 --language=c++ --enable=warning,performance,portability --inline-suppr \
  --suppressions-list=tests/cppcheck.txt --error-exitcode=1 -I. "${folders[@]}" || status=1
[ $status -eq 0 ] && echo "lint: clean"
exit $status
