"""Between `pyinit.spawn` and its init: a process that makes or enters namespaces and forks it.

It is an interpreter of its own, so the caller's namespaces, threads and next
children stay as they are.  The init is forked as the caller's child (CLONE_PARENT in
clone(2)), and this process ends.  What can be needed later is imported before another
file system is entered, where there may be no Python, or somebody else's; from then on
nothing is.  What it says to the caller is in `pyinit.container.wire`.
"""

import _signal
import _socket
import errno
import marshal
import posix
import sys

import pyinit
from pyinit import boot, environment, linux, settings
from pyinit.container import wire
from pyinit.namespaces import kinds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

# The parent-death signal of an init that has descendants to end: one that is never relayed.
_CALLER_GONE = _signal.SIGSYS

# Of mount(2).
_MS_RDONLY = 0x1
_MS_NOSUID = 0x2
_MS_NODEV = 0x4
_MS_NOEXEC = 0x8
_MS_REMOUNT = 0x20
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 0x40000
# Flags that statvfs(3) and mount(2) write alike: nosuid, nodev, noexec, noatime, nodiratime.
_KEPT = 0xC0E


class StageError(Exception):
    """A system call failed, whose name, errno and reason the caller is told."""

    def __init__(self, call: str, error: OSError, reason: str = "") -> None:
        super().__init__(call)
        self.call = call
        self.errno = error.errno or 0
        self.reason = reason or error.strerror or ""


class Channel:
    """Our end of the socket to the caller."""

    def __init__(self, fd: int) -> None:
        posix.set_inheritable(fd, False)  # noqa: FBT003 - it takes no keyword
        self._fd = fd
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fd)

    def say(self, *words: str | int | None) -> None:
        """Send words; a caller that is gone hears nothing."""
        self._send(wire.encode(*words))

    def give_terminal(self, fd: int) -> bool:
        """Send a descriptor (SCM_RIGHTS in unix(7)); return whether that worked."""
        rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, fd.to_bytes(4, sys.byteorder))
        return self._send(wire.encode("terminal"), [rights])

    def tell_of_stop(self, *stop: int) -> None:
        """Say how the command has stopped; see `Supervisor.leave_stops_to`."""
        self.say("stopped", *stop)

    def _send(self, data: bytes, rights: "Sequence[tuple[int, int, bytes]]" = ()) -> bool:
        # The command can fill the socket, and nobody may be reading: not to be heard does no
        # harm, but to wait would.
        flags = _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL
        try:
            self._socket.sendmsg([data], rights, flags)
        except OSError:
            return False
        return True

    def listen(self) -> bool:
        """Wait for the caller's word; return whether it is there."""
        return posix.read(self._fd, 1) == b"+"

    def is_alone(self) -> bool:
        """Return whether the caller has gone."""
        import select

        poll = select.poll()
        poll.register(self._fd, 0)
        return bool(poll.poll(0))


def main(fd: int, order_fd: int) -> "NoReturn":
    """Do what the file of ``order_fd`` says, as the caller at the socket ``fd`` asks."""
    code = 125
    try:
        code = _main(Channel(fd), order_fd)
    except BaseException as error:
        # Not by a traceback: the lines in it would be read from files of the image.
        boot.tell(f"internal error: {error!r}")
    posix._exit(code)


def _main(channel: Channel, order_fd: int) -> int:
    """Return the exit code, of the stage and then, in another process, of the init."""
    _name_itself()
    try:
        # The caller's own: nobody else has had it, and it is closed before anything is entered.
        order = marshal.loads(environment.read_to_end(order_fd))
        posix.close(order_fd)
        environment.restore()
        if order["root"] or not {"mount", "user"}.isdisjoint(order["namespaces"]):
            _load_all(_asked(order), order)
            _close_imports()
        _prepare(order, channel)
        pid = _fork(order)
    except StageError as failure:
        channel.say("failed", failure.call, failure.errno, failure.reason)
        return 1
    if pid:
        channel.say("init", pid)
        return 0
    return _be_init(order, channel)


