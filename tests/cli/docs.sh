#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The documents say what the program does. With --update, write what is generated instead: the
# sections of docs/modules.md and docs/probes.md that repeat the program's output.
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/cli/lib.sh
. "$root/tests/cli/lib.sh"

# What the host at hand lacks is not part of the document.
listing() { # topic
	echo '```text'
	"$BENCH" list "$1" | sed -e '/^  not here: /d' -e '/^  *not available: /d' -e '/^  *cost: /d'
	echo '```'
}

section() { # file topic
	sed -n "/^<!-- bench list $2: begin -->\$/,/^<!-- bench list $2: end -->\$/p" "$1" | sed '1d;$d'
}

for topic in modules probes; do
	file=$root/docs/$topic.md
	listing $topic >wanted
	if [ "${1:-}" = --update ]; then
		sed -e "/^<!-- bench list $topic: begin -->\$/r wanted" \
			-e "/^<!-- bench list $topic: begin -->\$/,/^<!-- bench list $topic: end -->\$/{/^<!--/!d}" \
			"$file" >new && cat new >"$file"
	fi
	section "$file" $topic >found
	if difference=$(diff found wanted); then
		pass "docs/$topic.md has the output of 'bench list $topic'"
	else
		fail "docs/$topic.md has the output of 'bench list $topic'" "$difference
to bring it up to date: sh tests/cli/docs.sh --update"
	fi
done

# --- the man page ---

man=$root/docs/bench.1
commands=$("$BENCH" --help | sed -n 's/^  \([a-z][a-z_-]*\)  *[a-z].*/\1/p' | grep -vx bench)

# Options that the help of a command shows, as "-q --quiet".
help_options() { # command
	"$BENCH" "$1" --help | sed -nE 's/^  (-[a-zA-Z], )?(--[a-z-]+).*/\1\2/p' | tr -d ',' | sort
}

# Options that the man page describes for a command: the tagged paragraphs of its subsections.
man_options() { # command
	sed 's/\\-/-/g' "$man" | awk -v command="$1" '
		/^\.S[SH] / { mine = 0; tagged = 0 }
		/^\.SS / && /[Oo]ptions of / { for (i = 2; i <= NF; i++) if ($i == command) mine = 1 }
		tagged && mine { print }
		{ tagged = /^\.TP/ }' |
		sed -nE 's/^\.B[IR]* //; s/[", ]+/ /g; s/^ *(-[a-zA-Z] )?(--[a-z-]+).*/\1\2/p' | sort
}

for command in $commands; do
	expect "the man page has the options of bench $command" "$(man_options "$command")" \
		"$(help_options "$command")"
	if grep -q "^\\.B $command\$" "$man"; then
		pass "the man page describes bench $command"
	else
		fail "the man page describes bench $command"
	fi
done
for name in $(grep -rhoE 'getenv\("BENCH_[A-Z_]+"' "$root/userspace" | sed 's/.*"\(.*\)"/\1/' | sort -u); do
	case $(cat "$man") in
	*"$name"*) pass "the man page has $name" ;;
	*) fail "the man page has $name" ;;
	esac
done
if command -v man >/dev/null && command -v groff >/dev/null; then
	run env LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l "$man"
	expect 'the man page has no formatting errors' "$err" ''
else
	skip 'formatting of the man page' 'man or groff is not installed'
fi

# --- commands ---

for target in $(grep -hoE '(^|[`& ])make( [a-z]+)?' "$root"/README.md "$root"/docs/*.md |
	sed -nE 's/.*make ([a-z]+)$/\1/p' | sort -u); do
	case $target in is | it | a | and | they | the | them) continue ;; esac
	if grep -qE "^$target:" "$root/Makefile"; then
		pass "make $target exists"
	else
		fail "make $target exists" 'README.md or docs/ name it, the Makefile does not'
	fi
done

# Every command line in a ```sh block is one that the program takes. They are only planned.
printf '[general]\n' >bench.conf
uring=$("$BENCH" list runtimes | grep -c '^uring .*not here')
sed -n '/^```sh$/,/^```$/p' "$root"/README.md "$root"/docs/*.md | sed -n 's/^bench/bench/p' |
	sed 's/  *#.*//' >lines
while IFS= read -r line; do
	rest=${line#bench}
	case $line in
	'bench list'* | 'bench run --help') set -- ;;
	'bench report --format=flamegraph'* | 'bench report --format=folded'* | 'bench report --format=speedscope'*)
		for name in r before after; do cp "$root/tests/report/stacks.json" $name.json; done
		rest=$(echo "$rest" | sed 's/flamegraph\.pl/cat/') # a tool of others
		;;
	'bench report'*)
		"$BENCH" --trials=1 --duration=10ms --warmup=0 --no-probes -q -o r.json --force cpu >/dev/null 2>&1
		rest=$(echo "$rest" | sed 's/[^ ]*\.json/r.json/')
		;;
	'bench exec'*) rest=$(echo "$rest" | sed 's/exec/exec -q -o none --no-probes/; s/--trials=[0-9]*/--trials=1/') ;;
	'bench peer'*) rest="$rest --help" ;; # it would wait for clients
	*) rest="$rest --dry-run --no-probes" ;;
	esac
	if [ "$uring" != 0 ] && [ "$(echo "$line" | grep -cE 'uring|disk[, ]|net[, ]|(disk|net)$')" != 0 ]; then
		skip "documented: $line" 'io_uring does not work here'
		continue
	fi
	run sh -c "\"\$0\" $rest" "$BENCH"
	# A threshold that does not hold here is no fault of the document.
	case $code$line in 3*--threshold*) code=0 ;; esac
	if [ "$code" = 0 ]; then pass "documented: $line"; else fail "documented: $line" "exit $code: $err"; fi
