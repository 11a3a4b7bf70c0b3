#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Raw devices: read when named, written only when nothing speaks against it. On loop devices.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

loops='' mounts='' swap='' dm='' link=''
undo() {
	[ -z "$swap" ] || swapoff "$swap"
	for m in $mounts; do umount "$m"; done
	[ -z "$dm" ] || dmsetup remove --retry "$dm"
	[ -z "$link" ] || rm -f "$link"
	rmdir /dev/disk/by-id /dev/disk 2>/dev/null
	for l in $loops; do losetup -d "$l" 2>/dev/null; done
	cd / && rm -rf "$work"
}
trap undo EXIT

if [ "$(id -u)" != 0 ] || ! command -v losetup >/dev/null || ! losetup -f >/dev/null 2>&1; then
	skip 'raw devices' 'loop devices take root'
	finish
fi

loop() { # file [arguments of losetup]: its device in $dev
	file=$1
	shift
	dev=$(losetup -f --show "$@" "$file") || exit
	loops="$dev $loops"
}
short='--trials=1 --duration=100ms --warmup=0 --no-probes -q --force -o'
# shellcheck disable=SC2086
b() { "$BENCH" $short out.json "$@"; }
refused() { # name pattern device word
	for module in disk disk_sync; do
		check_one_line "$1 ($module)" 2 "$2" b "$module,rw=randwrite,size=8m,filename=$3,destroy=$4"
	done
}
sum() { sha256sum "$1" | cut -c1-64; }

truncate -s 32M blank
loop "$PWD/blank"
blank=$dev
before=$(sum "$blank")

check_one_line 'a device is not written without destroy=' 2 "see destroy=" b "disk,rw=randwrite,filename=$blank"
check_one_line 'destroy= needs a device' 2 'destroy= goes with filename=' b disk,rw=randwrite,destroy=x
check_one_line 'destroy= with reading' 2 'destroy= goes with filename=' b "disk,rw=randread,filename=$blank,destroy=x"
check_one_line 'both runtimes at once' 2 'one job at a time' \
	b --runtime=uring,blocking "disk,rw=randwrite,filename=$blank,destroy=$PWD/blank"
check_one_line 'append to a device' 2 'layout=append' b "disk,rw=write,layout=append,filename=$blank,destroy=$PWD/blank"
refused 'the wrong name' "is '$PWD/blank': give that" "$blank" "$PWD/blan"
refused 'a file' 'no block device' "$PWD/blank" "$PWD/blank"
check 'reading when named' 0 '' b "disk,rw=randread,size=8m,filename=$blank"
expect 'nothing of this wrote' "$(sum "$blank")" "$before"

truncate -s 16M large
loop "$PWD/large" --sector-size 4096
large=$dev
before=$(sum "$large")
for module in disk disk_sync; do
	check "blocks smaller than the device's ($module)" 1 '' b "$module,rw=randwrite,bs=512,size=8m,filename=$large,destroy=$PWD/large"
	expect "are refused ($module)" "$(json out.json 'd["jobs"][0]["reason"]' | cut -c1-32)" 'bs=512 is not a multiple of 4096'
	check "blocks larger than the device ($module)" 1 '' b "$module,rw=write,bs=32m,size=32m,filename=$large,destroy=$PWD/large"
	expect "before anything is written ($module)" "$(sum "$large")" "$before"
	check "$module writes 16 KiB" 0 '' b "$module,rw=randwrite,bs=4k,size=16k,workers=1,filename=$large,destroy=$PWD/large"
	expect "$module: all of it is clean afterwards" "$(sum "$large")" "$before"
done

for module in disk disk_sync; do
	check "$module writes a blank device" 0 '' b "$module,rw=randwrite,size=8m,workers=1,filename=$blank,destroy=$PWD/blank"
	expect "$module: it wrote" "$(json out.json 'd["jobs"][0]["status"], d["jobs"][0]["params"]["destroy"]')" "('ok', '$PWD/blank')"
	expect "$module: the part used is filled" "$(dd if="$blank" bs=1M skip=7 count=1 status=none | tr -d '\0' | wc -c | awk '{ print ($1 > 1000000) }')" 1
	expect "$module: nothing beyond" "$(dd if="$blank" bs=1M skip=8 status=none | tr -d '\0' | wc -c)" 0
	expect "$module: its start is clean" "$(dd if="$blank" bs=64k count=1 status=none | tr -d '\0' | wc -c)" 0
	check "$module syncs with O_DSYNC" 0 '' b "$module,rw=write,sync=dsync,size=8m,workers=1,filename=$blank,destroy=$PWD/blank"