def _name_itself() -> None:
    """Be pyinit for ps(1), not an interpreter; see /proc/PID/comm in proc(5)."""
    try:
        _write("/proc/self/comm", "pyinit")
    except OSError:
        pass  # no /proc here


def _asked(order: "dict[str, Any]") -> settings.Settings:
    """Return what the init is asked for."""
    asked = settings.Settings(order["argv"])
    vars(asked).update(order["settings"])
    return asked


def _load_all(asked: settings.Settings, order: "dict[str, Any]") -> None:
    """Load what would be loaded late: soon there may be other files, or none that we may read.

    The command, too, may mount something over ours.
    """
    tells = asked.verbose > 0 and not asked.quiet
    needed = {
        "enter": order["enter"],
        "stop": asked.drain_s or asked.escalation or asked.notify,
        "notify": asked.notify,
        "pause": asked.pause,
        "changes": asked.changes_command() or asked.pre_stop or _ACTIVATED in environment.current(),
        "record": asked.keeps_record() or asked.writes_elsewhere(),
        "orphans": asked.warn_on_reap,
        "descendants": order["enter"] or "pid" not in order["namespaces"],  # not PID 1
        "terminal": order["terminal"],
    }
    for name in _LATE:
        __import__(name)
    for use, names in _LATE_FOR.items():
        if needed[use]:
            for name in names:
                __import__(name)
    # Together they take longer than all else, and warnings do without.
    if tells or asked.log_format not in ("", settings.JSON):
        _try_to_load("pyinit.log.rendering")
    if tells or asked.warn_on_reap:
        _try_to_load("psutil")


def _try_to_load(name: str) -> None:
    try:
        __import__(name)
    except Exception:
        pass  # it is not installed, or broken: the log does without it


_ACTIVATED = b"LISTEN_PID"
_LATE = (
    *("_thread", "fcntl", "select", "termios", "time"),
    *("pyinit.command.diagnosis", "pyinit.fork", "pyinit.supervisor"),
    *("pyinit.kernel.job", "pyinit.kernel.kills", "pyinit.kernel.proc", "pyinit.kernel.terminal"),
    *("pyinit.log.lines", "pyinit.log.names", "pyinit.log.orphans"),
    *("pyinit.options.values", "pyinit.stopping.teardown"),
)
_LATE_FOR = {
    "enter": ("pyinit.namespaces.enter",),
    "stop": ("pyinit.stopping.stop", "pyinit.command.changes"),
    "notify": ("pyinit.stopping.notify",),
    "pause": ("pyinit.pause",),
    "changes": ("pyinit.command.changes", "pyinit.command.accounts"),
    "record": (
        *("json", "resource", "pyinit.report.cause", "pyinit.report.metrics"),
        *("pyinit.report.outlets", "pyinit.report.record", "pyinit.log.senders"),
    ),
    # posix.wait4() imports it.
    "orphans": ("resource",),
    "descendants": ("pyinit.kernel.descendants",),
    "terminal": ("pyinit.kernel.devpts", "pyinit.command.accounts"),
}


class _Closed:
    """The only finder of modules, which finds none."""

    def find_spec(self, name: str, *_: object) -> None:
        """Raise ImportError."""
        raise ImportError(f"'{name}' would be loaded from another file system", name=name)


def _close_imports() -> None:
    """Let nothing be imported that is not yet: the paths of modules soon lead to others' files.

    Neither are files read for what Python writes of an error on its own.
    """
    sys.meta_path[:] = [_Closed()]
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
    sys.path.clear()
    pyinit.__path__ = []
    sys.excepthook = lambda _, error, __: boot.tell(f"internal error: {error!r}")
    sys.unraisablehook = lambda what: boot.tell(f"internal error: {what.exc_value!r}")


def _fork(order: "dict[str, Any]") -> int:
    try:
        return linux.fork_sibling()
    except OSError as error:
        reason = kinds.why_refused(error.errno or 0)
        if order["enter"] and error.errno == errno.ENOMEM:
            reason = "the PID namespace has ended"
        raise StageError("clone(CLONE_PARENT)", error, reason) from None


