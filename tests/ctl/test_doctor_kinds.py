"""``pyinitctl doctor``: what kind of program a PID 1 is, by its name and by what it runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pyinit.ctl.dist.install import _loader
from pyinit.ctl.kinds import KINDS, recognised
from pyinit.ctl.view import ProcessView
from tests.harness import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

WAITS = "import sys; print(flush=True); sys.stdin.read()"


@contextlib.contextmanager
def process(command: Sequence[str], executable: str | None = None) -> Iterator[ProcessView]:
    """Run a program that prints a line, and ends with its stdin."""
    started = subprocess.Popen(
        command, executable=executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert started.stdout is not None
        assert started.stdout.readline() == b"\n"
        yield ProcessView(started.pid)
    finally:
        started.communicate()


@pytest.mark.parametrize(
    ("name", "called", "kind"),
    [
        ("s6-svscan", "/package/admin/s6/command/s6-svscan", "s6"),
        ("runsvdir", "runsvdir", "runit"),
        ("runit", "runit", "runit"),
        ("systemd", "/sbin/init", "systemd"),
        ("nginx", "nginx: master process nginx -g daemon off;", "nginx"),
        ("pause", "/pause", "pause"),
        ("java", "/opt/jdk/bin/java", "java"),
        ("node", "node", "node"),
        ("docker-init", "/sbin/docker-init", "tini"),
        ("docker-init", "/dev/init", "tini"),
        ("podman-init", "/run/podman-init", "catatonit"),
        ("bash", "-bash", "shell"),
        ("busybox", "/bin/busybox", "shell"),
        ("server", "/srv/server", "program"),
    ],
)
def test_a_program(tmp_path: Path, name: str, called: str, kind: str) -> None:
    """By the word that it was called by, or where that says nothing by the name of its file."""
    program = str(tmp_path / name)
    shutil.copy("/bin/sh", program)
    # busybox takes the next word for the program that it is to be.
    script = tmp_path / ("sh" if name == "busybox" else "script")
    script.write_text("echo; read _; :")
    with contextlib.chdir(tmp_path), process([called, script.name], program) as found:
        assert recognised(found).kind.name == kind


@pytest.mark.parametrize(
    ("options", "name", "kind"),
    [
        ([], "supervisord", "supervisord"),
        (["-u", "-X", "utf8"], "my_init", "my_init"),
        (["-IS"], "app.py", "python"),
        # A script of that name can only be ours.
        ([], "tini", "pyinit"),
        ([], "pyinit.pyz", "pyinit"),
    ],
)
def test_a_script(tmp_path: Path, options: list[str], name: str, kind: str) -> None:
    """Behind Python's own options."""
    script = tmp_path / name
    script.write_text(WAITS)
    with process([sys.executable, *options, str(script), "--", "true"]) as found:
        assert recognised(found).kind.name == kind


def test_a_package_that_was_found_by_m(tmp_path: Path) -> None:
    """By the path of its __main__.py pyinit starts itself once more."""
    (tmp_path / "pyinit").mkdir()
    script = tmp_path / "pyinit" / "__main__.py"
    script.write_text(WAITS)
    with process([sys.executable, "-IS", "-X", "pyinit=", str(script), "true"]) as found:
        assert recognised(found).kind.name == "pyinit"


def test_a_program_behind_the_loader(tmp_path: Path) -> None:
    """ld.so(8) as a program, with an option that has a value and one that has none."""
    script = tmp_path / "pyinit"
    script.write_text(WAITS)
    loader = [_loader(sys.executable), "--inhibit-cache", "--library-path", "/lib"]
    with process([*loader, os.path.realpath(sys.executable), "-IS", str(script), "x"]) as found:
        assert recognised(found).kind.name == "pyinit"


def test_a_program_in_a_word() -> None:
    """What follows -c is no name of a script, whatever it is."""
    with process([sys.executable, "-c", WAITS, "supervisord"]) as found:
        assert recognised(found).kind.name == "python"


def test_a_launcher_is_known_by_what_it_is(tmp_path: Path) -> None:
    """Whatever it is called; what is no file is not opened: that could block, or do something."""
    launcher = tmp_path / "init"
    launcher.write_text(f"# Written by pyinitctl install\n{WAITS}")
    with process([sys.executable, str(launcher), "true"]) as found:
        assert recognised(found).kind.name == "pyinit"
        launcher.unlink()
        os.mkfifo(launcher)
        fd = os.open(launcher, os.O_RDWR)
        try:
            os.write(fd, b"pyinitctl install\n".ljust(1024))
            assert recognised(found).kind.name == "python"
        finally:
            os.close(fd)


def test_each_kind_says_all() -> None:
    """Each kind is in one of the three roles, and says all that is told of it."""
    for kind in KINDS.values():
        assert all(kind)
        assert kind.runs_command or not kind.relays


def test_an_init_that_has_ended_is_no_program() -> None:
    """A zombie has no command line any more: its name is left."""
    ended = subprocess.Popen(["true"])
    try:
        until(lambda: ProcessView(ended.pid).is_zombie, "it has ended")
        assert recognised(ProcessView(ended.pid)).kind.name == "program"
    finally:
        ended.wait()
