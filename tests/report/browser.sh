#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The flame graph in a browser: search, zoom and reset work, and nothing is complained of. It takes
# Chromium, which is too large to be installed for one test.
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/cli/lib.sh
. "$root/tests/cli/lib.sh"

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
	echo 'skip: chromium is not installed'
	exit 77
}

# What a user does, by the same events; then what is to be seen.
cat >drive.js <<'JS'
var seen = {errors: []};
window.addEventListener('error', function (e) { seen.errors.push(e.message); });
window.prompt = function () { return 'mix'; };
window.addEventListener('load', function () {
	function box(name) {
		return [].filter.call(document.querySelectorAll('g.f'), function (g) {
			return g.querySelector('title').textContent.split('\n')[0] === name;
		})[0];
	}
	function click(g) { g.dispatchEvent(new MouseEvent('click', {bubbles: true})); }
	function width(name) { return Math.round(+box(name).querySelector('rect').getAttribute('width')); }
	function gone(name) { return getComputedStyle(box(name)).display === 'none'; }
	function text(id) { return document.getElementById(id).textContent; }
	seen.before = [width('fill'), gone('sleep_here')];
	click(box('fill'));
	seen.zoomed = [width('fill'), width('main'), gone('sleep_here'), box('main').classList.contains('up')];
	click(document.getElementById('search'));
	seen.zoomed_found = text('found');
	window.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}));
	seen.after = [width('fill'), gone('sleep_here')];
	seen.found = text('found');
	seen.hits = document.querySelectorAll('g.hit').length;
	seen.colour = getComputedStyle(box('mix & match').querySelector('rect')).fill;
	box('mix & match').dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
	seen.details = text('details');
	click(document.getElementById('search'));
	seen.cleared = [text('found'), document.querySelectorAll('g.hit').length];
	document.documentElement.setAttribute('data-seen', btoa(JSON.stringify(seen)));
});
JS
"$BENCH" report --format=flamegraph "$root/tests/report/stacks.json" >graph.svg || exit 1
python3 - <<'PY'
svg = open("graph.svg", encoding="utf-8").read()
drive = "<script><![CDATA[\n" + open("drive.js", encoding="utf-8").read() + "]]></script>\n</svg>"
open("driven.svg", "w", encoding="utf-8").write(svg.replace("</svg>", drive))
PY
timeout 120 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" \
	--enable-logging=stderr --dump-dom "file://$PWD/driven.svg" >dom 2>log
expect 'nothing on the console' "$(grep -c 'CONSOLE' log)" 0
seen() {
	python3 -c 'import base64, json, re, sys
d = json.loads(base64.b64decode(re.search("data-seen=\"([^\"]*)", open("dom").read()).group(1)))
print(eval(sys.argv[1], {"d": d}))' "$1" 2>&1
}
expect 'no error' "$(seen 'd["errors"]')" '[]'
expect 'as drawn' "$(seen 'd["before"]')" '[590, False]'
expect 'a click zooms: it and its callers are as wide as the picture, others are gone' \
	"$(seen 'd["zoomed"]')" '[1180, 1180, True, True]'
expect 'a search within it' "$(seen 'd["zoomed_found"]')" 'matched: 75.00 %'
expect 'Escape resets' "$(seen 'd["after"]')" '[590, False]'
expect 'a search in all' "$(seen 'd["found"], d["hits"]')" "('matched: 37.50 %', 2)"
expect 'what is found has its colour' "$(seen 'd["colour"]')" 'rgb(224, 64, 224)'
expect 'a box tells of itself' "$(seen 'd["details"]')" 'mix & match   prog, inlined   37.50 %, 300 ms'
expect 'a search is undone' "$(seen 'd["cleared"]')" "['', 0]"
finish
