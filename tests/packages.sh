#!/usr/bin/env bash
# Tries what apps/package/release.sh has put in dist/ (makes the .deb if nothing is there), each in a bare root of this Debian:
# what debootstrap puts into one, and the packages that it asks for. There it is installed, makes music, trains, predicts,
# and answers Python; the .deb is removed again, and nothing may stay behind. As root.
#   bash tests/packages.sh [deb] [wheel] [bundle]     all of which dist/ has one, if none is named
set -euo pipefail
cd "$(dirname "$0")/.."
source apps/packages.sh
source apps/package/debian.sh
install_packages debootstrap
[ -n "$(ls dist 2>/dev/null)" ] || bash apps/package/release.sh deb > /dev/null
work=$(mktemp -d)
leave() {
  ! mountpoint -q "$work/root/proc" || umount "$work/root/proc"
  rm -rf --one-file-system "$work"
}
trap leave EXIT
quietly() { "$@" > "$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; return 1; }; }
inside() { chroot "$work/root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp/home LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }

mkdir -p build/bare-debs
quietly debootstrap --variant=minbase --cache-dir="$PWD/build/bare-debs" "$(debian_release)" "$work/bare" "$(debian_mirror)"
cp /etc/resolv.conf "$work/bare/etc/"

bare_root() {
  leave_root
  cp -a "$work/bare" "$work/root"
  mount -t proc proc "$work/root/proc"
  cp -r dist "$work/root/tmp/dist"
}
leave_root() {
  ! mountpoint -q "$work/root/proc" || umount "$work/root/proc"
  rm -rf --one-file-system "$work/root"
}

song=music/genres/arpeggio/arpeggio.00003.wav
# What the README does first, by the program named.
try_program() {
  inside sh -ec "cd /tmp
    $1 info
    $1 synth --out music --classes 4 --tracks-per-class 8 --seconds 5
    $1 train music --recipe dong2018-fixed --set train.epochs=2 --set train.batch=20 --out runs/first 2>/dev/null
    $1 evaluate runs/first | head -n 1
    $1 predict runs/first $song"
}

# And what it does in Python.
try_python() {
  inside sh -ec "cd /tmp; $1 - $song" <<'END'
import sys
import melgrad
song = sys.argv[1]
network = melgrad.load("runs/first")
answer = network.predict(song)
samples, rate = melgrad.read(song)
again = network.predict(samples, sample_rate=rate)
assert again.top(1) == answer.top(1), (again.top(1), answer.top(1))
print(answer.top(2), answer.segments.shape, melgrad.features(song, preset="whisper").shape)
END
}

files() { inside find / -xdev \( -path /proc -o -path /tmp -o -path '/var/log' -o -path '/var/cache' -o -path '/var/lib/dpkg' \) -prune -o -print | sort; }

try_deb() {
  local packages=(dist/melgrad_*.deb dist/python3-melgrad_*.deb) package
  quietly inside apt-get update
  for package in "${packages[@]}"; do
    quietly inside apt-get satisfy -y --no-install-recommends "$(dpkg-deb -f "$package" Depends)"
  done
  files > "$work/before"
  quietly inside dpkg -i "${packages[@]/#//tmp/}"
  try_program melgrad
  try_python python3
  quietly inside dpkg --purge python3-melgrad melgrad
  files | diff "$work/before" -  # nothing stays behind
}

try_wheel() {
  quietly inside apt-get update
  quietly inside apt-get install -y --no-install-recommends python3-venv
  quietly inside python3 -m venv /opt/venv
  quietly python3 -m pip download --disable-pip-version-check --only-binary :all: --no-deps -d "$work/root/tmp/numpy" \
    --python-version "$(inside python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')" numpy
  quietly inside /opt/venv/bin/pip install --no-index --find-links /tmp/dist --find-links /tmp/numpy melgrad
  try_program /opt/venv/bin/melgrad
  try_python /opt/venv/bin/python
}

try_bundle() {
  tar -C "$work/root/opt" -xJf dist/melgrad-*-cpu-*.tar.xz
  try_program /opt/melgrad/bin/melgrad
}

if [ $# -eq 0 ]; then
  ! ls dist/*.deb > /dev/null 2>&1 || set -- deb
  ! ls dist/*.whl > /dev/null 2>&1 || set -- "$@" wheel
  ! ls dist/*-cpu-*.tar.xz > /dev/null 2>&1 || set -- "$@" bundle
fi
for part in "$@"; do
  start=$SECONDS
  bare_root
  set +e  # a function behind || or if would go on after its errors
  (set -e; "try_$part") > "$work/said" 2>&1
  failed=$?
  set -e
  [ $failed -eq 0 ] || { cat "$work/said" >&2; exit 1; }
  [ -z "${VERBOSE:-}" ] || cat "$work/said"
  echo "packages: $part installed, trained and predicted in a bare root ($((SECONDS - start)) s)"
done
