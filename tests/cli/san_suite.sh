#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The whole suite, exec, list and report under a sanitized binary, on both runtimes: a report of the
# sanitizer makes the exit code differ.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# The default suite. The thread sanitizer needs several times the memory of what it watches, and the arrays of
# memory,mode=triad are four times the last-level cache, which may be half a GiB: the same jobs, but smaller arrays.
suite() { # runtime
	grep -q __tsan_init "$BENCH" || return 0
	"$BENCH" -n --runtime="$1" 2>/dev/null |
		awk '/^job / { job = $3 } /^  module / { print job }' | sed 's/^memory,mode=triad$/&,size=16m/'
}

short='--trials=2 --duration=100ms --warmup=50ms --interval=10ms -q'
for runtime in uring blocking; do
	jobs=$(suite $runtime)
	# shellcheck disable=SC2086
	check "suite on $runtime" 0 '' "$BENCH" $short --runtime=$runtime --counters -o r-$runtime.json $jobs
	for format in text json; do
		check "report $format of $runtime" 0 '' "$BENCH" report r-$runtime.json --format=$format
	done
	check "exec on $runtime" 3 '' "$BENCH" exec -q --runtime=$runtime -i --trials=2 --warmup=0 -o e-$runtime.json -- \
		sh -c 'ls / >/dev/null & wait; exit 3'
done
check 'all modes of the modules' 0 '' "$BENCH" -q --trials=1 --duration=100ms --warmup=0 -o m.json \
	disk,rw=randrw,size=16m disk,rw=write,size=16m,direct=0 disk_sync,rw=randwrite,size=16m \
	net,flows=8 net,mode=stream,flows=4 net_sync,mode=stream cpu,kernel=float
check 'list' 0 modules "$BENCH" list
check 'dry run' 0 placement "$BENCH" -n
finish
