"""A quiet run loads what it needs and nothing else: its start-up and its memory are that."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import pyinit
from pyinit.ctl.dist import install
from tests import harness
from tests.harness import PID1, PROGRAMS, run

INIT = (sys.executable, "-IS", str(PROGRAMS / "modules.py"), str(Path(pyinit.__file__).parents[1]))
# An orphan that has ended and been reaped: the kernel knows no such process any more.
ORPHAN = "orphan=$(true >/dev/null & echo $!); while kill -0 $orphan 2>/dev/null; do :; done"
# What lies directly in the package: what there is before the command, and what supervises it.
ALLOWED = {"gc", *(name for names in install.lists() for name in names)}
# A command that has not ended by then; see `pyinit.moment`.
LONG = ("sleep", "0.1")


def loaded(*command: str, mode: str = PID1, options: tuple[str, ...] = ()) -> set[str]:
    """Return what pyinit has loaded beyond the interpreter's own when ``command`` has ended."""
    code, out, err = run(command, mode=mode, options=options, init=INIT)
    assert (code, err) == (0, "")
    return set(out.splitlines()[-1].split())


def test_a_quiet_init(namespaces: None) -> None:
    """All that the bundle holds, and no more, not even of the standard library."""
    assert loaded(*LONG) == ALLOWED


def test_relaying_and_reaping_load_nothing(namespaces: None) -> None:
    """Signals in number, and orphans."""
    script = f"{ORPHAN}; trap 'exit 0' USR1; kill -HUP 1; kill -USR1 1; while :; do read x; done"
    assert loaded("sh", "-c", f"trap : HUP; {script}") == ALLOWED


def test_a_teardown(namespaces: None) -> None:
    """Where somebody is left: the clock of its deadlines, and whom a parent waits for."""
    more = {"pyinit.stopping", "pyinit.kernel"}
    more |= {"pyinit.stopping.teardown", "pyinit.kernel.clock", "pyinit.stopping.order"}
    more |= {"pyinit.kernel.proc", "pyinit.scope", "pyinit.stopping.crowd"}
    assert loaded("sh", "-c", "sleep 1000 &") == ALLOWED | more


def test_an_option(namespaces: None) -> None:
    """The package of the options: those there are, their values, and what reads the words."""
    more = {f"pyinit.options{each}" for each in ("", ".parser", ".table", ".values")}
    assert loaded("true", options=("--group",)) == ALLOWED | more
    assert loaded("true", options=("-g", "--grace=1", "-rTERM:INT", "-e1", "-q")) == ALLOWED | more


@pytest.mark.parametrize("verbose", [(), ("-v",)])
def test_a_report_is_no_log(namespaces: None, tmp_path: Path, verbose: tuple[str, ...]) -> None:
    """Signals, orphans and leftovers are kept for it by the names that the kernel has.

    With -v too, in JSON to a pipe: the stand-ins for structlog and psutil could be loaded.
    """
    for name in ("structlog", "psutil"):
        (tmp_path / f"{name}.py").touch()
    (tmp_path / "pyinit").symlink_to(Path(pyinit.__file__).parent)
    init = (*INIT[:-1], str(tmp_path))
    script = "(true &); trap 'sleep 1000 & exit 0' USR1; kill -HUP 1; kill -USR1 1; "
    command = ("sh", "-c", f"trap : HUP; {script} while :; do read x; done")
    options = ("--report", str(tmp_path / "report"), *verbose)
    code, out, _ = run(command, options=options, init=init)
    found = set(out.splitlines()[-1].split())
    assert code == 0
    assert {"pyinit.report.record", "pyinit.log.senders", "pyinit.stopping.teardown"} <= found
    assert not {"structlog", "psutil", "json"} & found


def test_a_quiet_subreaper(namespaces: None) -> None:
    """The way to prctl(2), with the C half of ctypes alone, and the forking for its sake."""
    ours = {*install.SUBREAPER, *install.SUBREAPER_THEN}
    # _ctypes imports _struct.
    assert loaded(*LONG, mode=harness.SUBREAPER) - {"_struct"} == ALLOWED | ours | {"_ctypes"}
