# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# What is measured in a guest of the matrix, each part with a result of its own in /results; matrix.py
# reads them. Loading the programs takes seconds on an emulated CPU, so there are few runs, and they
# are short.

say() {
	echo "LAB: $* at $(cut -d ' ' -f 1 /proc/uptime) s"
}

measure() { # name arguments of bench...
	name=$1
	shift
	say "$name"
	bench "$@" --trials=1 --quiet -o "/results/$name.json" >"/results/$name.txt" 2>&1
	echo $? >"/results/$name.code"
}

nvme_irqs() {
	awk '/nvme0q/ { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' /proc/interrupts
}

retransmits() {
	awk '/^Tcp:/ { last = $13 } END { print last }' /proc/net/snmp
}

uname -r >/results/release
sha256sum /bin/bench | cut -d ' ' -f 1 >/results/sha256
bench list runtimes >/results/runtimes
for m in nvme dm_mod dm_delay dm_flakey sch_netem; do
	modprobe -q "$m"
done

# The device that has one; a read of nothing else is under way there.
nvme=/dev/nvme0n1
size=$(cat /sys/block/nvme0n1/size 2>/dev/null || echo 0)
dmsetup create --noudevsync slow --table "0 $size delay $nvme 0 30" 2>/results/dm-delay.why
dmsetup create --noudevsync broken --table "0 $size flakey $nvme 0 0 60" 2>/results/dm-flakey.why
dmsetup mknodes

jobs='--duration=400ms --warmup=100ms'
# shellcheck disable=SC2086
{
	measure uring --runtime=uring --counters $jobs cpu disk,size=16m "disk,filename=$nvme,size=16m,depth=4" net
	measure blocking --runtime=blocking $jobs disk_sync,size=16m net_sync \
		"disk_sync,filename=/dev/mapper/slow,size=16m,workers=1"
	measure dm-flakey --runtime=blocking --no-probes $jobs \
		"disk_sync,filename=/dev/mapper/broken,size=16m,workers=1"
	measure flakey-ring --runtime=uring --no-probes $jobs "disk,filename=/dev/mapper/broken,size=16m,workers=1"
	nvme_irqs >/results/iopoll.irqs
	measure iopoll --runtime=uring --no-probes $jobs "disk,filename=$nvme,size=16m,depth=4,workers=1,iopoll=1"
	nvme_irqs >>/results/iopoll.irqs
	measure sqpoll --runtime=uring --no-probes $jobs "disk,filename=$nvme,size=16m,depth=4,workers=1,sqpoll=1"
	measure iopoll-none --runtime=uring --no-probes $jobs disk,size=16m,workers=1,iopoll=1
}
say exec
nvme_irqs >/results/exec.irqs
bench exec --trials=1 --warmup=0 --quiet -o /results/exec.json -- \
	sh -c "sleep 0.1; dd if=/dev/zero of=/scratch/x bs=64k count=16 conv=fsync; tool_poll $nvme 500 && exit 3" \
	>/results/exec.txt 2>&1
echo $? >/results/exec.code
nvme_irqs >>/results/exec.irqs

/bin/tc qdisc add dev lo root netem delay 20ms 2>/results/netem-delay.why &&
	measure netem-delay --runtime=blocking --no-probes --duration=1s --warmup=100ms net_sync
retransmits >/results/netem-loss.sent
/bin/tc qdisc change dev lo root netem loss 5% 2>/results/netem-loss.why &&
	measure netem-loss --runtime=blocking --probes=net --duration=3s --warmup=100ms net_sync,mode=stream
retransmits >>/results/netem-loss.sent
/bin/tc qdisc del dev lo root 2>/dev/null

for t in test_loop test_async test_async_stop test_async_setup test_runtime; do
	say "$t"
	timeout 60 "$t" >"/results/$t.txt" 2>&1
	echo $? >"/results/$t.code"
done
say end
