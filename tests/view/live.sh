#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The live view of a run that goes on, under both runtimes: it shows what happens, and whatever
# happens to it or to its terminal, the run is not disturbed and the terminal is whole afterwards.
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/view/lib.sh
. "$root/tests/view/lib.sh"

job='cpu --trials=3 --duration=700ms --warmup=100ms --workers=1'

for runtime in uring blocking; do
	on_terminal 100x30 "$BENCH" --live --runtime=$runtime $job -o "$runtime.json"
	shows "$runtime: the job is shown" '\[1 overview\]'
	shows "$runtime: a trial is told" 'trial [123]/3'
	key 3
	shows "$runtime: the ledger by interval" '[cu]{8}'
	key m
	shows "$runtime: a moment is marked" 'marked'
	expect "$runtime: the view leaves at the end" "$(ended 40)" 0
	terminal_whole "$runtime"
	shows "$runtime: the report is printed where the view was" 'throughput|summary'
	expect "$runtime: the result has all trials and the mark" \
		"$(json "$runtime.json" '[d["jobs"][0]["status"], d["jobs"][0]["trials"], len(d["marks"])]')" \
		"['ok', 3, 1]"
done

# --- what comes within a trial ---

for module in net net_sync; do
	runtime=uring
	[ $module = net ] || runtime=blocking
	on_terminal 100x30 "$BENCH" --live --runtime=$runtime $module,mode=rr --oversubscribe \
		--trials=1 --duration=4s --warmup=100ms -o none
	shows "$module: it runs" 'trial 1/1'
	key 6
	shows "$module: the latency before its first trial is over" 'latency trial 1 so far  .*[0-9] .s'
	key C-c
	expect "$module: stopped" "$(ended 20)" 130
done

# --- both runtimes: whichever turns sees the view end ---

on_terminal 100x30 "$BENCH" --live --runtime=uring,blocking net_sync,mode=rr --oversubscribe \
	--trials=2 --duration=2s --warmup=100ms -o both.json
shows 'both runtimes: the blocking one runs' 'trial [12]/2 +net_sync' 30
kill -KILL "$(view_pid)"
shows 'the end of the view is told at once' 'ended by signal 9' 2
expect 'and the run goes on' "$(ended 60)" 0

# --- leaving ---

on_terminal 100x30 "$BENCH" --live $job -o left.json
shows 'it runs' 'trial 1/3'
key q
shows 'q asks once' 'Leave the view'
key y
shows 'and the run goes on with progress lines' 'trial [123]/3|summary'
expect 'to its end' "$(ended 40)" 0
expect 'with all trials' "$(json left.json 'd["jobs"][0]["trials"]')" 3

on_terminal 100x30 "$BENCH" --live $job -o killed.json
shows 'it runs' 'trial 1/3'
kill -KILL "$(view_pid)"
shows 'a killed view is told' 'ended by signal 9'
expect 'the run goes on' "$(ended 40)" 0
terminal_whole 'after SIGKILL of the view'

on_terminal 100x30 "$BENCH" --live $job -o crashed.json
shows 'it runs' 'trial 1/3'
kill -SEGV "$(view_pid)"
expect 'the run goes on after a crash of the view' "$(ended 40)" 0
terminal_whole 'after a crash of the view'

on_terminal 100x30 "$BENCH" --live $job -o stopped.json
shows 'it runs' 'trial 1/3'
key C-c
expect '^C stops the run' "$(ended 20)" 130
terminal_whole 'after ^C'
expect 'what finished is saved' "$(json stopped.json 'd["jobs"][0]["status"]')" interrupted

on_terminal 100x30 "$BENCH" --live $job -o dead.json
shows 'it runs' 'trial 1/3'
kill -KILL "$(run_pid)"
sleep 1.5
terminal_whole 'after SIGKILL of the run'
shows 'the end of the run is told' 'gone without an end'

# --- a slow, a wild and a lost terminal ---

on_terminal 100x30 "$BENCH" --live $job -o frozen.json
shows 'it runs' 'trial 1/3'
view=$(view_pid)
kill -STOP "$view"
# The run ends, and waits for the view only.
tries=150
while [ ! -s frozen.json ] && [ "$tries" -gt 0 ]; do
	sleep 0.2
	tries=$((tries - 1))
done
expect 'a frozen view does not hold up the run' \
	"$(json frozen.json 'd["jobs"][0]["trials"]' 2>/dev/null)" 3
kill -CONT "$view"
expect 'and leaves when it goes on' "$(ended 20)" 0

on_terminal 100x30 "$BENCH" --live $job -o storm.json
shows 'it runs' 'trial 1/3'
for n in $(seq 40); do
	t resize-window -t t -x $((20 + n * 37 % 180)) -y $((5 + n * 13 % 50))
done
t resize-window -t t -x 100 -y 30
shows 'a storm of sizes is survived' '\[1 overview\]|summary'
expect 'and the run with it' "$(ended 40)" 0

"$BENCH" -q $job --trials=6 -o attached.json --format=json >/dev/null &
run=$!
tries=100
until find "/proc/$run/fd" -lname '*bench-live*' | grep -q . || [ "$tries" = 0 ]; do
	sleep 0.1
	tries=$((tries - 1))
done
on_terminal 100x30 "$BENCH" view --attach=$run
shows 'attached to a run: its job' 'cpu'
shows 'and rows from then on' 'trial [1-6]/6' 30
key 3
shows 'and its ledger' '[cu]{8}' 30
t kill-server
wait "$run"
expect 'a lost terminal ends the view, not the run' $? 0
expect 'which has all trials' "$(json attached.json 'd["jobs"][0]["trials"]')" 6
if pgrep -f "view --attach=$run" >/dev/null; then
	fail 'the view has gone with its terminal'
else
	pass 'the view has gone with its terminal'
fi

# --- a command ---

on_terminal 100x30 "$BENCH" exec --live --discard-output --trials=8 --warmup=0 -o exec.json -- sleep 0.4
shows 'exec: its runs are told' 'run [0-9]/8'
shows 'exec: wall time so far' '4[0-9][0-9] ms'
expect 'exec: the view leaves at the end' "$(ended 40)" 0
terminal_whole 'exec'
on_terminal 100x30 "$BENCH" exec --live -o none -- true
expect 'exec: not on the terminal of the command' "$(ended)" 125

# --- no terminal ---

check 'without a terminal progress lines go on' 0 'no terminal to draw on' \
	setsid -w "$BENCH" --live --trials=1 --duration=50ms --warmup=0 -o none cpu
finish
