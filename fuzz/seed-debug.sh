#!/bin/sh
# Seeds for the fuzz target `debug`: a small program by each compiler and version of DWARF, in the target's framing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
to=${1:-$here/corpus/debug}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$to"
for compiler in gcc clang-19; do
	for version in 4 5; do
		command -v $compiler >/dev/null || continue
		$compiler -gdwarf-$version -O2 -nostdlib -static -fno-pie -fno-stack-protector -Wl,--no-pie \
			-o "$work/program" "$here/../crates/index/src/debug/tests/fixture.c"
		seed="$to/$compiler-$version"
		: >"$seed"
		for section in info abbrev line line_str str loclists rnglists loc ranges addr str_offsets; do
			rm -f "$work/section"
			objcopy -O binary --only-section=.debug_$section --set-section-flags .debug_$section=alloc \
				"$work/program" "$work/section" 2>/dev/null || true
			[ -f "$work/section" ] || : >"$work/section"
			length=$(wc -c <"$work/section")
			for shift in 0 8 16 24; do
				# shellcheck disable=SC2059 # bytes
				printf "\\$(printf %03o $((length >> shift & 255)))" >>"$seed"
			done
			cat "$work/section" >>"$seed"
		done
	done
done
