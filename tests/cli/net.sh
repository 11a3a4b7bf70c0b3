#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# net and net_sync as a user meets them: what is refused, what is said of the path, and a peer behind
# a shaped link, whose slowness must show in every operation, with its cause, and in what TCP resent.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

short='--trials=1 --duration=500ms --warmup=50ms -q --force --counters=none --runtime=uring'
# shellcheck disable=SC2086
b() { run "$BENCH" $short "$@"; }
far=bench-net-$$
near=bn$$
# Of the network for benchmarks (RFC 2544); another one for each run, in case one was killed.
net=198.$((18 + $$ / 256 % 2)).$(($$ % 256))
tidy() {
	ip netns del "$far" 2>/dev/null
	ip link del "$near" 2>/dev/null
	cd / && rm -rf "$work"
}
trap tidy EXIT
trap 'exit 1' INT TERM
# value FILE JOB NAME: a number, or None
value() { json "$1" "(metric($2, '$3') or {}).get('value')"; }
true_of() { expect "$1" "$(json "$2" "bool($3)")" True; }

# --- refusals ---

check_one_line 'depth of a stream' 2 'depth= is for mode=rr' "$BENCH" net,mode=stream,depth=2
check_one_line 'zero copy of a request' 2 'zerocopy=1 is for mode=stream' "$BENCH" net,zerocopy=1
check_one_line 'accept without connections' 2 'accept= is for mode=connect' "$BENCH" net,accept=multishot
check_one_line 'a datagram without room for its number' 2 'a datagram holds 4' \
	"$BENCH" net,proto=udp,size=3
check_one_line 'udp connections' 2 'UDP has no connections' "$BENCH" net_sync,proto=udp,mode=connect
check_one_line 'a namespace without address' 2 'needs address=' "$BENCH" net,netns=x
check_one_line 'a namespace that is not there' 2 'no such network namespace' \
	"$BENCH" net,netns=bench-none,address=10.0.0.1
check_one_line 'more than a ring holds' 2 'a ring holds 1024' "$BENCH" net,flows=64,depth=16
check_one_line 'no address' 2 'address=nowhere is no address' "$BENCH" net_sync,address=nowhere

# --- every way over loopback ---

b -n net
if [ "$code" != 0 ]; then
	skip 'net' "$err"
	finish
fi
b --no-probes -o all.json net,depth=8,flows=2 net,mode=connect,flows=4 net,proto=udp,depth=4 \
	net,proto=udp,mode=stream,depth=4 net,mode=stream,probe=1 net,mode=stream,flows=4 \
	net_sync,proto=udp net_sync,mode=connect
expect 'all modes run' "$(json all.json '[j["status"] for j in d["jobs"]]')" \
	"['ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'ok']"
true_of 'depth is what was asked for' all.json \
	'14 < metric(0, "runtime.inflight", stat="mean")["value"] <= 16'
true_of 'and Little agrees' all.json 'not any("Little" in w for w in d.get("warnings", []))'
true_of 'loopback is called that' all.json \
	'metric(0, "net.path_mtu")["labels"] == {"path": "loopback"}'
true_of 'connections are counted at both ends' all.json \
	'metric(1, "net.accepted")["value"] >= metric(1, "ops")["value"] * 0.5'
true_of 'no request over loopback is sent again' all.json 'metric(2, "net.sent_again")["value"] == 0'
true_of 'a udp stream says what it lost' all.json '0 <= metric(3, "net.lost")["value"] < 1'
true_of 'the probe is there idle and loaded' all.json \
	'all(metric(4, "net.probe", load=l)["hist"]["count"] > 0 for l in ("idle", "loaded"))'
true_of 'flows are fair, or it is said' all.json '0.25 <= metric(5, "net.fairness")["value"] <= 1'
true_of 'rtt and cwnd are the kernel'"'"'s' all.json \
	'metric(5, "net.rtt")["value"] > 0 and metric(5, "net.cwnd")["value"] >= 1'
true_of 'CPU time of CPUs is no less than of threads' all.json \
	'metric(5, "net.cpu_per_op")["value"] > 0.8 * metric(5, "cpu.per_op")["value"]'

