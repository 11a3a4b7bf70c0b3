#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Faults of the host: full disks, ports in use, missing privileges, CPUs that go away.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

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

# Not root: runs with what is left and says what is missing.
if root_only 'not root'; then
	chmod 755 .
	mkdir -p user && chmod 777 user
	run setpriv --reuid=65534 --regid=65534 --clear-groups sh -c \
		"cd user && '$BENCH' --counters --trials=1 --duration=100ms --warmup=0 -o nr.json cpu net_sync"
	expect 'not root: exit 0' "$code" 0
	[ "$code" = 0 ] || echo "$err"
	expect 'not root: probes are not permitted, with a reason' \
		"$(json user/nr.json 'metric(0, "sched.runq_latency")["status"] + " " + str(bool(metric(0, "sched.runq_latency")["note"]))')" \
		'not_permitted True'
	expect 'not root: the workload is measured' "$(json user/nr.json 'metric(0, "ops")["status"]')" ok
	check 'not root: list' 0 'modules' setpriv --reuid=65534 --regid=65534 --clear-groups "$BENCH" list
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

# A CPU that goes offline during a trial.
cpu1=/sys/devices/system/cpu/cpu1/online
if root_only 'CPU offline' && [ -w $cpu1 ] && [ "$(cat $cpu1)" = 1 ]; then
	for runtime in uring blocking; do
		(sleep 0.8; echo 0 >$cpu1; sleep 1; echo 1 >$cpu1) &
		run "$BENCH" --runtime=$runtime --trials=2 --duration=1s --warmup=0 -q --cpus=0-1 -o off-$runtime.json cpu cpu,kernel=float
		wait
		[ "$(cat $cpu1)" = 1 ] || echo 1 >$cpu1
		expect "CPU offline in a trial: the job is marked, $runtime" "$code" 1
		expect "and says which CPU, $runtime" \
			"$(json off-$runtime.json '"cpu 1" in d["jobs"][0]["reason"]')" True
	done
else
	skip 'CPU offline' 'cpu1 cannot be taken offline here'
fi
finish
