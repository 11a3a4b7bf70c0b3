#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# --sample: the file that perf reads, what is in it, and the profile in the result.
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/cli/lib.sh
. "$root/tests/cli/lib.sh"

check_one_line 'a rate that the host does not take is refused' 2 'perf_event_max_sample_rate' \
	"$BENCH" --sample=999999 -q --no-probes -o none cpu

run "$BENCH" -q --sample --no-probes --trials=1 --duration=50ms --warmup=0 -o try.json cpu
if [ "$code" = 2 ] && printf '%s' "$err" | grep -q 'permitted\|no perf events'; then
	skip 'sampling' "$err"
	finish
fi
expect 'sampling without probes works' "$code" 0
expect 'and says what is missing' "$(json try.json 'any("waits are not sampled" in w for w in d["warnings"])')" True
expect 'the profile is the result'"'"'s' "$(json try.json 'len(d["jobs"][0]["profile"]["symbols"]) > 0')" True
expect 'the file is told' "$(json try.json 'd["artifacts"]')" "[{'kind': 'perf.data', 'path': 'try.perf.data'}]"
check_one_line 'a file that is there is left alone' 2 "'try.perf.data' exists already" \
	sh -c "rm try.json && exec \"\$0\" -q --sample --no-probes -o try.json cpu" "$BENCH"
run "$BENCH" -q --sample --no-probes --trials=1 --duration=50ms --warmup=0 -o none cpu
expect 'without a result there is no file' "$code $(find . -name '*.perf.data' | wc -l)" '0 1'
expect 'nothing else is left' "$(find . -name '.bench*' | wc -l)" 0
run "$BENCH" report --format=profile try.json
expect 'the report of a file that is gone is refused' "$code" 2

# --- killed, interrupted ---

"$BENCH" -q --sample --trials=1 --duration=20s -o killed.json cpu >/dev/null 2>&1 &
sleep 2
kill -9 $!
wait $! 2>/dev/null
expect 'killed, it leaves nothing' "$(find . -name '*killed*' -o -name '.bench*' | wc -l)" 0
"$BENCH" -q --sample --trials=1 --duration=20s -o stopped.json cpu >/dev/null 2>&1 &
sleep 2
kill -TERM $! # a shell has what runs in its background ignore ^C
wait $!
expect 'interrupted, it ends as such' $? 143
if [ -s stopped.perf.data ]; then pass 'and the file is there'; else fail 'and the file is there'; fi

if ! command -v perf >/dev/null; then
	skip 'what perf reads' 'perf is not installed'
	finish
fi

# reads NAME FILE perf-command...: perf says nothing but its answer, which is in $out.
reads() {
	name=$1 file=$2
	shift 2
	run perf "$@" -i "$file"
	if [ "$code" != 0 ] || printf '%s' "$err" | grep -v '^Failed to open\|^$' | grep -q .; then
		fail "$name" "exit $code: $err"
	elif [ -z "$out" ]; then
		fail "$name" 'nothing is printed'
	else
		pass "$name"
	fi
}

reads 'perf reads what was interrupted' stopped.perf.data report --stdio

cat >sums.py <<'PY'
"""Sum of the periods in ns of each thread, from perf script; those of a second at least."""
import collections, re, sys
sums, names = collections.Counter(), {}
for line in open(sys.argv[1]):
    m = re.match(r"\s*(.+?)\s+(-?\d+)/(-?\d+)\s+[\d.]+:\s+(\d+)\s+(\S+?):", line)
    if not m:
        if line.strip():
            sys.exit("not a sample: " + line)
        continue
    name, _, tid, period, event = m.groups()
    if event.startswith("cycles"):
        continue
    sums[tid] += int(period)
    names[tid] = name
for tid, ns in sums.most_common():
    print(names[tid], "%.4f" % (ns / 1e9))
PY
probes=1
if [ "$(id -u)" != 0 ] || "$BENCH" --dry-run --probes=sched cpu | grep -q 'wall.time  *no:'; then probes=0; fi

run "$BENCH" exec -q --sample --trials=1 --warmup=0 -o tree.json -- \
	sh -c 'i=0; while [ $i -lt 20 ]; do /bin/true; i=$((i + 1)); done; sleep 0.6; timeout 0.6 sh -c "while :; do :; done"; exit 0'
expect 'a tree of processes is sampled' "$code" 0
reads 'perf report' tree.perf.data report --stdio --no-children
for event in offcpu-time runqueue-wait; do
	[ $probes = 1 ] || break
	case $out in *"of event '$event'"*) pass "has $event" ;; *) fail "has $event" "$out" ;; esac
done
reads 'perf script' tree.perf.data script
switches=$(perf script -i tree.perf.data --show-switch-events 2>/dev/null | grep -c PERF_RECORD_SWITCH)
if [ "$switches" -ge 40 ]; then pass 'context switches are in it'; else fail 'context switches are in it' "$switches"; fi
# Of a program, whose instructions are there; those of the kernel need a vmlinux.
reads 'perf annotate' stopped.perf.data annotate --stdio --stdio-color=never -q --dsos=bench
reads 'perf report of a time' tree.perf.data report --stdio --time "$(json tree.json 'd["jobs"][0]["profile"]["command"].split("--time ")[1]')"
reads 'perf report of the header' tree.perf.data report --header-only
for word in hostname 'os release' arch cpudesc cmdline 'nrcpus online' 'time of first sample' 'name = offcpu-time'; do
	case $out in *"$word"*) pass "header: $word" ;; *) fail "header: $word" "$out" ;; esac
