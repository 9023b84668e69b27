#!/bin/sh
# Small real files for the targets of images to begin with: a kernel, a module, and packed kernels. Needs gcc, objcopy and
# the packers; what is missing is left out.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p corpus/image_kernel corpus/image_module corpus/image_vmlinuz corpus/image_symbols

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

# As the target reads them: a byte that chooses, the size, and what follows the magic number.
seed() {
	number=$1 magic=$2
	shift 2
	command -v "$1" >/dev/null 2>&1 || return 0
	"$@" <"$work/small" >"$work/packed"
	size=$(wc -c <"$work/small")
	for choice in "$number" $((number + 128)); do
		{
			# shellcheck disable=SC2059 # bytes
			printf "\\$(printf %o "$choice")\\$(printf %o $((size & 255)))\\$(printf %o $((size >> 8 & 255)))\\$(printf %o $((size >> 16)))"
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
seed 7 0 cat
printf 'ffffffff81000000 T _text\n0000000000000040 A runqueues\nffffffff81000010 t f\t[ext4]\n' >corpus/image_symbols/text
printf '\0\0\0\0\0' >corpus/image_symbols/first
printf '\1\0\0\0\0' >corpus/image_symbols/last
printf '\2\0\0\0\0' >corpus/image_symbols/one
