"""Once the command runs pyinit's directory is the root; what depends on it is settled before."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from signal import SIGTERM

import pyinit
from tests.harness import PID1, Container, python, run, until

STOPS = [
    "sh",
    "-c",
    "trap 'trap - TERM; sleep 1000 & exit 3' TERM; echo ready; while :; do read -r x; done",
]
WAITS = ["sh", "-c", "echo ready; read -r line"]


def is_at(container: Container, path: str) -> bool:
    """Return whether that is the working directory of pyinit."""
    return Path(f"/proc/{container.pid}/cwd").readlink() == Path(path)


def test_without_options_too(mode: str, tmp_path: Path) -> None:
    """The command stays in the directory that pyinit was given."""
    before = ["env", "-C", str(tmp_path)]
    with Container(WAITS, mode=mode, before=before, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        until(lambda: is_at(container, "/"), "pyinit is in the root directory")
        assert Path(f"/proc/{container.main_child()}/cwd").readlink() == tmp_path.resolve()


def test_the_pause(mode: str, tmp_path: Path) -> None:
    """Without a command as well."""
    before = ["env", "-C", str(tmp_path)]
    with Container([], mode=mode, before=before, options=["--pause"]) as container:
        until(lambda: is_at(container, "/"), "pyinit is in the root directory")


def test_modules_are_found_by_a_relative_path(mode: str, tmp_path: Path) -> None:
    """Those of a teardown are loaded when the command has ended: from the package in a zip."""
    package = Path(pyinit.__file__).parent
    with zipfile.PyZipFile(str(tmp_path / "copy.zip"), "w") as archive:
        archive.writepy(str(package))  # with bytecode
    code = """if True:
        import _signal, sys
        mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
        sys.path.insert(0, "copy.zip")
        from pyinit import cli
        cli.main(mask)
    """
    init = (sys.executable, "-IS", "-c", code)
    before = ["env", "-C", str(tmp_path)]
    found = run(
        ["sh", "-c", "sleep 1000 & exit 3"], mode=mode, before=before, init=init, options=["-v"]
    )
    assert found[0] == 3
    assert '"teardown_finished"' in found[2]
    assert "internal_error" not in found[2]


def test_a_report_by_a_relative_path(mode: str) -> None:
    """It is written at the end, to a directory that was made anew meanwhile; else a warning is."""
    place = 'mount -t tmpfs -o mode=755 none /mnt && cd /mnt && mkdir to && exec "$@"'
    before = ["sh", "-c", place, "sh"]
    command = ["sh", "-c", "rm -r to && mkdir to"]
    options = ["--report", "to/report"]
    assert run(command, mode=mode, before=before, options=options) == (0, "", "")


def test_a_pre_stop_command_runs_where_pyinit_was_started(mode: str, tmp_path: Path) -> None:
    """As the command does: then pyinit stays there."""
    with Container(
        STOPS,
        mode=mode,
        before=["env", "-C", str(tmp_path)],
        options=["--drain", "0.5", "--pre-stop", "touch here"],
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        container.signal(SIGTERM)
        assert container.wait() == 3
    assert (tmp_path / "here").exists()


def test_another_inits_command_ignores_no_signal_more(namespaces: None) -> None:
    """Signals 32 and 33 stay as they were given, as tini leaves them."""
    command = ["sed", "-n", "s/^SigIgn:.//p", "/proc/self/status"]
    before = python("enter.py", json.dumps({"ignored": []}))
    _, out, _ = run(command, mode=PID1, before=before, options=["--as", "tini"])
    assert int(out, 16) >> 31 & 3 == 0
