#!/usr/bin/env bash
# Builds and installs melgrad in an image of Debian 12 or Ubuntu 24.04 that has the source tree: for Dockerfile and
# apptainer.def.
set -euo pipefail
cd "$(dirname "$0")/../.."
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
source apps/packages.sh
install_packages "${melgrad_packages[@]}" libopenmpi-dev openmpi-bin openssh-server
cmake --preset cpu -DMELGRAD_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/usr
cmake --build --preset cpu
cmake --install build/cpu
mkdir -p /run/sshd  # for mpi-job.yaml, whose pods know each other by keys of their own
printf 'Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n' > /etc/ssh/ssh_config.d/mpi.conf
rm -rf build
melgrad info
