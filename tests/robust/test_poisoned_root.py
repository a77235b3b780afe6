"""No code of an image runs in the init, whatever is asked of it, but by its command."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pyinit
from pyinit import Exit, StartError
from pyinit.container import starter
from tests import images, users
from tests.conftest import need
from tests.harness import DEADLINE_S
from tests.spawning import USER as USER_SPACE
from tests.spawning import Screen, line, rest, spawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyinit import Container, Process

pytestmark = pytest.mark.usefixtures("namespaces")

# As `pyinit.container.starter` has it; on stderr it says which modules were wanted too late.
TELLING = starter._PROGRAM.replace(
    "stage.main(",
    "import posix;closed=stage.preload._Closed;refuse=closed.find_spec;"
    "closed.find_spec=lambda self,name,*_:"
    "(posix.write(2,b'refused '+name.encode()+bytes((10,))),refuse(self,name));"
    "stage.main(",
)

# Leaves a child and an orphan, once its stdin ends or it is stopped.
SCRIPT = "sleep 1000 & (sleep 1000 &); trap 'exit 3' TERM; echo ready; read -r _; exit 3"
STUBBORN = "trap '' TERM INT; echo ready; read -r _; read -r _"

FILES = {
    "report": "/out/report",
    "status_file": "/out/status",
    "metrics_file": "/out/metrics.prom",
    "termination_log": True,
}
PLAN = {"drain_s": 0.01, "pre_stop": "exit 1", "escalate": [("KILL", 1000)]}

# What each asks for has modules of its own.
ASKED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "json": {"log_level": "debug", "log_format": "json"},
    "logfmt": {"log_level": "debug", "log_format": "logfmt"},
    "console": {"log_level": "debug", "log_format": "console", "log_file": "/out/log"},
    "files": FILES,
    "all-of-it": {"verbose": 2, "log_file": "/out/log", **FILES, **PLAN, "on_oom": "stop"},
    "reaping": {"warn_on_reap": True},
    "oom": {"on_oom": "stop"},
    "changes": {"add_env": {"A": "B"}, "unset_env": ["C"], "chdir": "/tmp", "umask": 0},
    "no-new-privs": {"no_new_privs": True},
    "session": {"session": True},
    "notify": {"notify": True},
    "wait": {"wait_all": True},
    "signals": {"group": True, "rewrite": {"HUP": "TERM"}, "parent_death_signal": "TERM"},
}
USER_KINDS = ("pid", "mount", *USER_SPACE)
USER = {"user": "app:1235", "no_new_privs": True, "verbose": 2, **FILES}


class Image:
    """The image, and where pyinit is imported from beside it."""

    def __init__(self, directory: Path) -> None:
        self.home = images.home_in(directory)
        # pyinitctl is imported from where the tests have it.
        self.homes = [self.home, Path(pyinit.__file__).parents[1]]
        self.root = images.poisoned_in(directory, self.homes)
        self.how: dict[str, Any] = {"root": self.root, "binds": [("/dev/null", "/dev/null")]}

    def spawn(self, argv: list[str], *more: str, **how: Any) -> Container:
        """Start a container whose root is the image."""
        if not how.get("terminal"):
            how = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        return spawn(argv, *more, **(self.how | how))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Make the image once for each worker: some 1,600 files."""
    return Image(tmp_path_factory.mktemp("image"))


@pytest.fixture
def image(made: Image, monkeypatch: pytest.MonkeyPatch) -> Iterator[Image]:
    """Have containers started from the image's home, and fail a test in which its code has run."""
    monkeypatch.setattr(pyinit, "__file__", str(made.home / "pyinit" / "__init__.py"))
    monkeypatch.setattr(starter, "_PROGRAM", TELLING)
    yield made
    mark = made.root / images.MARK
    ran = mark.read_text().split() if mark.exists() else []
    mark.unlink(missing_ok=True)
    assert not ran


def ended(process: Process, number: int = 0) -> tuple[Exit, str]:
    """Return how the command has ended after it was told to, by a signal or the end of stdin."""
    assert process.stdin is not None
    assert line(process.stdout) == "ready"
    if number:
        process.send_signal(number)
    else:
        process.stdin.close()
    end = process.wait(DEADLINE_S)
    return end, rest(process.stderr)


