#!/usr/bin/env bash
# Whether every source is as clang-format 14 writes it (.clang-format); CMake's targets format-check and format call it.
#   bash tests/format.sh          names those that are not, code 1
#   bash tests/format.sh --fix    rewrites them
set -euo pipefail
cd "$(dirname "$0")/.."
source apps/packages.sh
install_packages clang-format-14
how=(--dry-run -Werror)
[ "${1:-}" != --fix ] || how=(-i)
find kernels engine models io apps bench tests -name '*.h' -o -name '*.cpp' -o -name '*.cu' |
  xargs -P "$(nproc)" -n 40 clang-format-14 "${how[@]}" || { echo "bash tests/format.sh --fix mends it" >&2; exit 1; }
echo "format: clean"
