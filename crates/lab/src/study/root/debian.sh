# Completes the minimal Debian in the folder $1, from the mirror $2: what debootstrap cannot.
# shellcheck shell=sh disable=SC2016
root=$1 mirror=$2

# Debian 12's own runsc is older than systrap.
echo "deb $mirror bookworm-backports main" >"$root/etc/apt/sources.list.d/backports.list"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
trap 'umount "$root/dev" "$root/proc"' EXIT
export DEBIAN_FRONTEND=noninteractive
chroot "$root" apt-get -q update
chroot "$root" apt-get -q install -y --no-install-recommends -t bookworm-backports runsc
chroot "$root" apt-get clean
rm -rf "$root"/var/lib/apt/lists/*

# A database for pgbench, so that making it is no part of a run.
chroot "$root" sh -ec '
	PATH=$PATH:$(echo /usr/lib/postgresql/*/bin)
	data=/var/lib/lima-study/pgbench
	install -d -o postgres /var/lib/lima-study
	as="runuser -u postgres --"
	cd /tmp
	$as initdb -D "$data" --no-sync -A trust
	$as pg_ctl -D "$data" -w -o "-p 25432 -k /tmp -c listen_addresses=" start </dev/null >/dev/null
	$as pgbench -h /tmp -p 25432 -i -s 1 postgres
	$as pg_ctl -D "$data" -w stop
'
