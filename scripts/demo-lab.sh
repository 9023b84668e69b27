#!/bin/sh
# A tour of the lab: boots a stock kernel, lets two tenants fight in it while LIMA records there, and reports here.
# LIMA_DEMO_KERNEL: which kernel (6.1). LIMA_DEMO_SECONDS: how long (3). LIMA_DEMO_DIR: where the trace and the flame graph
# go (~/.cache/lima/demo-lab).
set -eu

lima=${CARGO_TARGET_DIR:?run this with make demo-lab}/release/lima
kernel=${LIMA_DEMO_KERNEL:-6.1}
seconds=${LIMA_DEMO_SECONDS:-3}
out=${LIMA_DEMO_DIR:-$HOME/.cache/lima/demo-lab}

fail() {
	echo "demo-lab: $*" >&2
	exit 1
}

# Shows a command as one would type it, and runs it.
show() {
	printf '\n$ lima %s\n' "$*"
	"$lima" "$@" || fail "the command above failed (status $?)"
}

mkdir -p "$out"
rm -rf "$out/lab.lima" "$out/lab.svg"

echo "A kernel of Debian's, as published, is booted and gone again:"
show lab run --kernel "$kernel" -- uname -srv

printf '\nTwo tenants fight in it over one directory, one file and one pipe, and LIMA records there:\n'
show lab run --kernel "$kernel" --out "$out" -- "$lima" record -o "$out/lab.lima" -- \
	"$lima" lab load hammer --dir /tmp --seconds "$seconds" --tenant red --tenant blue

printf '\nThe guest is gone; its trace is here:\n'
show report "$out/lab.lima" --top 10
show interference "$out/lab.lima"
"$lima" report "$out/lab.lima" --format svg >"$out/lab.svg"
printf '\nflame graph: %s\ntrace:       %s\n' "$out/lab.svg" "$out/lab.lima"
echo "Go on: $lima lab kernels; $lima lab run --kernel 6.12 -- COMMAND; docs/lab.md"
