# shellcheck shell=sh disable=SC1091,SC2154
# The first process of a lab guest, second part: completes the root, runs the command, and tells how it ended.
b=/run/lima/busybox
control=$1 output=$2 errors=$3

fail() {
	echo "lima lab: $*" >/dev/console
	$b poweroff -f
	$b sleep 60
}

. /run/lima/settings

$b mount -t proc proc /proc || fail "cannot mount /proc"
$b mkdir -p /dev/pts /dev/shm /dev/mqueue
# A kind of file system that the kernel does not have is not mounted; the command will say so if it wants it.
$b mount -a -T /run/lima/mounts 2>/dev/null
$b cp -a /run/lima/dev/. /dev/
echo lima-lab >/proc/sys/kernel/hostname
$b ifconfig lo 127.0.0.1 up 2>/dev/null

# The kernel finds its modules, its debug information and its configuration where it would on a system of its own.
files=/run/lima/machine$kernel_folder
bind() {
	[ -e "$1" ] || return
	[ -d "${2%/*}" ] || $b mkdir -p "${2%/*}"
	if [ -d "$1" ]; then [ -d "$2" ] || $b mkdir "$2"; else [ -e "$2" ] || : >"$2"; fi
	$b mount --bind "$1" "$2"
}
for name in "lib/modules/$release" usr/lib/debug; do bind "$files/$name" "/$name"; done
for name in vmlinuz System.map config; do bind "$files/boot/$name-$release" "/boot/$name-$release"; done
# A root of its own lacks the caller's folder and lima.
for folder in "$here" "$programs"; do
	[ -z "$folder" ] || [ -e "$folder" ] || bind "/run/lima/machine$folder" "$folder"
done
echo /run/lima/bin/modprobe >/proc/sys/kernel/modprobe

if [ -n "$out" ]; then
	$b mkdir -p "$out"
	$b mount -t virtiofs out "$out" || fail "cannot mount the folder for results"
fi

# Through pipes: a port can be opened only once, and programs like to open /dev/stderr again.
$b mkfifo /run/lima/output /run/lima/errors
$b cat </run/lima/output >"$output" &
$b cat </run/lima/errors >"$errors" &
exec 3>/run/lima/output 4>/run/lima/errors 5>"$control"
echo ready >&5
$b env -i /bin/sh /run/lima/command </dev/null >&3 2>&4 3>&- 4>&- 5>&-
status=$?
$b sync
# The host knows by these words that it has seen everything, and ends the machine.
printf %s "$mark" >&3
printf %s "$mark" >&4
echo "exit $status" >&5
$b sleep 60
$b poweroff -f
