#!/bin/sh
# Two tenants (cgroups) hammer the same directory, file and pipe while LIMA records; then it shows what it saw.
# LIMA_DEMO_SECONDS: how long (5). LIMA_DEMO_DIR: where the trace and the flame graph go (~/.cache/lima/demo).
set -eu

lima=${CARGO_TARGET_DIR:?run this with make demo}/release/lima
seconds=${LIMA_DEMO_SECONDS:-5}
out=${LIMA_DEMO_DIR:-$HOME/.cache/lima/demo}
tenants="demo-a demo-b"

fail() {
	echo "demo: $*" >&2
	exit 1
}

# The tenants' folders in every hierarchy, as far as they exist.
folders() {
	awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts | while read -r root; do
		for tenant in $tenants; do
			[ ! -d "$root/$tenant" ] || echo "$root/$tenant"
		done
	done
}

work=
recorder=
clean_up() {
	trap '' INT TERM
	[ -z "$recorder" ] || kill "$recorder" 2>/dev/null || true
	# The load ends with the recorder; what has not is killed, for a cgroup with processes cannot be removed.
	tries=50
	while [ -n "$(folders)" ] && [ "$tries" -gt 0 ]; do
		for folder in $(folders); do
			[ "$tries" -gt 40 ] || xargs -r kill -9 <"$folder/cgroup.procs" 2>/dev/null || true
			rmdir "$folder" 2>/dev/null || true
		done
		[ -z "$(folders)" ] || sleep 0.1
		tries=$((tries - 1))
	done
	[ -z "$recorder" ] || wait "$recorder" || true
	[ -z "$work" ] || rm -rf "$work"
}

[ "$(id -u)" -eq 0 ] || fail "recording and making cgroups need root: sudo make demo"
"$lima" doctor >/dev/null || {
	"$lima" doctor || true
	fail "this machine does not permit recording (above)"
}
[ -z "$(folders)" ] || fail "there are cgroups of the demonstration's names: another one is running, or: rmdir $(folders | tr '\n' ' ')"

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
work=$(mktemp -d)
mkdir -p "$out"
rm -rf "$out/demo.lima" "$out/demo.svg"

echo "An index of this kernel, so that its locks have names:"
"$lima" index build 2>/dev/null || echo "demo: there is none; locks show as slab caches and functions" >&2

printf '\n'
echo "Two tenants fight over one directory, one file and one pipe for $seconds seconds ..."
"$lima" record -o "$out/demo.lima" -- \
	"$lima" lab load hammer --dir "$work" --seconds "$seconds" --tenant demo-a --tenant demo-b >"$work/load.json" &
recorder=$!
wait "$recorder" || fail "the recording failed (status $?)"
recorder=

printf '\nThe hot locks\n\n'
"$lima" report "$out/demo.lima" --top 10
printf '\nWho slowed whom\n\n'
"$lima" interference "$out/demo.lima"
"$lima" report "$out/demo.lima" --format svg >"$out/demo.svg"
printf '\nflame graph: %s\ntrace:       %s\n' "$out/demo.svg" "$out/demo.lima"
echo "Look further: $lima report --by stack $out/demo.lima"
