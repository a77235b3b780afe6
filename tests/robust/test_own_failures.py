"""What fails in pyinit before it has started anything is a line and the exit code 125."""

from __future__ import annotations

from pathlib import Path

import pytest

import pyinit
from tests import conftest
from tests.harness import PID1, SUBREAPER, run
from tests.robust.test_failures import broken, without

PACKAGE = Path(pyinit.__file__).parent


@pytest.mark.parametrize(
    ("mode", "modules", "options"),
    [
        (SUBREAPER, ["pyinit.fork"], []),
        (PID1, ["pyinit.options.parser", "pyinit.log.sink"], ["--group"]),
        (PID1, ["pyinit.options.values", "pyinit.events"], ["--no-such-option"]),
    ],
)
def test_a_module_that_cannot_be_loaded(
    mode: str, modules: list[str], options: list[str], namespaces: None
) -> None:
    """As from a directory that cannot be listed; the module that writes lines may be among them."""
    result = run(["echo", "x"], mode=mode, init=without(*modules), options=options)
    assert result[:2] == (125, "")
    (line,) = result[2].splitlines()
    assert line.startswith("pyinit: internal error: ")
    assert modules[0] in line


def test_no_descriptor_is_left(namespaces: None, tmp_path: Path) -> None:
    """EMFILE of open(2), for what would explain it too."""
    conftest.need("strace")
    before = ["strace", "-D", "-f", "-qq", "-o", str(tmp_path / "log"), "-e"]
    before.append("inject=openat:error=EMFILE")
    for name in ("options/table", "options/values", "fork", "log/lines", "events"):
        source = PACKAGE / f"{name}.py"
        for path in (source, *source.parent.glob(f"__pycache__/{source.stem}.*")):
            before += ["-P", str(path)]
    options = ["--grace", "0"]
    result = run(["echo", "x"], mode=PID1, before=before, options=options)
    assert result == (125, "", "pyinit: cannot start: Too many open files\n")


def test_what_cannot_be_said_changes_no_exit_code(namespaces: None) -> None:
    """A failure on the way to the message, as for want of memory."""
    init = broken(1_000_000, "fallback.tell")
    assert run(["/no/such"], mode=PID1, init=init) == (127, "", "")
    assert run(["echo", "x"], mode=PID1, init=init, options=["--no-such"]) == (125, "", "")


def test_a_package_that_is_not_there(namespaces: None) -> None:
    """The command that pip installs finds nothing to load."""
    before = ["sh", "-c", f"mount -t tmpfs none '{PACKAGE}' && exec \"$@\"", "sh"]
    code, out, err = run(["echo", "x"], mode=PID1, before=before)
    assert (code, out) == (125, "")
    (line,) = err.splitlines()
    assert line.startswith("pyinit: cannot be loaded: ModuleNotFoundError")
