"""actor.py TREE: the command of a tree of `fuzz.tree`, and all processes below it.

TREE is the ``repr`` of the tree's main node, or of one that enters.  Each process writes lines to
stdout, the records: the time of the monotonic clock, the node's number, and what happened.  Run
with -IS, and with nothing loaded that the node at hand does not need: it is started thousands of
times.  `fuzz.tree` says what the kinds are.
"""

import _signal
import posix
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    Node = dict[str, Any]

# Above what a command or a shell uses, so that closing the standard streams leaves it.
RECORDS = 200
LATE = 1000  # added to a node's number: the process that it has forked while it was being ended
CLONE_NEWPID = 0x20000000
PR_SET_CHILD_SUBREAPER = 36
PTRACE_TRACEME = 0
SYS_EXIT = {"x86_64": 60}.get(posix.uname().machine, 93)
TRACED = ("traced", "traced by init")
TERM = _signal.SIGTERM
# What the main child is sent: with --group the others in its group get it as well.
IGNORED = [_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGUSR1, _signal.SIGUSR2]
IGNORED += [_signal.SIGWINCH, _signal.SIGALRM]
IGNORED += [_signal.SIGRTMIN + offset for offset in (1, 2, 7, 9)]
EVERYTHING = _signal.valid_signals()
# dash takes one digit for a descriptor.
SHELL_RECORDS = 9
SHELL = """\
trap 'sleep 0.1; exit 0' TERM
echo 0 {number} armed >&9
while :; do sleep 600 & wait; done
"""


def record(number: int, what: str) -> None:
    """Write one record; it is shorter than PIPE_BUF, so it stays in one piece (pipe(7))."""
    posix.write(RECORDS, b"%.6f %d %s\n" % (time.monotonic(), number, what.encode()))


def call(name: str, *arguments: int) -> int:
    """Call the C function ``name``.  Raises OSError."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    result = int(getattr(libc, name)(*arguments))
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result


def start(node: "Node") -> None:
    """Start the process of ``node`` below this one: a child, or an orphan."""
    parent = posix.getpid()
    # Until it has a disposition of its own, the new process has that of this one.
    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, {TERM})
    pid = posix.fork()
    if pid:
        if node["start"] == "orphan":
            posix.waitpid(pid, 0)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
        return
    if node["kind"] == "nested":
        call("unshare", CLONE_NEWPID)
        if posix.fork():
            end_or_stay(node)
    elif node["start"] == "orphan":
        parent = posix.getpid()
        if posix.fork():
            posix._exit(0)
    be(node, parent)


def end_or_stay(node: "Node") -> "NoReturn":
    """Be the parent of a nested namespace's init, outside of it: end, or live until TERM."""
    if node["start"] == "orphan":
        posix._exit(0)
    _signal.signal(TERM, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    while True:
        _signal.pause()


def be(node: "Node", parent: int) -> "NoReturn":
    """Be the process of ``node``, which ``parent`` has forked."""
    try:
        prepare(node, parent)
        live(node)
    except OSError as error:
        # Of a fork in a namespace whose init has ended it is ENOMEM: nobody is left to care.
        record(node["id"], f"failed {error.errno}")
    finally:
        posix._exit(99)


def prepare(node: "Node", parent: int) -> None:
    """Do what comes before the node is armed."""
    settle(node)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, {TERM})
    _signal.signal(TERM, on_term(node))
    if node["kind"] != "leader":
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    for each in node["below"]:
        start(each)
    if node["kind"] == "traced by init":
        while posix.getppid() == parent:
            pass  # until the kernel has made the init our parent
    if node["kind"] == "traced":
        # Its parent never continues it: the end of a child would stop it before it is armed.
        _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGCHLD})
    if node["kind"] in TRACED:
        call("ptrace", PTRACE_TRACEME, 0, 0, 0)


def settle(node: "Node") -> None:
    """Take the node's place."""
    if node["place"] == "session":
        posix.setsid()
    elif node["place"] == "group":
        posix.setpgid(0, 0)
    if node["closed"]:
        posix.closerange(0, 3)
    if node["kind"] == "subreaper":
        call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # HUP comes to a stopped group that becomes an orphan (setpgid(2)), the others with --group.
    for number in IGNORED:
        _signal.signal(number, _signal.SIG_IGN)


def on_term(node: "Node") -> "Any":
    """Return the disposition of TERM."""
    if node["kind"] == "leader" or node["term"] == "default":
        return _signal.SIG_DFL  # sigwait(3) in the other thread takes it before that
    if node["term"] == "ignore":
        return _signal.SIG_IGN
    return lambda *_: terminated(node)


def live(node: "Node") -> None:
    """Be armed, and do what the node's kind is about."""
    number, kind, value = node["id"], node["kind"], node["value"]
    if kind == "shell":
        posix.dup2(RECORDS, SHELL_RECORDS, inheritable=True)
        posix.execv("/bin/sh", ["sh", "-c", SHELL.format(number=number)])
    record(number, "armed")
    if kind == "ends":
        end(value)
    elif kind == "exec":
        posix.execv("/bin/sleep", ["sleep", "600"])
    elif kind == "stops":
        posix.kill(posix.getpid(), _signal.SIGSTOP)
    elif kind == "hydra":
        hydra(value)
    elif kind == "storm":
        storm(value)
    elif kind == "leader":
        leave_to_thread(lambda: wait_for_term(node))
    rest()


