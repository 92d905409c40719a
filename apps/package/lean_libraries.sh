#!/usr/bin/env bash
# HDF5 and libarchive for the wheel and the bundles: Debian's sources, names and versions, without what melgrad does not
# call and what would have to travel with it (curl, GnuTLS, Kerberos and LDAP for HDF5 files in S3; libxml2 and ICU's 30 MB
# for xar archives). They take the place of Debian's when libraries are collected.
#   bash apps/package/lean_libraries.sh     into build/lean/lib; does nothing when they are there
set -euo pipefail
cd "$(dirname "$0")/../.."
source apps/packages.sh
source apps/package/debian.sh
lean=$PWD/build/lean
[ ! -f "$lean/complete" ] || exit 0
install_packages dpkg-dev autoconf automake libtool zlib1g-dev libbz2-dev liblzma-dev libzstd-dev
debian_work=$lean/debian
rm -rf "$lean"
mkdir -p "$debian_work/source" "$lean/lib"
cd "$debian_work/source"
quietly() { "$@" > "$lean/log" 2>&1 || { tail -n 20 "$lean/log" >&2; return 1; }; }
quietly apt_with "deb-src $(debian_release) main" source hdf5 libarchive
compiler=gcc
! command -v ccache >/dev/null || compiler="ccache gcc"

cd hdf5-*/
quietly autoreconf -fi
quietly ./configure CC="$compiler" --prefix="$lean" --with-flavor=serial --with-default-api-version=v18 --enable-unsupported \
  --enable-threadsafe --without-szlib --disable-static --disable-hl --disable-tests --disable-tools \
  H5_LDFLAGS="-Wl,--version-script,$PWD/debian/map_serial.ver"
quietly make -j"$(nproc)" -C src
cp -a src/.libs/libhdf5_serial.so.* "$lean/lib/"
cd ../libarchive-*/
sed -i 's/arc4random_buf/own_random_buf/' libarchive/archive_random.c  # glibc has it from 2.36 on, the rest asks for 2.34
quietly autoreconf -fi
quietly ./configure CC="$compiler" ac_cv_func_arc4random_buf=no --prefix="$lean" --without-xml2 --without-expat --without-openssl --without-nettle \
  --without-lz4 --without-libb2 --disable-acl --disable-xattr --disable-static --disable-bsdtar --disable-bsdcat --disable-bsdcpio
quietly make -j"$(nproc)" libarchive.la
cp -a .libs/libarchive.so.* "$lean/lib/"
rm -rf "$debian_work"
touch "$lean/complete"
