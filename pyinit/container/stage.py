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

from pyinit import boot, environment, fallback, linux
from pyinit.container import isolate, mounts, preload, wire
from pyinit.container.caller_socket import CallerSocket, StageError
from pyinit.namespaces import kinds
from pyinit.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


def main(fd: int, order_fd: int) -> "NoReturn":
    """Do what the file of ``order_fd`` says, as the caller at the socket ``fd`` asks."""
    code = 125
    try:
        code = _main(CallerSocket(fd), order_fd)
    except BaseException as error:
        # Not by a traceback: the lines in it would be read from files of the image.
        fallback.tell(f"internal error: {error!r}")
    posix._exit(code)


def _main(caller: CallerSocket, order_fd: int) -> int:
    """Return the exit code, of the stage and then, in another process, of the init."""
    _name_itself()
    try:
        # The caller's own: nobody else has had it, and it is closed before anything is entered.
        order = marshal.loads(environment.read_to_end(order_fd))
        posix.close(order_fd)
        environment.restore()
        if order["root"] or not {"mount", "user"}.isdisjoint(order["namespaces"]):
            preload.load_all(_settings(order), order)
            preload.close_imports()
        _prepare(order, caller)
        pid = _fork(order)
    except StageError as failure:
        caller.say("failed", failure.call, failure.errno, failure.reason)
        return 1
    if pid:
        caller.say("init", pid)
        return 0
    return _be_init(order, caller)


def _name_itself() -> None:
    """Be pyinit for ps(1), not an interpreter; see /proc/PID/comm in proc(5)."""
    try:
        isolate.write("/proc/self/comm", "pyinit")
    except OSError:
        pass  # no /proc here


def _settings(order: "dict[str, Any]") -> Settings:
    """Return what the init is asked for."""
    settings = Settings(order["argv"])
    vars(settings).update(order["settings"])
    return settings


def _fork(order: "dict[str, Any]") -> int:
    try:
        return linux.fork_sibling()
    except OSError as error:
        reason = kinds.why_refused(error.errno or 0)
        if order["enter"] and error.errno == errno.ENOMEM:
            reason = "the PID namespace has ended"
        raise StageError("clone(CLONE_PARENT)", error, reason) from None


def _prepare(order: "dict[str, Any]", caller: CallerSocket) -> None:
    """Become whatever the init is to be born into.  Raises StageError."""
    for path, must in order["cgroups"]:
        try:
            isolate.write(f"{path}/cgroup.procs", "0")
        except OSError as error:
            if must:
                raise StageError(f"writing {path}/cgroup.procs", error) from None
    if order["enter"]:
        # Those who are there could otherwise take our descriptors by pidfd_getfd(2), and by
        # /proc/PID/exe write to the host's interpreter, where they are its owner.  It takes
        # CAP_SYS_PTRACE in the user namespace of our execve(2) then; see ptrace(2).
        linux.set_dumpable(on=False)
        isolate.enter(order)
    else:
        isolate.make(order["namespaces"], order, caller)


def _be_init(order: "dict[str, Any]", caller: CallerSocket) -> int:
    """Be the init of the new process; return its exit code."""
    from pyinit import fork
    from pyinit.options import values

    try:
        if not order["detach"]:
            linux.set_parent_death_signal(_signal.SIGKILL)
        # Until the caller has a descriptor of us; it may have ended before the signal was set.
        if not caller.listen() or (not order["detach"] and caller.is_alone()):
            return 128 + _signal.SIGKILL
        _furnish(order, caller)
        settings = _settings(order)
        if order["terminal"] and settings.user:
            _give_terminal_to(settings.user)
        init = _start(settings, order)
    except StageError as failure:
        caller.say("failed", failure.call, failure.errno, failure.reason)
        return 125
    except fork.StartError as error:
        caller.say("not started", error.code, str(error), error.errno)
        return error.code
    except (values.UsageError, OSError) as error:
        caller.say("not started", 125, str(error), None)
        return 125
    caller.say("started")
    if settings.pause:
        return init.pause()
    if settings.tells_of_stops:
        init.on_stop = caller.tell_of_stop
    code = init.supervise()
    caller.say("ended", init.status & 0x7F)
    return code


def _start(settings: Settings, order: "dict[str, Any]") -> boot.Init:
    """Start the command; return its init.  Raises StartError, UsageError, OSError."""
    init = boot.Init(settings, set(order["mask"]))
    init.prepare()
    if posix.getpid() != 1:
        # SIGKILL would leave those to go on whom the command moves away from itself; with
        # the init of a PID namespace the kernel ends them.
        settings.end_signal = wire.END_ALL
        if not order["detach"]:
            linux.set_parent_death_signal(wire.END_ALL)
    if not settings.pause:
        init.start()
    return init


def _furnish(order: "dict[str, Any]", caller: CallerSocket) -> None:
    """Make the new namespaces a place to live in.  Raises StageError."""
    if order["hostname"]:
        try:
            _socket.sethostname(order["hostname"])
        except OSError as error:
            raise StageError("sethostname", error) from None
    if order["loopback"]:
        _bring_loopback_up()
    mounts.furnish(order)
    if order["root"]:
        _check_proc()
    if order["terminal"]:
        _furnish_terminal(caller)
    if order["directory"]:
        try:
            posix.chdir(order["directory"])
        except OSError as error:
            raise StageError(f"chdir({order['directory']})", error) from None


def _check_proc() -> None:
    """Refuse an image's own /proc that would keep us waiting.  Raises StageError."""
    if environment.fork_would_wait():
        reason = "/proc is not the kernel's"
        raise StageError("stat(/proc/self/stat)", OSError(errno.EINVAL, ""), reason)


def _furnish_terminal(caller: CallerSocket) -> None:
    """Lead a session with a terminal of the new root, or with 0 where that has none.

    In a devpts of its own the one from outside has no name: tty(1) would not find it.
    """
    from pyinit.kernel import devpts, terminal

    posix.setsid()
    pair = devpts.open_pair()
    if pair is not None:
        master, slave = pair
        # The caller closes the other one then, and that hangs up what is 0 now.
        if caller.give_terminal(master):
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
