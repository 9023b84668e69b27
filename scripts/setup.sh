#!/bin/sh
# Installs what building and testing need and this machine lacks. Silent and quick when nothing is missing.
set -eu

fail() {
	echo "setup: $*" >&2
	exit 1
}

has() {
	command -v "$1" >/dev/null 2>&1
}

# Debian 12's own `clang` (14) is too old for CO-RE's newer questions; what CLANG names is taken as it is.
has_clang() {
	[ -n "${CLANG:-}" ] && return 0
	has clang-19 && return 0
	has clang || return 1
	major=$(clang -dumpversion | cut -d. -f1)
	[ "$major" -ge 15 ]
}

has_library() {
	has pkg-config && pkg-config --exists "$1"
}

# With QEMU up to 7.2, later in a package of its own.
has_virtiofsd() {
	[ -e /usr/lib/qemu/virtiofsd ] || [ -e /usr/libexec/virtiofsd ]
}

# A dynamic one runs nothing where there are no libraries yet.
has_busybox() {
	# A dynamic program names its loader right at its beginning.
	has busybox && ! head -c 4096 "$(command -v busybox)" | grep -q -a ld-linux-x86-64
}

missing=
need() {
	package=$1
	shift
	"$@" || missing="$missing $package"
}

need gcc has cc
need libc6-dev test -e /usr/include/stdlib.h
need make has make
need pkg-config has pkg-config
need clang-19 has_clang
need libelf-dev has_library libelf
need zlib1g-dev has_library zlib
need stress-ng has stress-ng
need linux-perf has perf
need runc has runc
need shellcheck has shellcheck
# Guests (`lima lab run`).
need qemu-system-x86 has qemu-system-x86_64
need qemu-system-common has_virtiofsd
need busybox-static has_busybox
# Building the test kernel module (`lima lab module build`): Debian builds its kernels with this compiler.
need gcc-12 has gcc-12
need pahole has pahole
need lzop has lzop

if [ -n "$missing" ]; then
	has apt-get || fail "missing here (by their names in Debian):$missing; install them with this system's package manager"
	[ "$(id -u)" -eq 0 ] || fail "missing:$missing; run \`make setup\` as root, or: sudo apt-get install$missing"
	echo "setup: installing$missing" >&2
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086 # a list of packages
	{ apt-get update && apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		fail "apt-get failed (above); is $missing in this system's sources? Debian 12 has them all"
	}
fi

"$(dirname "$0")"/fetch-qemu.sh

has cargo || fail "cargo is missing: install Rust from https://rustup.rs"
mkdir -p "${CARGO_TARGET_DIR:-$HOME/.cache/lima/target}"
