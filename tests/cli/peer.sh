#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Both ends of a network job on two hosts (two network namespaces over veth): one result of both; who
# has no key learns nothing and stops nobody.
here=$(dirname "$(realpath "$0")")
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

(umask 077; head -c 32 /dev/urandom | base64 >key; head -c 32 /dev/urandom | base64 >other; printf short >short)
cp key open && chmod 644 open

check_one_line 'peer= without a key' 2 'needs --key' "$BENCH" -q net,peer=127.0.0.1:1
check_one_line 'peer= of a module with one end' 2 "module 'cpu' has no end" "$BENCH" -q --key key cpu,peer=127.0.0.1:1
check_one_line 'peer= without a port' 2 'give HOST:PORT' "$BENCH" -q --key key net,peer=127.0.0.1
check_one_line 'nobody there' 2 'peer 127.0.0.1:1: Connection refused' "$BENCH" -q --key key net,peer=127.0.0.1:1
check_one_line 'both runtimes' 2 'one runtime' "$BENCH" -q --runtime=uring,blocking --key key net,peer=127.0.0.1:1
check_one_line 'what needs one host' 2 'netns= is for' "$BENCH" -q --key key net,netns=x,address=127.0.0.1,peer=127.0.0.1:1
check_one_line 'IPv6 without brackets' 2 'in brackets' "$BENCH" -q --key key net,peer=::1:5210
check_one_line 'and to listen' 2 'give ADDR:PORT' "$BENCH" peer --listen ::1:5210 --key key
check_one_line 'peer without its options' 2 'give --listen' "$BENCH" peer
check_one_line 'a key that others can read' 2 'chmod 600' "$BENCH" peer --listen 127.0.0.1:0 --key open
check_one_line 'a short key' 2 'at least|16 to' "$BENCH" peer --listen 127.0.0.1:0 --key short
check_one_line 'an address that is none' 2 'give ADDR:PORT' "$BENCH" peer --listen nowhere --key key
check_one_line 'an address of others' 2 'Cannot assign' "$BENCH" peer --listen 192.0.2.1:0 --key key
check 'help' 0 'listen=ADDR:PORT' "$BENCH" peer --help
# One that takes the connection and says nothing; one whose queue is full, so that it does not even take it.
for runtime in uring blocking; do
	for backlog in 8 0; do
		python3 - "$backlog" "$BENCH" -q --runtime=$runtime --key key <<'PY' >out
import signal, socket, subprocess, sys, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(int(sys.argv[1]))
others = [socket.socket() for _ in range(0 if sys.argv[1] != "0" else 3)]
for o in others:
    o.setblocking(False)
    o.connect_ex(s.getsockname())
module = "net" if "--runtime=uring" in sys.argv else "net_sync"
p = subprocess.Popen(sys.argv[2:] + ["%s,peer=127.0.0.1:%d" % (module, s.getsockname()[1])],
                     stderr=subprocess.PIPE, text=True,
                     preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
time.sleep(1)
p.send_signal(signal.SIGINT)
start = time.monotonic()
err = p.communicate(timeout=30)[1]
print(p.returncode, "at once" if time.monotonic() - start < 2 else "late", err.count("\n"), err.split(": ")[-1].strip())
PY
		expect "$runtime, a server that is silent (queue of $backlog), ^C" "$(cat out)" '130 at once 1 interrupted'
	done
done

if [ "$(id -u)" != 0 ] || ! command -v nsenter >/dev/null || ! command -v ip >/dev/null; then
	skip 'two hosts' 'needs root, ip and nsenter'
	finish
fi
a=benchA$$ b=benchB$$ peer=
# shellcheck disable=SC2317,SC2329
clean() {
	[ -z "$peer" ] || kill "$peer" 2>/dev/null
	ip netns del "$a" 2>/dev/null
	ip netns del "$b" 2>/dev/null
	cd /
	rm -rf "$work"
}
trap clean EXIT
ip netns add "$a" && ip netns add "$b" && ip link add ve0 netns "$a" type veth peer name ve1 netns "$b" &&
	ip -n "$a" addr add 10.77.0.1/24 dev ve0 && ip -n "$b" addr add 10.77.0.2/24 dev ve1 &&
	ip -n "$a" addr add 10.77.0.3/24 dev ve0 && ip -n "$a" link set ve0 up && ip -n "$b" link set ve1 up &&
	ip -n "$a" link set lo up && ip -n "$b" link set lo up || {
	skip 'two hosts' 'no network namespaces here'
	finish
}
client() { # KEY arguments...
	k=$1
	shift
	run nsenter --net="/run/netns/$a" "$BENCH" --key "$k" --duration=100ms --warmup=50ms --trials=2 -q "$@"
}
start_peer() { # [address] options...
	case ${1-} in '' | -*) host=10.77.0.2 ;; *) host=$1 && shift ;; esac
	nsenter --net="/run/netns/$b" "$BENCH" peer --listen "$host:0" --key key "$@" >peer.out 2>peer.err &
	peer=$!
	for _ in $(seq 100); do
		grep -q listening peer.out && break
		sleep 0.05
	done
	port=$(sed -n 's/^listening on .*://p' peer.out)
	at=$host:$port
}
stop_peer() {
	kill "$peer"
	wait "$peer"
	ended=$?
	peer=
}

