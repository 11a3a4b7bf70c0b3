#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Install what building and testing need, from Debian packages by name; only what is missing.
#
#   sh scripts/deps.sh [check]      check: also what only tests need, the lab's (tests/vm) qemu first of all
set -eu

packages="gcc make git pkg-config clang llvm libc6-dev linux-libc-dev
libbpf-dev libelf-dev libdw-dev zlib1g-dev libpfm4-dev liburing-dev libhwloc-dev libncurses-dev
libcmocka-dev libjansson-dev libinih-dev uuid-dev libblkid-dev libsodium-dev
libseccomp-dev libclang-rt-14-dev valgrind strace python3 python3-jsonschema procps util-linux iproute2"

# Peers that some tests compare with; the tests skip without them.
peers="linux-perf libbpf-tools"

# What reads our output, makes faults, drives a terminal and boots guests; as above.
lab="shellcheck man-db groff-base libxml2-utils btrfs-progs nftables tmux hotspot
qemu-system-x86 qemu-system-arm gcc-aarch64-linux-gnu cpio kmod e2fsprogs xz-utils zstd dmsetup"
[ "${1:-}" != check ] || peers="$peers $lab"

installed() {
	dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'
}

missing=
for p in $packages; do
	installed "$p" || missing="$missing $p"
done
wanted=
for p in $peers; do
	[ "$(id -u)" != 0 ] || installed "$p" || wanted="$wanted $p"
done
[ -n "$missing$wanted" ] || exit 0

if ! command -v apt-get >/dev/null; then
	[ -n "$missing" ] || exit 0
	echo "deps: not a Debian system; install the equivalent of:$missing" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "deps: need root to install:$missing" >&2
	exit 1
fi
echo "deps: installing$missing$wanted"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || [ -z "$missing" ]
# shellcheck disable=SC2086
[ -z "$missing" ] || apt-get install -y -qq --no-install-recommends $missing >/dev/null
lacking=
for p in $wanted; do
	apt-get install -y -qq --no-install-recommends "$p" >/dev/null 2>&1 || lacking="$lacking $p"
done
[ -z "$lacking" ] || echo "deps: not there, tests that need them will skip:$lacking" >&2
