# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# The probes' arithmetic where time is exact (under -icount nothing but the program takes any), and one
# short job of each kind on both runtimes.
failed=0
run() { # name command...
	name=$1
	shift
	"$@" >"/results/$name.log" 2>&1 || failed=1
	tail -n 15 "/results/$name.log"
}

run jobs-uring bench --runtime=uring --trials=1 --duration=100ms -o /results/jobs-uring.json \
	cpu disk,size=16m net disk_sync,size=16m net_sync
run jobs-blocking bench --runtime=blocking --trials=1 --duration=100ms -o /results/jobs-blocking.json \
	cpu disk_sync,size=16m net_sync
run ledger test_ledger
exit "$failed"
