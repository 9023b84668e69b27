#!/bin/sh
# Unpacks a newer QEMU for guests into the cache where Debian 12 has its 7.2, under which guests with several processors
# can hang (docs/lab.md). It comes from Debian's own backports, as packages; nothing is installed, and the system's lists
# of packages stay as they are. Quick when it is there, or when the system's is new enough.
set -eu

cache=${XDG_CACHE_HOME:-$HOME/.cache}/lima
temporary=
trap 'rm -rf "$temporary"' EXIT
trap 'exit 130' INT TERM

# Guests run under the system's QEMU as well, so this is no reason to stop.
give_up() {
	echo "fetch-qemu: $*; guests run under $have instead, and may hang (docs/lab.md)" >&2
	exit 0
}

[ ! -x "$cache/qemu/usr/bin/qemu-system-x86_64" ] || exit 0
have=$(qemu-system-x86_64 --version 2>/dev/null | sed -n '1s/.*version \([0-9.]*\).*/QEMU \1/p')
case $have in
"QEMU "[1-7].* | "QEMU 8.0"*) ;;
*) exit 0 ;;
esac
# shellcheck disable=SC1091 # what system this is
[ "$(. /etc/os-release && echo "$ID $VERSION_CODENAME")" = "debian bookworm" ] || exit 0

echo "fetch-qemu: a newer QEMU for guests, from Debian's backports (13 MB)" >&2
mkdir -p "$cache"
temporary=$(mktemp -d "$cache/fetch.XXXXXX")
mkdir -p "$temporary/lists/partial" "$temporary/cache/archives/partial" "$temporary/packages" "$temporary/qemu"
signed=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$signed] http://deb.debian.org/debian bookworm-backports main" >"$temporary/sources.list"
own="-o Dir::Etc::SourceList=$temporary/sources.list -o Dir::Etc::SourceParts=/dev/null"
own="$own -o Dir::State::Lists=$temporary/lists -o Dir::Cache=$temporary/cache"
# As root apt would download as another user, who cannot write here.
own="$own -o APT::Sandbox::User=root -o Acquire::http::Timeout=30 -o Acquire::Retries=1"
# shellcheck disable=SC2086 # several words
{
	apt-get $own -qq update &&
		(cd "$temporary/packages" && apt-get $own -qq download qemu-system-x86 qemu-system-data seabios)
} >&2 || give_up "the backports cannot be reached (above)"
for package in "$temporary"/packages/*.deb; do
	dpkg-deb -x "$package" "$temporary/qemu"
done
# Its libraries are those of the system's own.
"$temporary/qemu/usr/bin/qemu-system-x86_64" --version >/dev/null || give_up "that QEMU does not run here (above)"
rm -rf "$cache/qemu"
mv "$temporary/qemu" "$cache/qemu"
