"""``python -m pyinit``: the command, for when its script is not on PATH."""

import _signal

# First act: a signal that arrives while the rest is imported waits in the
# queue instead of being discarded (pid_namespaces(7): default dispositions
# do not reach an init, but a blocked signal is queued for it).
given_mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())

from pyinit.cli import main  # noqa: E402 - the mask comes before any import that costs time

if __name__ == "__main__":
    main(given_mask)
