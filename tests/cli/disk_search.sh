#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What comes before trials: the rate that keeps a target, rounds until the speed is steady; and the knee of a
# sweep. How fast the disk is does not matter here.
# shellcheck source=tests/cli/lib.sh
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/cli/lib.sh"

short='--trials=3 --duration=150ms --warmup=50ms -q --force --counters=none --no-probes'
# shellcheck disable=SC2086
b() { run "$BENCH" $short "$@"; }
valid() { # name, file
	if ! python3 -c 'import jsonschema' 2>/dev/null; then
		skip "$1" 'python3-jsonschema is not installed'
	else
		check "$1" 0 '' python3 "$root/tests/report/validate.py" "$root/docs/result.schema.json" "$2"
	fi
}

for bad in p99 p99:0 p100:1ms 99:1ms p99:fast; do
	check_one_line "slo=$bad" 2 "slo" "$BENCH" "disk,size=16m,slo=$bad" --no-probes -q -o none
done
check_one_line 'slo= with rate=' 2 'exclude each other' "$BENCH" disk,size=16m,slo=p99:2ms,rate=100 -q -o none
check_one_line 'a module that cannot be paced' 2 'knows no slo=' "$BENCH" sched,mode=timer,slo=p99:2ms -q -o none

# A target that every operation keeps, and one that none can. At the capacity itself an uneven host may not keep
# the rate found: then the job has to say so.
for module in disk,depth=64 disk_sync; do
	b -o easy.json "$module,size=32m,workers=1,slo=p50:200ms"
	family=${module%%,*}
	expect "$family: an easy target is kept up to the capacity" \
		"$(json easy.json '(lambda s: (0.5 * s["capacity"] < s["rate"] <= s["capacity"], s["quantile"], s["target_ns"], len(s["trials"]), (s["kept"] * 2 > len(s["trials"])) == (d["jobs"][0]["status"] == "ok")))(d["jobs"][0]["slo"])')" \
		'(True, 0.5, 200000000, 3, True)'
	valid "$family: its result" easy.json
	expect "$family: the trials run at that rate" \
		"$(json easy.json 'abs(metric(0, "arrival.rate")["value"] / d["jobs"][0]["slo"]["rate"] - 1) < 0.05')" True
	expect "$family: the search is by rate" \
		"$(json easy.json '(lambda t: len(t) > 2 and all(x["rate"] > d["jobs"][0]["slo"]["rate"] or any(y["outcome"] == "kept" for y in t if y["rate"] == x["rate"]) for x in t))(d["jobs"][0]["slo"]["tries"])')" True
	check "$family: the report tells" 0 'is the highest rate that keeps p50' "$BENCH" report easy.json
	[ "$family" = disk_sync ] || continue # at rates that low it takes half a minute
	b -o hard.json "$module,size=32m,workers=1,slo=p50:1us"
	expect "$family: a target that none keeps" \
		"$(json hard.json 'd["jobs"][0]["status"], "no rate keeps it" in d["jobs"][0]["reason"], d["jobs"][0]["slo"]["rate"], len(d["jobs"][0]["slo"]["tries"]) > 4')" \
		"('failed', True, None, True)"
	valid "$family: its result" hard.json
done

# The knee is a trial above it, with causes.
if [ "$(id -u)" = 0 ]; then
	run "$BENCH" --trials=3 --duration=300ms --warmup=50ms -q --force --counters=none -o knee.json \
		disk,depth=64,size=64m,workers=1,slo=p90:20ms
	expect 'the knee has its causes' \
		"$(json knee.json '(lambda s: "over" not in s or s["over"]["rate"] > s["rate"] and ("knee" not in s or not s["knee"]["ops"] or abs(sum(s["knee"]["causes"].values()) - 1) < 1e-6))(d["jobs"][0]["slo"])')" True
	valid 'its result' knee.json
fi

# Rounds until it is steady.
b -o steady.json disk,size=32m,workers=1 disk_sync,size=32m,workers=1,mode=steady,steady_max=3s
expect 'quick is labelled' "$(json steady.json 'd["jobs"][0]["steady"]["state"], d["jobs"][0]["steady"]["rounds"]')" "('quick', [])"
expect 'steady is the test' \
	"$(json steady.json '(lambda s: len(s["rounds"]) >= 5 and (s["state"] == "steady") == (s["range"] <= 0.2 and s["slope"] <= 0.1))(d["jobs"][1]["steady"])')" True
expect 'the test is of the last five rounds' \
	"$(json steady.json '(lambda r, s: abs((max(r) - min(r)) / (sum(r) / 5) - s["range"]) < 1e-9)(d["jobs"][1]["steady"]["rounds"][-5:], d["jobs"][1]["steady"])')" True
valid 'its result' steady.json
check 'the report says so' 0 'not steady state \(mode=quick\)' "$BENCH" report steady.json

# The knee of a sweep: at most one, where there is more load beyond it.
b -o sweep.json 'disk,size=32m,workers=1,depth={1,4,16,256}'
expect 'no more than one knee, and not the last' \
	"$(json sweep.json '(lambda k: len(k) <= 1 and 256 not in k)([j["sweep"]["params"]["depth"] for j in d["jobs"] if j["sweep"].get("knee")])')" True
expect 'it is the one with the most power' \
	"$(json sweep.json '(lambda p, k: (max(p)[1] == 256 and not k) or k == [max(p)[1]])([(metric(i, "ops")["value"] / (metric(i, "latency")["hist"]["sum"] / metric(i, "latency")["hist"]["count"]), j["sweep"]["params"]["depth"]) for i, j in enumerate(d["jobs"])], [j["sweep"]["params"]["depth"] for j in d["jobs"] if j["sweep"].get("knee")])')" True
valid 'its result' sweep.json

# Rings of its own.
b -o rings.json disk,size=32m,workers=1,depth=8,sqpoll=1 disk,size=32m,workers=1,depth=8,sqpoll=1,rate=200
expect 'a thread of the kernel submits' "$(json rings.json '[j["reason"] or j["status"] for j in d["jobs"]]')" "['ok', 'ok']"
expect 'it is part of what the job is' "$(json rings.json 'd["jobs"][0]["params"]["sqpoll"]')" True
check 'no poll queue' 1 'cannot be polled|^$' "$BENCH" --trials=1 --duration=50ms --warmup=0 --no-probes -q -o none disk,size=16m,iopoll=1

# Several files.
b -o files.json disk,size=64m,files=5,depth=8 disk,rw=write,size=64m,files=2 disk_sync,rw=randrw,size=64m,files=3
expect 'several files' "$(json files.json '[j["reason"] or j["status"] for j in d["jobs"]]')" "['ok', 'ok', 'ok']"
finish
