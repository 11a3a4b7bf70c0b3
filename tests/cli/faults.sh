#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Faults of the host: full disks, ports in use, missing privileges, CPUs that go away.
# shellcheck source=tests/cli/lib.sh
here=$(realpath "$(dirname "$0")")
. "$here/lib.sh"

short='--trials=2 --duration=200ms --warmup=0 --no-probes -q'

root_only() {
	[ "$(id -u)" = 0 ] && return 0
	skip "$1" 'needs root'
	return 1
}

for runtime in uring blocking; do
	if [ $runtime = uring ]; then disk=disk net=net; else disk=disk_sync net=net_sync; fi
	if root_only "full disk, $runtime"; then
		# A real filesystem on a loop device, too small for the file.
		dd if=/dev/zero of=small.img bs=1M count=192 status=none
		mkdir -p small
		if mkfs.ext4 -q -F small.img 2>/dev/null && mount -o loop small.img small 2>/dev/null; then
			# shellcheck disable=SC2086
			run "$BENCH" $short --runtime=$runtime --directory=small -o full-$runtime.json $disk,size=1g
			expect "no space to lay out, $runtime" "$code" 1
			expect "says what is free and what is needed, $runtime" \
				"$(json full-$runtime.json '"MiB free" in d["jobs"][0]["reason"] and d["jobs"][0]["status"]')" failed
			run "$BENCH" --runtime=$runtime -o small/sub.json -q --trials=1 --duration=50ms --warmup=0 --no-probes cpu
			expect "a result fits, $runtime" "$code" 0
			umount small
			mount -t tmpfs -o size=256k tmpfs small
			dd if=/dev/zero of=small/fill bs=4k status=none 2>/dev/null
			run "$BENCH" --runtime=$runtime -o small/full.json -q --trials=1 --duration=50ms --warmup=0 --no-probes cpu
			if [ "$code" != 0 ] && [ ! -e small/full.json ] && [ "$(ls small)" = fill ]; then
				pass "a result that does not fit is an error and leaves nothing, $runtime"
			else
				fail "a result that does not fit is an error and leaves nothing, $runtime" "exit $code $err"
			fi
			umount small
		else
			skip "full disk, $runtime" 'cannot make or mount a loop filesystem here'
		fi
		rm -rf small.img
	fi

	# The filesystem fills up after the free space was looked at: the moment the file begins to
	# grow, another process takes the rest.
	if root_only "disk that fills up, $runtime"; then
		truncate -s 420m grow.img
		mkdir -p grow
		if mkfs.ext4 -q -F -m 0 grow.img 2>/dev/null && mount -o loop grow.img grow 2>/dev/null; then
			# It comes in time where it gets the CPU when it wants it.
			rm -f grow.ready
			nice -n -20 python3 "$here/fill.py" grow &
			filler=$!
			for _ in $(seq 100); do
				[ -e grow.ready ] && break
				sleep 0.1
			done
			# shellcheck disable=SC2086
			run "$BENCH" $short --runtime=$runtime --directory=grow --force -o grow-$runtime.json $disk,size=220m
			wait $filler
		fi
		if mountpoint -q grow; then
			expect "disk that fills up during lay-out, $runtime" "$code" 1
			expect "operation, offset and errno are told, $runtime" \
				"$(json grow-$runtime.json '[d["jobs"][0]["status"], __import__("re").fullmatch(r"lay-out: (write of \d+ bytes at offset \d+|fsync): No space left on device \(errno 28\)", d["jobs"][0]["reason"]) is not None or d["jobs"][0]["reason"]]')" "['failed', True]"
			umount grow
		else
			skip "disk that fills up, $runtime" 'cannot make or mount a loop filesystem here'
		fi
		rm -rf grow.img
	fi

	# No space in a trial: ext4 overwrites in place and cannot, a filesystem that copies on write
	# can.
	if root_only "no space in a trial, $runtime" && command -v mkfs.btrfs >/dev/null; then
		truncate -s 300m cow.img
		mkdir -p cow
		if mkfs.btrfs -q -f -m single cow.img >/dev/null 2>&1 && mount -o loop cow.img cow 2>/dev/null; then
			(
				sleep 2
				python3 "$here/fill.py" --now cow
			) &
			filler=$!
			run "$BENCH" -q --no-probes --warmup=0 --trials=1 --duration=6s --runtime=$runtime \
				--directory=cow -o cow-$runtime.json $disk,rw=randwrite,size=64m
			wait $filler
			expect "no space in a trial, $runtime" "$code" 1
			expect "the write that failed is told, $runtime" \
				"$(json cow-$runtime.json '[d["jobs"][0]["status"], __import__("re").fullmatch(r"worker \d+: write of 4096 bytes at offset \d+: No space left on device \(errno 28\)", d["jobs"][0]["reason"]) is not None or d["jobs"][0]["reason"]]')" "['failed', True]"
			umount cow
		else
			skip "no space in a trial, $runtime" 'cannot make or mount a btrfs here'
		fi
		rm -rf cow.img
	else
		skip "no space in a trial, $runtime" 'needs mkfs.btrfs'
	fi

	# The disk below fails in a trial: the loop device's own file loses its blocks, and the
	# filesystem that holds it has no others. What the loop driver makes of that depends on the
	# kernel.
	if root_only "disk that fails in a trial, $runtime"; then
		mkdir -p below top
		if mount -t tmpfs -o size=230m tmpfs below && truncate -s 420m below/img &&
			mkfs.ext4 -q -F -m 0 -O ^has_journal below/img 2>/dev/null &&
			mount -o loop below/img top 2>/dev/null; then
			(
				sleep 2
				fallocate -p -o 0 -l 420m below/img
				dd if=/dev/zero of=below/fill bs=1M status=none 2>/dev/null
			) &
			filler=$!
			run "$BENCH" -q --no-probes --warmup=0 --trials=1 --duration=6s --runtime=$runtime \
				--directory=top -o eio-$runtime.json $disk,rw=randwrite,size=64m
			wait $filler
			expect "disk that fails in a trial, $runtime" "$code" 1
			expect "the write that it failed is told, $runtime" \
				"$(json eio-$runtime.json '[d["jobs"][0]["status"], __import__("re").fullmatch(r"worker \d+: write of 4096 bytes at offset \d+: (Input/output error \(errno 5\)|No space left on device \(errno 28\))", d["jobs"][0]["reason"]) is not None or d["jobs"][0]["reason"]]')" "['failed', True]"
			umount top
		else
			skip "disk that fails in a trial, $runtime" 'cannot make or mount a loop filesystem on tmpfs here'
		fi
		umount below 2>/dev/null
	fi

	# A port that is taken.
	python3 - >port 2>/dev/null <<'PY' &
