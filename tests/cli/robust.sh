#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Odd surroundings: full and closed files, ignored signals, file size limits, late workers.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

short='--trials=1 --duration=50ms --warmup=20ms --no-probes -q -o none'

# shellcheck disable=SC2086
{
	for c in "list modules" "run --help" "--version" "-n --no-probes cpu"; do
		check "full standard output: $c" 1 'standard output|No space' sh -c "'$BENCH' $c >/dev/full"
	done
	check 'closed standard output' 0 '' sh -c "'$BENCH' $short cpu >&-"
	check 'closed standard files' 0 '' sh -c "'$BENCH' $short cpu <&- >&- 2>&-"
	check 'a pipe that closes' 0 '' sh -c "'$BENCH' $short cpu | head -n 1; exit 0"
	check 'a config file that cannot be read' 2 'bench.conf' \
		sh -c "mkdir -p config/bench/bench.conf && '$BENCH' $short cpu"
	rmdir config/bench/bench.conf
	check 'a calibration longer than a trial' 0 '' "$BENCH" $short --warmup=0 cpu disk_sync,bs=4m,size=32m
}

# A file size limit is an error of the save, not a death by signal.
check 'file size limit' 2 'File too large' sh -c "ulimit -f 4; '$BENCH' -q --no-probes --trials=1 --duration=50ms --warmup=20ms -o big.json cpu"
expect 'nothing is left of it' "$(find . -name '*.json' -o -name '.bench*')" ''

# What nohup has it ignore stays ignored.
python3 - "$BENCH" >out <<'PY'
import signal, subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "-q", "--no-probes", "-o", "none", "--trials=1", "--duration=1s", "--warmup=0", "cpu"],
                     stdout=subprocess.DEVNULL, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
time.sleep(0.5)
p.send_signal(signal.SIGHUP)
print(p.wait(timeout=20))
PY
expect 'an ignored signal stays ignored' "$(cat out)" 0

# Workers that start late do not count as fast: operations times CPU time per operation is no more
# CPU time than there are CPUs.
run "$BENCH" -q --no-probes --trials=2 --duration=100ms --warmup=50ms --workers=32 --oversubscribe -o late.json cpu
expect 'oversubscribed run' "$code" 0
expect 'its rate fits the CPUs' \
	"$(json late.json "metric(0, 'ops')['value'] * metric(0, 'cpu.per_op')['value'] / 1e9 <= $(nproc) * 1.1")" True
finish