def _prepare(order: "dict[str, Any]", channel: Channel) -> None:
    """Become whatever the init is to be born into.  Raises StageError."""
    for path, must in order["cgroups"]:
        try:
            _write(f"{path}/cgroup.procs", "0")
        except OSError as error:
            if must:
                raise StageError(f"writing {path}/cgroup.procs", error) from None
    if order["enter"]:
        # Those who are there could otherwise take our descriptors by pidfd_getfd(2), and by
        # /proc/PID/exe write to the host's interpreter, where they are its owner.  It takes
        # CAP_SYS_PTRACE in the user namespace of our execve(2) then; see ptrace(2).
        linux.set_dumpable(on=False)
        _enter(order)
    else:
        _make(order["namespaces"], order, channel)


def _make(names: list[str], order: "dict[str, Any]", channel: Channel) -> None:
    """Make new namespaces.  Raises StageError."""
    if "user" in names:
        _unshare(["user"])
        channel.say("map")
        if not channel.listen():
            posix._exit(1)
        _become_root()
        # A change of user has hidden /proc/PID from our own user.
        linux.set_dumpable()
    _unshare([name for name in names if name != "user"])
    for clock, offset in order["time_offsets"]:
        try:
            seconds, fraction = divmod(offset, 1)
            line = f"{clock} {int(seconds)} {int(fraction * 1e9)}"
            _write("/proc/self/timens_offsets", line)
        except OSError as error:
            raise StageError("writing /proc/self/timens_offsets", error) from None
    if "mount" in names:
        _mount(None, "/", None, _MS_REC | _MS_PRIVATE, "mount(none, /)")


def _unshare(names: list[str]) -> None:
    if not names:
        return
    try:
        linux.unshare(kinds.flags_of(names))
    except OSError as error:
        call = f"unshare({kinds.words(names)})"
        reason = kinds.why_not_made(names, error.errno or 0)
        raise StageError(call, error, reason) from None


def _become_root() -> None:
    """Be user and group 0 of the user namespace, if it has them."""
    for change, arguments in (
        (posix.setgroups, ([],)),
        (posix.setresgid, (0, 0, 0)),
        (posix.setresuid, (0, 0, 0)),
    ):
        try:
            change(*arguments)
        except OSError:
            pass  # not mapped, or setgroups is denied (user_namespaces(7))


def _enter(order: "dict[str, Any]") -> None:
    """Enter the namespaces, the root and so on of a process.  Raises StageError."""
    pid, target = order["enter"], order["pidfd"]
    root = -1
    try:
        if order["root"]:
            flags = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC
            root = posix.open(f"/proc/{pid}/root", flags)
        # What was opened is that of the process that was meant, if it still lives.
        _signal.pidfd_send_signal(target, 0)
    except OSError as error:
        # Of a zombie there is no root.
        reason = "it has ended" if error.errno in {2, 3} else ""
        raise StageError(f"looking at process {pid}", error, reason) from None
    if order["namespaces"]:
        from pyinit.namespaces import enter

        try:
            enter.enter(target, pid, order["namespaces"])
        except kinds.NamespaceError as error:
            raise StageError(error.call, error, error.reason) from None
    posix.close(target)
    if "user" in order["namespaces"]:
        _become_root()
    if root >= 0:
        try:
            posix.fchdir(root)
            posix.chroot(".")
            posix.close(root)
        except OSError as error:
            raise StageError(f"chroot(/proc/{pid}/root)", error) from None


