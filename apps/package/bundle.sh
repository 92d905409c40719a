#!/usr/bin/env bash
# Packs a build so that it runs on a machine of another distribution, without root and without packages: the program and
# every shared library it needs but those of CUDA and of the C and C++ runtime, with their licences. A CUDA build that has
# tests goes with them and the benchmarks, for bench/gpu_check.sh.
#   bash apps/package/bundle.sh BUILD OUT.tar.xz      BUILD: build/cuda; or: cmake --build --preset cuda --target bundle
# There:  tar xJf OUT.tar.xz && melgrad/bin/melgrad info     with CUDA's and cuDNN's libraries on LD_LIBRARY_PATH
set -euo pipefail
build=$(realpath "$1") out=$(realpath "$2")
cd "$(dirname "$0")/../.."
source apps/packages.sh
source apps/package/libraries.sh
install_packages patchelf xz-utils
bash apps/package/lean_libraries.sh
programs=(melgrad)
[ ! -f "$build/bin/cuda_test" ] || programs+=(ops_test models_test cuda_test apps_test melgrad_bench conv_engines)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/melgrad
mkdir -p "$root/bin" "$root/lib"

programs=("${programs[@]/#/$build/bin/}")
install -m 755 -s "${programs[@]}" "$root/bin/"
patchelf --force-rpath --set-rpath "\$ORIGIN/../lib" "$root"/bin/*  # no folder of this machine
libraries_of "${programs[@]}" | while read -r library; do install -m 644 -s "$library" "$root/lib/"; done
licences_of "$root/licences" "${programs[@]}"
if [ ${#programs[@]} -gt 1 ]; then
  cp -r "$build/bin/libold_nccl.so" "$build/bin/old_driver" "$root/bin/"  # which cuda_test looks for
  # The files that tests read, where they look for them (MELGRAD_SOURCE).
  mkdir -p "$root/kernels" "$root/tests" "$root/models" "$root/bench"
  cp kernels/ops.h "$root/kernels/"
  cp -r tests/golden "$root/tests/"
  cp -r models/recipes "$root/models/"
  cp -r bench/peers bench/gpu_check.sh bench/ranks_check.sh "$root/bench/"
fi
git rev-parse HEAD > "$root/COMMIT" 2>/dev/null || echo unknown > "$root/COMMIT"
[ -z "$(git status --porcelain 2>/dev/null)" ] || echo "with changes" >> "$root/COMMIT"

tar -C "$work" --owner=0 --group=0 -c melgrad | xz -6 -T0 > "$out.part"
mv "$out.part" "$out"
bytes=$(stat -c %s "$out")
echo "$(basename "$out"): $((bytes / 1000000)) MB"
if [ "$bytes" -gt 45000000 ]; then
  echo "bundle: more than 45 MB" >&2
  exit 1
fi
