#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The lab: boot Debian kernels in qemu, without KVM, run this build inside and compare what it says
# with what docs/lab.md foresees.
#
#   sh tests/vm/lab.sh names [PATTERN]      the guests whose name contains PATTERN
#   sh tests/vm/lab.sh guest NAME           one guest, end to end; exit 0 passed, 77 skipped, else failed
#   sh tests/vm/lab.sh start NAME...        several, two at a time
#   sh tests/vm/lab.sh stop                 end what `start` began
#   sh tests/vm/lab.sh wait NAME            wait for a guest that `start` runs, print its log, exit as it did
#   sh tests/vm/lab.sh matrix               write build/lab/matrix.md from what was measured
#
# A guest is a line of tests/vm/guests:
#   name      of the guest, of its directory build/lab/NAME and of its column in docs/lab.md
#   arch      Debian's name of the architecture: amd64, arm64
#   suite     Debian suite that the kernel comes from
#   package   of the kernel; a metapackage is followed (fetch.sh)
#   seconds   after which it is stopped, which is a failure
#   run       guest/RUN.sh is what runs inside, as root in /scratch (ext4 on a virtio disk), guest/RUN.files
#             what it needs besides bench and busybox; it writes to /results, and guest/RUN.judge, where there
#             is one, looks at that on the host
#   qemu ...  the rest of the line goes to qemu
# BENCH_LAB_RUN takes another RUN, BENCH_LAB_OUT another directory than build/lab. The time limits are for a
# busy host; on two idle cores guests take a third of them.
# What the host needs: qemu for the architecture, and BENCH_LAB_BUILD_arch or, without it, build/ for the
# host's own architecture and build/ARCH for another.
#
# Afterwards build/lab/NAME has: console (all that the guest said), results/ (what it wrote to /results).
# guest/matrix.judge compares them by matrix.py. How a guest is made: fetch.sh, initramfs.sh, guest/init.
set -u
cd "$(dirname "$0")/../.." || exit

here=tests/vm
lab=${BENCH_LAB_OUT:-build/lab}

names() { # [pattern]
	awk -v pattern="${1:-}" '!/^#/ && NF && index($1, pattern) { print $1 }' "$here/guests"
}

fail() {
	echo "$name: $*"
	exit 1
}

skip() {
	echo "$name: $*"
	exit 77
}

# The build for an architecture, and where its libraries are.
build_of() {
	sysroot=
	eval "build=\${BENCH_LAB_BUILD_$1:-}"
	if [ "$1" != "$(dpkg --print-architecture)" ]; then
		sysroot=$(sh "$here/cross.sh" "$1" 2>"$dir/cross.log") || {
			code=$?
			echo "$name: $( (echo "$sysroot"; cat "$dir/cross.log") | tail -n 20)"
			exit "$code"
		}
	fi
	[ -n "$build" ] || build=build${sysroot:+/$1}
	[ -x "$build/bench" ] || fail "there is no $build/bench"
}

# /path of a package's files, or a skip with the reason.
fetched() { # arch suite package
	sh "$here/fetch.sh" "$@" 2>"$dir/fetch.log" || {
		code=$?
		tail -n 1 "$dir/fetch.log" >&2
		return "$code"
	}
}

boot() { # kernel image, initramfs, qemu arguments...
	image=$1 initramfs=$2
	shift 2
	# One thread of qemu for all CPUs: with several, kernels that patch their own code while they run
	# crash now and then (qemu 7.2), and two guests at a time are all that two cores can serve.
	truncate -s 64M "$dir/results.img" "$dir/nvme.img"
	# shellcheck disable=SC2094
	dd if=/dev/urandom of="$dir/nvme.img" bs=1M count=64 conv=notrunc status=none || return
	mke2fs -q -F -t ext4 -O ^metadata_csum_seed,^orphan_file -E lazy_itable_init=1 "$dir/scratch.img" 512M >"$dir/mke2fs.log" 2>&1 ||
		mke2fs -q -F -t ext4 "$dir/scratch.img" 512M || return
	case $arch in
	amd64) set -- qemu-system-x86_64 -M q35 -cpu max -append "console=ttyS0 tsc=reliable clocksource=tsc no_timer_check $append" "$@" ;;
	arm64) set -- qemu-system-aarch64 -M virt -append "console=ttyAMA0 $append" "$@" ;;
	*) fail "no machine for $arch" ;;
	esac
	command -v "$1" >/dev/null || skip "$1 is not installed"
	# All of it on one CPU: with its threads on two, NVMe queues without interrupts stood still for 30 s and more
	# in 6 of 15 guests (qemu 7.2), and on one in none: as if a doorbell were missed between the threads.
	cpu=$(python3 -c 'import os, sys
cpus = sorted(os.sched_getaffinity(0))
print(cpus[int(sys.argv[1]) % len(cpus)])' "${BENCH_LAB_SLOT:-0}")
	set -- taskset -c "$cpu" "$@"
	timeout -k 5 "$seconds" "$@" -accel tcg,thread=single -m 1G -nodefaults -no-user-config -display none -no-reboot \
		-serial "file:$dir/console" -kernel "$image" -initrd "$initramfs" \
		-drive "file=$dir/scratch.img,format=raw,if=none,id=scratch,cache=unsafe" \
		-device virtio-blk-pci,drive=scratch,serial=scratch \
		-drive "file=$dir/results.img,format=raw,if=none,id=results,cache=unsafe" \
		-device virtio-blk-pci,drive=results,serial=results \
		-drive "file=$dir/nvme.img,format=raw,if=none,id=nvme,cache=unsafe" \
		-device nvme,drive=nvme,serial=nvme -pidfile "$dir/qemu.pid" >"$dir/qemu.log" 2>&1 </dev/null
}

