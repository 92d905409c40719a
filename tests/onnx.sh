#!/usr/bin/env bash
# What melgrad export writes, computed by onnxruntime: every recipe's network, trained a little on music made up, answers
# the same from the same samples (tests/onnx_check.py).
#   bash tests/onnx.sh [RECIPE...]     MELGRAD is the program, build/cpu's if not said
set -euo pipefail
cd "$(dirname "$0")/.."
source apps/packages.sh
source tests/venv.sh
export MELGRAD=${MELGRAD:-build/cpu/bin/melgrad}
exec "$python" tests/onnx_check.py "$@"
