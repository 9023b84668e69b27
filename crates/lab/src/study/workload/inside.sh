# The rest of a tenant's script; what stands above it defines setup, server, ready, work and steady of one workload.
# It tells on descriptor 3 how far it is, and takes orders from its input. Everything else goes to the log.

# shellcheck shell=sh disable=SC2154,SC2181

exec 3>&1 >&2
tell() { echo "lima-study $*" >&3; }

# Whether a port of the loopback answers.
answers() { bash -c ": </dev/tcp/127.0.0.1/$1" 2>/dev/null; }

# Called again by `timeout` below.
if [ "${1:-}" = again ]; then
	while :; do
		# Not `work || ...`: there a shell takes no notice of errors in the middle.
		work </dev/null
		[ $? -eq 0 ] || exit 1
	done
fi

mkdir -p "$WORK"
cd "$WORK" || { tell failed "cannot work in $WORK"; exit 1; }
if [ -n "$has_setup" ]; then
	setup </dev/null
	status=$?
	[ "$status" -eq 0 ] || { tell failed "its setup ended with status $status"; exit 1; }
fi
server_pid=
if [ -n "$has_server" ]; then
	server </dev/null 3>&- &
	server_pid=$!
	until ready </dev/null; do
		kill -0 "$server_pid" 2>/dev/null || { wait "$server_pid"; tell failed "its server ended with status $?"; exit 1; }
		sleep 0.02
	done
fi
tell ready

while read -r order TIME; do
	export TIME
	status=0
	case $order in
	warm)
		if [ -n "$has_steady" ]; then
			steady </dev/null
			status=$?
		else
			timeout -k 5 "$TIME" sh "$0" again </dev/null 3>&-
			status=$?
			# It has no other end than this.
			[ "$status" -ne 124 ] || status=0
		fi
		;;
	work)
		work </dev/null
		status=$?
		;;
	end) break ;;
	esac
	if [ "$status" -eq 0 ]; then tell "done"; else tell failed "it ended with status $status"; fi
done
if [ -n "$server_pid" ]; then
	kill "$server_pid" 2>/dev/null
	wait "$server_pid" 2>/dev/null
fi
tell over
