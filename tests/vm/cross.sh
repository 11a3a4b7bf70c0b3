#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Build for another architecture, into build/ARCH, against its Debian packages, which are unpacked beside
# the lab's kernels: the system's own packages are not touched. What is built already is not built again.
#
#   sh tests/vm/cross.sh ARCH       prints the sysroot
#
# Exit 77 and a reason on the last line: this host cannot.
set -u
cd "$(dirname "$0")/../.." || exit

[ $# = 1 ] || exit 2
arch=$1
case $arch in
arm64) compiler=aarch64-linux-gnu-gcc ;;
*) echo "no cross compiler is known for $arch" && exit 77 ;;
esac
command -v "$compiler" >/dev/null || { echo "$compiler is not installed" && exit 77; }
sysroot=$(sh tests/vm/fetch.sh "$arch" bookworm sysroot) || exit

mkdir -p "build/$arch"
# Guests are prepared side by side.
exec 9>"build/$arch/lock"
flock 9
make -j"$(nproc)" ARCH="$arch" SYSROOT="$sysroot" WERROR=1 all tests >"build/$arch/log" 2>&1 || {
	cat "build/$arch/log"
	exit 1
}
echo "$sysroot"
