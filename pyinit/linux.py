"""System calls that Python has no function for; ctypes stays inside this module.

Only ``_ctypes`` is imported, the C half: the ctypes package around it costs
2.5 ms more, and an init that is not PID 1 needs one prctl(2) before it starts
its command.
"""

import _ctypes
import posix
import sys

PR_SET_PDEATHSIG = 1
PR_GET_PDEATHSIG = 2
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_GET_CHILD_SUBREAPER = 37
PR_SET_NO_NEW_PRIVS = 38


class _Long(_ctypes._SimpleCData):  # type: ignore[type-arg]  # not subscriptable before 3.14
    _type_ = "l"


class _Int(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "i"


class _Text(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "z"


class _Pointer(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "P"


class _Byte(_ctypes._SimpleCData):  # type: ignore[type-arg]
    _type_ = "c"


class _Siginfo(_ctypes.Array):  # type: ignore[type-arg]
    """A siginfo_t: 128 bytes, of which the first are si_signo, si_errno and si_code."""

    _type_ = _Int
    _length_ = 32


class _Function(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
    _restype_ = _Int


try:
    _libc = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # None: the program itself; dlopen(3)
except OSError as error:
    # An interpreter that is linked statically, with musl: as one without libffi.
    raise ImportError(str(error)) from None


def _prctl(option: int, argument: int) -> None:
    function = _Function(_ctypes.dlsym(_libc, "prctl"))
    # The kernel reads unsigned longs, and some options want the unused ones 0.
    zero = _Long(0)
    if function(_Long(option), _Long(argument), zero, zero, zero) == -1:
        error = _ctypes.get_errno()
        raise OSError(error, f"prctl({option}): {posix.strerror(error)}")


def set_child_subreaper(*, on: bool = True) -> None:
    """Make this process the reaper of its orphaned descendants; PR_SET_CHILD_SUBREAPER in prctl(2).

    Raises OSError.
    """
    _prctl(PR_SET_CHILD_SUBREAPER, int(on))


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


def is_child_subreaper() -> bool:
    """Return whether orphaned descendants come to this process; PR_GET_CHILD_SUBREAPER in prctl(2).

    Raises OSError.
    """
    return bool(_attribute(PR_GET_CHILD_SUBREAPER))


def parent_death_signal() -> int:
    """Return the signal that this process gets when its parent ends, or 0; prctl(2).

    Raises OSError.
    """
    return _attribute(PR_GET_PDEATHSIG)


def _attribute(option: int) -> int:
    number = _Int(0)
    _call("prctl", _Long(option), _ctypes.byref(number))
    return int(number.value)


def set_dumpable(*, on: bool = True) -> None:
    """Say whether our own user may look at and trace this process; PR_SET_DUMPABLE in prctl(2).

    A change of user takes it away.  Raises OSError.
    """
    _prctl(PR_SET_DUMPABLE, int(on))


def release_tracee(tid: int, number: int) -> None:
    """Trace thread ``tid`` no longer, which is in a stop for signal ``number``, and let it go on.

    It gets the signal, unless that is the SIGTRAP of its execve(2); see ptrace(2).  Raises
    OSError: ESRCH for a thread that we do not trace, even if job control has stopped it.
    """
    if number == _SIGTRAP:
        found = _Siginfo()
        _call("ptrace", _Long(_PTRACE_GETSIGINFO), _Int(tid), _Long(0), _ctypes.byref(found))
        # The kernel sends it in the name of the thread itself, a breakpoint's has another code.
        number = 0 if found[_SI_CODE] == _SI_USER else number
    _call("ptrace", _Long(_PTRACE_DETACH), _Int(tid), _Long(0), _Long(number))


def unshare(flags: int) -> None:
    """Leave namespaces for new ones; ``flags`` is of CLONE_NEW...; see unshare(2).

    Raises OSError.
    """
    _call("unshare", _Int(flags))


def setns(fd: int, flags: int) -> None:
    """Enter the namespace of ``fd``, or those in ``flags`` of a pidfd; see setns(2).

    Raises OSError.
    """
    _call("setns", _Int(fd), _Int(flags))


def mount(source: bytes | None, target: bytes, kind: bytes | None, flags: int = 0) -> None:
    """Mount a file system, or change how one is mounted; see mount(2).  Raises OSError."""
    _call("mount", _Text(source), _Text(target), _Text(kind), _Long(flags), _Text(None))


def make_read_only(target: bytes) -> None:
    """Make the mount at ``target`` and those below it read-only; mount_setattr(2).

    Raises OSError.
    """
    # A struct mount_attr: what to set, what to clear, propagation, user namespace.
    wanted = _MOUNT_ATTR_RDONLY.to_bytes(8, sys.byteorder) + bytes(24)
    flags, size = _Long(_AT_RECURSIVE), _Long(len(wanted))
    _call("syscall", _Long(442), _Long(_AT_FDCWD), _Text(target), flags, _Text(wanted), size)


def detach(target: bytes) -> None:
    """Unmount lazily; MNT_DETACH in umount2(2).  Raises OSError."""
    _call("umount2", _Text(target), _Int(_MNT_DETACH))


def pivot_root(new: bytes, old: bytes) -> None:
    """Make ``new`` the root of the mount namespace, and put the old one at ``old``; pivot_root(2).

    Raises OSError.
    """
    _call("syscall", _Long(_number("pivot_root")), _Text(new), _Text(old))


def fork_sibling() -> int:
    """Fork a process whose parent is our own parent; CLONE_PARENT in clone(2).

    Only for a process with one thread, and none of Python's or the C library's
    handlers of fork(2) run.  Raises OSError.
    """
    return system_call(_number("clone"), _CLONE_PARENT | _SIGCHLD, 0, 0, 0, 0)


def queue_signal(pid: int, number: int, value: int) -> None:
    """Send signal ``number`` with a number of 32 bits beside it; sigqueue(3).

    Whoever takes it by sigwaitinfo() has the value in ``si_status``, which lies where
    ``si_value`` does.  Raises OSError.
    """
    data = value.to_bytes(4, sys.byteorder) + bytes(4)  # union sigval, by value
    value = int.from_bytes(data, sys.byteorder, signed=True)
    _call("sigqueue", _Int(pid), _Int(number), _Long(value))


def memfd_create(name: str) -> int:
    """Return a descriptor of a file in memory, which execve(2) closes; memfd_create(2).

    Raises OSError.
    """
    if hasattr(posix, "memfd_create"):
        return posix.memfd_create(name, posix.MFD_CLOEXEC)
    # Built for a C library before glibc 2.27; see `pyinit.kernel.pidfds`.
    flags = _Long(_MFD_CLOEXEC)
    return _call("syscall", _Long(_number("memfd_create")), _Text(name.encode()), flags)


def system_call(number: int, *arguments: int) -> int:
    """Make a system call by its number, with numbers; see syscall(2).  Raises OSError."""
    return _call("syscall", _Long(number), *map(_Long, arguments))


def _call(name: str, *arguments: object) -> int:
    """Call a function of the C library that returns -1 on failure.  Raises OSError."""
    result = int(_Function(_ctypes.dlsym(_libc, name))(*arguments))
    if result == -1:
        error = _ctypes.get_errno()
        raise OSError(error, posix.strerror(error))
    return result


# Of functions that the C library has no names for; see syscalls(2).
_NUMBERS = {
    "x86_64": {"clone": 56, "memfd_create": 319, "pivot_root": 155},
    "aarch64": {"clone": 220, "memfd_create": 279, "pivot_root": 41},
    "riscv64": {"clone": 220, "memfd_create": 279, "pivot_root": 41},
    "ppc64le": {"clone": 120, "memfd_create": 360, "pivot_root": 203},
}
_ENOSYS = 38
_SIGTRAP = 5
_SIGCHLD = 17
_SI_USER = 0
_SI_CODE = 2  # its place in a siginfo_t
_PTRACE_DETACH = 17
_PTRACE_GETSIGINFO = 0x4202
_CLONE_PARENT = 0x8000
_MNT_DETACH = 2
_MFD_CLOEXEC = 1
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_RDONLY = 1


def _number(name: str) -> int:
    machine = posix.uname().machine
    if machine not in _NUMBERS:
        raise OSError(_ENOSYS, f"the number of {name}(2) is not known for {machine}")
    return _NUMBERS[machine][name]


def environ_entries() -> list[bytes]:
    """Return the entries of C's environ as they stand there; see environ(7)."""
    return [entry for entry, _ in _environ()]


def replace_first_byte(position: int, byte: bytes) -> None:
    """Replace the first byte of an entry of C's environ where it lies.

    What execve(2) left on the stack, and /proc/PID/environ shows, is changed with it.
    """
    _Byte.from_address(_environ()[position][1]).value = byte


def _environ() -> list[tuple[bytes, int]]:
    """Return each entry of C's environ and its address."""
    found = []
    place = _Pointer.from_address(_ctypes.dlsym(_libc, "environ")).value
    while address := _Pointer.from_address(place).value:
        found.append((_Text.from_address(place).value, address))
        place += _ctypes.sizeof(_Pointer)
    return found


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
    if end != start:
        return ctypes.string_at(start, end - start).split(b"\0")[:-1]
    # The dynamic loader was started as a program, and glibc has set AT_EXECFN to argv[0].
    entries = environ_entries()
    found = []
    for _ in range(len(sys.orig_argv) + len(entries)):
        found.append(ctypes.string_at(start))
        start += len(found[-1]) + 1
    if entries and entries[-1].startswith(b"LC_CTYPE=") and found[-1][:9] != b"LC_CTYPE=":
        del found[-1]  # Python has appended an entry; this is the name of the file
    return found
