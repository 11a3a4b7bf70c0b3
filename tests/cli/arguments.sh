#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Bad input: one clear line that names the cause, exit 2, before any workload, nothing written.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

check_one_line 'unknown module names the nearest' 2 "did you mean 'disk'" "$BENCH" dsik
check_one_line 'unknown module in a list' 2 "did you mean 'net'" "$BENCH" nett,mode=rr
check_one_line 'unknown command names the nearest' 2 "did you mean 'bench report'" "$BENCH" reprot
check_one_line 'unknown option names the nearest' 2 "did you mean '--runtime'" "$BENCH" --runtme=uring
check_one_line 'unknown parameter names the nearest' 2 "did you mean 'depth'" "$BENCH" disk,dpeth=3
check_one_line 'unknown value lists the choice' 2 'auto\|uring\|blocking' "$BENCH" --runtime=fast
check_one_line 'number out of range gives the range' 2 '1\.\.1000' "$BENCH" --trials=0 cpu
check_one_line 'parameter out of range gives the range' 2 '1\.\.1024' "$BENCH" disk,depth=0
check_one_line 'text for a number' 2 'trials=many' "$BENCH" --trials=many cpu
check_one_line 'duration without sense' 2 'duration' "$BENCH" --duration=-1s cpu
check_one_line 'option without its value' 2 'needs a value' "$BENCH" --trials
check_one_line 'parameter without its value' 2 'needs a value' "$BENCH" disk,depth
check_one_line 'unknown format names the nearest' 2 "did you mean 'text'" "$BENCH" --format=txet cpu
check_one_line 'unknown counter names the nearest' 2 'cycles' "$BENCH" --counters=cyclse cpu
check_one_line 'unknown probe names the nearest' 2 'sched' "$BENCH" --probes=shced cpu
check_one_line 'a CPU that does not exist' 2 '4095' "$BENCH" --cpus=4095 cpu
check_one_line 'a CPU list without sense' 2 'cpus|CPU' "$BENCH" --cpus=1-x cpu
check_one_line 'more workers than CPUs' 2 'oversubscribe' "$BENCH" --workers=4000 cpu
check_one_line 'writing to a named file' 2 'filename' "$BENCH" disk,rw=randwrite,filename=/etc/hostname
check_one_line 'a named file that is not there' 2 "disk.*: filename='/no/such': No such file" "$BENCH" --no-probes cpu disk,filename=/no/such
check_one_line 'a named file that is a directory' 2 "neither a file nor a block device" "$BENCH" --no-probes disk_sync,filename=/usr
check_one_line 'a directory of a job that is not there' 2 "directory='/no/such': No such file" "$BENCH" --no-probes disk,directory=/no/such
check_one_line 'a directory that is a file' 2 "directory='/etc/passwd' is no directory" "$BENCH" --no-probes disk,directory=/etc/passwd
check_one_line 'a directory that is not there' 2 "directory=/no/such: No such file" "$BENCH" --no-probes --directory=/no/such disk
check_one_line 'an empty list of counters' 2 '^bench: --counters: the list is empty; give names, none' "$BENCH" --counters= cpu
check_one_line 'a list of counters without one' 2 'the list is empty' "$BENCH" --counters=' , ' cpu
check_one_line 'exec: an empty list of counters' 125 'the list is empty' "$BENCH" exec --counters= -- true
check_one_line 'a list of probes without one' 2 '^bench: --probes: give all, none or names' "$BENCH" --probes=, cpu
check_one_line 'an empty list of probes' 2 '^bench: --probes: give all, none or names' "$BENCH" --probes= cpu
check_one_line 'none and other probes' 2 "^bench: --probes=sched,none: none stands alone" "$BENCH" --probes=sched,none cpu
check_one_line 'all probes and none' 2 "none stands alone" "$BENCH" --probes=all,none cpu
check_one_line 'a cluster with an unknown letter' 2 "^bench: unknown option '-z' in '-nz'" "$BENCH" -nz cpu
check_one_line 'a cluster that ends without its value' 2 "option '-qo' needs a value" "$BENCH" -qo
check 'flags in one word' 0 placement "$BENCH" -nq cpu
check 'flags, and an option with its value in one word' 0 placement "$BENCH" -nqonone cpu
check 'flags, and an option with its value in the next' 0 placement "$BENCH" -nqo none cpu
check 'exec: flags in one word' 3 '' "$BENCH" exec -qi --trials=1 --warmup=0 --no-probes -o none -- sh -c 'exit 3'
check_one_line 'missing config file' 2 'nonexistent' "$BENCH" --config /nonexistent/bench.conf
printf '[general]\nruntime = uring\ntirals = 3\n' >bad.conf
check_one_line 'config error with file and line' 2 'bad.conf:3: .*trials' "$BENCH" --config bad.conf
printf '[general]\ntrials = 3\n\n[exec]\ntrials = 4\n[general]\ntrials = 5\n' >twice.conf
check_one_line 'a key given twice, with both lines' 2 "twice.conf:7: key 'trials' of section \[general\] is given twice: line 2 has it" "$BENCH" --config twice.conf cpu
check_one_line 'exec: a key given twice' 125 "twice.conf:7: .*line 2 has it" "$BENCH" exec --config twice.conf -- true
printf '[a]\nmodule = cpu\nkernel = int\n[b]\nmodule = cpu\nkernel = int\n\tkernel = float\n' >twice.conf
check_one_line 'a key of a job given twice' 2 "twice.conf:7: key 'kernel' of section \[b\] is given twice: line 6" "$BENCH" --config twice.conf
rm twice.conf
check_one_line 'a directory as config file' 2 "^bench: config file '/etc' is a directory" "$BENCH" --config /etc cpu
check_one_line 'output directory that does not exist' 2 'no/such' "$BENCH" -o no/such/r.json cpu
echo mine >r.json
check_one_line 'an existing output file' 2 '[Ee]xists.*--force|--force' "$BENCH" -o r.json cpu
expect 'the existing file is untouched' "$(cat r.json)" mine
check_one_line 'list: unknown topic' 2 "did you mean 'modules'" "$BENCH" list modlues
check_one_line 'report: missing file' 2 'nofile' "$BENCH" report nofile.json
check_one_line 'report: not a result' 2 'r.json' "$BENCH" report r.json
echo '{"schema":"other/1"}' >other.json
check_one_line 'report: another schema' 2 'other' "$BENCH" report other.json
check_one_line 'exec: no command' 125 'no command' "$BENCH" exec
check_one_line 'exec: an empty command' 127 "cannot run '': No such file" "$BENCH" exec --no-probes -q -o none -- ''
check_one_line 'exec: unknown option' 125 '--trials' "$BENCH" exec --trails=3 -- true

