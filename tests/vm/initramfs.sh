#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Make the root of a guest: a static busybox, files of the host with the shared libraries that they
# need, and the modules of its kernel that a guest may load.
#
#   sh tests/vm/initramfs.sh KERNEL BUSYBOX BUILD RUN OUT [SYSROOT]
#
# KERNEL and BUSYBOX are directories of fetch.sh, BUILD that of the program under test, RUN the name
# of what runs inside: guest/RUN.sh and guest/RUN.files. A line of the latter names a file: below
# BUILD when it starts with build/, in this directory when it starts with vm/, else the host's. For another
# architecture than the host's, those and all libraries are taken from SYSROOT. All go to /bin of the guest.
set -eu

kernel=$1 busybox=$2 build=$3 run=$4 out=$5 sysroot=${6:-}
here=$(dirname "$0")
root=$out.root

# In the order of what needs what: where each of them is missing, the guest says so.
modules="virtio_pci virtio_mmio virtio_blk virtio_rng ext4 crc32c_generic crc32c_intel libcrc32c crc32c
nvme loop dm_mod dm_delay dm_flakey sch_netem sch_prio cls_u32 veth null_blk tcp_bbr"

rm -rf "$root"
mkdir -p "$root/bin" "$root/lib" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/results"

# The directories of libraries for binaries of this machine type.
library() { # name machine
	for dir in /lib/"$2" /usr/lib/"$2" /lib; do
		[ ! -e "$sysroot$dir/$1" ] || { echo "$sysroot$dir/$1" && return; }
	done
	echo "initramfs: no $1 for $2" >&2
	return 1
}

machine() { # ELF file
	case $(readelf -h "$1" | sed -n 's/^ *Machine: *//p') in
	*X86-64*) echo x86_64-linux-gnu ;;
	AArch64) echo aarch64-linux-gnu ;;
	*) echo "initramfs: $1 is for an unknown machine" >&2 && return 1 ;;
	esac
}

copy() { # ELF file or script, to
	[ ! -e "$root$2" ] || return 0
	cp -L "$1" "$root$2"
	readelf -h "$1" >/dev/null 2>&1 || return 0
	type=$(machine "$1")
	for lib in $(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
		copy "$(library "$lib" "$type")" "/lib/$lib"
	done
	interpreter=$(readelf -l "$1" | sed -n 's/.*program interpreter: \(.*\)\]/\1/p')
	if [ -n "$interpreter" ]; then
		mkdir -p "$root$(dirname "$interpreter")"
		copy "$(library "$(basename "$interpreter")" "$type")" "$interpreter"
	fi
}

copy "$busybox/bin/busybox" /bin/busybox
copy "$build/bench" /bin/bench
cp "$here/guest/init" "$root/init"
cp "$here/guest/$run.sh" "$root/bin/run"
while read -r file; do
	case $file in
	'' | '#'*) continue ;;
	build/*) copy "$build/${file#build/}" "/bin/$(basename "$file")" ;;
	vm/*) copy "$here/${file#vm/}" "/bin/$(basename "$file")" ;;
	*) copy "$sysroot$file" "/bin/$(basename "$file")" ;;
	esac
done <"$here/guest/$run.files"
chmod +x "$root/init" "$root/bin/run"

# Modules, uncompressed, and those that they need.
from=$(echo "$kernel"/usr/lib/modules/* "$kernel"/lib/modules/*)
for from in $from; do [ ! -d "$from" ] || break; done
release=$(basename "$from")
to=$root/lib/modules/$release
mkdir -p "$to"
# Some packages have no list of what needs what: it is made where they are installed.
[ -e "$kernel/lab/lib/modules/$release/modules.dep" ] || {
	mkdir -p "$kernel/lab/lib/modules"
	ln -sfn "$from" "$kernel/lab/lib/modules/$release"
	/sbin/depmod -b "$kernel/lab" "$release"
}
for name in $modules; do
	awk -F: -v name="$name" '{
		n = split($1, path, "/"); base = path[n]; sub(/\.ko.*/, "", base); gsub(/-/, "_", base)
		if (base == name) { print $1; m = split($2, dep, " "); for (i = 1; i <= m; i++) print dep[i] }
	}' "$from/modules.dep"
done | sort -u | while read -r path; do
	mkdir -p "$to/$(dirname "$path")"
	case $path in
	*.xz) xz -dc "$from/$path" >"$to/${path%.xz}" ;;
	*.zst) zstd -qdc "$from/$path" >"$to/${path%.zst}" ;;
	*) cp "$from/$path" "$to/$path" ;;
	esac
done
cp "$from"/modules.builtin* "$from/modules.order" "$to/"
/sbin/depmod -b "$root" "$release"

# Not compressed: an emulated CPU would take seconds to undo it.
(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) >"$out"
rm -rf "$root"
