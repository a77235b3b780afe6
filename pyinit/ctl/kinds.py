"""What kind of program a PID 1 is, and what such a one does with signals, orphans and its end."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from pyinit.compat import peers, program
from pyinit.ctl import beneath
from pyinit.options import parser
from pyinit.options.values import UsageError
from pyinit.settings import NAMES
from pyinit.signals import RELAYED, SYNCHRONOUS

if TYPE_CHECKING:
    from pyinit.ctl.view import ProcessView
    from pyinit.settings import Settings

PYINIT = "pyinit"
SHELL = "shell"

# What a PID 1 is to whom signals and sockets are for.
COMMAND = "around one command, to which it relays signals"
MUTE = "around one command, to which it passes no signal"
SERVICE = "it gets them itself"


class Kind(NamedTuple):
    """What a program does as PID 1; ``role`` is one of the three above."""

    name: str
    title: str
    role: str
    signals: str
    orphans: str
    end: str

    @property
    def relays(self) -> bool:
        """Whether the signals that it gets are for its command, and reach it."""
        return self.role == COMMAND

    @property
    def reaps(self) -> bool:
        """Whether orphans that come to it are reaped."""
        return self.orphans.startswith(_REAPS)

    @property
    def runs_command(self) -> bool:
        """Whether there is one command that all is about."""
        return self.role != SERVICE


_KERNEL_ENDS = "the kernel kills all that are left at once, without TERM"
_REAPS = "reaped"
_NOT_REAPED = "never reaped: each stays as a zombie"
_HANDLES = "it handles some itself; the others do not reach it"
_OWN_SERVICES = "handled as it stops its services"

KINDS = {
    each.name: each
    for each in (
        Kind(
            PYINIT,
            "pyinit",
            COMMAND,
            "relayed to its command",
            _REAPS,
            "processes that are left get TERM and CONT, the grace, and then KILL",
        ),
        Kind(
            program.TINI,
            "tini (docker-init)",
            COMMAND,
            "relayed to its child alone, with -g to the child's process group",
            _REAPS,
            _KERNEL_ENDS,
        ),
        Kind(
            program.DUMB_INIT,
            "dumb-init",
            COMMAND,
            "relayed to its child's session, with -c to the child alone",
            _REAPS,
            "the child's process group gets TERM, and all are killed in the same moment",
        ),
        Kind(
            program.CATATONIT,
            "catatonit",
            COMMAND,
            "relayed to its child alone, with -g to the child's process group; TSTP is dropped",
            _REAPS,
            _KERNEL_ENDS,
        ),
        Kind(
            "pause",
            "the pause container",
            SERVICE,
            "INT and TERM end it, the others do nothing",
            _REAPS,
            _KERNEL_ENDS,
        ),
        Kind(
            "systemd",
            "systemd",
            SERVICE,
            "RTMIN+3 stops it; TERM makes it re-execute itself, and stops nothing",
            _REAPS,
            "its services are stopped in order, each with its own time-out",
        ),
        Kind(
            "s6",
            "s6",
            SERVICE,
            _OWN_SERVICES,
            _REAPS,
            "its services are stopped; s6-overlay gives all others a fixed time",
        ),
        Kind(
            "runit",
            "runit",
            SERVICE,
            "runsvdir stops its services on HUP; TERM ends only runsvdir",
            _REAPS,
            _KERNEL_ENDS,
        ),
        Kind(
            "supervisord",
            "supervisord",
            SERVICE,
            "TERM stops its programs; others are not passed on",
            _REAPS,
            "its programs have been stopped, each with its own time-out; the kernel kills the rest",
        ),
        Kind(
            "my_init",
            "my_init",
            MUTE,
            "TERM and INT stop its services; others are not passed on",
            _REAPS,
            "those left get TERM and, after a time, KILL; 0 is reported for a killed command",
        ),
        Kind(
            SHELL,
            "a shell",
            MUTE,
            "not passed on; those without a trap do not reach the shell either",
            "reaped while it waits for its commands",
            _KERNEL_ENDS,
        ),
        Kind("node", "Node.js", SERVICE, _HANDLES, _NOT_REAPED, _KERNEL_ENDS),
        Kind("python", "Python", SERVICE, _HANDLES, _NOT_REAPED, _KERNEL_ENDS),
        Kind("java", "Java", SERVICE, _HANDLES, _NOT_REAPED, _KERNEL_ENDS),
        Kind(
            "nginx",
            "nginx",
            SERVICE,
            "QUIT lets it finish its requests, TERM does not; it tells its workers",
            _REAPS,
            _KERNEL_ENDS,
        ),
        Kind(
            "program",
            "a program that is not an init",
            SERVICE,
            _HANDLES,
            "never reaped, unless it waits for any child, as few programs do",
            _KERNEL_ENDS,
        ),
    )
}

_NAMES = {
    **dict.fromkeys(("tini", "tini-static", "docker-init"), program.TINI),
    "dumb-init": program.DUMB_INIT,
    **dict.fromkeys(("catatonit", "podman-init"), program.CATATONIT),
    "pause": "pause",
    "systemd": "systemd",
    **dict.fromkeys(("s6-svscan", "s6-overlay-suexec", "s6-linux-init"), "s6"),
    **dict.fromkeys(("runit", "runit-init", "runsvdir"), "runit"),
    "supervisord": "supervisord",
    "my_init": "my_init",
    **dict.fromkeys(("sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "rbash"), SHELL),
    **dict.fromkeys(("node", "nodejs"), "node"),
    "java": "java",
    "nginx": "nginx",
}
_PYTHON = re.compile(r"python[\d.]*$|pypy[\d.]*$")

# Of Python's options, those that have a value of their own.
_PYTHON_VALUES = ("-W", "-X", "--check-hash-based-pycs")

# The dynamic loader as a program in front of another one, and its options with a value; ld.so(8).
_LOADER = re.compile(r"ld[\w.-]*\.so[\d.]*$")
_LOADER_VALUES = ("--argv0", "--audit", "--inhibit-rpath", "--library-path", "--preload")


class FoundInit(NamedTuple):
    """A process, its kind, and what it was asked for: ``settings``, None where that is not known.

    ``why_not`` is the reason then.
    """

    process: ProcessView
    kind: Kind
    settings: Settings | None
    why_not: str

    @property
    def is_pyinit(self) -> bool:
        """Whether it is a pyinit, the command or a part of another program."""
        return self.kind.name == PYINIT

    @property
    def pid(self) -> int:
        """Its number here."""
        return self.process.pid

    @property
    def inner_pid(self) -> int:
        """Its number in its own PID namespace."""
        return self.process.numbers[-1]


def recognised(process: ProcessView) -> FoundInit:
    """Return what kind of PID 1 a process is."""
    name, words = _program(process)
    if name == PYINIT or (name in NAMES and _is_python(process)):
        return _ours(process, name, words)
    if _is_python(process) and _is_embedded(process):
        why = "pyinit is a part of this program, and its options are in no command line"
        return FoundInit(process, KINDS[PYINIT], None, why)
    kind = KINDS[_NAMES.get(name) or ("python" if _is_python(process) else "program")]
    if kind.name in (program.TINI, program.DUMB_INIT, program.CATATONIT):
        return _theirs(process, kind, words)
    return FoundInit(process, kind, None, "")


def is_command(init: FoundInit) -> bool:
    """Return whether it is the command pyinit, and not a program that is its own init."""
    return init.kind.name == PYINIT and _program(init.process)[0] in (PYINIT, *NAMES)


def _is_embedded(process: ProcessView) -> bool:
    """Return whether it has the signals of a pyinit that is a part of another program.

    No other keeps those blocked that report a fault, and has handlers for all that it relays
    (fork_init) or waits for them with sigwaitinfo(2) (run, which installs none).
    """
    if not all(process.does("Blk", each) for each in SYNCHRONOUS):
        return False
    return (
        all(process.does("Cgt", each) for each in RELAYED)
        or all(process.does("Blk", each) for each in RELAYED)
        or process.awaits_signals()
    )


def _is_python(process: ProcessView) -> bool:
    words = without_loader(process.command)
    return bool(words and _PYTHON.match(_base(words[0])))


def without_loader(command: list[str]) -> list[str]:
    """Return a command line from the program on, where the dynamic loader stands before it."""
    left = list(command)
    if not left or not _LOADER.match(_base(left[0])):
        return left
    del left[0]
    while left and left[0].startswith("--"):
        if left.pop(0) in _LOADER_VALUES:
            del left[:1]
    return left


def python_options(process: ProcessView) -> tuple[str, list[str]]:
    """Return the letters of the options that an interpreter was given, and the values of -X.

    Those with a value are none of the letters.  What stands in the environment is not here.
    """
    letters, values = "", []
    left = without_loader(process.command)[1:]
    while left and left[0].startswith("-") and left[0] not in ("-", "-m"):
        word = left.pop(0)
        if word in _PYTHON_VALUES and left:
            value = left.pop(0)
            values += [value] if word == "-X" else []
        elif not word.startswith("--"):
            letters += word[1:].partition("c")[0]
            if "c" in word:
                break
    return letters, values


def _base(word: str) -> str:
    return word.rpartition("/")[2]


def _program(process: ProcessView) -> tuple[str, list[str]]:
    """Return the name of the program, or of the script that it runs, and the words after it."""
    words = without_loader(process.command)
    if not words:
        return process.name, []
    name = _base(words[0]).removeprefix("-")  # of a login shell
    if _PYTHON.match(name):
        return _script(process)
    if name == "busybox" and words[1:]:
        return _base(words[1]), words[2:]
    if name not in _NAMES and process.name in _NAMES:
        return process.name, words[1:]  # /sbin/init, /dev/init
    return name, words[1:]


def _script(process: ProcessView) -> tuple[str, list[str]]:
    """Return the name of what Python runs, such as ``pyinit``, and the words after it."""
    left = without_loader(process.command)[1:]
    while left and left[0].startswith("-"):
        word = left.pop(0)
        if word == "-m" and left:
            return left[0], left[1:]
        if not word.startswith("--") and "c" in word:
            return "", []
        if word in _PYTHON_VALUES and left:
            left.pop(0)
    if not left:
        return "", []
    path, _, name = left[0].removesuffix(".pyz").rpartition("/")
    if name == "__main__.py":
        name = _base(path)  # of a package, which -m has found
    if name not in NAMES and _is_launcher(process, left[0]):
        name = PYINIT
    return name, left[1:]


def _is_launcher(process: ProcessView, path: str) -> bool:
    """Return whether a script is what ``pyinitctl install`` writes, whatever it is called.

    An init is in another directory than it was started in: a relative path is looked for in PWD,
    and where that does not tell, its signals do.
    """
    paths = [path]
    is_relative = not path.startswith("/")
    if is_relative:
        try:
            before = os.fsdecode(process.environ().get(b"PWD", b""))
        except OSError:
            before = ""  # it may not be read
        paths += [f"{before}/{path}"] if before.startswith("/") else []
    if any(_has_mark(process, each) for each in paths):
        return True
    letters, _ = python_options(process)
    return is_relative and {"I", "S"} <= set(letters) and _is_embedded(process)


def _has_mark(process: ProcessView, path: str) -> bool:
    try:
        place = beneath.Place(process.pid, path)
    except OSError:
        return False
    try:
        return b"pyinitctl install" in place.read(512)
    except OSError:
        return False
    finally:
        place.close()


def _ours(process: ProcessView, name: str, words: list[str]) -> FoundInit:
    try:
        environ, why = process.environ(), ""
    except OSError:
        environ, why = {}, "its environment may not be read, where options can be, too"
    try:
        other, words = (name, words) if name in NAMES else parser.alias(words)
        settings = peers.parse(other, words, environ) if other else parser.parse(words, environ)
    except UsageError as error:
        return FoundInit(process, KINDS[PYINIT], None, str(error))
    return FoundInit(process, KINDS[PYINIT], None if why else settings, why)


def _theirs(process: ProcessView, kind: Kind, words: list[str]) -> FoundInit:
    """Return another init, whose flags are those that we take under its name."""
    try:
        environ = process.environ()
    except OSError:
        return FoundInit(process, kind, None, "its environment may not be read")
    # They do not know ours.
    environ = {key: value for key, value in environ.items() if not key.startswith(b"PYINIT_")}
    try:
        return FoundInit(process, kind, peers.parse(kind.name, words, environ), "")
    except UsageError as error:
        return FoundInit(process, kind, None, str(error))
