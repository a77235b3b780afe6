"""``pyinitctl checkpoint`` and ``restore``: what is asked of CRIU, and what is said without it.

With CRIU itself it is tested only where the variable CRIU names one: which processes it can
write depends on its version and on the kernel.  Elsewhere that test is not made at all.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from pyinit import ctl
from tests import users
from tests.harness import PYINIT, Container, children, python, status_field, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

RECORDS = """\
#!/bin/sh
echo "$@" >>"${0%/*}/called"
while [ $# -gt 0 ]; do
	case $1 in
	--pidfile) echo 4711 >"$2" ;;
	--work-dir) work=$2 ;;
	esac
	shift
done
"""
FAILS = RECORDS + "echo '(00.01) Error (criu/x.c:1): it is too cold' >$work/criu.log; exit 1\n"


def stand_in(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Put a program in the place of CRIU; return the file with the words it was called with."""
    program = directory / "criu"
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setenv("CRIU", str(program))
    return directory / "called"


@pytest.mark.parametrize("words", [("checkpoint", "1", "images"), ("restore", "images")])
def test_without_criu_it_is_said_what_is_missing(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And nothing is touched."""
    monkeypatch.delenv("CRIU", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert ctl.main(words) == 1
    assert capsys.readouterr().err.startswith(f"pyinitctl {words[0]}: CRIU is not installed")
    assert not os.listdir(tmp_path)


def test_the_whole_namespace_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From its init on, whichever process was named; more words go to CRIU as they are."""
    called = stand_in(tmp_path, monkeypatch, RECORDS)
    images = tmp_path / "new" / "images"
    with Container(python("record.py", "TERM")) as container:
        container.expect("ready")
        member = str(container.main_child())
        assert ctl.main(["checkpoint", member, str(images), "--", "--shell-job"]) == 0
        assert capsys.readouterr().out == f"checkpoint: process {container.pid} is in {images}\n"
        words = called.read_text().split()
        assert words[:3] == ["dump", "--tree", str(container.pid)]
        assert words[-1] == "--shell-job"
        assert "--leave-running" not in words
        assert ctl.main(["checkpoint", "--leave-running", member, str(images)]) == 0
        assert "--leave-running" in called.read_text()


def test_the_init_is_named_that_came_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the number that CRIU tells."""
    called = stand_in(tmp_path, monkeypatch, RECORDS)
    assert ctl.main(["restore", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "restore: process 4711\n"
    assert called.read_text().startswith("restore --restore-detached")


def test_what_criu_could_not_do_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The errors of its log."""
    stand_in(tmp_path, monkeypatch, FAILS)
    assert ctl.main(["restore", str(tmp_path)]) == 1
    assert "it is too cold" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("restore", "/nonexistent"), "/nonexistent is not a directory with a checkpoint"),
        (("checkpoint", str(os.getpid()), "images"), "is in our own PID namespace"),
    ],
)
def test_what_cannot_be_is_refused(
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before CRIU is asked."""
    called = stand_in(tmp_path, monkeypatch, RECORDS)
    monkeypatch.chdir(tmp_path)
    assert ctl.main(words) == 1
    assert said in capsys.readouterr().err
    assert not called.exists()


@pytest.mark.parametrize("words", [("checkpoint", "{pid}", "images"), ("restore", "images")])
def test_a_directory_that_others_may_write_to_is_not_roots(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A link there would be followed, an image there would run as root."""
    users.need_root()
    called = stand_in(tmp_path, monkeypatch, RECORDS)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "images").chmod(0o777)
    with Container(python("record.py", "TERM")) as container:
        container.expect("ready")
        assert ctl.main([word.format(pid=container.pid) for word in words]) == 1
    assert "images: others may write to it" in capsys.readouterr().err
    assert not called.exists()


if os.environ.get("CRIU") and os.geteuid() == 0 and shutil.which(os.environ["CRIU"]):

    def test_a_container_comes_back_with_the_same_numbers(tmp_path: Path) -> None:
        """By CRIU itself: the init is 1 again, its command has the number that it had.

        CRIU wants a session that lies inside, no /proc of its own for want of the mounts
        behind it, and no parent-death signal.
        """
        words = ["unshare", "--pid", "--fork", "setsid", *PYINIT, "--", "sleep", "1000"]
        null = subprocess.DEVNULL
        outside = subprocess.Popen(words, stdin=null, stdout=null, stderr=null)
        try:
            until(lambda: children(outside.pid) and children(children(outside.pid)[0]), "started")
            (init,) = children(outside.pid)
            (command,) = children(init)
            numbers = status_field(command, "NSpid").split()[1:]
            assert ctl.main(["checkpoint", str(init), str(tmp_path / "images")]) == 0
        finally:
            for pid in children(outside.pid):
                os.kill(pid, signal.SIGKILL)
            outside.wait()
        assert ctl.main(["restore", str(tmp_path / "images")]) == 0
        init = int((tmp_path / "images" / "restored.pid").read_text())
        try:
            assert status_field(init, "NSpid").split()[1:] == ["1"]
            (command,) = children(init)
            assert status_field(command, "NSpid").split()[1:] == numbers
        finally:
            assert ctl.main(["stop", str(init)]) == 0
