"""master.py MANNER [NUMBER]: leaves a master with NUMBER workers behind when its stdin ends.

On TERM the master says so, and then, by MANNER, lets each worker finish and ends (`finish`), ends
at once (`end`), or goes on (`ignore`); one that is `deaf` ignores TERM, and says nothing; with
`stopped` it has stopped itself before, and then is one that lets them finish; with `alone` its
parent is another master, who finishes when it does.  Who finishes says `TERM again` if it was
sent twice.
A worker says `lost` on TERM, and `done` when it was let finish.  `ready` says that all are there,
and with `stopped` that the master is about to stop.
"""

import _signal as signal
import os
import sys
import time


def say(*words: object) -> None:
    """Write a line, whole whatever others write."""
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


def work(orders: int) -> None:
    """Be a worker, until the pipe is closed."""

    def lose(*_: object) -> None:
        say("lost")
        os._exit(1)

    signal.signal(signal.SIGTERM, lose)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    say("worker")
    os.read(orders, 1)
    say("done")
    os._exit(0)


def ignore() -> None:
    """Go on, and take no TERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    while True:
        time.sleep(1000)


def lead(manner: str, number: int) -> None:
    """Be the master."""
    orders, mine = os.pipe()
    for _ in range(number):
        if os.fork() == 0:
            if manner != "end":
                os.close(mine)  # else the end of their master tells them nothing
            work(orders)
    if manner == "stopped":
        say("stopping")
        os.kill(os.getpid(), signal.SIGSTOP)
    if manner == "deaf":
        ignore()
    while True:
        signal.sigwaitinfo({signal.SIGTERM})
        say("TERM")
        if manner == "end":
            os._exit(0)
        if manner != "ignore":
            break
    time.sleep(0.2)  # workers who were sent TERM too have taken it
    os.close(mine)
    finish(number)


def finish(number: int) -> None:
    """Wait for the workers, and end."""
    for _ in range(number):
        os.wait()
    if signal.SIGTERM in signal.sigpending():
        say("TERM again")
    say("ended")
    os._exit(0)


def main() -> None:
    """Run it."""
    manner = sys.argv[1]
    number = int(sys.argv[2]) if sys.argv[2:] else 1
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if os.fork() == 0:
        os.close(0)
        lead(manner, number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    while os.read(0, 1):
        pass
    os._exit(7)


main()
