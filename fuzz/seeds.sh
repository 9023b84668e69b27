#!/bin/sh
# Small real files for the targets to begin with: a kernel, a module, packed kernels, types, code; and the segments
# of a trace when one is named. Needs gcc, objcopy and the packers; what is missing is left out.
#
#   fuzz/seeds.sh [TRACE.lima]
set -eu
trace=${1:+$(realpath "$1")}
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for target in image_kernel image_module image_vmlinuz image_symbols read_btf lift_code open_segment open_manifest; do
	mkdir -p "corpus/$target"
done

cat >"$work/kernel.c" <<-'END'
	const char linux_banner[] = "Linux version 9.9.9-test (somebody) #1\n";
	long lock = 1;
	__attribute__((section(".data..percpu"))) long share = 3;
	void mutex_lock(long *lock) { *lock = share; }
	void _start(void) { mutex_lock(&lock); }
END
cat >"$work/module.c" <<-'END'
	void mutex_lock(long *lock);
	__attribute__((section(".modinfo"), used)) static const char name[] = "name=mini\0vermagic=9.9.9-test";
	static long own;
	long *to_own = &own;
	void outer(void) { mutex_lock(&own); }
END
options="-Os -ffreestanding -fno-pic -no-pie -mcmodel=kernel -fno-asynchronous-unwind-tables"
# shellcheck disable=SC2086 # several words
gcc $options -g -nostdlib -static -Wl,--build-id,--emit-relocs -Wl,-Ttext=0xffffffff81000000 -o "$work/vmlinux" "$work/kernel.c"
# shellcheck disable=SC2086
gcc $options -nostdlib -static -s -Wl,-Ttext=0xffffffff81000000 -Wl,-z,noseparate-code -o "$work/small" "$work/kernel.c"
# shellcheck disable=SC2086
gcc $options -g -c -o corpus/image_module/plain "$work/module.c"
cp "$work/vmlinux" corpus/image_kernel/plain
for packing in zlib-gabi zlib-gnu zstd; do
	objcopy --compress-debug-sections=$packing "$work/vmlinux" "corpus/image_kernel/$packing" || true
	objcopy --compress-debug-sections=$packing corpus/image_module/plain "corpus/image_module/$packing" || true
done

bytes() {
	for byte; do
		# shellcheck disable=SC2059 # bytes
		printf "\\$(printf %03o "$byte")"
	done
}

# As the target reads them: a byte that chooses, the size, and what follows the magic number.
seed() {
	number=$1 magic=$2
	shift 2
	command -v "$1" >/dev/null 2>&1 || return 0
	"$@" <"$work/small" >"$work/packed"
	size=$(wc -c <"$work/small")
	for choice in "$number" $((number + 128)); do
		{
			bytes "$choice" $((size & 255)) $((size >> 8 & 255)) $((size >> 16))
			tail -c +$((magic + 1)) "$work/packed"
		} >"corpus/image_vmlinuz/$1-$choice"
	done
}
seed 0 3 gzip -9
seed 1 4 bzip2 -9
seed 2 6 xz --check=crc32
seed 3 4 lz4 -l
seed 4 4 zstd
seed 5 3 xz --format=lzma
seed 6 9 lzop -9 -c
seed 7 0 cat
printf 'ffffffff81000000 T _text\n0000000000000040 A runqueues\nffffffff81000010 t f\t[ext4]\n' >corpus/image_symbols/text
printf '\0\0\0\0\0' >corpus/image_symbols/first
printf '\1\0\0\0\0' >corpus/image_symbols/last
printf '\2\0\0\0\0' >corpus/image_symbols/one

# Types: the size of the kernel's in two bytes, the kernel's, and a module's that build upon them.
cat >"$work/types.c" <<-'END'
	typedef struct raw_spinlock { unsigned value; } raw_spinlock_t;
	typedef struct spinlock { union { struct raw_spinlock rlock; }; } spinlock_t;
	struct mutex { long owner; raw_spinlock_t wait_lock; void *list; };
	enum kind { FEW = 1, MANY = 1 << 20 };
	struct item { struct item *next; struct mutex lock; enum kind kind; int low : 3, high : 5; spinlock_t each[4]; };
	struct item first __attribute__((section(".data..percpu")));
	struct item *find(struct item *item, const volatile int *key, ...) { return item + *key; }
END
cat "$work/types.c" - >"$work/module_types.c" <<-'END'
	struct owner { struct item item; union { spinlock_t lock; char bytes[64]; }; int (*open)(struct owner *); };
	struct owner owner;
	int open_it(struct owner *owner) { return owner->open(owner); }
END
types() {
	size=$(wc -c <"$1")
	bytes $((size & 255)) $((size >> 8)) && cat "$@"
}
if command -v pahole >/dev/null; then
	gcc -g -c -o "$work/types.o" "$work/types.c"
	gcc -g -c -o "$work/module_types.o" "$work/module_types.c"
	pahole --btf_encode_detached="$work/types.btf" "$work/types.o"
	pahole --btf_base="$work/types.btf" --btf_encode_detached="$work/split.btf" "$work/module_types.o"
	types "$work/types.btf" >corpus/read_btf/kernel
	types "$work/types.btf" "$work/split.btf" >corpus/read_btf/module
fi

# Code: how many functions there are, for each where it starts (two bytes) and what it is, and the instructions.
for compiler in gcc clang-19; do
	command -v $compiler >/dev/null || continue
	for options in -O2 -Os "-O2 -fno-jump-tables -fcf-protection=none"; do
		# shellcheck disable=SC2086 # several words
		$compiler $options -mcmodel=kernel -fno-pic -ffreestanding -c -o "$work/code.o" ../crates/index/src/debug/tests/fixture.c
		objcopy -O binary --only-section=.text "$work/code.o" "$work/code"
		seed=corpus/lift_code/$compiler$(echo "$options" | tr -d ' ')
		nm -S "$work/code.o" | awk '$3 == "T" || $3 == "t" { print $1, $2 }' | head -n 15 >"$work/functions"
		{
			bytes "$(wc -l <"$work/functions")"
			while read -r start size; do
				size=$((0x$size)) start=$((0x$start))
				bytes $((start & 255)) $((start >> 8)) $(((size > 7 ? 7 : size) << 3))
			done <"$work/functions"
			cat "$work/code"
		} >"$seed"
	done
done

# The tables of a trace, each behind its number, in the order of `Table::ALL`.
if [ -n "$trace" ]; then
	number=0
	for table in totals events tasks acquisitions inits stacks frames tenants; do
		for segment in "$trace/$table"/*.parquet; do
			[ ! -f "$segment" ] || { bytes $number && cat "$segment"; } >"corpus/open_segment/$table"
		done
		number=$((number + 1))
	done
	cp "$trace/trace.json" corpus/open_manifest/plain
fi