def refused(errors: str, *, warns: bool = False) -> set[str]:
    """Return which modules were looked for in vain; a warning can be written without structlog."""
    found = {text.removeprefix("refused ") for text in errors.splitlines() if "refused" in text}
    return found - {"pyinit.log.rendering"} if warns else found


def test_its_modules_would_be_taken_for_ours(made: Image) -> None:
    """Without what these tests are about: they are where the init's paths lead."""
    wanted = ["json", "_json", "encodings.cp1252", "resource", "psutil", "psutil._pslinux"]
    wanted += ["structlog", "structlog.dev", "pyinit.log.rendering", "pyinit.stopping.teardown"]
    wanted = [name for name in wanted if name not in sys.builtin_module_names]
    assert [name for name in wanted if not images.is_found(name, made.root, [made.home])] == []
    assert images.is_found("pyinit.stopping.teardown", made.root, made.homes[1:])


@pytest.mark.parametrize("asked", ASKED)
def test_spawn(image: Image, asked: str) -> None:
    """To the end, with leftovers; what it needs is there, so nothing is looked for."""
    with image.spawn(["sh", "-c", SCRIPT], **ASKED[asked]) as container:
        end, errors = ended(
            container, signal.SIGTERM if {"drain_s", "wait_all"} & {*ASKED[asked]} else 0
        )
    assert end == Exit(3)
    assert not refused(errors, warns=asked in ("reaping", "oom", "notify"))
    assert "internal" not in errors


def test_another_user(image: Image) -> None:
    """Who is one of the image's /etc/passwd."""
    users.need_root()
    with image.spawn(["sh", "-c", SCRIPT], **USER) as container:
        end, errors = ended(container)
    assert (end, refused(errors)) == (Exit(3), set())


def test_a_stop_by_the_plan(image: Image) -> None:
    """A command that ignores TERM, a pre-stop command that fails, and KILL in the end."""
    plan = PLAN | {"escalate": [("INT", 0.01), ("KILL", 0.02)]}
    with image.spawn(["sh", "-c", STUBBORN], verbose=1, **plan) as container:
        end, errors = ended(container, signal.SIGTERM)
    assert (end.signal, refused(errors)) == (signal.SIGKILL, set())
    assert "stop_escalated" in errors


def test_a_stop_of_the_job(image: Image) -> None:
    """The command stops itself, and is continued."""
    script = "echo ready; kill -STOP $$; exit 3"
    with image.spawn(["sh", "-c", script], "uts", verbose=1) as container:
        assert line(container.stdout) == "ready"
        while "child_stopped" not in line(container.stderr):
            pass
        container.send_signal(signal.SIGCONT)
        assert container.wait(DEADLINE_S) == Exit(3)
        assert not refused(rest(container.stderr))


def test_not_pid_1(image: Image) -> None:
    """A subreaper, which looks for those who are left in /proc."""
    # A new /proc is for a new PID namespace.
    binds = [*image.how["binds"], ("/proc", "/proc")]
    with image.spawn(["sh", "-c", SCRIPT], kinds={"mount"}, binds=binds, verbose=2) as container:
        end, errors = ended(container)
    assert (end, refused(errors)) == (Exit(3), set())


def test_pause(image: Image) -> None:
    """Nobody's init."""
    with image.spawn([], pause=True, verbose=2) as container:
        while "init_started" not in line(container.stderr):
            pass
        container.send_signal(signal.SIGTERM)
        assert container.wait(DEADLINE_S) == Exit(0)
        assert not refused(rest(container.stderr))


def test_a_terminal(image: Image) -> None:
    """Its own, as the image has none, and for a user of the image."""
    user = {} if os.geteuid() else USER
    with image.spawn(["sh", "-c", "echo ready; exit 3"], terminal=True, **user) as container:
        screen = Screen(container.terminal)
        screen.expect("ready")
        assert container.wait(DEADLINE_S) == Exit(3)
        while screen.read():
            pass
    assert b"refused" not in screen.shown


