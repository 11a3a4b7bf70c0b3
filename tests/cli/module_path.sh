#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Modules from outside of the tree: built against the installed headers alone, loaded from a
# directory; one that does not fit is one clear error.
# shellcheck source=tests/cli/lib.sh
tree=$(pwd)
. "$(dirname "$0")/lib.sh"

make -s -C "$tree" install DESTDIR="$work/root" PREFIX=/usr >/dev/null || exit 1
headers=$work/root/usr/include
# The example, changed by a sed script, as NAME.so of a directory.
build() { # file script
	sed "$2" "$tree/docs/examples/spin.c" >source.c
	cc -shared -fPIC -O2 -Wall -Wextra -Werror -I"$headers" -o "$1" source.c
}
refused() { # name pattern command...
	rm -rf bad && mkdir bad
	name=$1 pattern=$2
	shift 2
	"$@" || return
	check_one_line "$name" 2 "$pattern" "$BENCH" --module-path=bad cpu
}

mkdir good
check 'the example builds against the installed headers' 0 '' build good/spin.so ''
quick='--trials=1 --duration=20ms --warmup=10ms --probes=none -q'
# shellcheck disable=SC2086
check 'it runs' 0 'spin module' "$BENCH" $quick --module-path=good -o r.json spin,turns=50
expect 'it measures' "$(json r.json 'metric(0, "ops")["value"] > 0')" True
expect 'its parameters are in the result' "$(json r.json 'd["jobs"][0]["params"]')" "{'turns': 50}"
# shellcheck disable=SC2086
check 'it sweeps like any other' 0 'spin,turns=100' "$BENCH" $quick --module-path=good -o none \
	'spin,turns={10,100}'
check 'it is listed' 0 'turns=N .*\[1\.\.1000000000\]' "$BENCH" list --module-path=good modules
check_one_line 'its parameters are checked' 2 'turns=0: out of range' "$BENCH" --module-path=good spin,turns=0

refused 'not a shared object' 'bad/x.so: .*(invalid ELF|file too short)' sh -c 'echo text >bad/x.so'
refused 'no descriptor' 'does not export its descriptor' build bad/other.so ''
refused 'another ABI' 'ABI 999' build bad/spin.so 's/= BENCH_MODULE_ABI/= 999/'
refused 'a name that is taken' 'a module of that name already' build bad/cpu.so \
	's/bench_module_spin/bench_module_cpu/; s/"spin"/"cpu"/'
refused 'another name than the file' 'another name' build bad/spin.so 's/"spin"/"spine"/'
refused 'no run()' 'needs run' build bad/spin.so 's/\.run = .*/.state_size = 8 + sizeof(spin_run),/'
refused 'no module at all' 'no \.so file' true
check_one_line 'no such directory' 2 'nowhere' "$BENCH" --module-path=nowhere cpu
finish
