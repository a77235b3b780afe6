"""Signals and wait statuses: names, numbers, and what an init does with each.

See signal(7) and wait(2).  The numbers of wait(2) are written out: they are the kernel's ABI on
every architecture, and the macros of ``os`` are in a module that a quiet PID 1 does not load.
"""

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
# Those of the pause container of Kubernetes.
PAUSE_STOP_SIGNALS = frozenset((_signal.SIGTERM, _signal.SIGINT))

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

# Options of waitpid(2) and waitid(2).  __WALL: also children of before exec that were made to
# send another signal at their end (clone(2)); since the exec the kernel makes it SIGCHLD, but
# waitpid(2) needs this.
_WNOHANG, _WUNTRACED, _WEXITED, _WCONTINUED = 1, 2, 4, 8
_WNOWAIT = 0x01000000
_WALL = 0x40000000
REAP = _WNOHANG | _WALL  # who has ended
WAIT = REAP | _WUNTRACED | _WCONTINUED  # and who was stopped or continued
PEEK = REAP | _WEXITED | _WNOWAIT  # who has ended, and is to be waited for later
PEEK_AT_CHANGE = _WNOHANG | _WUNTRACED | _WCONTINUED | _WNOWAIT
PEEK_AT_STOP = _WNOHANG | _WUNTRACED | _WNOWAIT  # WSTOPPED is another name of WUNTRACED

# Wait statuses.
CONTINUED = 0xFFFF
KILLED = int(_signal.SIGKILL)
STOPPED = 0x7F  # the low byte, whatever the signal
LOST = 125 << 8  # for one that nobody can tell any more


def exit_code(status: int) -> int:
    """Return the exit code a shell would report: the command's own, or 128+n.

    ``status`` is that of a process that has ended, by exit or by signal n.
    """
    signal = status & 0x7F
    return 128 + signal if signal else status >> 8 & 0xFF


def stop_signal(status: int) -> int:
    """Return the signal that stopped the process, or 0 when it has ended."""
    return status >> 8 & 0xFF if status & 0xFF == STOPPED else 0


def is_alive(status: int) -> bool:
    """Return whether the process has only been stopped or continued."""
    return status == CONTINUED or bool(stop_signal(status))