done
run perf buildid-list -i tree.perf.data
case $out in *'[kernel.kallsyms]'*libc*) pass 'build ids' ;; *libc*'[kernel.kallsyms]'*) pass 'build ids' ;; *) fail 'build ids' "$out$err" ;; esac
run perf diff tree.perf.data stopped.perf.data
expect 'perf diff' "$code" 0
run "$BENCH" report --format=profile tree.json
case $out in *"of event '$(json tree.json 'd["sampling"]["event"]')'"*) pass 'the profile is a format' ;; *) fail 'the profile is a format' "$out" ;; esac
expect 'none is lost' "$(json tree.json 'd["sampling"]["lost"]')" 0

# --- the periods of a thread are its wall time ---

if [ $probes = 1 ]; then
	run "$BENCH" exec -q --sample --trials=1 --warmup=0 -o wall.json -- \
		python3 -c 'import time
end = time.monotonic() + 1.5
while time.monotonic() < end:
    sum(range(20000)); time.sleep(0.003)'
	perf script -i wall.perf.data -F comm,pid,tid,time,event,period >wall.txt 2>/dev/null
	wall=$(json wall.json 'metric(0, "wall")["value"] / 1e9')
	run python3 sums.py wall.txt
	sum=$(printf '%s\n' "$out" | head -n 1 | sed 's/.* //')
	near=$(awk "BEGIN { d = $sum / $wall - 1; print (d < 0.01 && d > -0.01) }")
	if [ "$near" = 1 ]; then pass 'periods sum to the wall time'; else fail 'periods sum to the wall time' "$sum of $wall s"; fi
	expect 'the sleep has a stack' "$(json wall.json 'max((s["share"], s["symbol"] != "[no stack]") for s in d["jobs"][0]["profile"]["symbols"] if s["event"] == "offcpu-time")[1]')" True
	"$BENCH" report --format=folded wall.json >folded.txt
	perf script -i wall.perf.data --time "$(json wall.json 'd["jobs"][0]["profile"]["command"].split("--time ")[1]')" \
		-F comm,pid,tid,time,event,period >span.txt 2>/dev/null
	cat >folded.py <<'PY'
import collections, re
perf, ours = collections.Counter(), collections.Counter()
for line in open("span.txt"):
    m = re.match(r"\s*(.+?)\s+-?\d+/-?\d+\s+[\d.]+:\s+(\d+)\s+(\S+?):", line)
    if m and not m.group(3).startswith("cycles"):
        perf[m.group(3), m.group(1)] += int(m.group(2))
for line in open("folded.txt"):
    event, comm = line.split(";")[:2]
    ours[event, comm.split(" ")[0] if line.count(";") == 1 else comm] += int(line.rsplit(" ", 1)[1])
total = sum(perf.values())
apart = sum(abs(perf[k] - ours[k]) for k in set(perf) | set(ours) if not k[0].startswith("cycles"))
print("same" if total and apart <= 0.001 * total else "apart %d of %d: %s, perf has %s" % (apart, total, ours, perf))
PY
	run python3 folded.py
	expect 'stacks sum to what perf script has of each event and command' "$out" same
	run "$BENCH" exec -q --sample --trials=1 --warmup=0 -o one.json -- dd if=/dev/zero of=/dev/null bs=64 count=1000000
	note='[m["note"] for m in d["jobs"][0]["metrics"] if m["name"] == "wall.time" and m["labels"]["cause"] == "user"][0]'
	case $(json one.json 'd["sampling"]["event"]') in
	cpu-clock) expect 'one interrupt samples, and tells user code from the kernel' \
		"$(json one.json "abs(int($note.split(\" samples\")[0].split()[-1]) / d[\"sampling\"][\"samples\"] - 1) < 0.05")" True ;;
	*) skip 'one interrupt for both' 'cycles are sampled here' ;;
	esac
	run "$BENCH" -q --sample --trials=2 --duration=600ms --workers=1 -o pipe.json sched,mode=timer
	perf script -i pipe.perf.data -F comm,pid,tid,time,event,period >pipe.txt 2>/dev/null
	run python3 sums.py pipe.txt
	sum=$(printf '%s\n' "$out" | head -n 1 | sed 's/.* //')
	near=$(awk "BEGIN { d = $sum / 1.2 - 1; print (d < 0.01 && d > -0.01) }")
	if [ "$near" = 1 ]; then pass 'those of a worker sum to its windows'; else fail 'those of a worker sum to its windows' "$sum of 1.2 s"; fi
else
	skip 'the periods of a thread' 'probes do not work here'
fi

parser=$(find /usr/lib /usr/libexec -name hotspot-perfparser 2>/dev/null | head -n 1)
if [ -n "$parser" ]; then
	check 'hotspot reads it' 0 '' "$parser" --input tree.perf.data --output hotspot.out
	if [ -s hotspot.out ]; then pass 'and has something to show'; else fail 'and has something to show' "$err"; fi
else
	skip 'hotspot reads it' 'hotspot-perfparser is not installed'
fi
finish
