#!/usr/bin/env bash
# What melgrad export writes, computed by onnxruntime: every recipe's network, trained a little on music made up, answers
# the same from the same samples (tests/onnx_check.py). Takes onnx and onnxruntime from Python's package index, into an
# environment of its own that is kept under build/.
#   bash tests/onnx.sh [RECIPE...]     MELGRAD is the program, build/cpu's if not said
#   PUBLISHED=FOLDER bash tests/onnx.sh    networks of others too, whose weights lie there (else says that they are absent)
set -euo pipefail
cd "$(dirname "$0")/.."
source apps/packages.sh
install_packages python3-venv
export MELGRAD=${MELGRAD:-build/cpu/bin/melgrad}
python=build/onnx/bin/python
if ! $python -c 'import onnx, onnxruntime' 2>/dev/null; then
  python3 -m venv build/onnx
  $python -m pip install --quiet --disable-pip-version-check onnx onnxruntime
fi
exec $python tests/onnx_check.py "$@"
