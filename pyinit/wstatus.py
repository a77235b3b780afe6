"""Wait statuses, as waitpid(2) reports them, and the exit codes made of them.

Written out because the macros of ``os`` are functions of a module that a quiet
PID 1 does not load; the encoding is the kernel's ABI, see wait(2).
"""

CONTINUED = 0xFFFF


def exit_code(status: int) -> int:
    """Return the exit code a shell would report: the command's own, or 128+n.

    ``status`` is that of a process that has ended, by exit or by signal n.
    """
    signal = status & 0x7F
    return 128 + signal if signal else status >> 8 & 0xFF


def stop_signal(status: int) -> int:
    """Return the signal that stopped the process, or 0 when it has ended."""
    return status >> 8 & 0xFF if status & 0xFF == 0x7F else 0


def is_alive(status: int) -> bool:
    """Return whether the process has only been stopped or continued."""
    return status == CONTINUED or bool(stop_signal(status))
