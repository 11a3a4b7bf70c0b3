#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Slow operations with a cause that is made here: the report must name it. And the time series.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

short='--trials=2 --duration=400ms --warmup=100ms -q --force --counters=none'
# shellcheck disable=SC2086
b() { run "$BENCH" $short "$@"; }
cpu=$("$BENCH" -n cpu 2>/dev/null | sed -n 's/^ *placement .* on cpu \([0-9]*\).*/\1/p' | head -n 1)
cpu=${cpu:-0}
hog=
group=
tidy() {
	[ -z "$hog" ] || kill -KILL "$hog" 2>/dev/null
	[ -z "$group" ] || rmdir "$group" 2>/dev/null
	cd / && rm -rf "$work"
}
trap tidy EXIT

# --- the shape, with whatever causes there are ---

b --slow=5 -o shape.json --workers=1 disk_sync,size=16m net_sync
expect 'slow ops are kept' "$code" 0
expect 'as many of the worst as asked for' \
	"$(json shape.json '[sum(s["class"] == "worst" for s in j["slow"]) for j in d["jobs"]]')" '[5, 5]'
expect 'causes sum to the latency, exactly' \
	"$(json shape.json 'all(sum(s["causes"].values()) == s["latency_ns"] for j in d["jobs"] for s in j["slow"])')" True
expect 'the worst are in order, the first is the maximum' \
	"$(json shape.json 'all((lambda w, m: w == sorted(w, reverse=True) and w[0] == m)([s["latency_ns"] for s in j["slow"] if s["class"] == "worst"], metric(i, "latency")["hist"]["max"]) for i, j in enumerate(d["jobs"]))')" True
expect 'trial and time lie in the run' \
	"$(json shape.json 'all(1 <= s["trial"] <= 2 and 0 <= s["at_ns"] <= 400e6 for j in d["jobs"] for s in j["slow"])')" True
expect 'samples lie around p99' \
	"$(json shape.json 'all(0.9 * h["p90"] <= s["latency_ns"] <= h["max"] for i, j in enumerate(d["jobs"]) for h in [metric(i, "latency")["hist"]] for s in j["slow"] if s["class"] == "p99")')" True

b --slow=0 -o none.json disk_sync,size=16m
expect 'none when none are asked for' "$(json none.json '"slow" in d["jobs"][0]')" False
b -o batch.json cpu
expect 'none where ops are timed in batches' "$(json batch.json '"slow" in d["jobs"][0]')" False
b --no-probes --slow=3 -o blind.json --workers=1 disk_sync,size=16m
expect 'without probes all is unknown' \
	"$(json blind.json '{c for s in d["jobs"][0]["slow"] for c in s["causes"]}')" "{'unknown'}"
check_one_line 'a number that is none' 2 'slow' "$BENCH" --slow=many cpu

# --- the time series ---

b --interval=20ms -o series.json --workers=1 disk_sync,size=16m
# A row may be late where others have the CPU of who writes it; it is as much longer.
expect 'rows of the interval asked for' \
	"$(json series.json '(lambda s: s["interval_ns"] == 20000000 and len(s["rows"]) <= 42 and sum(max(1, round(r[1] / 20e6)) for r in s["rows"]) >= 38 or s["rows"])(d["jobs"][0]["series"])')" True
expect 'rows cover the trials' \
	"$(json series.json '(lambda s: 0.99 < sum(r[1] for r in s["rows"]) / 800e6 < 1.01)(d["jobs"][0]["series"])')" True
expect 'rates of the rows average to the rate of the job' \
	"$(json series.json '(lambda s, c: abs(sum(r[c] * r[1] for r in s["rows"]) / sum(r[1] for r in s["rows"]) / metric(0, "ops")["value"] - 1) < 0.05)(d["jobs"][0]["series"], d["jobs"][0]["series"]["columns"].index("ops"))')" True
