"""embeds.py PACKAGES SCENARIO OPTIONS -- [COMMAND...]: programs that are inits by `import pyinit`.

PACKAGES is where pyinit is, for site takes its time; OPTIONS is a JSON object of keywords.
What each scenario does and says is in its docstring.
"""

import _thread
import atexit
import errno
import json
import os
import posix
import signal
import sys
from typing import Any

sys.path.append(sys.argv[1])

import pyinit

SCENARIO, _, _, *COMMAND = sys.argv[2:]
OPTIONS: dict[str, Any] = json.loads(sys.argv[3])
SUBREAPER = 37  # prctl(2): to get it; one less to set it
DEATH_SIGNAL = 2


def say(*words: object) -> None:
    """Write a line at once."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def attribute(option: int) -> int:
    """Return an attribute of this process; see prctl(2)."""
    import ctypes

    found = ctypes.c_int()
    assert ctypes.CDLL(None).prctl(option, ctypes.byref(found), 0, 0, 0) == 0
    return found.value


def signal_sets() -> dict[str, str]:
    """Return what the kernel says of this process's signals."""
    with open("/proc/self/status") as file:
        lines = file.read().splitlines()
    return dict(line.split(":\t") for line in lines if line.startswith("Sig") and "Q" not in line)


def state() -> dict[str, object]:
    """Return all that an init borrows from its process."""
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    wakeup = signal.set_wakeup_fd(-1)
    if wakeup >= 0:
        signal.set_wakeup_fd(wakeup)
    return {
        **signal_sets(),
        "handlers": handlers,
        "wakeup": wakeup,
        "subreaper": attribute(SUBREAPER),
        "death signal": attribute(DEATH_SIGNAL),
    }


def on_signal(number: int, frame: object) -> None:
    """Say which signal a handler of this program got."""
    say("handler", signal.Signals(number).name)


def arrange(*, child: object = on_signal) -> None:
    """Have a handler, an ignored and a blocked signal of each kind, and a wake-up descriptor."""
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGTSTP):
        signal.signal(number, on_signal)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, child)  # type: ignore[arg-type]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGRTMIN + 6})
    _, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer)


CHILD_HANDLERS = {"handler": on_signal, "ignored": signal.SIG_IGN, "default": signal.SIG_DFL}


def run() -> None:
    """Run the command; say how it ended."""
    try:
        end = pyinit.run(COMMAND, **OPTIONS)
    except Exception as error:
        say(type(error).__name__, error)
    else:
        say(end.code, end.signal or 0)


def run_each() -> None:
    """Run sh -c with each word of the command; say how it ended."""
    for script in COMMAND:
        end = pyinit.run(["sh", "-c", script], **OPTIONS)
        say(end.code, end.signal or 0)


def run_with_logger() -> None:
    """Run the command with a logger of a kind; say what that gets, on a line each."""
    kind = OPTIONS.pop("_kind")
    pyinit.run(COMMAND, logger=logger(kind), **OPTIONS)


def logger(kind: str) -> Any:
    """Return a logger that says what it gets: of logging, like structlog's, or one that fails."""
    if kind == "logging":
        import logging

        class Saying(logging.Handler):
            def emit(self, record: Any) -> None:
                say(record.levelname.lower(), record.pyinit["event"], record.getMessage())

        found = logging.getLogger("init")
        found.setLevel(logging.INFO)
        found.addHandler(Saying())
        return found

    class Like:
        def __getattr__(self, level: str) -> Any:
            if level.startswith("_"):
                raise AttributeError(level)
            return lambda event, **fields: self._take(level, event, fields)

        def _take(self, level: str, event: str, fields: Any) -> None:
            if kind == "failing":
                raise RuntimeError("no room")
            say(level, event, *sorted(fields))

    return Like()


def run_and_compare() -> None:
    """Run the command among signals of all kinds; say what is another than before."""
    import ctypes

    arrange(child=CHILD_HANDLERS[OPTIONS.pop("_child", "handler")])
    if OPTIONS.pop("_subreaper", False):
        ctypes.CDLL(None).prctl(SUBREAPER - 1, 1, 0, 0, 0)
    if "_death_signal" in OPTIONS:
        ctypes.CDLL(None).prctl(DEATH_SIGNAL - 1, OPTIONS.pop("_death_signal"), 0, 0, 0)
    before = state()
    run()
    after = state()
    say("another", [key for key, value in before.items() if after[key] != value])


def descriptors() -> list[tuple[int, bool]]:
    """Return what is open, without libffi's, and whether a command inherits it."""
    found = []
    for fd in map(int, os.listdir("/proc/self/fd")):
        link = f"/proc/self/fd/{fd}"
        if os.path.lexists(link) and "libffi" not in os.readlink(link):
            found.append((fd, os.get_inheritable(fd)))
    return sorted(found)


def run_twice() -> None:
    """Run the command twice; say how it ended, and how many threads and descriptors are new.

    But for the file of libffi, which that holds open from its first use on (since 3.5).
    """
    for _ in range(2):
        before = len(descriptors())
        run()
        while len(os.listdir("/proc/self/task")) > 1:
            os.sched_yield()  # one that is at its end; for another one the test's deadline comes
        say("new", len(descriptors()) - before)


