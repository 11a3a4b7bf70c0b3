# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# A terminal for the tests of the live view: tmux, with a server of its own.
# shellcheck source=tests/cli/lib.sh disable=SC2154 # root: who sources this sets it
. "$root/tests/cli/lib.sh"

command -v tmux >/dev/null || {
	echo "skip: tmux is not installed (apt-get install tmux)"
	exit 77
}
export TMUX_TMPDIR="$work"
unset TMUX
terminals=0
trap 't kill-server 2>/dev/null; cd /; rm -rf "$work"' EXIT

# A server for each terminal: one that is being ended takes no new session.
t() {
	tmux -L "t$terminals" "$@"
}

# on_terminal WIDTHxHEIGHT command...: run it there; its exit code goes to $work/rc.
on_terminal() {
	size=$1
	shift
	rm -f "$work/rc"
	t kill-server 2>/dev/null
	terminals=$((terminals + 1))
	t -f /dev/null new-session -d -s t -x "${size%x*}" -y "${size#*x}" \
		"$*; echo \$? >$work/rc; exec sleep 1000"
	t set-option -t t status off >/dev/null
	t resize-window -t t -x "${size%x*}" -y "${size#*x}" >/dev/null
}

# Process number of bench on the terminal, and of its viewer.
run_pid() {
	pgrep -P "$(t display-message -t t -p '#{pane_pid}')" -x bench
}

view_pid() {
	pgrep -P "$(run_pid)" -x bench-view
}

screen() {
	t capture-pane -t t -p
}

key() {
	t send-keys -t t "$@"
}

# wait_for PATTERN [SECONDS]: until the screen shows it; 1 when it does not come.
wait_for() {
	tries=$((${2:-20} * 10))
	while [ "$tries" -gt 0 ]; do
		screen 2>/dev/null | grep -qE -- "$1" && return 0
		sleep 0.1
		tries=$((tries - 1))
	done
	return 1
}

# shows NAME PATTERN [SECONDS]
shows() {
	if wait_for "$2" "${3:-20}"; then
		pass "$1"
	else
		fail "$1" "no '$2' on the screen:
$(screen)"
	fi
}

# The program on the terminal has ended: its exit code, or "none" after so many seconds.
ended() { # [SECONDS]
	tries=$((${1:-20} * 10))
	while [ "$tries" -gt 0 ] && [ ! -s "$work/rc" ]; do
		sleep 0.1
		tries=$((tries - 1))
	done
	cat "$work/rc" 2>/dev/null || echo none
}

# Echo and line editing are on, the cursor is shown, the main screen is back.
terminal_whole() { # name
	modes=$(t display-message -t t -p '#{cursor_flag} #{alternate_on} #{mouse_any_flag}')
	expect "$1: cursor, main screen, no mouse" "$modes" '1 0 0'
	case $(stty -a <"$(t display-message -t t -p '#{pane_tty}')") in
	*' -icanon'* | *' -echo '*) fail "$1: the terminal's modes" "$(stty -a)" ;;
	*) pass "$1: the terminal's modes" ;;
	esac
}
