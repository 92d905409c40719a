#!/usr/bin/env bash
# Packs a CUDA build so that it runs on a GPU machine of another distribution, without root and without packages: the
# program, its tests and benchmarks, and every shared library they need but those of CUDA and of the C and C++ runtime.
#   bash bench/bundle.sh BUILD OUT.tar.xz        BUILD: build/cuda; or: cmake --build --preset cuda --target bundle
# There:  tar xJf OUT.tar.xz && melgrad/bin/melgrad info     with CUDA's and cuDNN's libraries on LD_LIBRARY_PATH
set -euo pipefail
build=$1 out=$2
source_dir=$(cd "$(dirname "$0")/.." && pwd)
programs=(melgrad ops_test models_test cuda_test apps_test melgrad_bench conv_engines)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/melgrad
mkdir -p "$root/bin" "$root/lib" "$root/kernels" "$root/tests" "$root/bench"

for program in "${programs[@]}"; do
  install -m 755 "$build/bin/$program" "$root/bin/$program"
  strip --strip-unneeded "$root/bin/$program"
done
install -m 755 "$build/bin/libold_nccl.so" "$root/bin/"  # which cuda_test looks for
# What every Linux machine has, and must be its own; and what comes with CUDA.
own='/(ld-linux.*|libc|libm|libdl|librt|libpthread|libresolv|libstdc\+\+|libgcc_s)\.so'
cuda='/lib(cud|cublas|cufft|nv|cusparse|cusolver)[^/]*\.so'
for program in "${programs[@]}"; do ldd "$build/bin/$program"; done | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u |
  { grep -vE "$own" || true; } | { grep -vE "$cuda" || true; } | while read -r library; do
    install -m 644 "$(readlink -f "$library")" "$root/lib/$(basename "$library")"
    strip --strip-unneeded "$root/lib/$(basename "$library")"
  done
# The files that tests read, where they look for them (MELGRAD_SOURCE).
cp "$source_dir/kernels/ops.h" "$root/kernels/"
cp -r "$source_dir/tests/golden" "$root/tests/"
mkdir "$root/models" && cp -r "$source_dir/models/recipes" "$root/models/"
cp -r "$source_dir/bench/peers" "$source_dir/bench/gpu_check.sh" "$source_dir/bench/ranks_check.sh" "$root/bench/"
git -C "$source_dir" rev-parse HEAD > "$root/COMMIT" 2>/dev/null || echo unknown > "$root/COMMIT"
[ -z "$(git -C "$source_dir" status --porcelain 2>/dev/null)" ] || echo "with changes" >> "$root/COMMIT"

tar -C "$work" -c melgrad | xz -6 -T0 > "$out.part"
mv "$out.part" "$out"
bytes=$(stat -c %s "$out")
echo "$out: $((bytes / 1000000)) MB"
if [ "$bytes" -gt 45000000 ]; then
  echo "bundle: more than 45 MB" >&2
  exit 1
fi
