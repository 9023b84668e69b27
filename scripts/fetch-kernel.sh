#!/bin/sh
# Fetches the Debian kernels that the index is tested and measured on into the cache, and unpacks them there: the image
# with its modules, their debug information, and the matching source text. Quick when they are there already.
#
#   scripts/fetch-kernel.sh [d61|d612]...    (d61: 450 MB to download, 3.2 GB unpacked)
set -eu

cache=$HOME/.cache/lima/kernels
temporary=
trap 'rm -rf "$temporary"' EXIT
trap 'exit 130' INT TERM

fail() {
	echo "fetch-kernel: $*" >&2
	exit 1
}

say() {
	echo "fetch-kernel: $*" >&2
}

# All packages of a kernel, by the lists that this system has, or if it does not know them, by fresh ones of its sources.
# Neither touches the system's own lists and downloads, so root is not needed.
download() {
	# As root apt would download as another user, who cannot write here.
	own="-o APT::Sandbox::User=root -o Acquire::http::Timeout=30 -o Acquire::Retries=1"
	if ! apt-cache show "$@" >/dev/null 2>&1; then
		say "getting lists of packages"
		mkdir -p "$temporary/apt/lists/partial" "$temporary/apt/cache/archives/partial"
		own="$own -o Dir::State::lists=$temporary/apt/lists -o Dir::Cache=$temporary/apt/cache"
		# shellcheck disable=SC2086 # several words
		apt-get $own -qq update >&2 || fail "apt-get update failed (above)"
	fi
	mkdir "$temporary/packages"
	# apt shows its own progress on a terminal.
	# shellcheck disable=SC2086 # several words
	(cd "$temporary/packages" && apt-get $own download "$@" >&2) ||
		fail "apt-get download failed (above); is this Debian 12? Versions that it has no more are at snapshot.debian.org"
}

unpack() {
	for package in "$temporary/packages/$1"_*.deb; do
		say "unpacking $1"
		dpkg-deb -x "$package" "$2"
	done
}

# A folder appears under its name only when it is whole. What is there is kept: `lima lab fetch` puts kernels in the same
# place, without debug information and source text.
fetch() {
	name=$1 release=$2 version=$3 source=$4
	kernel=$cache/$name
	text=$cache/src${name#d}
	for image in "$kernel"/boot/vmlinuz-*; do
		# Another release has had this name before.
		[ ! -e "$image" ] || [ "${image##*/vmlinuz-}" = "$release" ] || rm -rf "$kernel"
	done
	packages=
	[ -e "$kernel/boot/vmlinuz-$release" ] || packages="$packages linux-image-$release"
	[ -e "$kernel/usr/lib/debug/boot/vmlinux-$release" ] || packages="$packages linux-image-$release-dbg"
	[ -d "$text/$source/kernel" ] || packages="$packages $source"
	[ -n "$packages" ] || return 0

	for tool in apt-get dpkg-deb tar xz; do
		command -v "$tool" >/dev/null 2>&1 || fail "$tool is missing here; the kernel comes as packages of Debian 12"
	done
	mkdir -p "$cache"
	free=$(df -Pk "$cache" | awk 'NR == 2 { print int($4 / 1024) }')
	[ "$free" -ge 5000 ] || fail "$cache has $free MB free, and 5000 are needed"
	temporary=$(mktemp -d "$cache/fetch.XXXXXX")
	mkdir "$temporary/kernel" "$temporary/text"

	say "kernel $release ($version): downloading"
	versions=
	for package in $packages; do versions="$versions $package=$version"; done
	# shellcheck disable=SC2086 # several words
	download $versions
	for package in $packages; do
		case $package in
		"$source") unpack "$package" "$temporary/text" ;;
		*) unpack "$package" "$temporary/kernel" ;;
		esac
	done
	if [ -e "$temporary/text/usr" ]; then
		say "unpacking the source text"
		xz -T0 -dc "$temporary/text/usr/src/$source.tar.xz" |
			tar -x -C "$temporary/text" --wildcards '*.c' '*.h'
		[ -d "$temporary/text/$source/kernel" ] || fail "the source text is not where it was expected"
		rm -rf "$text"
		mv "$temporary/text" "$text"
	fi
	if [ -e "$kernel" ]; then
		cp -alf "$temporary/kernel/." "$kernel/"
	else
		mv "$temporary/kernel" "$kernel"
	fi
	rm -rf "$temporary"
	say "kernel $release is in $kernel, its source text in $text"
}

[ $# -gt 0 ] || set -- d61
for name; do
	case $name in
	d61) fetch d61 6.1.0-50-cloud-amd64 6.1.176-1 linux-source-6.1 ;;
	d612) fetch d612 6.12.117+deb12-cloud-amd64 6.12.117-1~deb12u1 linux-source-6.12 ;;
	*) fail "no kernel is called $name: d61 and d612 are" ;;
	esac
done
