#!/usr/bin/env bash
# The Python module of a build with MELGRAD_PYTHON=ON: its tests, and mypy over its package. Of a build with AddressSanitizer
# the module alone: what Python itself leaves behind is no leak of ours, and memory and times are not judged.
#   bash tests/python.sh [BUILD]     if it is not said, that of the program MELGRAD, or build/cpu
set -euo pipefail
cd "$(dirname "$0")/.."
source apps/packages.sh
source tests/venv.sh
build=${1:-$(dirname "${MELGRAD:-build/cpu/bin/melgrad}")/..}
MELGRAD=$(realpath "$build/bin/melgrad") PYTHONPATH=$(realpath "$build/python")
export MELGRAD PYTHONPATH
if grep -q '^MELGRAD_SANITIZE:.*address' "$build/CMakeCache.txt"; then
  # The interpreter is none of ours, so it is given what it has to load first; C++'s library too, whose
  # exceptions are else not seen.
  preload="$(clang-14 -print-file-name=libclang_rt.asan-x86_64.so) $(g++ -print-file-name=libstdc++.so.6)"
  export ASAN_OPTIONS=detect_leaks=0 OMP_WAIT_POLICY=passive
  LD_PRELOAD=$preload exec "$python" -m pytest -q -p no:cacheprovider tests/python -m 'not plain'
fi
$python -m mypy --strict --no-error-summary --cache-dir build/venv/mypy "$PYTHONPATH/melgrad"
exec "$python" -m pytest -q -p no:cacheprovider tests/python