start_peer
for m in net net_sync; do
	client key -o $m.json "$m,mode=rr,size=100,peer=$at"
	expect "$m: both ends" "$code $(json $m.json '[d["jobs"][0]["status"], d["jobs"][0]["peer"]["job"]["status"]]')" "0 ['ok', 'ok']"
	expect "$m: one worker each" \
		"$(json $m.json '[len(d["jobs"][0]["placement"]), len(d["jobs"][0]["peer"]["job"]["placement"])]')" '[1, 1]'
	expect "$m: as many trials" "$(json $m.json 'd["jobs"][0]["peer"]["job"]["trials"]')" 2
	expect "$m: the server's own account" \
		"$(json $m.json '[m["value"] > 0 for m in d["jobs"][0]["peer"]["job"]["metrics"] if m["name"] == "task-clock"]')" '[True]'
	expect "$m: and ledger" "$(json $m.json 'abs(sum(m["value"] for m in d["jobs"][0]["peer"]["job"]["metrics"] if m["name"] == "wall.time") - 1) < 0.02 if not [w for w in d["warnings"] if "probe" in w] else True')" True
	expect "$m: no ops of the server's" \
		"$(json $m.json '[m["name"] for m in d["jobs"][0]["peer"]["job"]["metrics"] if m["name"] == "ops"]')" '[]'
	# A request is as long as its answer: what came in there is half of what moved here.
	expect "$m: what was sent arrived" \
		"$(json $m.json '[0.9 < m["value"] / (metric(0, "bytes")["value"] * 0.1 / 2) < 1.1 for m in d["jobs"][0]["peer"]["job"]["metrics"] if m["name"] == "net.rx_bytes"]')" '[True]'
	expect "$m: the path" "$(json $m.json '[m["labels"]["path"] for m in d["jobs"][0]["metrics"] if m["name"] == "net.path_mtu"]')" "['network to 10.77.0.2']"
	expect "$m: one clock, so no offset" "$(json $m.json 'abs(d["jobs"][0]["peer"]["clock"]["offset_ns"]) <= d["jobs"][0]["peer"]["clock"]["error_ns"] + 1000000')" True
	run python3 "$here/../report/validate.py" "$here/../../docs/result.schema.json" $m.json
	if [ "$code" = 77 ]; then skip "$m: schema" "$out"; else expect "$m: schema" "$code $out" '0 '; fi
	check "$m: the report has both" 0 'peer 10.77.0.2' "$BENCH" report $m.json
done
client key -o two.json "net,mode=stream,peer=$at" "net_sync,mode=rr,proto=udp,peer=$at" "net,flows=4,peer=$at,peer_cpus=1"
expect 'several jobs' "$code $(json two.json '[(j["status"], j["peer"]["job"]["status"]) for j in d["jobs"]]')" \
	"0 [('ok', 'ok'), ('ok', 'ok'), ('ok', 'ok')]"
expect 'CPUs of the other end' "$(json two.json 'd["jobs"][2]["peer"]["job"]["placement"]')" '[1]'
client key -o connect.json --duration=1s --trials=2 "net,mode=connect,flows=4,port=5219,peer=$at" &
measuring=$!
sleep 1
expect 'strangers do not reach a job' \
	"$(nsenter --net="/run/netns/$a" python3 "$here/peer_fuzz.py" 10.77.0.2 5219 "$work/key" workload)" 0
