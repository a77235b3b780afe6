"""System calls that Python has no function for; ctypes stays inside this module.

Only ``_ctypes`` is imported, the C half: the ctypes package around it costs
2.5 ms more, and an init that is not PID 1 needs one prctl(2) before it starts
its command.
"""

import _ctypes
import posix

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38


class _Long(_ctypes._SimpleCData):  # type: ignore[type-arg]  # not subscriptable before 3.14
    _type_ = "l"


class _Int(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "i"


class _Function(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
    _restype_ = _Int


_libc = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # None: the program itself; dlopen(3)


def _prctl(option: int, argument: int) -> None:
    function = _Function(_ctypes.dlsym(_libc, "prctl"))
    # The kernel reads unsigned longs, and some options want the unused ones 0.
    zero = _Long(0)
    if function(_Long(option), _Long(argument), zero, zero, zero) == -1:
        error = _ctypes.get_errno()
        raise OSError(error, f"prctl({option}): {posix.strerror(error)}")


def set_child_subreaper() -> None:
    """Make this process the reaper of its orphaned descendants; PR_SET_CHILD_SUBREAPER in prctl(2).

    Raises OSError.
    """
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def set_parent_death_signal(signal: int) -> None:
    """Have ``signal`` sent to this process when its parent ends; PR_SET_PDEATHSIG in prctl(2).

    A parent that has ended already is the caller's to check for.  Raises OSError.
    """
    _prctl(PR_SET_PDEATHSIG, signal)


def set_no_new_privs() -> None:
    """Let no execve(2) from here on gain privileges; PR_SET_NO_NEW_PRIVS in prctl(2).

    Raises OSError.
    """
    _prctl(PR_SET_NO_NEW_PRIVS, 1)


AT_EXECFN = 31


def initial_strings() -> list[bytes]:
    """Return what execve(2) left on the stack: the arguments, then the environment.

    For when there is no /proc.  The kernel lays the strings of both and the
    file name (AT_EXECFN in getauxval(3)) out in one row, each ended by NUL.
    """
    import ctypes

    libc = ctypes.CDLL(None)
    libc.getauxval.restype = ctypes.c_ulong
    end = int(libc.getauxval(ctypes.c_ulong(AT_EXECFN)))
    start = ctypes.c_void_p.in_dll(libc, "program_invocation_name").value or end
    return ctypes.string_at(start, end - start).split(b"\0")[:-1]