done <lines
if [ -s lines ]; then pass 'there are documented commands'; else fail 'there are documented commands'; fi

# --- messages ---

# The texts that docs/runtimes.md quotes are the program's: two of them can be provoked anywhere.
cat >deny.py <<'PY'
import ctypes, os, struct, sys
# A seccomp filter: system calls 425 to 427 (io_uring, the same on all architectures) get an errno.
def op(code, jt, jf, k):
    return struct.pack("HBBI", code, jt, jf, k)
code = b"".join([op(0x20, 0, 0, 0), op(0x35, 0, 2, 425), op(0x25, 1, 0, 427),
                 op(0x06, 0, 0, 0x50000 | int(sys.argv[1])), op(0x06, 0, 0, 0x7fff0000)])
text = ctypes.create_string_buffer(code)
prog = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 5, ctypes.addressof(text)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, prog, 0, 0):
    sys.exit(99)
os.execv(sys.argv[2], sys.argv[2:])
PY
for error in 1 38; do
	run python3 deny.py $error "$BENCH" list runtimes
	said=$(printf '%s\n' "$out" | sed -n 's/^uring  *not here: //p')
	if [ "$code" = 99 ]; then
		skip "message for errno $error" 'no seccomp filter can be set here'
	elif [ -n "$said" ] && grep -qxF -- "$said" "$root/docs/runtimes.md"; then
		pass "docs/runtimes.md quotes the message for errno $error"
	else
		fail "docs/runtimes.md quotes the message for errno $error" "$said$err"
	fi
done

# --- links and paths ---

cat >links.py <<'PY'
import os, re, sys
root = sys.argv[1]
bad = 0
files = [os.path.join(root, "README.md")] + [os.path.join(root, "docs", f)
         for f in sorted(os.listdir(os.path.join(root, "docs"))) if f.endswith(".md")]

def anchors(path):
    found = set()
    for line in re.sub(r"```.*?```", "", open(path, encoding="utf-8").read(), flags=re.S).split("\n"):
        if re.match(r"#+ ", line):
            title = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
            found.add(title.replace(" ", "-"))
    return found

def say(path, text):
    global bad
    bad += 1
    print("%s: %s" % (os.path.relpath(path, root), text))

# Where a host has its own things; anything else would be a place on somebody's machine.
system = re.compile(r"^/(proc|sys|etc|dev|usr|var|data)(/|$)")
for path in files + [os.path.join(root, "docs", "bench.1"),
                     os.path.join(root, "docs", "bench.bash-completion")]:
    text = open(path, encoding="utf-8").read()
    if path.endswith(".md"):
        for target in re.findall(r"\]\(([^)]+)\)", re.sub(r"```.*?```", "", text, flags=re.S)):
            if re.match(r"[a-z]+://", target):
                continue
            name, _, anchor = target.partition("#")
            there = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
            if not there.startswith(root + os.sep):
                say(path, "link out of the project: " + target)
            elif not os.path.exists(there):
                say(path, "broken link: " + target)
            elif anchor and anchor not in anchors(there):
                say(path, "no such heading: " + target)
    for found in re.findall(r"(?:^|[\s`'\"(=])((?:/[\w.-]+){1,}/?)", text, flags=re.M):
        if not system.match(found):
            say(path, "path outside the project: " + found)
    for found in re.findall(r"\.\./\S+", text):
        if not os.path.normpath(os.path.join(os.path.dirname(path), found.rstrip(").,"))).startswith(root):
            say(path, "path outside the project: " + found)
    # Files of the project that are named must exist.
    for found in re.findall(r"`((?:userspace|bpf|modules|tests|scripts|docs|tools|core|runtime|host|"
                            r"counters|probe|report|include/bench)/[\w./-]+\.(?:c|h|sh|py|md|1))`", text):
        if "foo" not in found and not any(os.path.exists(os.path.join(root, p, found)) for p in
                   ("", "userspace", "userspace/include/bench")):
            say(path, "no such file: " + found)
sys.exit(bad != 0)
PY
# The tests against the mistakes of other tools, each by its file and name.
cat >mistakes.py <<'PY'
import os, re, sys
root = sys.argv[1]
text = open(os.path.join(root, "docs/measuring.md")).read()
rows = re.search(r"<!-- mistakes: begin -->\n(.*?)<!-- mistakes: end -->", text, re.S).group(1).splitlines()[2:]
named = 0
for row in rows:
    cell = row.strip("| ").split(" | ")[-1]
    for path, names in re.findall(r"`(tests/[^`]+)` ([^`]*)", cell):
        source = open(os.path.join(root, path)).read()
        for name in filter(None, (n.strip() for n in names.split(","))):
            named += 1
            # Defined and in a list of tests.
            there = source.count(name) >= (2 if path.endswith(".c") else 1)
            if not there:
                print("%s has no test '%s'" % (path, name))
print("tests named:", "enough" if named >= len(rows) > 20 else named)
PY
run python3 mistakes.py "$root"
expect 'each mistake of other tools has its test' "$out$err" 'tests named: enough'

run python3 links.py "$root"
expect 'links, headings, files and paths in the documents' "$out$err" ''
finish