def rest() -> "NoReturn":
    """Wait for signals for ever.  One that comes just before pause(2) would not be handled."""
    reader, writer = posix.pipe()
    posix.set_blocking(writer, False)
    _signal.set_wakeup_fd(writer)
    while True:
        posix.read(reader, 64)


def end(how: int) -> None:
    """Exit with ``how``, or be ended by the signal -``how``."""
    if how >= 0:
        posix._exit(how)
    if -how not in (_signal.SIGKILL, _signal.SIGSTOP) and not is_thread():
        _signal.pthread_sigmask(_signal.SIG_BLOCK, {-how})  # as in `forks_late`
        _signal.signal(-how, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {-how})
    posix.kill(posix.getpid(), -how)
    while True:
        _signal.pause()


def is_thread() -> bool:
    """Return whether this is another thread than the first, where no disposition can be set."""
    import _thread

    return _thread.get_native_id() != posix.getpid()


def terminated(node: "Node") -> "NoReturn":
    """Take a TERM: write the token after the node's delay, and end."""
    record(node["id"], "term")
    if node["kind"] == "late":
        forks_late(node)
    time.sleep(node["term"][1])
    record(node["id"], "token")
    posix._exit(0)


def forks_late(node: "Node") -> None:
    """Fork while being ended: the child gets no TERM any more, and lives on."""
    # Python says so on stderr if a signal comes while its handler is being taken away.
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, {TERM})
    is_child = posix.fork() == 0
    if is_child:
        _signal.signal(TERM, _signal.SIG_IGN)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
    if is_child:
        record(node["id"] + LATE, "late")
        time.sleep(node["value"])
        posix._exit(0)


def wait_for_term(node: "Node") -> None:
    """Wait for TERM where handlers do not run: in another thread than the first."""
    if node["term"] == "ignore":
        while True:
            time.sleep(1)
    _signal.sigwait({TERM})
    if node["term"] == "default":
        posix._exit(0)
    terminated(node)


def leave_to_thread(live_on: "Any") -> "NoReturn":
    """End the leader of the thread group; ``live_on`` goes on in another thread, all there is."""
    import _thread
    import ctypes

    libc = ctypes.CDLL(None)
    _thread.start_new_thread(live_on, ())
    libc.syscall(SYS_EXIT, 0)  # of this thread alone (_exit(2)); ctypes has released the GIL
    raise AssertionError


def hydra(pause_s: float) -> "NoReturn":
    """Be a child of the one before, which ends, again and again: no list of PIDs is ever true."""
    while True:
        time.sleep(pause_s)
        if posix.fork():
            posix._exit(0)


def storm(count: int) -> None:
    """Leave ``count`` orphans behind that end at once, as fast as it goes."""
    for _ in range(count):
        pid = posix.fork()
        if pid == 0:
            if posix.fork() == 0:
                posix._exit(0)
            posix._exit(0)
        posix.waitpid(pid, 0)


def main_child(node: "Node") -> "NoReturn":
    """Be the command: record the signals that come, and end as and when the node says."""
    _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)
    for each in node["below"]:
        start(each)
    if node["when"] == "at once":
        finish(node)
    number = node["id"]
    if node["kind"] == "traced":
        # What sigwait(3) takes is never delivered, so it would stop no tracee.
        for each in node["heeds"]:
            _signal.signal(each, lambda taken, _: take(node, taken))
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        call("ptrace", PTRACE_TRACEME, 0, 0, 0)
        record(number, "armed")
        rest()
    record(number, "armed")
    if node["kind"] == "leader":
        leave_to_thread(lambda: listen(node))
    if node["kind"] == "stops":
        posix.kill(posix.getpid(), _signal.SIGSTOP)
    listen(node)


def listen(node: "Node") -> "NoReturn":
    """Take one signal after the other."""
    while True:
        take(node, _signal.sigwait(node["heeds"]))


def take(node: "Node", number: int) -> None:
    """Record a signal that has come, and end if it is the one."""
    record(node["id"], f"got {int(number)}")
    if number in node["ends_on"]:
        finish(node)


def finish(node: "Node") -> "NoReturn":
    """End as the command."""
    record(node["id"], "end")
    end(node["value"])
    raise AssertionError


def main() -> None:
    """Run it."""
    node: Node = eval(sys.argv[1], {})
    posix.dup2(1, RECORDS, inheritable=False)
    _signal.pthread_sigmask(_signal.SIG_BLOCK, EVERYTHING)
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGINT):
        _signal.signal(number, _signal.SIG_DFL)  # Python ignores two of them, and catches one
    try:
        if node["start"] == "enter":
            be(node, 0)
        main_child(node)
    except OSError as error:
        record(node["id"], f"failed {error.errno}")
    posix._exit(99)


main()