def _be_init(order: "dict[str, Any]", channel: Channel) -> int:
    """Be the init of the new process; return its exit code."""
    from pyinit import fork
    from pyinit.options import values

    try:
        if not order["detach"]:
            linux.set_parent_death_signal(_signal.SIGKILL)
        # Until the caller has a descriptor of us; it may have ended before the signal was set.
        if not channel.listen() or (not order["detach"] and channel.is_alone()):
            return 128 + _signal.SIGKILL
        _furnish(order, channel)
        asked = _asked(order)
        if order["terminal"] and asked.user:
            _give_terminal_to(asked.user)
        if asked.writes_elsewhere():
            from pyinit.report import outlets

            outlets.prepare(asked)
        init = _start(asked, order)
    except StageError as failure:
        channel.say("failed", failure.call, failure.errno, failure.reason)
        return 125
    except fork.StartError as error:
        channel.say("not started", error.code, str(error), error.errno)
        return error.code
    except (values.UsageError, OSError) as error:
        channel.say("not started", 125, str(error), None)
        return 125
    channel.say("started")
    if asked.pause:
        return init.pause()
    if asked.tells_of_stops:
        init.on_stop = channel.tell_of_stop
    code = init.supervise()
    channel.say("ended", init.status & 0x7F)
    return code


def _start(asked: settings.Settings, order: "dict[str, Any]") -> boot.Init:
    """Start the command; return its init.  Raises StartError, UsageError, OSError."""
    init = boot.Init(asked, set(order["mask"]))
    init.prepare()
    if posix.getpid() != 1 and not order["detach"]:
        # SIGKILL would leave those to go on whom the command moves away from itself; with
        # the init of a PID namespace the kernel ends them.
        asked.end_signal = _CALLER_GONE
        linux.set_parent_death_signal(_CALLER_GONE)
    if not asked.pause:
        init.start()
    return init


def _furnish(order: "dict[str, Any]", channel: Channel) -> None:
    """Make the new namespaces a place to live in.  Raises StageError."""
    if order["hostname"]:
        try:
            _socket.sethostname(order["hostname"])
        except OSError as error:
            raise StageError("sethostname", error) from None
    if order["loopback"]:
        _bring_loopback_up()
    _furnish_mounts(order)
    if order["root"]:
        _check_proc()
    if order["terminal"]:
        _furnish_terminal(channel)
    if order["directory"]:
        try:
            posix.chdir(order["directory"])
        except OSError as error:
            raise StageError(f"chdir({order['directory']})", error) from None


def _check_proc() -> None:
    """Refuse an image's own /proc that would keep us waiting.  Raises StageError."""
    if environment.fork_would_wait():
        reason = "that is no /proc of the kernel"
        raise StageError("stat(/proc/self/stat)", OSError(errno.EINVAL, ""), reason)


def _furnish_terminal(channel: Channel) -> None:
    """Lead a session with a terminal of the new root, or with 0 where that has none.

    In a devpts of its own the one from outside has no name: tty(1) would not find it.
    """
    from pyinit.kernel import devpts, terminal

    posix.setsid()
    pair = devpts.open_pair()
    if pair is not None:
        master, slave = pair
        # The caller closes the other one then, and that hangs up what is 0 now.
        if channel.give_terminal(master):
            devpts.be_standard(slave)
        else:
            posix.close(slave)
        posix.close(master)
    terminal.control(0)


def _give_terminal_to(user: str) -> None:
    """Let the user open it by its name, as after a log-in.  Raises UsageError."""
    from pyinit.command import accounts

    try:
        posix.chown(0, accounts.lookup(user).uid, -1)
    except OSError:
        pass  # not mapped, or we may not