wait $measuring
expect 'connections made' "$(json connect.json '[(j["status"], j["peer"]["job"]["status"]) for j in d["jobs"]]')" "[('ok', 'ok')]"
client key -o accept.json "net,mode=connect,accept=multishot,peer=$at"
expect 'and by one accept' "$code $(json accept.json '[(j["status"], j["peer"]["job"]["status"]) for j in d["jobs"]]')" \
	"0 [('ok', 'ok')]"
expect 'each taken there' \
	"$(json accept.json '[0.9 < m["value"] / (metric(0, "ops")["value"] * 0.1) < 1.2 for m in d["jobs"][0]["peer"]["job"]["metrics"] if m["name"] == "net.accepted"]')" '[True]'
client key -o none --counters=cycles -n "net,peer=$at"
expect 'a plan asks nobody' "$code" 0
check_one_line 'CPUs that are not there' 2 'peer .*CPU 999' nsenter --net="/run/netns/$a" "$BENCH" --key key -q "net,peer=$at,peer_cpus=999"

if ! tc -n "$a" qdisc add dev ve0 root tbf rate 20mbit burst 32k latency 50ms 2>tc.err; then
	skip 'a shaped network' "$(cat tc.err)"
else
	client key -o slow.json --duration=500ms "net,mode=stream,size=64k,peer=$at"
	expect 'a shaped network' "$code $(json slow.json '[0.5 < m["value"] * 8 / 20e6 < 1.3 for m in d["jobs"][0]["peer"]["job"]["metrics"] if m["name"] == "net.rx"]')" '0 [True]'
	tc -n "$a" qdisc replace dev ve0 root tbf rate 1mbit burst 1600 latency 500ms
	client key -o late.json --duration=1s --trials=1 "net,size=4000,rate=20,peer=$at"
	expect 'what is late there is late by the network' "$(json late.json '[s["latency_ns"] > 15e6 and s["causes"].get("blocked.net", 0) > 0.8 * s["latency_ns"] for s in d["jobs"][0]["slow"] if s["class"] == "worst"].count(True) >= 10')" True
	tc -n "$a" qdisc del dev ve0 root
fi

# A server that is stopped for 300 ms: all that is due meanwhile is late, and its end says why.
client key -o held.json --duration=1s --trials=1 --warmup=500ms "net,rate=200,peer=$at" &
measuring=$!
for _ in $(seq 100); do
	pgrep -P "$peer" >/dev/null && break
	sleep 0.05
done
sleep 1
pkill -STOP -P "$peer"
sleep 0.3
pkill -CONT -P "$peer"
wait $measuring
expect 'a stopped server' "$(json held.json 'd["jobs"][0]["status"], [0.2 < m["value"] < 0.4 for m in d["jobs"][0]["peer"]["job"]["metrics"] if m["name"] == "wall.time" and m["labels"]["cause"] == "blocked.other"]')" "('ok', [True])"
expect 'delays each that was due' \
	"$(json held.json 'len([s for s in d["jobs"][0]["slow"] if s["class"] == "worst" and s["latency_ns"] > 1e8])')" 32
expect 'by the peer' "$(json held.json '[s["causes"].get("peer", 0) > 0.9 * s["latency_ns"] for s in d["jobs"][0]["slow"] if s["class"] == "worst"].count(True)')" 32

# Strangers.
fuzz() { nsenter --net="/run/netns/$a" python3 "$here/peer_fuzz.py" 10.77.0.2 "$port" "$work/key" "$1"; }
size() { awk '/^VmRSS/ {print $2}' "/proc/$peer/status"; }
check_one_line 'another key' 2 'does not have this key' nsenter --net="/run/netns/$a" "$BENCH" --key other -q "net,peer=$at"
before=$(size)
expect 'garbage is given nothing' "$(fuzz garbage)" 0
expect 'nor a browser' "$(fuzz http)" 0
expect 'nor a wrong key' "$(fuzz wrong_key)" 0
expect 'a crowd keeps nobody out' "$(fuzz crowd)" kept
expect 'slow ones are left' "$(fuzz slow)" 'closed within 10 s: True'
expect 'a recording leads nowhere' "$(fuzz replay)" 'fresh: True, then 0 bytes'
expect 'nor do messages that do not decrypt' "$(fuzz cut)" 0
mkfifo go
fuzz half_open <go >held &
holder=$!
exec 9>go
for _ in $(seq 100); do
	grep -q held held && break
	sleep 0.05
