#!/usr/bin/env bash
# Puts a CUDA 12 toolkit together, beside any that is installed, as far as melgrad needs one: NVIDIA's compiler out of
# Debian 13's package (no Python package holds nvcc of CUDA 12), the libraries and headers of the same CUDA out of NVIDIA's
# Python packages. It is CUDA's licence, not melgrad's, that is agreed to.
#   bash apps/package/cuda12.sh     into build/cuda12-toolkit; does nothing when it is there
set -euo pipefail
cd "$(dirname "$0")/../.."
source apps/packages.sh
source apps/package/debian.sh
toolkit=$PWD/build/cuda12-toolkit
[ ! -f "$toolkit/complete" ] || exit 0
install_packages python3-venv binutils
rm -rf "$toolkit"
work=$toolkit/work
debian_work=$work/debian
mkdir -p "$work" "$debian_work" "$toolkit"/{bin,include,lib64,nvvm/bin}
cd "$work"

apt_with "deb trixie non-free" download nvidia-cuda-toolkit
dpkg -x nvidia-cuda-toolkit_*.deb compiler
compiler=$work/compiler/usr
mv "$compiler"/bin/{cudafe++,fatbinary,ptxas,nvlink,bin2c,cuobjdump} "$compiler"/lib/nvidia-cuda-toolkit/bin/{nvcc,crt} "$toolkit/bin/"
mv "$compiler/lib/nvidia-cuda-toolkit/bin/cicc" "$toolkit/nvvm/bin/"
mv "$compiler/lib/nvidia-cuda-toolkit/libdevice" "$toolkit/nvvm/"
cat > "$toolkit/bin/nvcc.profile" <<'END'
TOP              = $(_HERE_)/..
NVVMIR_LIBRARY_DIR = $(TOP)/nvvm/libdevice
PATH            += $(TOP)/nvvm/bin:$(_HERE_):
INCLUDES        += "-I$(TOP)/include" $(_SPACE_)
LIBRARIES       =+ $(_SPACE_) "-L$(TOP)/lib64"
END

python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check --no-deps --target packages 'nvidia-cuda-nvcc-cu12==12.4.*' \
  'nvidia-cuda-runtime-cu12==12.4.*' 'nvidia-cuda-cccl-cu12==12.4.*' 'nvidia-cublas-cu12==12.4.*' 'nvidia-cufft-cu12==11.2.1.*' \
  'nvidia-cudnn-cu12==9.*'
for package in packages/nvidia/*/; do
  [ ! -d "$package/include" ] || cp -r "$package/include/." "$toolkit/include/"
  [ ! -d "$package/lib" ] || mv "$package"/lib/*.so.* "$toolkit/lib64/" 2>/dev/null || true
done
cd "$toolkit/lib64"
for library in *.so.*; do ln -s "$library" "${library%.so.*}.so"; done
echo 'INPUT(-lcudart)' > libcudart_static.a  # nvcc links it unless told otherwise; a build of melgrad does not
ar rc libcudadevrt.a  # kernels that start kernels, which there are none of; nvcc names it all the same
cd ..
ln -s lib64 lib
rm -rf work
touch complete
