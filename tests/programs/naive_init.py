"""naive_init.py FLAW [OPTION...] -- COMMAND...: an init as one writes it, right but for its FLAW.

None, or: code (exits with another one), deaf (relays nothing), kills (KILL at once), idle (reaps
nobody while the command runs), insists (TERM again and again), survivors (leaves all others alone),
talks (a traceback on stderr).
Of the options only --grace counts.  It takes for granted that no system call fails.
"""

import os
import signal
import sys
import time

flaw = sys.argv[1]
grace_s = float(sys.argv[sys.argv.index("--grace") + 1])
status: int | None = None
command = sys.argv[sys.argv.index("--") + 1 :]
awaited = signal.valid_signals() - {signal.SIGSEGV}
signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
main = os.posix_spawn(command[0], command, os.environ, setpgroup=0, setsigmask=())


def reap() -> int | None:
    """Reap whoever has ended; return the command's status, if it is among them."""
    found = None
    whom = main if flaw == "idle" and status is None else -1
    try:
        while (ended := os.waitpid(whom, os.WNOHANG))[0]:
            if ended[0] == main:
                found = ended[1]
    except ChildProcessError:
        pass
    return found


def is_alone() -> bool:
    """Return whether nobody is left."""
    try:
        os.kill(-1, 0)
    except ProcessLookupError:
        return True
    return False


while status is None:
    number = signal.sigwait(awaited)
    if number == signal.SIGCHLD:
        status = reap()
    elif flaw != "deaf":
        os.kill(main, number)
if flaw == "talks":
    print("Traceback (most recent call last):", file=sys.stderr)
if os.getpid() == 1 and flaw != "survivors":
    for number in [signal.SIGKILL] if flaw == "kills" else [signal.SIGTERM, signal.SIGCONT]:
        if not is_alone():
            os.kill(-1, number)
    deadline_s = time.monotonic() + grace_s
    while not is_alone():
        if time.monotonic() > deadline_s:
            os.kill(-1, signal.SIGKILL)
        elif flaw == "insists":
            os.kill(-1, signal.SIGTERM)
        reap()
        time.sleep(0.005)
code = os.waitstatus_to_exitcode(status)
os._exit((code if code >= 0 else 128 - code) + (flaw == "code"))
