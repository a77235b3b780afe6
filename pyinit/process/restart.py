"""execve(2) of ourselves, once, where other code than ours has come into the process of the init.

The environment is the application's.  Python's variables bring other modules (PYTHONPATH)
or other ways to run ours, and the loader's (ld.so(8)) bring libraries, which may start
threads; see `pyinit.process.threads`.  The interpreter is started once more with -I and
-S: it heeds no variable then, so they stay as they are.  The loader's have no such option, so
their names are spoilt by one byte, which is put back on the stack before anybody looks.

What has to be known afterwards stands in an option -X.  Blocked and waiting signals outlive
execve(2), and no signal is lost.
"""

import _signal
import posix
import sys

import pyinit
from pyinit import environment, execve
from pyinit.process import threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.events import Log

# By these the loader takes libraries in that nobody has asked for; see ld.so(8).
_BRING_LIBRARIES = (b"LD_PRELOAD", b"LD_AUDIT")
_SPOILT = b"\x01"  # stands for the L of both

# How long the interpreter has to say the version before it counts as broken: of 1 ms each.
_TURNS = 10_000


class Findings:
    """What was found in this process, and what was done about it."""

    def __init__(self) -> None:
        self.threads = 0  # beside ours, before a restart
        self.without: list[str] = []  # what a restart has left out, or should have
        self.problem: str | None = None  # why there was none
        self.remaining = 0  # threads beside ours now
        self.unattended: str | None = None  # why nothing is done about those

    def tell(self, log: "Log") -> None:
        """Say it."""
        from pyinit import events

        if self.problem is not None:
            log.emit(events.WARNING, "not_restarted", without=self.without, reason=self.problem)
        elif self.without:
            level = events.WARNING if self.threads else events.INFO
            log.emit(level, "restarted", without=self.without, threads=self.threads)
        if self.remaining:
            effect = self.unattended or "pyinit gets the signals that they take"
            log.emit(events.WARNING, "other_threads", count=self.remaining, effect=effect)


def settle(
    mask: set[int], given: dict[bytes, bytes] | None
) -> tuple[set[int], dict[bytes, bytes] | None, Findings]:
    """Start once more if that helps, else get along with what is here.

    ``mask`` and ``given`` are signal mask and environment as they were given to this process;
    return those that the command is to get.
    """
    findings = Findings()
    if environment.RESTARTED in sys._xoptions:
        try:
            mask, given = _arrive(findings, mask, given)
        except Exception as error:
            findings.problem = _reason(error)
    else:
        _restart_if_useful(findings, mask, given)
    attend(findings)
    return mask, given, findings


def attend(findings: Findings) -> Findings:
    """Lose no signal to other threads; return ``findings``, which tell of them then."""
    findings.remaining = threads.count()
    if findings.remaining:
        try:
            threads.attend()
        except Exception as error:
            findings.unattended = f"signals may be lost: {error}"
    return findings


def _restart_if_useful(
    findings: Findings, mask: set[int], given: dict[bytes, bytes] | None
) -> None:
    findings.threads = threads.count()
    names = environment.steering()
    if findings.threads:
        names += [name for name in _BRING_LIBRARIES if environment.current().get(name)]
        if not names and not sys.flags.no_site:
            names = [b"site"]
    if not names:
        return
    findings.without = sorted(name.decode() for name in names)
    try:
        _restart(findings, mask, given)
    except Exception as error:
        findings.problem = _reason(error)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _restart(findings: Findings, mask: set[int], given: dict[bytes, bytes] | None) -> None:
    """Replace this process by one that is ours alone.  Raises OSError and others."""
    environ = environment.current() if given is None else given
    spoil = [name for name in _BRING_LIBRARIES if findings.threads and name in environ]
    if b"" in environ or any(_spoil(name) in environ for name in spoil):
        given = None  # os.execve() wants a name, and a dict would hold one of the two
    if given is None:
        from pyinit import linux

        entries = linux.environ_entries()
    else:
        entries = [b"%b=%b" % pair for pair in given.items()]
    positions = [n for n, each in enumerate(entries) if each.partition(b"=")[0] in spoil]
    if positions:
        from pyinit import linux  # which puts the names right again
    path = sys.executable or "/proc/self/exe"
    argv = _argv(path, _option(findings, mask, positions))
    arguments = execve.as_given(sys.argv[1:]) if sys.argv[1:] else []
    _try(path, argv, {name: environ[name] for name in environ if name and name not in spoil})
    if given is not None:
        spoilt = {_spoil(name) if name in spoil else name: given[name] for name in given}
        posix.execve(path, [*argv, *arguments], spoilt)
    for each in positions:
        linux.replace_first_byte(each, _SPOILT)
    try:
        posix.execv(path, [*argv, *arguments])
    finally:
        for each in positions:
            linux.replace_first_byte(each, entries[each][:1])