def _furnish_mounts(order: "dict[str, Any]") -> None:
    """Bind what is to be bound, mount /proc, and change the root.  Raises StageError."""
    new = "" if order["enter"] else order["root"]
    if new:
        _mount(new, new, None, _MS_BIND | _MS_REC, f"mount({new}, {new})")
    for source, target, read_only in order["binds"]:
        _mount_below(new, source, target, None, _MS_BIND | _MS_REC)
        if read_only:
            _make_read_only(new, target)
    if order["mount_proc"]:
        _mount_below(new, "proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    if new:
        try:
            posix.chdir(new)
            # The old root lies over the new one then, and is taken off it.
            linux.pivot_root(b".", b".")
            linux.detach(b".")
            posix.chdir("/")
        except OSError as error:
            reason = kinds.why_refused(error.errno or 0)
            raise StageError(f"pivot_root({new})", error, reason) from None


def _mount_below(new: str, source: str, target: str, kind: str | None, flags: int) -> None:
    """Mount at ``target`` of the root ``new``.  Raises StageError."""
    call = f"mount({source}, {target})"
    with _Place(new, target, call) as place:
        _mount(source, place, kind, flags, call)


def _make_read_only(new: str, target: str) -> None:
    """Let nobody write to a bind mount, nor to those that came with it.  Raises StageError."""
    call = f"mount_setattr({target})"
    # Looked for once more: it is another directory since something is mounted there.
    with _Place(new, target, call) as place:
        try:
            linux.make_read_only(environment.encode(place))
        except OSError as error:
            if error.errno != errno.ENOSYS:
                reason = kinds.why_refused(error.errno or 0)
                raise StageError(call, error, reason) from None
            # Linux before 5.12 can do no more than this one.
            kept = posix.statvfs(place).f_flag & _KEPT
            flags = _MS_REMOUNT | _MS_BIND | _MS_RDONLY | kept
            _mount(None, place, None, flags, f"mount(none, {target})")


class _Place:
    """A path by which we reach ``target`` of the root ``new``; use it in a ``with`` statement.

    Its symbolic links, `..` too, lead to where they lead for the command, and so never out of
    that root.  openat2(2) with RESOLVE_IN_ROOT does the same, but not before Linux 5.6 nor under
    every filter; to mount at what was found takes our /proc either way.
    """

    def __init__(self, new: str, target: str, call: str) -> None:
        self._path = target
        self._fd = -1
        if new:
            self._fd = _open_below(new, target, call)
            self._path = f"/proc/self/fd/{self._fd}"

    def __enter__(self) -> str:
        return self._path

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            posix.close(self._fd)


def _open_below(new: str, target: str, call: str) -> int:
    old = posix.open("/", posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        posix.chroot(new)
        try:
            return posix.open(target, posix.O_PATH | posix.O_CLOEXEC)
        except OSError as error:
            reason = f"there is no {target} in {new}" if error.errno == errno.ENOENT else ""
            raise StageError(call, error, reason) from None
        finally:
            posix.fchdir(old)
            posix.chroot(".")
    except OSError as error:
        raise StageError(f"chroot({new})", error) from None
    finally:
        posix.close(old)


def _mount(source: str | None, target: str, kind: str | None, flags: int, call: str) -> None:
    given = [None if word is None else environment.encode(word) for word in (source, kind)]
    try:
        linux.mount(given[0], environment.encode(target), given[1], flags)
    except OSError as error:
        reason = ""
        if error.errno == errno.EPERM and kind == "proc":
            reason = (
                "the kernel lets a new /proc show no more than the one that is there, and parts of "
                "that are covered: give mount_proc=False"
            )
        elif error.errno == errno.ENOENT:
            missing = source if kind is None and source and not _is_there(source) else target
            reason = f"there is no {missing}"
        elif error.errno in {errno.EPERM, errno.EACCES, errno.ENOSYS}:
            reason = kinds.why_refused(error.errno)
        raise StageError(call, error, reason) from None


def _is_there(path: str) -> bool:
    try:
        posix.stat(path)
    except OSError:
        return False
    return True


_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1


def _bring_loopback_up() -> None:
    """Let the new network namespace speak with itself; see netdevice(7)."""
    import fcntl

    request = b"lo".ljust(16, b"\0") + _IFF_UP.to_bytes(2, "little") + bytes(22)
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    try:
        fcntl.ioctl(connection.fileno(), _SIOCSIFFLAGS, request)
    except OSError as error:
        raise StageError("ioctl(SIOCSIFFLAGS, lo)", error) from None
    finally:
        connection.close()


def _write(path: str, text: str) -> None:
    """Write a file of the kernel's in one write(2).  Raises OSError."""
    fd = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        posix.write(fd, text.encode())
    finally:
        posix.close(fd)