tail_of_console() {
	echo "$name: the last lines of $dir/console:"
	tail -n 30 "$dir/console" 2>/dev/null | tr -d '\r' | sed 's/^/    /'
}

guest() {
	line=$(grep -E "^${name}[[:space:]]" "$here/guests") || fail "is not in $here/guests"
	# shellcheck disable=SC2086
	set -- $line
	arch=$2 suite=$3 package=$4 seconds=$5 run=${BENCH_LAB_RUN:-$6}
	shift 6
	dir=$lab/$name
	rm -rf "$dir" && mkdir -p "$dir" || exit
	build_of "$arch"
	began=$(date +%s)
	kernel=$(fetched "$arch" "$suite" "$package") || exit
	busybox=$(fetched "$arch" bookworm busybox-static) || exit
	got=$(date +%s)
	sh "$here/initramfs.sh" "$kernel" "$busybox" "$build" "$run" "$dir/initramfs" "$sysroot" ||
		fail "no initramfs"
	append="panic=-1 loglevel=4 rdinit=/init lab=$name nvme.poll_queues=1"
	made=$(date +%s)
	image=$(find "$kernel/boot" "$kernel"/usr/lib/modules/*/ -maxdepth 1 -name 'vmlinu[xz]*' 2>/dev/null | head -n 1)
	[ -n "$image" ] || fail "there is no kernel in $package"
	boot "$image" "$dir/initramfs" "$@"
	code=$?
	ended=$(date +%s)
	mkdir -p "$dir/results"
	tar -xf "$dir/results.img" -C "$dir/results" 2>/dev/null
	rm -f "$dir"/*.img "$dir/initramfs"
	echo "$name: fetched in $((got - began)) s, prepared in $((made - got)) s," \
		"ran $((ended - made)) s, booted in $(cat "$dir/results/booted" 2>/dev/null) s"
	if [ "$code" != 0 ] || [ ! -s "$dir/results/status" ]; then
		tail_of_console
		[ "$code" != 124 ] || fail "still ran after $seconds s"
		[ "$code" = 0 ] || fail "qemu ended with $code: $(tail -n 1 "$dir/qemu.log")"
		fail "ended without results"
	fi
	status=$(cat "$dir/results/status")
	if [ "$status" != 0 ]; then
		tail_of_console
		fail "$run.sh ended with $status"
	fi
	if [ -e "$here/guest/$run.judge" ]; then
		sh "$here/guest/$run.judge" "$dir/results" || fail "is not as it has to be"
	fi
}

# One of several: what it says, and its exit status, go to files that `wait` looks at.
run_one() {
	mkdir -p "$lab"
	told=
	# An emulated machine on a busy host meets deadlines that are not its own: three tries, which is told.
	for try in 1 2 3; do
		sh "$here/lab.sh" guest "$name" >"$lab/$name.log" 2>&1
		code=$?
		case $code in 0 | 77) break ;; esac
		[ "$try" != 3 ] || break
		mv "$lab/$name.log" "$lab/$name.log.$try"
		told="$told
skip: try $try of $name, see $lab/$name.log.$try: $(tail -n 1 "$lab/$name.log.$try")"
	done
	[ -z "$told" ] || echo "$told" >>"$lab/$name.log"
	echo "$code" >"$lab/$name.new"
	mv "$lab/$name.new" "$lab/$name.code"
}

start() {
	mkdir -p "$lab"
	for name; do rm -f "$lab/$name.code" "$lab/$name.log"; done
	echo $$ >"$lab/pid"
	printf '%s\n' "$@" | xargs -P 2 --process-slot-var=BENCH_LAB_SLOT -I{} sh "$here/lab.sh" one {}
}

# End what `start` began: no further guest, and those that run.
stop() {
	pid=$(cat "$lab/pid" 2>/dev/null) || exit 0
	pkill -TERM -P "$pid" 2>/dev/null
	for pids in "$lab"/*/qemu.pid; do
		[ -e "$pids" ] && kill "$(cat "$pids")" 2>/dev/null
	done
	rm -f "$lab"/*/*.img
}

wait_for() {
	while [ ! -e "$lab/$name.code" ]; do
		if ! kill -0 "$(cat "$lab/pid" 2>/dev/null)" 2>/dev/null && [ ! -e "$lab/$name.code" ]; then
			fail "was not run"
		fi
		sleep 1
	done
	cat "$lab/$name.log"
	exit "$(cat "$lab/$name.code")"
}

case ${1:-} in
start) shift && start "$@" ;;
stop) stop ;;
one) name=$2 && run_one ;;
wait) name=$2 && wait_for ;;
matrix) python3 "$here/matrix.py" table "$lab" "$lab/matrix.md" ;;
names) names "${2:-}" ;;
guest) name=$2 && guest ;;
*)
	sed -n '3,/^set /p' "$0" | sed '$d; s/^# \{0,1\}//'
	exit 2
	;;
esac