done
client key -o silent.json "net_sync,peer=$at"
expect 'silent ones keep nobody out' "$code" 0
echo >&9
exec 9>&-
wait "$holder"
expect 'memory stays' "$([ "$(($(size) - before))" -lt 2048 ] && echo yes)" yes
expect 'the log stays short' "$([ "$(wc -l <peer.err)" -lt 60 ] && echo yes)" yes

# Versions: the same program with another number in it.
version=$("$BENCH" --version | sed -n '1s/^bench \([0-9.]*\).*/\1/p')
python3 - "$BENCH" "$version" >bench9 <<'PY' && chmod +x bench9
import sys
old = sys.argv[2].encode()
sys.stdout.buffer.write(open(sys.argv[1], "rb").read().replace(b"\0" + old + b"\0", b"\0" + b"9" + old[1:] + b"\0"))
PY
check_one_line 'another version' 2 'both ends must be of one version' nsenter --net="/run/netns/$a" ./bench9 --key key -q "net,peer=$at"

# A client that dies in the middle, and one that stops.
for sig in KILL STOP; do
	long=20s
	[ $sig = KILL ] || long=3s
	stop_peer
	expect 'ended by a signal' "$ended" 143
	start_peer --idle 2s
	nsenter --net="/run/netns/$a" "$BENCH" --key key --duration=$long -o none -q "net,peer=$at" >/dev/null 2>&1 &
	victim=$!
	for _ in $(seq 100); do
		grep -q 'end) for 10.77.0.1' peer.err && break
		sleep 0.1
	done
	sleep 1
	if [ $sig = KILL ]; then
		check_one_line 'one client at a time' 2 'busy with a client at 10.77.0.1' \
			nsenter --net="/run/netns/$a" "$BENCH" --key key -q "net,peer=$at"
	fi
	kill -$sig $victim
	[ $sig = KILL ] || sleep 8
	client key -o "after-$sig.json" "net,peer=$at"
	expect "after a client was sent $sig" "$code $err" '0 '
	kill -KILL $victim 2>/dev/null
	wait $victim 2>/dev/null
done
stop_peer

# IPv6: no wait for the check that nobody else has the address.
if ip -n "$a" addr add fd77::1/64 dev ve0 nodad 2>/dev/null && ip -n "$b" addr add fd77::2/64 dev ve1 nodad 2>/dev/null; then
	start_peer '[fd77::2]'
	client key -o six.json "net,peer=$at" "net_sync,peer=$at" "net,mode=stream,proto=udp,peer=$at" "net,mode=connect,peer=$at"
	expect 'IPv6' "$code $(json six.json '[(j["status"], j["peer"]["job"]["status"]) for j in d["jobs"]]')" \
		"0 [('ok', 'ok'), ('ok', 'ok'), ('ok', 'ok'), ('ok', 'ok')]"
	expect 'its path' "$(json six.json '[(m["labels"]["path"], m["value"]) for m in d["jobs"][0]["metrics"] if m["name"] == "net.path_mtu"]')" \
		"[('network to fd77::2', 1500)]"
	stop_peer
	# One that takes both kinds knows an IPv4 client as one.
	start_peer '[::]'
	client key -o both.json "net,peer=10.77.0.2:$port" "net,peer=[fd77::2]:$port"
	expect 'both kinds' "$code $(grep -c 'for 10.77.0.1$\|for fd77::1$' peer.err) $(json both.json '[(j["status"], j["peer"]["job"]["status"]) for j in d["jobs"]]')" \
		"0 2 [('ok', 'ok'), ('ok', 'ok')]"
	stop_peer
else
	skip 'IPv6' 'the kernel has none'
fi
expect 'nothing of it is left' "$(pgrep -f 'listen [^ ]*:0 --key key' | wc -l)" 0
finish
