#!/bin/sh
# demo.sh [PYINIT]: show what an init does, in a PID namespace of its own.
# Needs unshare(1) of util-linux, and either root or user namespaces.
set -eu

main() {
	pyinit=$1
	if ! command -v unshare >/dev/null; then
		echo "demo: unshare(1) is missing: install util-linux" >&2
		exit 1
	fi
	# Without root, a PID namespace needs a user namespace.
	way="unshare --pid --fork --mount-proc"
	if ! refused=$($way true 2>&1); then
		way="unshare --user --map-root-user --pid --fork --mount-proc"
		refused=$($way true 2>&1) || give_up "$refused"
	fi

	cat <<-END
		A new PID namespace: pyinit is its PID 1 and starts a shell. Lines that begin
		with a time are from pyinit (-v, -w), the others from its processes.

		\$ $way pyinit -vw --log-format console -- sh $0 shell
	END
	status=0
	$way "$pyinit" -vw --log-format console -- sh "$0" shell 2>&1 || status=$?
	cat <<-END

		The exit status is the shell's: $status. pyinit has reaped the orphan, sent the leftovers
		TERM and waited for them. At its end the whole namespace is gone.
	END
	[ "$status" -eq 7 ]
}

give_up() {
	cat >&2 <<-END
		demo: this machine does not let you make a PID namespace:
		  $1
		Run it as root, or allow user namespaces (sysctl user.max_user_namespaces,
		kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns).
		A container has to be started with --privileged for this.
	END
	exit 1
}

# The command of pyinit.
shell() {
	echo "shell: my PID is $$, and PID 1 is $(cat /proc/1/comm)"

	orphan=$(sh -c 'sleep 0.3 >/dev/null & echo $!')
	echo "shell: process $orphan is an orphan, because its parent has ended"
	while kill -0 "$orphan" 2>/dev/null; do sleep 0.05; done
	echo "shell: process $orphan has ended and is not a zombie: pyinit has reaped it"

	# Read waits until the leftover is ready.
	exec 4>&1
	{ setsid sh "$0" leftover 3>&1 >&4 4>&- & } | read -r _
	exit 7
}

# It outlives the shell, in a session of its own, like a daemon.
leftover() {
	sleep 1000 3>&- &
	trap 'echo "leftover: got TERM, saving my work"
		sleep 0.3
		echo "leftover: saved, now I end"
		exit 0' TERM
	echo "leftover: the shell ends with 7 now, and I still run"
	echo ready >&3
	exec 3>&-
	wait
}

case ${1:-} in
shell) shell ;;
leftover) leftover ;;
*) main "${1:-pyinit}" ;;
esac
