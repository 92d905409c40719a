#!/usr/bin/env bash
# The Python module of a build with MELGRAD_PYTHON=ON: its tests, and mypy over its package.
#   bash tests/python.sh [ARGUMENTS OF PYTEST...]     MELGRAD is the program of that build, build/cpu's if not said
set -euo pipefail
cd "$(dirname "$0")/.."
source apps/packages.sh
source tests/venv.sh
MELGRAD=$(realpath "${MELGRAD:-build/cpu/bin/melgrad}")
export MELGRAD
package=$(dirname "$MELGRAD")/../python
$python -m mypy --strict --no-error-summary --cache-dir build/venv/mypy "$package/melgrad"
PYTHONPATH=$package exec "$python" -m pytest -q -p no:cacheprovider tests/python "$@"
