#!/usr/bin/env bash
# What others build on: installs a build, compiles apps/examples against it from a folder outside the source, with CMake's
# package and once more with pkg-config, and runs them on synthetic music. Every installed header is compiled as its users
# would, but for kernels/op_overrides.h, which is a part of others.
#   bash tests/install.sh     MELGRAD is the program of the build that is installed, build/cpu's if not said
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath "$(dirname "${MELGRAD:-build/cpu/bin/melgrad}")/..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
quietly() { "$@" > "$work/log" 2>&1 || { cat "$work/log" >&2; return 1; }; }

quietly cmake --install "$build" --prefix "$work/melgrad"
cp -r apps/examples "$work/examples"
cd "$work"
(cd melgrad/include/melgrad; find . -name '*.h' ! -name op_overrides.h | sort | sed 's/^\.\/\(.*\)/#include "\1"/') > headers.cpp
printf 'add_library(headers OBJECT ../headers.cpp)\ntarget_link_libraries(headers PRIVATE melgrad::melgrad)\n' >> examples/CMakeLists.txt
quietly cmake -G Ninja -S examples -B built -DCMAKE_PREFIX_PATH="$work/melgrad" -DCMAKE_BUILD_TYPE=Release
quietly cmake --build built
export PKG_CONFIG_PATH=$work/melgrad/lib/pkgconfig:$(dirname "$(find melgrad -name melgrad.pc)")
# shellcheck disable=SC2046 -- flags
quietly g++ -std=c++20 examples/classify.cpp -o classify-pc $(pkg-config --cflags --libs melgrad)

quietly melgrad/bin/melgrad synth --out music --classes 3 --tracks-per-class 8 --seconds 5
song=$(find music -name '*.wav' | sort | head -n 1)
built/features "$song" > features
grep 'frames of 96 bands' features
printf RIFF > "$(dirname "$song")/broken.wav"
quietly built/train music run
grep 'broken.wav' "$work/log"  # what is left out is told
built/classify run "$song" | tee classes
./classify-pc run/model.h5 "$song" | cmp - classes
[ "$(built/classify run nothing.wav 2>&1 >/dev/null | wc -l)" = 1 ]  # an error is one line
echo "install: $(wc -l < headers.cpp) headers and three examples compile and run outside the source"