def run_and_compare_descriptors() -> None:
    """Run the command with its log on a terminal and all files; say what else is open then."""
    _, slave = os.openpty()
    _, writer = os.pipe()
    for fd in (slave, writer):
        os.set_inheritable(fd, True)
    before = descriptors()
    OPTIONS["log_fd"] = slave
    OPTIONS["report"] = writer
    run()
    OPTIONS["log_file"] = OPTIONS.pop("status_file")
    del OPTIONS["log_fd"]
    run()
    say("another", sorted(set(before) ^ set(descriptors())))


def run_with_handlers() -> None:
    """Run the command; afterwards send USR1 to this process, whose handler says so."""
    arrange()
    run()
    os.kill(os.getpid(), signal.SIGUSR1)
    say("end")


def run_with_handler_in_c() -> None:
    """Run the command; afterwards have a handler called that is none of Python's."""
    import faulthandler

    faulthandler.register(signal.SIGUSR1, file=1, all_threads=False)
    run()
    os.kill(os.getpid(), signal.SIGUSR1)
    say("end")


def run_and_interrupt() -> None:
    """Run the command; afterwards have this process interrupted, and run again."""
    run()
    try:
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()
    except KeyboardInterrupt:
        say("KeyboardInterrupt")
    run()


def run_in_thread() -> None:
    """Run the command in another thread."""
    import threading

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def run_with_child() -> None:
    """Run the command when there is a child already; say what has become of the child."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(9)
    run()
    try:
        say("still", *os.waitpid(pid, os.WNOHANG))
    except ChildProcessError:
        say("no child")
        return
    os.close(writer)
    os.waitpid(pid, 0)


def run_and_look() -> None:
    """Run the command; say whether a child is left."""
    run()
    try:
        say("left", os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT))
    except ChildProcessError:
        say("nobody is left")


def fork() -> None:
    """Fork the init and become the command, if there is one; else say who we are."""
    before = os.getpid()
    pyinit.fork_init(**OPTIONS)
    if COMMAND:
        os.execvp(COMMAND[0], COMMAND)
    words = ["forked" if os.getpid() != before else "the same"]
    words.append("below it" if os.getppid() == before else "")
    words.append("leads a group" if os.getpgrp() == os.getpid() else "")
    say(*words)


def fork_and_compare_descriptors() -> None:
    """Fork twice, at first in vain; say what the program has open after each that it had not."""
    before, forks = descriptors(), posix.fork

    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, "fork")  # as at RLIMIT_NPROC, which root has not

    posix.fork = refuse
    try:
        pyinit.fork_init(**OPTIONS)
    except BlockingIOError as error:
        say(error.strerror, sorted({*descriptors()} - {*before}))
    posix.fork = forks
    pyinit.fork_init(**OPTIONS)
    say("forked", sorted({*descriptors()} - {*before}))
    sys.stdin.read()


def fork_with_buffers() -> None:
    """Write into a buffer and register a handler before the fork; end as any program does."""
    atexit.register(lambda: say("atexit"))
    print("buffered", end=" ")
    pyinit.fork_init(**OPTIONS)
    print("and flushed")
    sys.stdout.flush()
    sys.exit(3)


def fork_and_compare() -> None:
    """Fork the init among signals of all kinds; say what is another than before."""
    arrange(child=CHILD_HANDLERS[OPTIONS.pop("_child", "handler")])
    before = state()
    pyinit.fork_init(**OPTIONS)
    after = state()
    say("another", [key for key, value in before.items() if after[key] != value])


def fork_with_pending() -> None:
    """Fork the init when signals wait for us; take them in the child."""
    numbers = {signal.SIGUSR1, signal.SIGTERM, signal.SIGRTMIN + 1}
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    for number in numbers:
        os.kill(os.getpid(), number)
    pyinit.fork_init(**OPTIONS)
    taken = {signal.sigwait(numbers) for _ in numbers}
    say("all" if taken == numbers else taken)


def fork_with_thread() -> None:
    """Fork the init when there is another thread; then when there is a child."""
    import threading

    lock = threading.Lock()
    lock.acquire()
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    refused()
    lock.release()
    thread.join()
    # A thread ends after it can be joined, and the kernel's part of it later than Python's, which
    # os.fork() of Python 3.12 looks at.
    while _thread._count() or len(os.listdir("/proc/self/task")) > 1:
        os.sched_yield()
    pid = os.fork()
    if pid == 0:
        signal.pause()
    try:
        refused()
    finally:
        if os.getppid() != pid:
            os.kill(pid, signal.SIGKILL)


def refused() -> None:
    """Try to fork the init, and say what comes of it."""
    before = os.getpid()
    try:
        pyinit.fork_init(**OPTIONS)
    except (RuntimeError, ValueError, TypeError) as error:
        say(type(error).__name__, error)
    else:
        say("forked" if os.getpid() != before else "the same")


def fork_and_list() -> None:
    """Fork the init; say which modules that has loaded."""
    before = {*sys.modules}
    pyinit.fork_init(**OPTIONS)
    say(*sorted({*sys.modules} - before))


def fork_and_list_files() -> None:
    """Fork the init; say which files the program has open."""
    pyinit.fork_init(**OPTIONS)
    fds = "/proc/self/fd"
    say(*(os.readlink(f"{fds}/{fd}") for fd in os.listdir(fds) if os.path.exists(f"{fds}/{fd}")))


globals()[SCENARIO]()