b --interval=1ms --duration=1s -o bound.json --workers=1 disk_sync,size=16m
expect 'however short the interval, rows are bounded' \
	"$(json bound.json '(lambda s: 100 <= len(s["rows"]) <= 600 and s["interval_ns"] > 1000000 and 0.98 < sum(r[1] for r in s["rows"]) / 2e9 < 1.02)(d["jobs"][0]["series"])')" True

# --- causes that are known ---

if [ "$(json shape.json 'any(c != "unknown" for s in d["jobs"][1]["slow"] for c in s["causes"])')" != True ]; then
	skip 'causes' 'the probes keep no history here'
	finish
fi

# Many requests under way: each is found again at its sockets. A window's first ones may be older than
# the history.
for job in net,flows=8,mode=rr net,mode=rr net_sync,mode=rr; do
	# A host that stands still for a while loses events, and what they would have told.
	for _ in 1 2 3; do
		b -o net.json "$job"
		unknown=$(json net.json '(lambda s: len(s) > 20 and (lambda u: u < 0.05 or "%.3f, lost events %s" % (u, d["overhead"]["events"]))(sum(o["causes"].get(c, 0) for o in s for c in ("unknown", "peer")) / sum(o["latency_ns"] for o in s)))(d["jobs"][0]["slow"])')
		[ "$unknown" != True ] || break
	done
	expect "$job: hardly anything is unknown" "$unknown" True
	expect "$job: causes sum to the latency, exactly" \
		"$(json net.json 'all(sum(s["causes"].values()) == s["latency_ns"] for s in d["jobs"][0]["slow"])')" True
	expect "$job: the other end is told from the own" \
		"$(json net.json '{c.split(".")[0] for s in d["jobs"][0]["slow"] for c in s["causes"]} >= {"peer", "oncpu"}')" True
done

# A program that never sleeps, on the CPU of the only worker. It takes its turns.
cp "$(command -v dash || command -v sh)" hog
taskset -c "$cpu" ./hog -c 'while :; do :; done' &
hog=$!
b --duration=800ms --cpus="$cpu" --workers=1 -o hog.json disk_sync,size=16m
kill -KILL "$hog"
expect 'behind a hog: the run' "$code" 0
# The disk may be slow meanwhile, and others may compete: what counts is what the waits are put down to.
waits='[s for s in d["jobs"][0]["slow"] if max(s["causes"], key=s["causes"].get) == "runqueue"]'
expect 'behind a hog: ops wait on the run queue' "$(json hog.json "len($waits) >= 8")" True
# Its share of all waits in the job is what the kernel side added up by itself, and says how much the
# others had of the CPU.
part="(sum(c['ns'] for s in $waits for c in s['culprits'] if c['who'] == 'hog ($hog)') / sum(c['ns'] for s in $waits for c in s['culprits']))"
whole="(metric(0, 'sched.blame', pid='$hog')['value'] / sum(m['value'] for m in d['jobs'][0]['metrics'] if m['name'] == 'sched.blame'))"
expect 'behind a hog: it has its share of them' \
	"$(json hog.json "$part > $whole - 0.15 and $whole > 0.15 or ($part, $whole)")" True
expect 'behind a hog: all who had the CPU make up the wait, exactly' \
	"$(json hog.json 'all(sum(c["ns"] for c in s["culprits"]) == s["causes"].get("runqueue", 0) for s in d["jobs"][0]["slow"])')" True
