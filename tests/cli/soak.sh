#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# scripts/soak.py finds each kind of leak that a module can have, and none in one that has none.
# shellcheck source=tests/cli/lib.sh
tree=$(pwd)
. "$(dirname "$0")/lib.sh"

mkdir modules files
cc -shared -fPIC -O2 -Wall -Wextra -Werror -I"$tree/userspace/include" -o modules/leak.so \
	"$tree/tests/cli/soak_leak.c" || exit 1
soak() {
	python3 "$tree/scripts/soak.py" --bench "$BENCH" --directory files --module-path modules \
		--time 6 --runtime auto "$@"
}

check 'no leak, no complaint' 0 '^1 passed, 0 failed, 0 skipped$' soak leak
expect 'it says what it ran on' "$(printf '%s\n' "$out" | grep -c '^ok *leak@auto ')" 1
if "$BENCH" list runtimes | grep -q '^uring .*not here'; then
	skip 'on both runtimes' 'no io_uring'
else
	check 'on both runtimes' 0 '^2 passed, 0 failed, 0 skipped$' soak --runtime both leak
	expect 'one after the other' "$(printf '%s\n' "$out" | sed -n 's/^ok *leak@\([a-z]*\) .*/\1/p' | tr '\n' ' ')" \
		'uring blocking '
fi
check 'memory' 1 'memory grew from' soak leak,what=memory
expect 'and nothing else of it' "$(printf '%s\n' "$out" | grep -cE 'grew|left')" 1
check 'descriptors' 1 'descriptors grew from' soak leak,what=descriptor
check 'threads' 1 'threads grew from' soak leak,what=thread
check 'files' 1 'files are left: left' soak leak,what=file
check 'a job that fails' 1 'exit status [12]' soak leak,what=nonsense
check 'no such module' 1 "no module 'nothing'" soak nothing
check 'the live view' 0 '^1 passed, 0 failed' python3 "$tree/scripts/soak_view.py" \
	--bench "$BENCH" --time 20
expect 'it leaves no files itself' "$(ls files)" ''
finish
