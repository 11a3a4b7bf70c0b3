#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# All tests: warnings as errors with gcc and clang, unit tests under the address and undefined
# behaviour sanitizers, thread sanitizer where threads share, then the programs of tests/ against the
# plain and the sanitized binary, under both runtimes. `make check` runs it.
#
#   sh scripts/check.sh [PATTERN]   only the steps whose name contains PATTERN
#
# A step passes with exit 0, is skipped with exit 77, and fails with anything else, or when it takes longer
# than $limit seconds. Its output goes to build/check/STEP.log and is shown when it fails; skips are shown
# with their reason.
set -u
cd "$(dirname "$0")/.." || exit

pattern=${1:-}
logs=build/check
jobs=$(nproc)
limit=900
passed=0 failed=0 skipped=0
san=build/san-address,undefined
tsan=build/san-thread
mkdir -p "$logs"

export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=second_deadlock_stack=1:halt_on_error=1
export LC_ALL=C.UTF-8

step() { # name command...
	attempts 1 "$@"
}

# Comparisons of two measurements of one window cannot hold while another guest has the CPU, nor can
# tests that race with another process on purpose. They get three tries, and a pass that was not the
# first says so.
measured() { # name command...
	attempts 3 "$@"
}

attempts() { # tries name command...
	tries=$1 name=$2
	shift 2
	case $name in *"$pattern"*) ;; *) return 0 ;; esac
	log=$logs/$(echo "$name" | tr ' /' '__').log
	start=$(date +%s)
	try=1
	while :; do
		python3 scripts/limited.py "$limit" "$@" >"$log" 2>&1 </dev/null
		code=$?
		case $code in 0 | 77 | 124) break ;; esac
		[ "$try" -lt "$tries" ] || break
		cp "$log" "$log.$try"
		try=$((try + 1))
	done
	took=$(($(date +%s) - start))
	note=
	[ "$try" = 1 ] || note=", passed on try $try, see $log.1"
	# Cases that a program skipped by itself are worth knowing, too.
	case $code in
	0) passed=$((passed + 1)) && echo "ok    $name (${took}s$note)" ;;
	77) skipped=$((skipped + 1)) && echo "skip  $name: $(tail -n 1 "$log")" ;;
	*)
		failed=$((failed + 1))
		echo "FAIL  $name (exit $code, ${took}s), last lines of $log:"
		tail -n 40 "$log" | sed 's/^/      /'
		;;
	esac
	grep -hiE '^(skip[: ]|\[  SKIPPED \] [a-z_]+: )' "$log" | sed 's/^/      /' | sort -u | head -20
	return 0
}

# What the tests use, and what they do not need is not built: half of the time would go there.
step 'build gcc' make -j"$jobs" WERROR=1 all tests
step 'build clang' make -j"$jobs" WERROR=1 CC=clang all
step 'build asan+ubsan' make -j"$jobs" WERROR=1 SAN=address,undefined all tests
step 'build tsan' make -j"$jobs" WERROR=1 SAN=thread "$tsan/bench" "$tsan/tests/unit/test_async_setup" \
	"$tsan/tests/unit/test_loop" "$tsan/tests/unit/test_runtime"
# shellcheck disable=SC2016
step 'lint shell' sh -c 'command -v shellcheck >/dev/null || { echo "shellcheck is not installed"; exit 77; }
git ls-files "*.sh" | xargs shellcheck -x -S warning'

for t in tests/*/test_*.c; do
	[ -e "$t" ] || continue
	t=${t%.c}
	case $t in
	tests/probe/* | tests/accuracy/*) measured "$t asan" "$san/$t" ;;
	*) step "$t asan" "$san/$t" ;;
	esac
done
# Threads share in the runtime, the worker loop and the orchestrator. setarch -R: the thread sanitizer
# of gcc 12 cannot place its shadow memory under the wider address randomisation of newer kernels.
for t in async_setup loop runtime; do
	step "tests/unit/test_$t tsan" setarch -R "$tsan/tests/unit/test_$t"
done

for s in tests/*/*.sh; do
	[ -e "$s" ] || continue
	case $s in
	*/lib.sh | tests/vm/*) continue ;; # the lab has steps of its own
	*/san_*.sh) # made for a sanitized binary
		step "$s asan" env BENCH="$san/bench" sh "$s"
		step "$s tsan" env BENCH="$tsan/bench" setarch -R sh "$s"
		;;
	tests/probe/* | tests/accuracy/* | tests/view/*) measured "$s" env BENCH=build/bench sh "$s" ;;
	*/disk.sh | */modules.sh | */slow.sh | */observer.sh | */faults.sh | */signals.sh | */exec.sh | */exec_turns.sh | */watch.sh | */robust.sh | */sample.sh | */symbols.sh)
		measured "$s" env BENCH=build/bench sh "$s"
		;;
	*) step "$s" env BENCH=build/bench sh "$s" ;;
	esac
done

# The lab boots two guests at a time; each is a step. Of everything together the oldest, the usual and
# the newest kernel and one of each kind of arm64 guest, to stay below half an hour; `make check-vm` has
# all of them.
guests=
for g in $(sh tests/vm/lab.sh names); do
	case $pattern:$g in :amd64-6.1-rt | :amd64-6.12 | :*-icount1 | :*-icount2 | :*-causes2) continue ;; esac
	case "vm $g" in *"$pattern"*) guests="$guests $g" ;; esac
done
lab=${BENCH_LAB_OUT:-build/lab}
rm -f "$lab/pid"
if [ -n "$guests" ]; then
	# shellcheck disable=SC2086
	sh tests/vm/lab.sh start $guests &
	trap 'sh tests/vm/lab.sh stop; exit 130' INT TERM
	while [ ! -e "$lab/pid" ]; do sleep 0.1; done
fi
limit=3600 # a guest has a limit of its own, and waits for those before it
for g in $guests; do
	step "vm $g" sh tests/vm/lab.sh wait "$g"
done
step 'vm injected failures' sh tests/vm/injected.sh
[ -z "$guests" ] || sh tests/vm/lab.sh matrix

echo
echo "logs are in $logs"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
