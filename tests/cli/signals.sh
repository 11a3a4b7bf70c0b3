#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# SIGINT and SIGTERM at any moment: what finished is saved as interrupted, exit 130 or 143, nothing
# is left behind.
# shellcheck source=tests/cli/lib.sh
here=$(realpath "$(dirname "$0")")
. "$here/lib.sh"

leftovers() { # processes, threads and files of the runs here
	pgrep -f "$BENCH" >/dev/null && echo process
	find . -name '*.tmp*' -o -name '.bench*' -o -name 'bench-??????' | grep . && echo file
	return 0
}

python3 "$here/orphans.py" >orphans-before; can_list=$?
n=0
for runtime in uring blocking; do
	if [ $runtime = uring ]; then jobs="disk,size=64m net cpu"; else jobs="disk_sync,size=64m net_sync cpu"; fi
	for at in 0.05 0.15 0.3 0.6 1.1 1.9 2.7; do
		for sig in INT TERM; do
			n=$((n + 1))
			[ $sig = INT ] && expected=130 || expected=143
			# shellcheck disable=SC2086
			python3 - "$sig" "$at" "$BENCH" --runtime=$runtime --trials=2 --duration=500ms --warmup=100ms -o s$n.json $jobs >out 2>err <<'PY'
import signal, subprocess, sys, time
signame, at, *argv = sys.argv[1:]
p = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
time.sleep(float(at))
p.send_signal(getattr(signal, "SIG" + signame))
t = time.monotonic()
try:
    code = p.wait(timeout=15)
except subprocess.TimeoutExpired:
    p.kill()
    code = "hangs"
print("code", code if code in ("hangs",) or code >= 0 else 128 - code, "after %.1f s" % (time.monotonic() - t))
PY
			got=$(sed -n 's/^code \([a-z0-9]*\) .*/\1/p' out)
			expect "$runtime: SIG$sig after $at s" "$got" "$expected"
			[ "$got" = "$expected" ] || cat out err
			# Before signals are taken over there is nothing to save.
			if [ -e s$n.json ]; then
				expect "$runtime: saved as interrupted ($at s)" \
					"$(json s$n.json '"interrupted" in {j["status"] for j in d["jobs"]}')" True
			elif [ "$at" != 0.05 ] && [ "$at" != 0.15 ]; then
				fail "$runtime: result saved ($sig, $at s)" "$(cat err)"
			fi
		done
	done
done
sleep 0.3
expect 'no process and no file is left' "$(leftovers)" ''
if [ $can_list = 0 ]; then
	# Twice: one that is being unloaded is held by nobody for a moment.
	python3 "$here/orphans.py" >orphans-once
	sleep 1
	expect 'no BPF program is left' \
		"$(python3 "$here/orphans.py" | comm -12 - orphans-once | comm -23 - orphans-before)" ''
else
	skip 'no BPF program is left' 'BPF programs cannot be listed here'
fi

# SIGKILL leaves no file either: the temporary file has no name.
"$BENCH" --trials=1 --duration=5s -q -o k.json disk_sync,size=64m >/dev/null 2>&1 &
pid=$!
sleep 1
kill -9 $pid
wait $pid 2>/dev/null
rm -f out err
expect 'SIGKILL leaves no file' "$(find . -newer s1.json -type f -name '*[!0-9].json' -o -name 'bench-*' | head -3)" ''

# exec: the command ends, too, and what it started (more in exec.sh).
python3 - "$BENCH" >out <<'PY'
import signal, subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "exec", "-q", "--no-probes", "-o", "e.json", "--",
                      "sh", "-c", "sleep 47.11; true"],
                     stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
time.sleep(1)
p.send_signal(signal.SIGTERM)
print(p.wait(timeout=10))
PY
expect 'exec: SIGTERM is passed on' "$(cat out)" 143
sleep 0.2
expect 'exec: the command is gone' "$(pgrep -f 'sleep 47[.]11')" ''
finish
