#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Fetch a Debian kernel (or another package) of any suite and architecture and unpack it outside the
# tree; the system's own apt state is not touched.
#
#   sh tests/vm/fetch.sh ARCH SUITE PACKAGE      prints the directory that it was unpacked into
#
# PACKAGE sysroot is what building for the architecture and running perf there take: the packages named
# below with all that they depend on.
#
# Sources are the machine's own, with the suite replaced; signatures are checked as always. A kernel's
# metapackage is followed to the packages that hold the image and the modules, all of which go into
# one directory. The cache is BENCH_LAB_CACHE, or bench-lab in XDG_CACHE_HOME (~/.cache). Lists are
# renewed once a day; without a network what is cached is used.
# Exit 77 and a reason on the last line: this package is not to be had here.
set -u

[ $# = 3 ] || exit 2
arch=$1 suite=$2 package=$3
cache=${BENCH_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bench-lab}
state=$cache/$suite-$arch
sysroot="libc6-dev libbpf-dev libelf-dev libdw-dev zlib1g-dev libpfm4-dev liburing-dev libhwloc-dev libncurses-dev
libcmocka-dev libjansson-dev libinih-dev uuid-dev libblkid-dev libsodium-dev linux-perf"
named=$state/names/$package # the directory that the package was unpacked into last
# A cache with fewer of them is none.
[ "$package" != sysroot ] || named=$named-$(echo "$sysroot" | cksum | cut -d ' ' -f 1)

missing() {
	if [ -e "$named" ]; then
		echo "fetch: $1; using what is cached" >&2
		cat "$named"
		exit 0
	fi
	echo "$package of $suite for $arch cannot be fetched: ${1:-apt does not say why}" >&2
	exit 77
}

# The Debian archive that this host's own release comes from, in the words of sources.list(5).
sources() {
	# shellcheck disable=SC1091
	host=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -r "$f" ] && grep -hE '^[[:space:]]*deb[[:space:]]' "$f" |
			sed 's/\[[^]]*\(signed-by=[^] ]*\)[^]]*\]/[\1]/; /signed-by/!s/\[[^]]*\]//'
	done | awk -v host="$host" -v suite="$suite" -v arch="$arch" '
	{
		at = 2; options = "arch=" arch
		if ($2 ~ /^\[/) { gsub(/[][]/, "", $2); options = options " " $2; at = 3 }
		if ($(at + 1) == host || $(at + 1) == "stable")
			print "deb [" options "] " $at " " suite " main"
	}'
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -r "$f" ] && cat "$f" && echo
	done | awk -v RS= -v host="$host" -v suite="$suite" -v arch="$arch" '
	{
		split("", field)
		n = split($0, line, "\n")
		for (i = 1; i <= n; i++) {
			if (line[i] ~ /^#/ || (at = index(line[i], ":")) == 0 || line[i] ~ /^[ \t]/)
				continue
			value = substr(line[i], at + 1)
			sub(/^[ \t]+/, "", value)
			field[tolower(substr(line[i], 1, at - 1))] = value
		}
		if (tolower(field["enabled"]) == "no" || field["types"] !~ /(^| )deb( |$)/)
			next
		options = "arch=" arch
		if (field["signed-by"] != "")
			options = options " signed-by=" field["signed-by"]
		if ((" " field["suites"] " ") ~ (" (" host "|stable) "))
			print "deb [" options "] " field["uris"] " " suite " main"
	}'
}

# An apt of its own: its lists, its archives, no installed packages.
configure() {
	mkdir -p "$state/lists/partial" "$state/archives/partial" "$state/names" || missing "no cache"
	: >"$state/status"
	sources | head -n 1 >"$state/sources.list"
	[ -s "$state/sources.list" ] || missing "no Debian source in the configuration of apt"
	cat >"$state/apt.conf" <<-END
		APT::Architecture "$arch";
		APT::Architectures { "$arch"; };
		Dir::Etc::SourceList "$state/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Etc::Preferences "/dev/null";
		Dir::Etc::PreferencesParts "/dev/null";
		Dir::State "$state";
		Dir::State::Lists "$state/lists";
		Dir::State::Status "$state/status";
		Dir::Cache "$state";
		Dir::Cache::Archives "$state/archives";
		Acquire::Languages "none";
		Acquire::Retries "2";
		#clear APT::Update::Post-Invoke-Success;
		#clear DPkg::Post-Invoke;
		#clear APT::Update::Post-Invoke;
	END
	export APT_CONFIG="$state/apt.conf"
}

fresh() {
	[ -n "$(find "$state/updated" -mmin -1440 2>/dev/null)" ]
}

update() {
	! fresh || return 0
	apt-get update -qq --error-on=any >"$state/update.log" 2>&1 ||
		missing "$(grep -E '^[EW]:' "$state/update.log" | head -n 1)"
	touch "$state/updated"
}

# What a kernel needs: its image and modules are behind metapackages.
closure() { # package
	echo "$1"
	case $1 in
	linux-image-*)
		apt-cache depends "$1" | awk '$1 == "Depends:" { print $2 }' |
			grep -E '^linux-(image|base|binary|modules)-' | while read -r p; do closure "$p"; done
		;;
	esac
}

unpack() { # directory package...
	to=$1
	shift
	rm -rf "$to.new" && mkdir -p "$to.new/debs" || missing "no space in the cache"
	(cd "$to.new/debs" && apt-get download -qq "$@") >"$state/download.log" 2>&1 ||
		missing "$(grep -E '^[EW]:' "$state/download.log" | head -n 1)"
	for deb in "$to.new/debs"/*.deb; do
		dpkg-deb -x "$deb" "$to.new" || missing "${deb##*/} does not unpack"
	done
	rm -rf "$to.new/debs" "$to.new/usr/share/doc"
	rm -rf "$to" && mv "$to.new" "$to"
	for old in "$state/unpacked/${package}"_*; do
		[ "$old" = "$to" ] || rm -rf "$old"
	done
}

command -v apt-get >/dev/null || missing "this host has no apt"
mkdir -p "$state" || missing "no cache"
# One at a time per suite: guests that share it are prepared side by side.
exec 9>>"$state/lock"
flock 9
if fresh && [ -e "$named" ]; then
	cat "$named"
	exit 0
fi
configure
update
if [ "$package" = sysroot ]; then
	# Nothing is installed in this apt's eyes, so that all that is needed is listed.
	# shellcheck disable=SC2086
	packages=$(apt-get install -s --no-install-recommends $sysroot 2>"$state/sysroot.log" |
		sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p' | sort)
	version=${packages:+$(echo "$packages" | cksum | cut -d ' ' -f 1)}
else
	packages=$(closure "$package" | sort -u)
	last=$(closure "$package" | tail -n 1)
	version=$(apt-cache show "$last" 2>/dev/null | sed -n 's/^Version: //p' | head -n 1)
fi
[ -n "$version" ] || missing "no such package"
root=$state/unpacked/${package}_$version
mkdir -p "$state/unpacked"
# shellcheck disable=SC2086
[ -d "$root" ] || unpack "$root" $packages
echo "$root" >"$named"
echo "$root"