import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1]); sys.stdout.flush(); time.sleep(20)
PY
	holder=$!
	while [ ! -s port ]; do sleep 0.05; done
	# shellcheck disable=SC2086
	run "$BENCH" $short --runtime=$runtime -o port-$runtime.json $net,port="$(cat port)"
	expect "port in use, $runtime" "$code" 1
	expect "the message names the port, $runtime" \
		"$(json port-$runtime.json "'$(cat port)' in d['jobs'][0]['reason']")" True
	kill $holder 2>/dev/null
	wait $holder 2>/dev/null
	rm -f port
done

# Memory is no disk.
if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ]; then
	memory=$(mktemp /dev/shm/bench-test-XXXXXX)
	dd if=/dev/urandom of="$memory" bs=1M count=4 status=none
	# shellcheck disable=SC2086
	run "$BENCH" $short --runtime=blocking -o shm.json disk_sync,filename="$memory",size=4m
	expect 'direct I/O on a file in memory is refused' "$code" 1
	expect 'and says why' "$(json shm.json '"in memory" in d["jobs"][0]["reason"]')" True
	# shellcheck disable=SC2086
	run "$BENCH" $short --runtime=blocking -o shm0.json disk_sync,filename="$memory",size=4m,direct=0
	expect 'reading it through the cache is allowed' "$code" 0
	expect 'and is labelled' "$(json shm0.json '"in memory" in metric(0, "disk.cached")["note"]')" True
	rm -f "$memory"
else
	skip 'file in memory' '/dev/shm is no tmpfs here'
fi

# The soft limit of open files is no bound, the hard one is.
# shellcheck disable=SC2086
run prlimit --nofile=256:4096 "$BENCH" $short --runtime=uring -o files.json net,flows=300
if [ "$code" = 2 ] && ! "$BENCH" list runtimes | grep -q 'uring.*ok'; then
	skip 'many flows below the hard limit' 'no io_uring here'
else
	expect 'many flows below the hard limit of open files' "$code" 0
	# shellcheck disable=SC2086
	run prlimit --nofile=256:400 "$BENCH" $short --runtime=uring -o many.json net,flows=300
	expect 'beyond it' "$code" 1
	expect 'the reason is told' "$(json many.json '"ulimit -n" in d["jobs"][0]["reason"]')" True
fi
run prlimit --nofile=256:4096 "$BENCH" exec -q --no-probes -o none -- sh -c 'test "$(ulimit -Sn)" = 256'
expect 'a command gets the limit that bench found' "$code" 0

# A long lay-out is told on a terminal, unless -q.
if command -v script >/dev/null; then
	layout="$BENCH --runtime=blocking --trials=1 --duration=50ms --warmup=0 --no-probes -o none disk_sync,size=1g"
	script -qec "$layout" loud >/dev/null 2>&1 </dev/null
	script -qec "$layout -q" quiet >/dev/null 2>&1 </dev/null
	if grep -qE 'lay-out [0-9]+ %' loud; then pass 'progress of a lay-out'; else fail 'progress of a lay-out' "$(cat loud)"; fi
	expect 'no progress with -q' "$(grep -cE 'lay-out [0-9]+ %' quiet)" 0
else
	skip 'progress of a lay-out' 'script(1) is not installed'
fi

