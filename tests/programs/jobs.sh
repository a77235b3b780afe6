# Two jobs of 1 s at once, that it waits for on TERM; a job says `began` and `done`.
trap : TERM
for _ in 1 2; do
	(echo began; sleep 1 && echo done) &
done
until wait; do :; done
