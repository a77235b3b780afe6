# pipeline.sh FILE: one pipeline of 1 s after the other; TERM makes the running one the last.
# Each says `began` and, when FILE is whole, `done`.
trap 'stopping=1' TERM
exec 3>&1
while [ -z "$stopping" ]; do
	{ echo began >&3; sleep 1; seq 1000; } | gzip >"$1"
	gzip -t "$1" && [ "$(gzip -cd "$1" | tail -n 1)" = 1000 ] && echo done
done
