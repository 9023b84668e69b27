#!/bin/sh
# Judges the index of a kernel by the kernel's own source: docs/accuracy.md. `make accuracy` builds lima first.
#
#   scripts/accuracy.sh [d61|d612] [--modules]    (the kernel as scripts/fetch-kernel.sh puts it in the cache)
#
# Where the kernel is not in the cache it says so and is content. Only d61 has limits to keep.
set -eu

lima=${CARGO_TARGET_DIR:-$HOME/.cache/lima/target}/release/lima
name=d61
modules=
for word; do
	case $word in
	d61 | d612) name=$word ;;
	--modules) modules=yes ;;
	*) echo "accuracy: not understood: $word" >&2 && exit 2 ;;
	esac
done
kernel=$HOME/.cache/lima/kernels/$name
set -- "$HOME/.cache/lima/kernels/src${name#d}"/linux-source-*
source=$1
if [ ! -d "$kernel/usr/lib/debug/boot" ] || [ ! -d "$source" ]; then
	echo "skipped: the kernel $name is not in the cache (scripts/fetch-kernel.sh $name)"
	exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# sites NAME OPTIONS...: makes an index and has it tell its sites
sites() {
	out=$work/$1
	shift
	"$lima" index build --rebuild -o "$out.limaindex" --format json "$@" >/dev/null
	"$lima" index sites --index "$out.limaindex" --format json >"$out.json"
	rm -rf "$out.limaindex"
}

set -- --vmlinux "$kernel"/usr/lib/debug/boot/vmlinux-*
if [ -n "$modules" ]; then
	set -- "$@" --modules "$kernel"/lib/modules/* --debug-dir "$kernel/usr/lib/debug"
fi
sites dwarf "$@"
sites bare "$@" --bare
set -- --source "$source" --config "$kernel"/boot/config-* --dwarf "$work/dwarf.json" --bare "$work/bare.json"
[ "$name" != d61 ] || set -- "$@" --limits xtask/accuracy.limits
cargo xtask accuracy "$@"
