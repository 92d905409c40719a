# Sourced by scripts: an environment for Python under build/ with what tests take from its package index. $python is its
# interpreter.
install_packages python3-venv python3-dev
python=$PWD/build/venv/bin/python
python_packages=(nanobind numpy pytest mypy onnx onnxruntime scikit-learn matplotlib nbclient ipykernel)
if ! [ -f build/venv/complete ] || [ "$(cat build/venv/complete)" != "${python_packages[*]}" ]; then
  python3 -m venv build/venv
  $python -m pip install --quiet --disable-pip-version-check "${python_packages[@]}"
  echo "${python_packages[*]}" > build/venv/complete
fi
