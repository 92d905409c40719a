# Sourced by apps/quickstart.sh and the scripts of tests: installs what melgrad is built from, Debian 12 and newer,
# Ubuntu 24.04 and newer. Does nothing, and needs no rights, when everything is there.

melgrad_packages=(
  g++ cmake ninja-build pkg-config
  libdnnl-dev ocl-icd-opencl-dev              # convolution on the CPU; its CMake file asks for OpenCL
  libopenblas-openmp-dev                      # matrix products on the CPU
  libsndfile1-dev libmpg123-dev libsoxr-dev   # audio files, resampling
  libhdf5-dev libxxhash-dev zlib1g-dev libarchive-dev  # caches and checkpoints, digests, archives
  libcli11-dev libfmt-dev libtomlplusplus-dev nlohmann-json3-dev
  libprotobuf-dev protobuf-compiler libpng-dev  # event files for TensorBoard
  libonnx-dev                                 # the format of ONNX files, which is all that is used of it
  gnuplot-nox fonts-dejavu-core               # figures of `melgrad report`, drawn by another program
  libgtest-dev libbenchmark-dev libboost-context-dev  # tests; fibers for tests/sim
)

install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local sudo=""
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "these packages are missing, and installing them needs root: ${missing[*]}" >&2
      return 1
    fi
    sudo=sudo
  fi
  echo "installing ${#missing[@]} packages: ${missing[*]}"
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# configure_and_build PRESET [TARGET...]: build/PRESET, on all cores, with the options for CMake in `melgrad_options`;
# installs Clang for the presets that are its.
melgrad_options=()
configure_and_build() {
  ! [[ $1 =~ asan|lint ]] || install_packages clang-14 libclang-rt-14-dev libomp-14-dev
  cmake --preset "$1" "${melgrad_options[@]}" | sed -n '/^-- melgrad/,/^-- $/p'  # errors go to stderr all the same
  local targets=("${@:2}")
  cmake --build --preset "$1" --target "${targets[@]:-all}"
}