# Not root: runs with what is left and says what is missing.
if root_only 'not root'; then
	chmod 755 .
	mkdir -p user && chmod 777 user
	cp "$BENCH" user/bench # the project may lie where only root can look
	run setpriv --reuid=65534 --regid=65534 --clear-groups sh -c \
		"cd user && ./bench --counters --trials=1 --duration=100ms --warmup=0 -o nr.json cpu net_sync"
	expect 'not root: exit 0' "$code" 0
	[ "$code" = 0 ] || echo "$err"
	expect 'not root: probes are not permitted, with a reason' \
		"$(json user/nr.json 'metric(0, "sched.runq_latency")["status"] + " " + str(bool(metric(0, "sched.runq_latency")["note"]))')" \
		'not_permitted True'
	expect 'not root: the workload is measured' "$(json user/nr.json 'metric(0, "ops")["status"]')" ok
	# 2 MiB of buffers are more than may be locked; the rings themselves fit.
	if "$BENCH" list runtimes | grep -q '^uring .*CQSIZE'; then
		run setpriv --reuid=65534 --regid=65534 --clear-groups sh -c \
			"ulimit -l 1024; cd user && ./bench -q --trials=1 --duration=100ms --warmup=0 --no-probes -o lock.json disk,bs=64k,depth=32,size=16m,direct=0,cache=warm,workers=1"
		expect 'memlock: the workload is measured' "$code $(json user/lock.json 'd["jobs"][0]["status"]')" '0 ok'
		expect 'memlock: buffers that are not registered are told' \
			"$(json user/lock.json '[("did not register the buffers" in w, "RLIMIT_MEMLOCK = 1024 KiB" in w) for w in d["warnings"] if "buffers" in w]')" \
			'[(True, True)]'
	fi
	check 'not root: list' 0 'modules' setpriv --reuid=65534 --regid=65534 --clear-groups user/bench list
fi

# No BTF: probes say so, the rest runs.
if root_only 'no BTF'; then
	: >empty
	# shellcheck disable=SC2016
	if unshare -m sh -c 'mount --bind empty /sys/kernel/btf/vmlinux' 2>/dev/null; then
		run unshare -m sh -c "mount --bind empty /sys/kernel/btf/vmlinux && exec '$BENCH' --trials=1 --duration=100ms --warmup=0 -q -o nobtf.json cpu"
		expect 'no BTF: exit 0' "$code" 0
		expect 'no BTF: not_supported with the reason' \
			"$(json nobtf.json 'metric(0, "sched.runq_latency")["status"] + " " + str("BTF" in metric(0, "sched.runq_latency")["note"])')" \
			'not_supported True'
	else
		skip 'no BTF' 'cannot bind over /sys/kernel/btf/vmlinux'
	fi
fi

# Half a second after the bench that is started here has its workers: however long it took to load.
in_trial() {
	for _ in $(seq 600); do
		for pid in $(pgrep -x bench); do
			[ "$(readlink "/proc/$pid/cwd")" = "$PWD" ] && cat /proc/"$pid"/task/*/comm 2>/dev/null | grep -q '^bench-w' &&
				sleep 0.5 && return
		done
		sleep 0.05
	done
}

# A CPU that goes offline during a trial.
cpu1=/sys/devices/system/cpu/cpu1/online
if root_only 'CPU offline' && [ -w $cpu1 ] && [ "$(cat $cpu1)" = 1 ]; then
	for runtime in uring blocking; do
		(in_trial; echo 0 >$cpu1; sleep 1; echo 1 >$cpu1) &
		run "$BENCH" --runtime=$runtime --trials=2 --duration=1s --warmup=0 -q --cpus=0-1 -o off-$runtime.json cpu cpu,kernel=float
		wait
		[ "$(cat $cpu1)" = 1 ] || echo 1 >$cpu1
		expect "CPU offline in a trial: the job is marked, $runtime" "$code" 1
		expect "and says which CPU, $runtime" \
			"$(json off-$runtime.json '"cpu 1" in d["jobs"][0]["reason"]')" True
		if [ $runtime = uring ]; then jobs='disk,size=16m net'; else jobs='disk_sync,size=16m net_sync'; fi
		for job in $jobs; do
			(in_trial; echo 0 >$cpu1; sleep 0.5; echo 1 >$cpu1) &
			run "$BENCH" --runtime=$runtime --trials=3 --duration=1s --warmup=0 -q --no-probes --cpus=0-1 \
				--workers=2 -o "off-${job%%,*}.json" "$job"
			wait
			[ "$(cat $cpu1)" = 1 ] || echo 1 >$cpu1
			expect "CPU offline in a trial, $job on $runtime" "$code" 1
			expect "the job has failed and says which CPU, $job on $runtime" \
				"$(json "off-${job%%,*}.json" '[d["jobs"][0]["status"], "from cpu 1 to cpu 0" in d["jobs"][0]["reason"] or d["jobs"][0]["reason"]]')" "['failed', True]"
		done
	done
else
	skip 'CPU offline' 'cpu1 cannot be taken offline here'
fi
finish
