"""exercise.py [LINE]: tries all that an init does, prints what works, and ends with 7.

`relayed`: a signal to pyinit came here.  `reaped`: an orphan is gone.  `TERM`: a
leftover in a session of its own was told to end, after this process had.
"""

import _signal as signal
import os
import time

DEADLINE_S = 60.0


def orphan(ready: int) -> None:
    """Start a process whose parent ends at once; it writes its PID to ``ready`` and ends too."""
    middle = os.fork()
    if middle == 0:
        if os.fork() == 0:
            os.write(ready, b"%d" % os.getpid())
        os._exit(0)
    os.waitpid(middle, 0)


def is_reaped(pid: int) -> bool:
    """Return whether there is no process ``pid`` any more, not even as a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def leave_behind() -> None:
    """Start the leftover; return when it is ready."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.write(writer, b"!")
        signal.sigwait({signal.SIGTERM})
        print("TERM", flush=True)
        os._exit(0)
    os.read(reader, 1)


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
os.kill(os.getppid(), signal.SIGUSR1)
signal.sigwait({signal.SIGUSR1})
print("relayed", flush=True)

reader, writer = os.pipe()
orphan(writer)
pid = int(os.read(reader, 16))
deadline = time.monotonic() + DEADLINE_S
while not is_reaped(pid) and time.monotonic() < deadline:
    time.sleep(0.001)
print("reaped" if is_reaped(pid) else "still a zombie", flush=True)

leave_behind()
os._exit(7)
