#!/lima/busybox sh
# The first process of a lab guest, first part: from the initramfs to the guest's root. The second part is inside.sh.
# What is in its settings comes from initramfs.rs.
# shellcheck shell=dash disable=SC1091,SC2154

b=/lima/busybox

fail() {
	echo "lima lab: $*" >/dev/console
	$b poweroff -f
	$b sleep 60
}

$b mount -t devtmpfs dev /dev || fail "cannot mount /dev"
$b mount -t sysfs sys /sys || fail "cannot mount /sys"
. /lima/settings

while read -r module; do
	$b insmod "/modules/$module" || fail "cannot load $module"
done </modules/order

# The host names its ports; they appear a moment after their driver.
port() {
	turns=0
	while [ "$turns" -lt 1000 ]; do
		for entry in /sys/class/virtio-ports/*; do
			name=
			[ ! -e "$entry/name" ] || read -r name <"$entry/name"
			[ "$name" != "$1" ] || [ ! -e "/dev/${entry##*/}" ] || { echo "/dev/${entry##*/}"; return; }
		done
		turns=$((turns + 1))
		$b usleep 10000
	done
	fail "the host's port $1 does not appear"
}
control=$(port control)
if [ -n "$trial" ]; then
	exec 5>"$control"
	echo ready >&5
	echo "exit 0" >&5
	$b sleep 60
fi
output=$(port output)
errors=$(port errors)

$b mount -t virtiofs -o ro machine /machine || fail "cannot mount the machine's files"
case $root in
virtiofs)
	$b mount -t tmpfs -o mode=755,size=75% scratch /scratch || fail "cannot mount a tmpfs"
	$b mkdir /scratch/upper /scratch/work
	$b mount -t overlay -o lowerdir=/machine,upperdir=/scratch/upper,workdir=/scratch/work root /root ||
		fail "cannot mount the root's overlay"
	;;
ext4)
	$b mount -t ext4 /dev/vda /root || fail "cannot mount the root's disk"
	;;
esac

for folder in dev proc run sys; do
	[ -d "/root/$folder" ] || $b mkdir "/root/$folder"
done
$b mount -t tmpfs -o mode=755 run /root/run || fail "cannot mount /run"
$b cp -a /lima /root/run/ || fail "cannot copy to /run"
for mounted in dev sys; do
	$b mount --move "/$mounted" "/root/$mounted" || fail "cannot move /$mounted"
done
$b mkdir /root/run/lima/machine
$b mount --move /machine /root/run/lima/machine || fail "cannot move the machine's files"

# The root is moved, not changed into: programs that make containers want to leave it by pivot_root.
exec $b switch_root /root /run/lima/busybox sh /run/lima/inside "$control" "$output" "$errors"