b --no-probes -o ways.json net,mode=stream,recv=multishot net,mode=stream,zerocopy=1 net,busy_poll=50us
if [ "$(json ways.json '[j["status"] for j in d["jobs"]]')" = "['ok', 'ok', 'ok']" ]; then
	expect 'a way is part of the identity' "$(json ways.json 'd["jobs"][0]["params"]["recv"]')" multishot
	true_of 'zero copy over loopback is none, and marked' ways.json \
		'(lambda m: m["status"] == "invalid" and "copied" in m["note"])(metric(1, "net.zerocopy"))'
	true_of 'nothing to busy poll is said' ways.json \
		'(lambda m: m["status"] == "not_supported" and "NAPI" in m["note"])(metric(2, "net.busy_polled"))'
else
	# Older kernels: refused with the reason, never measured as something else.
	true_of 'what the kernel lacks is skipped with the reason' ways.json \
		'all(j["status"] == "ok" or "needs Linux" in j["reason"] for j in d["jobs"])'
fi

# --- IPv6 ---

if [ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6; then
	for job in net net,mode=stream,proto=udp net,mode=connect net_sync,mode=connect net_sync,proto=udp; do
		b -o six.json --force "$job,address=::1"
		expect "IPv6: $job" "$code $(json six.json 'd["jobs"][0]["status"]')" '0 ok'
	done
else
	skip 'IPv6' 'lo has no address of it'
fi

# --- a shaped peer ---

if ! ip netns add "$far" 2>/dev/null || ! ip link add "$near" type veth peer name "$near"p 2>/dev/null ||
	! ip link set "$near"p netns "$far" || ! ip addr add $net.1/30 dev "$near" ||
	! ip -n "$far" addr add $net.2/30 dev "$near"p || ! ip link set "$near" up ||
	! ip -n "$far" link set "$near"p up; then
	skip 'a shaped peer' 'no network namespaces or veth here'
	finish
fi
there=netns=$far,address=$net.2
b --no-probes -o veth.json "net,$there" "net_sync,$there"
expect 'a server in a namespace' "$(json veth.json '[j["status"] for j in d["jobs"]]')" "['ok', 'ok']"
true_of 'which is named' veth.json "'$far' in metric(0, 'net.path_mtu')['labels']['path']"
expect 'with the MTU of the link' "$(value veth.json 0 net.path_mtu)" \
	"$(cat "/sys/class/net/$near/mtu")"

# 4000 bytes at 1 Mbit/s take (4000 - 1600) x 8 / 1e6 = 19.2 ms at least, with a bucket of 1600. They
# fit the first congestion window: all of a request is sent at once, and waits in the queue of the link.
if ! tc qdisc add dev "$near" root tbf rate 1mbit burst 1600 latency 500ms 2>/dev/null; then
	skip 'a shaped peer' 'no tbf here'
	finish
fi
b -o slow.json "net,size=4000,rate=20,$there"
true_of 'shaping is in the latency of every operation due' slow.json \
	'(lambda m: m["hist"]["count"] >= 9 and m["hist"]["min"] >= 19e6)((lambda l: l if "hist" in l else metric(0, "service"))(metric(0, "latency")))'
if [ "$(json slow.json 'metric(0, "wall.time", cause="user") is not None and len(d["jobs"][0].get("slow", [])) > 0')" = True ]; then
	largest='(lambda c: max(c, key=c.get))({k: sum(o["causes"].get(k, 0) for o in d["jobs"][0]["slow"]) for o in d["jobs"][0]["slow"] for k in o["causes"]})'
	# peer: the same time where the history of the server's thread is not known.
	case $(json slow.json "$largest") in
	network | peer) pass 'with the way to the answer as its largest cause' ;;
	*) fail 'with the way to the answer as its largest cause' "$(json slow.json "$largest")" ;;
	esac
else
	skip 'with the network as its cause' 'no probes here'
fi

tc qdisc replace dev "$near" root tbf rate 50mbit burst 16k limit 20k
resent() { awk '/^Tcp:/ { if (n) print $n; for (i = 1; i <= NF; i++) if ($i == "RetransSegs") n = i }' /proc/net/snmp; }
before=$(resent)
b --no-probes -o drop.json "net,mode=stream,flows=2,$there"
sent=$(($(resent) - before))
true_of 'what a full queue drops is sent again and told' drop.json 'metric(0, "net.resent")["value"] > 0'
true_of 'no more than the host resent in all' drop.json "metric(0, 'net.resent')['value'] <= $sent"
true_of 'and the rate is the link'"'"'s' drop.json 'metric(0, "net.rx")["value"] * 8 < 60e6'
b --no-probes -o lost.json "net,mode=stream,proto=udp,rate=20000,$there"
true_of 'datagrams that are lost are told' lost.json 'metric(0, "net.lost")["value"] > 0.2'
finish
