#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Which jobs run: suites, and parameters with several values on the command line, in a config file, in
# the result and the report.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

quick='--trials=1 --duration=20ms --warmup=10ms --probes=none -q'
# shellcheck disable=SC2086
check 'a sweep runs a job for each combination' 0 'sweep' "$BENCH" $quick -o r.json \
	'disk_sync,bs={4k,64k},size=1m..4m*4'
expect 'names' "$(json r.json '[j["name"] for j in d["jobs"]]')" \
	"['disk_sync,bs=4k,size=1m', 'disk_sync,bs=4k,size=4m', 'disk_sync,bs=64k,size=1m', 'disk_sync,bs=64k,size=4m']"
expect 'the result tells the sweep' "$(json r.json 'd["jobs"][1]["sweep"]')" \
	"{'name': 'disk_sync,bs={4k,64k},size=1m..4m*4', 'params': {'bs': 4096, 'size': 4194304}}"
expect 'the parameters are the jobs own' "$(json r.json 'd["jobs"][2]["params"]["bs"]')" 65536
expect 'the curve has a line for each job' \
	"$(printf '%s\n' "$out" | grep -cE '^  bs=(4k|64k) size=(1m|4m) .*(█|▏|▎|▍|▌|▋|▊|▉)')" 4

printf '[two sizes]\nmodule = net_sync\nsize = 1..64*64\n' >s.conf
# shellcheck disable=SC2086
check 'a section sweeps' 0 'two sizes.*sweep' "$BENCH" $quick --config s.conf -o s.json
expect 'names of a section' "$(json s.json '[j["name"] for j in d["jobs"]]')" \
	"['two sizes,size=1', 'two sizes,size=64']"
check_one_line 'a value out of range' 2 'bs=128m: out of range' "$BENCH" 'disk_sync,bs=4k..128m'
check_one_line 'too many jobs' 2 'more than 1000 jobs' "$BENCH" 'net,flows=1..600,size=1..2'

check 'the full suite' 0 'disk,rw=write,bs=128k' "$BENCH" --suite=full --dry-run --probes=none
check 'the quick suite' 0 'disk,rw=randread' "$BENCH" --suite=quick --dry-run --probes=none
case $out in *rw=write*) fail 'quick is not full' "$out" ;; *) pass 'quick is not full' ;; esac
# shellcheck disable=SC2086
check 'a suite from a file' 0 'two sizes,size=64' "$BENCH" $quick --suite=s.conf -o f.json
echo '[general]' >empty.conf && echo 'trials = 1' >>empty.conf
check_one_line 'a suite without jobs' 2 'no jobs' "$BENCH" --suite=empty.conf
check_one_line 'a suite that is not there' 2 'nofile' "$BENCH" --suite=nofile
check_one_line 'a suite and modules' 2 'not both' "$BENCH" --suite=quick cpu
check 'how long it takes is said before' 0 '^2 jobs, 1 s' "$BENCH" --trials=1 --duration=20ms \
	--warmup=10ms --probes=none -o g.json --suite=s.conf
finish
