"""Who takes part: how each is started around a command, and which of them are installed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

# Keys; they are also the names for --only.
NO_INIT = "no-init"
BARE = "bare"
BARE_OUTSIDE = "bare-not-pid1"
TINI = "tini"
DUMB_INIT = "dumb-init"
CATATONIT = "catatonit"
LAUNCHER = "launcher"
LAUNCHER_V = "launcher-v"
LAUNCHER_OUTSIDE = "launcher-not-pid1"
PYZ = "pyz"
INSTALLED = "installed"
INSTALLED_V = "installed-v"
FORK_INIT = "fork-init"
UNSHARE = "unshare"
SPAWN = "spawn"
SUPERVISORD = "supervisord"
CIRCUSD = "circusd"
HONCHO = "honcho"

C_INITS = (TINI, DUMB_INIT, CATATONIT)
PYINIT = (LAUNCHER, LAUNCHER_V, INSTALLED, INSTALLED_V)
# Once started, they are what the launcher is.
ONLY_STARTED = (PYZ, LAUNCHER_OUTSIDE)
# It is no program, but a line of one in Python.
OWN_INIT = (FORK_INIT,)
# What makes the namespaces, too.
WITH_NAMESPACES = (UNSHARE, SPAWN)
SUPERVISORS = (SUPERVISORD, CIRCUSD, HONCHO)
OUTSIDE = (BARE_OUTSIDE, LAUNCHER_OUTSIDE)

# In the order of the tables.
LABELS = {
    NO_INIT: "no init",
    BARE: "python -IS",
    TINI: "tini",
    DUMB_INIT: "dumb-init",
    CATATONIT: "catatonit",
    LAUNCHER: "pyinit, launcher",
    LAUNCHER_V: "pyinit, launcher, -v",
    PYZ: "pyinit, pyz",
    INSTALLED: "pyinit, installed",
    INSTALLED_V: "pyinit, installed, -v",
    FORK_INIT: "pyinit.fork_init()",
    UNSHARE: "unshare … pyinit",
    SPAWN: "pyinit.spawn()",
    BARE_OUTSIDE: "python -IS, not PID 1",
    LAUNCHER_OUTSIDE: "pyinit, launcher, not PID 1",
    SUPERVISORD: "supervisord",
    CIRCUSD: "circusd",
    HONCHO: "honcho",
}

# The least that an init in Python has to do: become the command, and wait.
_BARE_EXEC = "import posix, sys; posix.execv(sys.argv[1], sys.argv[1:])"
_BARE_WAIT = "import _signal; _signal.sigwaitinfo([15])"


@dataclass(frozen=True)
class Contestant:
    """One row of the tables; ``around`` makes a command line out of that of a command."""

    key: str
    version: str
    around: Callable[[Sequence[str]], list[str]]

    @property
    def label(self) -> str:
        """The name in the tables."""
        return LABELS[self.key]

    @property
    def is_init(self) -> bool:
        """Whether it runs as PID 1."""
        return self.key not in OUTSIDE


def find(
    scratch: Path, peers: Path, wanted: Collection[str]
) -> tuple[list[Contestant], dict[str, str]]:
    """Return those of the ``wanted`` contestants that are there, and why others are left out.

    ``scratch`` is a directory for launchers and configurations; ``peers`` holds
    the commands of Python supervisors that are not on PATH.
    """
    found = {NO_INIT: Contestant(NO_INIT, "", list)}
    left_out: dict[str, str] = {}
    for key in [key for key in C_INITS if key in wanted]:
        path = shutil.which(key)
        if path is None:
            left_out[key] = "not installed"
        else:
            found[key] = Contestant(key, _version(path), _prefix(path, "--"))
    _find_pyinit(scratch, found, left_out, wanted)
    for key in [key for key in SUPERVISORS if key in wanted]:
        path = shutil.which(key, path=f"{peers}{os.pathsep}{os.environ.get('PATH', '')}")
        if path is None:
            left_out[key] = "not installed"
        else:
            found[key] = Contestant(key, _version(path), _configured(key, path, scratch))
    return [found[key] for key in LABELS if key in found and key in wanted], left_out


def _find_pyinit(
    scratch: Path,
    found: dict[str, Contestant],
    left_out: dict[str, str],
    wanted: Collection[str],
) -> None:
    """Add pyinit in its ways, and the interpreter that its launcher starts."""
    interpreter = sys.executable
    command = Path(sys.executable).parent / "pyinit"
    if not command.exists():
        for key in (*PYINIT, *ONLY_STARTED, *OWN_INIT, *WITH_NAMESPACES):
            left_out[key] = "not installed beside this interpreter"
    else:
        launcher = write_launcher(scratch / "pyinit")
        interpreter = _interpreter_of(launcher)
        pyz = scratch / "pyinit.pyz"
        if PYZ in wanted:
            write_pyz(pyz, interpreter)
        versions = {path: _version(str(path)) for path in (launcher, command)}
        for key, path, words in (
            (LAUNCHER, launcher, ()),
            (LAUNCHER_V, launcher, ("-v",)),
            (LAUNCHER_OUTSIDE, launcher, ()),
            (PYZ, pyz, ()),
            (INSTALLED, command, ()),
            (INSTALLED_V, command, ("-v",)),
        ):
            version = versions.get(path) or versions[launcher]
            found[key] = Contestant(key, version, _prefix(str(path), *words, "--"))
        found[FORK_INIT] = Contestant(
            FORK_INIT, found[INSTALLED].version, lambda command: [*command, "fork-init"]
        )
        script = 'unshare --pid --fork --mount-proc "$0" -- "$@"'
        by_shell = _prefix("sh", "-c", script, str(command))
        found[UNSHARE] = Contestant(UNSHARE, found[INSTALLED].version, by_shell)
        found[SPAWN] = Contestant(SPAWN, found[INSTALLED].version, list)
    for key in (BARE, BARE_OUTSIDE):
        found[key] = Contestant(key, _version(interpreter), _bare(interpreter))


def write_launcher(path: Path) -> Path:
    """Have the fast launcher written to ``path``, and return it."""
    pyinitctl = Path(sys.executable).parent / "pyinitctl"
    subprocess.run([pyinitctl, "install", path], check=True, capture_output=True)
    return path


def write_pyz(path: Path, interpreter: str) -> Path:
    """Have the single file written to ``path``, started by ``interpreter``, and return it."""
    pyinitctl = Path(sys.executable).parent / "pyinitctl"
    argv = [str(pyinitctl), "pyz", str(path), "--python", interpreter]
    subprocess.run(argv, check=True, capture_output=True)
    return path


def _interpreter_of(launcher: Path) -> str:
    """Return the interpreter that ``launcher`` names in its first line.

    The references have to start the same one by the same path: that of a
    virtual environment is a link, and looks for its home first.
    """
    match = re.match(r"#!\s*(\S+) -IS$", launcher.read_text().split("\n", 1)[0])
    return match[1] if match else sys.executable


def _version(path: str) -> str:
    """Return the version number that ``path --version`` says, or an empty string."""
    done = subprocess.run(
        [path, "--version"], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    match = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return match[0] if match else ""


def _prefix(*words: str) -> Callable[[Sequence[str]], list[str]]:
    return lambda command: [*words, *command]


def _bare(interpreter: str) -> Callable[[Sequence[str]], list[str]]:
    """Return how the bare interpreter is started: with nothing to do for no command."""

    def around(command: Sequence[str]) -> list[str]:
        if not command:
            return [interpreter, "-IS", "-c", "pass"]
        return [interpreter, "-IS", "-c", _BARE_EXEC, *command]

    return around


def waiting(bare: Contestant) -> list[str]:
    """Return the command line of a bare interpreter that waits for ever."""
    return [bare.around(())[0], "-IS", "-c", _BARE_WAIT]


def _configured(key: str, path: str, scratch: Path) -> Callable[[Sequence[str]], list[str]]:
    """Return how a supervisor is started that has its command in a file."""

    def around(command: Sequence[str]) -> list[str]:
        line = shlex.join(command)
        file = scratch / key
        if key == SUPERVISORD:
            file.write_text(
                "[supervisord]\n"
                "nodaemon=true\n"
                "logfile=/dev/null\nlogfile_maxbytes=0\n"
                f"pidfile={scratch}/supervisord.pid\n"
                "[program:command]\n"
                f"command={line}\n"
                "autorestart=false\n"
            )
            return [path, "-c", str(file)]
        if key == CIRCUSD:
            file.write_text(
                "[circus]\n"
                f"endpoint=ipc://{scratch}/circus.endpoint\n"
                f"pubsub_endpoint=ipc://{scratch}/circus.pubsub\n"
                "[watcher:command]\n"
                f"cmd={line}\n"
            )
            return [path, str(file)]
        file.write_text(f"command: exec {line}\n")
        return [path, "start", "-f", str(file)]

    return around