check 'help' 0 'Usage: bench' "$BENCH" --help
for c in run exec list report; do check "help of $c" 0 "Usage: bench .*$c" "$BENCH" $c --help; done
check 'version' 0 '^bench [0-9]+\.[0-9]+' "$BENCH" --version
for t in modules probes counters reporters runtimes; do
	check "list $t" 0 . "$BENCH" list $t
done
check 'dry run prints jobs, placement, probes, events, duration' 0 'placement' "$BENCH" -n cpu
# "-" is standard output, and the report makes room for it.
brief='--runtime=blocking --trials=1 --duration=20ms --warmup=0 --no-probes -q'
# shellcheck disable=SC2086
{
	check 'result to standard output' 0 '^summary' "$BENCH" $brief -o - cpu
	case $err in *summary*) pass 'the report to standard error' ;; *) fail 'the report to standard error' "$err" ;; esac
	printf '%s' "$out" >piped.json
	expect 'it is the whole document' "$(json piped.json '[d["schema"], len(d["jobs"])]')" "['bench.result/1', 1]"
	check 'full standard output costs the exit status' 1 'not saved: .*No space' sh -c "'$BENCH' $brief -o - cpu >/dev/full"
	check_one_line 'exec: standard output is the program'"'"'s' 125 '--discard-output' "$BENCH" exec -q -o - -- true
	run "$BENCH" exec --trials=1 --warmup=0 --no-probes -q -o - --discard-output -- echo hello
	printf '%s' "$out" >piped.json
	expect 'exec: unless it is discarded' "$code $(json piped.json 'd["jobs"][0]["module"]')" '0 exec'
	rm -f piped.json
}
check 'dry run again' 0 'placement' "$BENCH" -n cpu
for word in runtime expected events probes; do
	case $out in *"$word"*) pass "dry run says $word" ;; *) fail "dry run says $word" "$out" ;; esac
done
rm -f out err; expect "nothing was written" "$(ls | tr "\n" " ")" "bad.conf other.json r.json "
finish