@pytest.mark.parametrize(
    ("argv", "asked", "code"),
    [(["nothing"], {}, 127), (["/etc/passwd"], {}, 126), (["sh"], {"user": "nobody"}, 125)],
    ids=["no-command", "no-program", "no-user"],
)
def test_a_start_that_fails(
    image: Image,
    argv: list[str],
    asked: dict[str, Any],
    code: int,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Why is found out, too."""
    with pytest.raises(StartError) as caught:
        image.spawn(argv, stderr=None, **asked, **FILES)
    assert caught.value.code == code
    assert not refused(capfd.readouterr().err)


@pytest.mark.parametrize("asked", ["nothing", "all-of-it", "reaping"])
def test_exec(image: Image, asked: str) -> None:
    """Into a container that runs, with leftovers there."""
    how = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    argv = ["sh", "-c", SCRIPT]
    with (
        image.spawn(["sh", "-c", "echo ready; read -r _"]) as container,
        container.exec(argv, **how, **ASKED[asked]) as process,  # type: ignore[arg-type]
    ):
        end, errors = ended(
            process, signal.SIGTERM if {"drain_s", "wait_all"} & {*ASKED[asked]} else 0
        )
        assert (end, refused(errors, warns=asked == "reaping")) == (Exit(3), set())


def test_pyinitctl_exec(image: Image) -> None:
    """As root and as another user; each time there is somebody left."""
    user = [] if os.geteuid() else ["--user", "app:1235"]
    argv = [sys.executable, "-m", "pyinit.ctl", "exec"]
    script = "sleep 1000 & echo ready"
    with image.spawn(["sh", "-c", "echo ready; read -r _"]) as container:
        assert line(container.stdout) == "ready"
        words = [*argv, *user, str(container.pid), "--", "sh", "-c", script]
        done = subprocess.run(words, capture_output=True, check=True, timeout=DEADLINE_S)
        assert (done.stdout, done.stderr) == (b"ready\n", b"")
        assert {each.inner_pid for each in container.processes()} == {1, 2}


# What an init opens in a root that it has entered: what /proc tells, who the user is, whether there
# is a terminal, and what it was told to write.  Nothing of the C library's: no table of name
# services, character sets, time zones or messages, and none of its shared objects.
# From / (O_PATH: nothing of it is read) the way to the files of /out is followed by descriptors.
OPENED = re.compile(r"/|/proc(/.*)?|/etc/(passwd|group)|/dev/tty|/out/.*")

# Flags with which open(2) waits for no other process and no device.
AT_ONCE = re.compile(r"O_NONBLOCK|O_PATH|O_DIRECTORY")

# Whose character set takes a shared object of the C library's, where it can be had.
LOCALE = {"LC_ALL": "ja_JP.EUC-JP"}


def test_all_that_is_opened(made: Image, tmp_path: Path) -> None:
    """By Python and the C library, too, as the kernel sees it."""
    need("strace")
    user = {} if os.geteuid() else USER
    how = {**ASKED["all-of-it"], **user, "root": str(made.root), "namespaces": [*USER_KINDS]}
    how["binds"] = [("/dev/null", "/dev/null")]
    program = f"""if True:
        import json, sys
        sys.path[:0] = {[str(made.home)]!r}
        import pyinit
        how = json.loads({json.dumps(how)!r})
        with pyinit.spawn(["sh", "-c", "sleep 1000 & exit 3"], **how) as container:
            sys.exit(container.wait({DEADLINE_S}).code)
    """
    argv = ["strace", "-f", "-e", "trace=/^open,execve,pivot_root", "-o", str(tmp_path / "trace")]
    argv += [sys.executable, "-c", program]
    done = subprocess.run(argv, check=False, env={**os.environ, **LOCALE})
    assert done.returncode == 3
    lines = (tmp_path / "trace").read_text(errors="replace").splitlines()
    entered = next(i for i, text in enumerate(lines) if " pivot_root(" in text)
    init = lines[entered].split()[0]
    own = [text for text in lines[entered:] if text.split()[0] == init]
    opens = [text for text in own if "AT_FDCWD" in text]
    paths = [path for text in opens for path in re.findall(r'AT_FDCWD, "([^"]*)"', text)]
    assert "/proc" in paths
    assert [path for path in paths if not OPENED.fullmatch(path)] == []
    # What the kernel has in /proc keeps nobody waiting; what an image has elsewhere can.
    assert [text for text in opens if '"/proc/' not in text and not AT_ONCE.search(text)] == []