def _spoil(name: bytes) -> bytes:
    return _SPOILT + name[1:]


def _option(findings: Findings, mask: set[int], positions: list[int]) -> str:
    """Return what the new process has to know; `_arrive` reads it.  Raises ValueError."""
    words = ",".join(findings.without)
    # The last of them is for bin/pyinit and pyinit/__main__.py, which have to find the package.
    directories = _directories()
    if any(":" in each or ";" in each for each in directories):
        raise ValueError(f"the path of pyinit has a colon or a semicolon: {directories[0]}")
    numbers = (".".join(str(int(each)) for each in sorted(each)) for each in (mask, positions))
    fields = (*numbers, str(findings.threads), words, ":".join(directories))
    return f"{environment.RESTARTED}={';'.join(fields)}"


def _directories() -> list[str]:
    """Return where pyinit is, and what was installed for this interpreter: structlog, psutil."""
    found = [path.rpartition("/")[0] for path in pyinit.__path__]
    site = sys.modules.get("site")
    if site is not None and not sys.flags.no_site:
        found += [each for each in site.getsitepackages() if each in sys.path]
    return list(dict.fromkeys(found))


def _argv(path: str, option: str) -> list[bytes]:
    """Return the command line up to the words that are for pyinit."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is not None:
        program = sys.argv[:1]  # of -m, or of an archive: where the module was found
    else:
        program = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]
    options = [] if sys.flags.isolated and sys.flags.no_site else ["-IS"]
    if sys.flags.dont_write_bytecode:
        options.append("-B")
    words = [sys.orig_argv[0] or path, *options, "-X", option, *program]
    return [environment.encode(word) for word in words]


def _try(path: str, argv: list[bytes], environ: dict[bytes, bytes]) -> None:
    """See that the new interpreter works: there is no way back.  Raises OSError.

    One that needs PYTHONHOME, or a library that is preloaded, does not.
    """
    reader, writer = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
    disposition = _signal.getsignal(_signal.SIGCHLD)
    try:
        # Ignored, it would take the wait status away; see wait(2).
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        actions = [(posix.POSIX_SPAWN_DUP2, writer, 1), (posix.POSIX_SPAWN_DUP2, writer, 2)]
        pid = posix.posix_spawn(path, [*argv, b"--version"], environ, file_actions=actions)
        status = _wait(pid)
        if status:
            raise OSError(None, _last_line(reader) or f"wait status {status}")
    finally:
        _signal.signal(_signal.SIGCHLD, disposition)
        posix.close(reader)
        posix.close(writer)


def _wait(pid: int) -> int:
    """Return the wait status of ``pid``, which is killed if it takes too long."""
    import time

    for _ in range(_TURNS):
        ended, status = posix.waitpid(pid, posix.WNOHANG)
        if ended:
            return status
        time.sleep(0.001)
    posix.kill(pid, _signal.SIGKILL)
    return posix.waitpid(pid, 0)[1]


def _last_line(reader: int) -> str:
    try:
        text = posix.read(reader, 65536).decode(errors="replace")
    except BlockingIOError:
        return ""
    return text.strip().rpartition("\n")[2]


def _arrive(
    findings: Findings, mask: set[int], given: dict[bytes, bytes] | None
) -> tuple[set[int], dict[bytes, bytes] | None]:
    """Return signal mask and environment as they were before the restart."""
    try:
        fields = str(sys._xoptions[environment.RESTARTED]).split(";")
        first, positions = ([int(n) for n in each.split(".") if n] for each in fields[:2])
        findings.threads = int(fields[2])
        findings.without = fields[3].split(",")
    except (ValueError, IndexError):
        return mask, given  # somebody else has given the option
    if positions:
        _put_right(positions)
        given = environment.restore()
    _name_process()
    return set(first), given


def _put_right(positions: list[int]) -> None:
    """Give the spoilt variables their names back, in C's environ and in Python's."""
    from pyinit import linux

    whole = {_spoil(name): name for name in _BRING_LIBRARIES}
    entries = linux.environ_entries()
    for each in positions:
        name = whole.get(entries[each].partition(b"=")[0]) if each < len(entries) else None
        if name is not None:
            linux.replace_first_byte(each, name[:1])
    environ = environment.current()
    pairs = [(whole.get(name, name), value) for name, value in environ.items()]
    environ.clear()
    environ.update(pairs)


def _name_process() -> None:
    """Call this process as before in /proc/PID/comm, which holds what execve(2) was given."""
    name = environment.encode(sys.argv[0].rpartition("/")[2])
    if name == b"__main__.py":
        return
    try:
        fd = posix.open("/proc/self/comm", posix.O_WRONLY | posix.O_CLOEXEC)
    except OSError:
        return
    try:
        posix.write(fd, name)
    except OSError:
        pass  # it is for people
    finally:
        posix.close(fd)
