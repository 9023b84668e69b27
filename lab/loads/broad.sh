#!/bin/sh
# A load that takes as many different kernel locks as it can in about a minute: files, directories, memory, processes,
# signals, timers, pipes, sockets, System V IPC, futexes, cgroups, namespaces, mounts, keys, terminals. It works in a folder
# of its own and leaves nothing behind; what this kernel does not have is passed over.
#
# usage: broad.sh [SECONDS]   how long each group of stressors runs (1)
set -u
seconds=${1:-1}
folder=$(mktemp -d)
cd "$folder" || exit 1

stress() {
	options=
	for name; do
		options="$options --$name 1"
	done
	# shellcheck disable=SC2086 # each option is two words
	stress-ng --quiet --timeout "$seconds" --temp-path "$folder" $options >/dev/null 2>&1
}

# A block device with a journalling file system, if the kernel can.
dd if=/dev/zero of=image bs=1M count=48 2>/dev/null
mkfs.ext4 -q image && mkdir disk && mount -o loop image disk 2>/dev/null && {
	stress-ng --quiet --timeout "$seconds" --temp-path disk --rename 1 --dentry 1 --hdd 1 --hdd-bytes 4M --fallocate 1 \
		--fallocate-bytes 4M --xattr 1 --link 1 >/dev/null 2>&1
	sync
	umount disk
}
for number in 1 2 3; do
	mkdir -p mount
	mount -t tmpfs none mount && touch mount/a && mkdir mount/b && umount mount
	unshare --mount --net --pid --fork --ipc --uts --user true
	mkdir /sys/fs/cgroup/broad-$number && {
		sh -c "echo 0 >/sys/fs/cgroup/broad-$number/cgroup.procs; true"
		rmdir /sys/fs/cgroup/broad-$number
	}
done 2>/dev/null
ip link set lo up 2>/dev/null
ip link add broad0 type dummy 2>/dev/null && ip link set broad0 up && ip addr add 10.9.8.7/24 dev broad0 && ip link del broad0
mkdir -p lower upper work merged
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged 2>/dev/null && {
	touch merged/a && mv merged/a merged/b && rm merged/b
	umount merged
}
stress rename dentry dir getdent chmod utime symlink link
stress open access inotify flock lockf fcntl lease
stress mmap mremap madvise mlock memfd brk remap
stress vm-splice splice tee sendfile pipe fifo
stress fork vfork clone exec wait zombie
stress futex sem sem-sysv mutex switch yield sched affinity nice
stress sock sockpair sockabuse udp epoll poll
stress msg mq shm shm-sysv
stress eventfd timerfd timer itimer sigq sigfd signal sigpipe
stress aio iomix readahead fallocate hdd
stress key kcmp ptrace seccomp prctl personality
stress procfs sysfs sysinfo get set
stress pty tun netdev netlink-proc rawsock
stress swap mincore page-in userfaultfd numa
cat /proc/*/status /proc/*/maps /proc/slabinfo /proc/vmallocinfo /proc/locks /proc/mounts /proc/net/* >/dev/null 2>&1
sync
cd / && rm -rf "$folder"
exit 0
