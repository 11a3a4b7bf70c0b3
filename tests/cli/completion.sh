#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Bash completion, driven as readline drives it.
root=$(cd "$(dirname "$0")/../.." && pwd)
if [ -z "${BASH_VERSION:-}" ] && command -v bash >/dev/null; then
	exec bash "$root/tests/cli/completion.sh"
fi
# shellcheck source=tests/cli/lib.sh
. "$root/tests/cli/lib.sh"
if [ -z "${BASH_VERSION:-}" ]; then
	skip 'completion' 'there is no bash'
	finish
fi
# shellcheck source=docs/bench.bash-completion
. "$root/docs/bench.bash-completion"

# complete_line LINE: what is offered at its end, in $got, blank separated.
complete_line() {
	COMP_LINE="$BENCH $1"
	COMP_POINT=${#COMP_LINE}
	# As readline does: words end at blanks, = and : stand alone.
	mapfile -t COMP_WORDS < <(printf '%s\n' "$COMP_LINE" | sed 's/[=:]/ & /g' | tr -s ' ' '\n')
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	COMPREPLY=()
	_bench 2>"$work/err"
	got="${COMPREPLY[*]}"
	if [ -s "$work/err" ]; then fail "stderr of completing '$1'" "$(cat "$work/err")"; fi
}

offers() { # name line word...
	name=$1
	complete_line "$2"
	shift 2
	for want in "$@"; do
		case " $got " in
		*" $want "*) ;;
		*)
			fail "$name" "'$want' is not offered: $got"
			return
			;;
		esac
	done
	pass "$name"
}

is() { # name line exactly
	complete_line "$2"
	expect "$1" "$got" "$3"
}

hides() { # name line word...
	name=$1
	complete_line "$2"
	shift 2
	for want in "$@"; do
		case " $got " in *" $want "*)
			fail "$name" "'$want' is offered: $got"
			return
			;;
		esac
	done
	pass "$name"
}

COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'

offers 'commands' '' run exec list report
offers 'modules as the first word' '' cpu disk disk_sync net
is 'a command by its start' 'rep' report
offers 'modules after run' 'run ' cpu disk
hides 'no commands after run' 'run ' exec report
offers 'modules after a job' 'cpu ' disk net_sync
is 'topics of list' 'list ' 'counters modules probes reporters runtimes'
is 'a topic by its start' 'list mod' modules

offers 'options of run' '--' --runtime= --trials= --dry-run --probes= --counters --version
hides 'no options of exec in run' 'run --' --discard-output
offers 'options of exec' 'exec --' --discard-output --warmup= --duration= --command= --parameter=
hides 'no options of run in exec' 'exec --' --cpus= --dry-run
offers 'options of report' 'report --' --format= --output=
is 'an option by its start' '--runt' --runtime=

is 'runtimes after =' '--runtime=' 'auto blocking uring uring,blocking'
is 'runtimes after a blank' '--runtime ' 'auto blocking uring uring,blocking'
is 'a runtime by its start' '--runtime=u' 'uring uring,blocking'
offers 'reporters' '--format=' json text
offers 'reporters of report' 'report --format ' json text
offers 'reporters of report by letter' 'report -f ' json text
offers 'probes' '--probes=' all none sched sched.runq_latency
is 'a second probe' '--probes=sched.offcpu,sched.runq_lat' sched.offcpu,sched.runq_latency
offers 'counters' '--counters=' none task-clock cycles
is 'a second counter' '--counters=cycles,instr' cycles,instructions
offers 'an option with a value that may be left out takes a job next' '--counters ' cpu disk

# Every module that the program names, and every parameter of each.
for module in $("$BENCH" list modules | sed -nE '/^Every job/q; s/^([a-z][a-z0-9_]*) .*/\1/p'); do
	offers "module $module" "run ${module%?}" "$module"
	wanted=$("$BENCH" list modules | awk -v m="$module" \
		'/^[^ ]/ { mine = $1 == m } mine && /^  [a-z_]+=/ { sub(/=.*/, "="); print $1 }')
	for key in $wanted workers= cpus=; do
		offers "parameter $key of $module" "$module,${key%??}" "$module,$key"
	done
done
offers 'values of a parameter' 'disk,rw=' randread randrw
is 'a value by its start' 'disk,rw=randw' randwrite
is 'a parameter after another' 'disk,rw=randread,dep' randread,depth=
is 'parameters of every job' 'cpu,work' cpu,workers=
is 'parameters of a module are its own' 'cpu,dep' ''
is 'nothing for a number' 'disk,depth=' ''

mkdir results && : >results/one.json && : >two.conf
offers 'files for report' 'report ' results/ two.conf
is 'files in a folder' 'report results/o' results/one.json
offers 'files for -o' '-o ' results/ two.conf
offers 'none for -o' '-o n' none
is 'files for --config' '--config t' two.conf
is 'files for --config=' '--config=t' two.conf
is 'folders for --directory' '--directory=' results/
is 'files for a parameter' 'disk,filename=tw' two.conf
offers 'programs for exec' 'exec -- tru' true
offers 'options of exec before the program' 'exec --trials=3 --dis' --discard-output

COMP_WORDBREAKS=$' \t\n"\'><;|&(:'
is 'values where = is no break' '--runtime=u' '--runtime=uring --runtime=uring,blocking'
is 'parameters where = is no break' 'disk,rw=randw' disk,rw=randwrite
finish
