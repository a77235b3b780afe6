"""Signal names and numbers, and what an init does with each; see signal(7)."""

import _signal

# They report a fault of the process that receives them.  One sent by kill(2)
# says nothing about the command, so they are blocked and never taken; a real
# fault is delivered by the kernel all the same, blocked or not.
SYNCHRONOUS = frozenset(
    (
        _signal.SIGILL,
        _signal.SIGTRAP,
        _signal.SIGABRT,
        _signal.SIGBUS,
        _signal.SIGFPE,
        _signal.SIGSEGV,
        _signal.SIGSYS,
    )
)

# valid_signals() leaves out 32 and 33, which glibc keeps for its threads.
RELAYED = frozenset(
    _signal.valid_signals() - SYNCHRONOUS - {_signal.SIGKILL, _signal.SIGSTOP, _signal.SIGCHLD}
)

# What a supervisor waits for.  Bytes are numbers too, and those that sigwaitinfo() walks
# through fastest at every call.
AWAITED = bytes((*RELAYED, _signal.SIGCHLD))

STOP_SIGNALS = frozenset((_signal.SIGTERM, _signal.SIGINT, _signal.SIGQUIT))

# The terminal driver stops a background process group with these.
BACKGROUND_TTY = frozenset((_signal.SIGTTIN, _signal.SIGTTOU))

# A process is in a stop of job control for these alone.
JOB_CONTROL = frozenset((_signal.SIGSTOP, _signal.SIGTSTP, *BACKGROUND_TTY))

# The terminal driver sends these to every process of the foreground group; see
# termios(3), ioctl_tty(2).  SIGHUP is another matter: only the session leader gets it.
FROM_TERMINAL = frozenset((_signal.SIGINT, _signal.SIGQUIT, _signal.SIGTSTP, _signal.SIGWINCH))

# si_code of a signal that the kernel made itself; see sigaction(2).
SI_KERNEL = 0x80

# And of one that came by sigqueue(3), with a value.
SI_QUEUE = -1

# Other names of ABRT, CHLD and IO.
_ALIASES = ("SIGIOT", "SIGCLD", "SIGPOLL")


def name(number: int) -> str:
    """Return the name of signal ``number``: ``SIGTERM``, ``SIGRTMIN+3``; see signal(7)."""
    if _signal.SIGRTMIN < number < _signal.SIGRTMAX:
        return f"SIGRTMIN+{number - _signal.SIGRTMIN}"
    for word, value in vars(_signal).items():
        if value == number and word.startswith("SIG") and "_" not in word and word not in _ALIASES:
            return str(word)
    return f"signal {number}"


# Relayed as they are, whoever sent them.
PLAIN = RELAYED - STOP_SIGNALS - BACKGROUND_TTY - FROM_TERMINAL