done

# A link of udev's, which this test makes where there is no udev.
if mkdir -p /dev/disk/by-id 2>/dev/null; then
	link=/dev/disk/by-id/bench-test-$$
	ln -s "$blank" "$link"
	check 'the name in by-id' 0 '' b "disk_sync,rw=write,size=4m,workers=1,filename=$blank,destroy=bench-test-$$"
	check 'its path' 0 '' b "disk_sync,rw=write,size=4m,workers=1,filename=$blank,destroy=$link"
fi

# In use.
python3 -c 'import os, sys, time; os.open(sys.argv[1], os.O_RDONLY | os.O_EXCL); print(flush=True); time.sleep(60)' "$blank" >claimed &
holder=$!
while [ ! -s claimed ]; do sleep 0.05; done
refused 'claimed by another program' 'something uses it' "$blank" "$PWD/blank"
kill $holder
loop "$blank"
refused 'a loop device on it' "$(basename "$dev") is made of it" "$blank" "$PWD/blank"
losetup -d "$dev"
if dmsetup create "bench-test-$$" --table "0 65536 linear $blank 0" 2>/dev/null; then
	dm=bench-test-$$
	refused 'held by device mapper' 'dm-[0-9]+ is made of it' "$blank" "$PWD/blank"
	dmsetup remove --retry "$dm" && dm=''
else
	skip 'held by device mapper' 'the kernel has none'
fi
truncate -s 32M ro
loop "$PWD/ro" -r
refused 'a read-only device' 'read-only' "$dev" "$PWD/ro"

# Something on it.
truncate -s 32M ext4 dos swap
mke2fs -q -F ext4
loop "$PWD/ext4"
refused 'a file system' 'signature \(ext' "$dev" "$PWD/ext4"
mkdir mnt
if mount "$dev" mnt 2>/dev/null; then
	mounts=$PWD/mnt
	refused 'a mounted one' "mounted \($PWD/mnt\)" "$dev" "$PWD/ext4"
	umount mnt && mounts=''
fi
# One partition of 16 MiB from sector 2048 on, type 83.
printf '\0\040\041\0\203\0\0\0\0\010\0\0\0\200\0\0' | dd of=dos bs=1 seek=446 conv=notrunc status=none
printf '\125\252' | dd of=dos bs=1 seek=510 conv=notrunc status=none
loop "$PWD/dos"
refused 'a partition table' 'signature \(dos\)' "$dev" "$PWD/dos"
dd if=/dev/zero of=swap bs=1M count=32 status=none
mkswap -q swap >/dev/null 2>&1
loop "$PWD/swap"
refused 'swap space that is not used' 'signature \(swap\)' "$dev" "$PWD/swap"
if swapon "$dev" 2>/dev/null; then
	swap=$dev
	refused 'swap space' 'is swap space' "$dev" "$PWD/swap"
	swapoff "$swap" && swap=''
else
	skip 'swap space' 'swapon is refused here'
fi

# The root file system's own disk: never, whatever its name; and that it cannot even be read is told.
root=$(findmnt -no SOURCE / | sed 's/\[.*//')
if [ -b "$root" ]; then
	serial=$(tr -d ' \n' <"/sys/class/block/$(basename "$root")/serial" 2>/dev/null || :)
	if [ -n "$serial" ]; then
		refused "the root file system's disk" 'the root file system is on it' "$root" "$serial"
	else
		skip "the root file system's disk" 'it has no serial number'
	fi
	if dd if="$root" of=/dev/null count=1 status=none 2>/dev/null; then
		check 'reading it is possible' 0 '' b "disk_sync,size=4m,workers=1,filename=$root"
	else
		check 'a disk that may not be opened' 1 "open '$root' for reading: .*(device cgroup|run as root)" b "disk_sync,size=4m,workers=1,filename=$root"
	fi
fi
finish
