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

# A kind of file system that the kernel does not have is not mounted; the command will say so if it wants it.
put() {
	$b mkdir -p "$3" 2>/dev/null
	$b mount -t "$1" -o "$2" "$1" "$3" 2>/dev/null
}
put devpts gid=5,mode=620,ptmxmode=666 /dev/pts
put tmpfs mode=1777 /dev/shm
put mqueue nosuid /dev/mqueue
put cgroup2 nsdelegate /sys/fs/cgroup
put bpf mode=700 /sys/fs/bpf
put tracefs nosuid /sys/kernel/tracing
put debugfs nosuid /sys/kernel/debug
put securityfs nosuid /sys/kernel/security
for link in fd:/proc/self/fd stdin:/proc/self/fd/0 stdout:/proc/self/fd/1 stderr:/proc/self/fd/2; do
	[ -e "/dev/${link%%:*}" ] || $b ln -s "${link#*:}" "/dev/${link%%:*}"
done
$b hostname lima-lab
$b ifconfig lo 127.0.0.1 up 2>/dev/null

# The kernel finds its modules, its debug information and its configuration where it would on a system of its own.
files=/run/lima/machine$kernel_folder
bind() {
	[ -e "$1" ] || return
	if [ -d "$1" ]; then $b mkdir -p "$2"; else $b mkdir -p "${2%/*}"; [ -e "$2" ] || : >"$2"; fi
	$b mount --bind "$1" "$2"
}
for name in "lib/modules/$release" usr/lib/debug; do bind "$files/$name" "/$name"; done
for name in vmlinuz System.map config; do bind "$files/boot/$name-$release" "/boot/$name-$release"; done
# A root of its own lacks the caller's folder and lima.
for folder in "$here" "$programs"; do
	[ -z "$folder" ] || [ -e "$folder" ] || bind "/run/lima/machine$folder" "$folder"
done
for name in modprobe insmod rmmod lsmod poweroff; do $b ln -s ../busybox "/run/lima/bin/$name"; done
[ -x /sbin/modprobe ] || echo /run/lima/bin/modprobe >/proc/sys/kernel/modprobe

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
