#!/lima/busybox sh
# The first process of a tenant that is a virtual machine: from the initramfs to the disk, and the tenant's script with the
# serial line as its input and output.
# shellcheck shell=dash
b=/lima/busybox
fail() {
	echo "lima-study failed its machine: $*" >/dev/ttyS0
	$b poweroff -f
	$b sleep 60
}
$b mount -t devtmpfs dev /dev || fail "cannot mount /dev"
while read -r module; do
	$b insmod "/modules/$module" || fail "cannot load $module"
done </modules/order
$b mount -t ext4 /dev/vda /root || fail "cannot mount the disk"
$b mount -t proc proc /root/proc
$b mount -t sysfs sys /root/sys
$b mount -t tmpfs tmp /root/run
$b mount -t tmpfs tmp /root/tmp
$b mkdir /root/run/lima
$b cp /lima/busybox /lima/script /root/run/lima/
$b mount --move /dev /root/dev
$b ln -sf /proc/self/fd /root/dev/fd
$b mkdir -p /root/dev/shm /root/dev/pts
$b mount -t tmpfs shm /root/dev/shm
$b cat >/root/run/lima/start <<'END'
b=/run/lima/busybox
$b ifconfig lo 127.0.0.1 up
$b stty -F /dev/ttyS0 raw -echo
sh /run/lima/script </dev/ttyS0 >/dev/ttyS0 2>&1
$b poweroff -f
$b sleep 60
END
exec $b switch_root /root /bin/sh /run/lima/start