hog=
expect 'without it nobody waits behind it' \
	"$(json shape.json 'any(c["who"].startswith("hog (") for j in d["jobs"] for s in j["slow"] for c in s["culprits"])')" False

# Stopped as a whole for 100 ms: neither disk, nor run queue. A thread that others keep off its CPU at
# that moment stops later or not at all, so there are three tries.
stopped=
for _ in 1 2 3; do
	# shellcheck disable=SC2086
	"$BENCH" $short --trials=1 --duration=2s -o stop.json --workers=1 disk_sync,size=16m \
		>/dev/null 2>&1 &
	pid=$!
	while sleep 0.3 && kill -STOP $pid 2>/dev/null; do
		sleep 0.1
		kill -CONT $pid
	done
	wait $pid
	stopped=$(json stop.json 'any(s["causes"].get("blocked.other", 0) > 80e6 for s in d["jobs"][0]["slow"])')
	[ "$stopped" != True ] || break
done
expect 'stopped: an op as long as the stop, with a cause of its own' "$stopped" True

# A disk that gives 2 MiB/s: 64 KiB take 31 ms.
dev=$(stat -c %d .)
dev=$((dev >> 8 & 4095)):$((dev & 255))
blkio=/sys/fs/cgroup/blkio
if [ -e "$blkio/blkio.throttle.read_bps_device" ] && mkdir "$blkio/bench-slow-$$" 2>/dev/null; then
	group=$blkio/bench-slow-$$
	if echo "$dev 2097152" 2>/dev/null >"$group/blkio.throttle.read_bps_device"; then
		for job in disk_sync,bs=64k,size=16m disk,bs=64k,size=16m,depth=1 disk,bs=64k,size=16m,depth=4; do
			# On a busy host the worker may wait for its CPU meanwhile: three tries.
			disk=
			for _ in 1 2 3; do
				# shellcheck disable=SC2016,SC2086
				run sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" \
					"$BENCH" $short --trials=1 --duration=1s -o throttle.json --workers=1 "$job"
				disk=$(json throttle.json '(lambda w: len(w) > 4 and sum(s["causes"].get(c, 0) for s in w for c in ("blocked.disk", "queue", "device")) > 0.8 * sum(s["latency_ns"] for s in w))([s for s in d["jobs"][0]["slow"] if s["latency_ns"] > 25e6])')
				[ "$disk" != True ] || break
			done
			expect "throttled $job: it is the disk" "$disk" True
		done
		# 32 a second are served and 64 are due. With room for all of them in flight every one has
		# its latency, which grows by half of the time: the median is half a second. One at a time,
		# each is served in 31 ms, but not a single one is that fast.
		for depth in 256 1; do
			# shellcheck disable=SC2016,SC2086
			run sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$BENCH" $short --trials=1 \
				--duration=1s -o open.json --workers=1 "disk,bs=64k,size=16m,depth=$depth,rate=64"
			expect "throttled open loop, depth $depth: in the latency of all of them" \
				"$(json open.json "[metric(0, n)['status'] for n in ('latency', 'service')], round(metric(0, 'arrival.rate')['value']), metric(0, 'latency')['value'] > (300e6 if $depth > 1 else 150e6)")" \
				"(['ok', 'ok'], 64, True)"
			expect "throttled open loop, depth $depth: no check of the trial fails" \
				"$(json open.json 'd["jobs"][0]["status"], [w for w in d["warnings"] if "Little" in w]')" "('ok', [])"
			if [ $depth = 256 ]; then
				expect 'throttled open loop: what ends after the window has a latency, too' \
					"$(json open.json 'metric(0, "latency")["hist"]["count"], metric(0, "arrival.unserved")["value"] == 0, metric(0, "ops")["value"] < 50')" \
					'(64, True, True)'
			else
				expect 'throttled open loop: one at a time is served as fast as ever' \
					"$(json open.json 'metric(0, "service")["value"] < 60e6, metric(0, "arrival.unserved")["value"] > 0.3')" \
					'(True, True)'
			fi
		done
	else
		skip 'throttled disk' "the controller does not take $dev"
	fi
else
	skip 'throttled disk' 'there is no blkio controller of cgroup v1 to be had'
fi

# A request is found again: what a disk's op waited for is the device, not unknown.
for _ in 1 2 3; do
	b -o disk.json --workers=1 disk,size=16m,depth=8
	device=$(json disk.json '(lambda n, w: n > 0.8 * len(w) or "%d of %d" % (n, len(w)))(sum(s["causes"].get("device", 0) > 0 for s in d["jobs"][0]["slow"]), d["jobs"][0]["slow"])')
	[ "$device" != True ] || break
done
expect 'disk: the device is in most of the worst' "$device" True
finish
