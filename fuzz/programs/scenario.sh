# scenario.sh SIGNAL: the command under which system calls fail.  It leaves an orphan that ends at
# once, one that writes its token on TERM and one that ignores it, and exits with 7 on SIGNAL.
(true &)
trap 'echo "0 0 usr1"' USR1
sh -c 'trap "echo 0 1 token; exit 0" TERM; echo 0 1 armed; while :; do sleep 600 & wait; done' &
sh -c 'trap "" TERM; echo 0 2 armed; exec sleep 600' &
# A shell cannot trap what it was given as ignored: after those who are to.
[ "$1" = TERM ] || trap '' TERM
trap 'echo "0 0 end"; exit 7' "$1"
echo "0 0 armed"
while :; do wait; sleep 600 & wait; done
