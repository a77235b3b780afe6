"""`import pyinit` loads nothing but itself; each name comes with its module at its first use."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import pickle
import re
import signal
import subprocess
import sys
import traceback
from importlib import resources
from pathlib import Path
from typing import assert_type

import pytest

import pyinit

PACKAGES = str(Path(pyinit.__file__).parents[1])
FUNCTIONS = (
    *("run", "fork_init", "spawn", "run_container", "spawn_async", "run_container_async"),
    *("enter", "exec_in", "namespaces_of", "processes_of", "supervise"),
    *("examine", "status_of"),
)
# As in subprocess, whose unit everybody knows.
TIMEOUT = "timeout"
HOMES: dict[str, str] = vars(pyinit)["_HOMES"]
CLASSES = tuple(name for name in pyinit.__all__ if name[0].isupper())


def in_a_new_interpreter(code: str) -> list[str]:
    """Return the words that ``code`` prints, with pyinit to be found and nothing loaded."""
    program = f"import sys; sys.path.append(sys.argv[1]); before = {{*sys.modules}}; {code}"
    argv = [sys.executable, "-IS", "-c", program, PACKAGES]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()


def test_the_import_loads_one_module() -> None:
    """Not even one of the standard library."""
    code = "import pyinit; print(*{*sys.modules} - before)"
    assert in_a_new_interpreter(code) == ["pyinit"]


def test_all_names_are_listed_before_they_are_loaded() -> None:
    """dir() and __all__ name what there is, and to ask them loads nothing."""
    code = "import pyinit; print(*dir(pyinit), '-', *{*sys.modules} - before)"
    words = in_a_new_interpreter(code)
    assert words[-2:] == ["-", "pyinit"]
    assert set(pyinit.__all__) <= set(words)
    assert pyinit.__all__ == sorted(pyinit.__all__)
    assert {*FUNCTIONS, *CLASSES, "__version__"} == set(pyinit.__all__)


def test_names_for_the_type_checker_are_those_there_are() -> None:
    """Each comes from the module that it is loaded from."""
    stub = ast.parse(Path(pyinit.__file__).with_suffix(".pyi").read_text())
    named = {
        name.name: node.module
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert named == {name: f"pyinit.{home}" for name, home in HOMES.items()}
    assert set(named) == set(pyinit.__all__) - {"__version__"}
    listed = next(node.value for node in stub.body if isinstance(node, ast.Assign))
    assert ast.literal_eval(listed) == pyinit.__all__


@pytest.mark.parametrize("name", [*FUNCTIONS, *CLASSES])
def test_each_shows_its_public_module(name: str) -> None:
    """In tracebacks, reprs and help(); pickle finds it there, too."""
    thing = getattr(pyinit, name)
    assert thing.__module__ == "pyinit"
    assert pickle.loads(pickle.dumps(thing)) is thing


def test_a_traceback_shows_the_public_name() -> None:
    """And one that has come from another process."""
    for error in (pyinit.StartError(127, "gone", 2), pyinit.NamespaceError("setns", 1, "why")):
        again = pickle.loads(pickle.dumps(error))
        for each in (error, again):
            shown = traceback.format_exception_only(each)[0]
            assert shown.startswith(f"pyinit.{type(error).__name__}: ")
            assert vars(each) == vars(error)


def test_a_star_import_has_all() -> None:
    """As dir() has: nothing that is listed is missing."""
    code = (
        "from pyinit import *; import pyinit; print(*(n for n in pyinit.__all__ if n in globals()))"
    )
    assert in_a_new_interpreter(code) == pyinit.__all__


def test_a_wrong_name_is_an_attribute_error() -> None:
    """And none of the modules behind: hasattr() can be asked."""
    assert not hasattr(pyinit, "spwan")
    with pytest.raises(AttributeError, match="module 'pyinit' has no attribute 'spwan'"):
        pyinit.spwan  # type: ignore[attr-defined]  # noqa: B018


def test_fork_init_comes_without_typing() -> None:
    """Which takes longer to import than all of pyinit: a program pays for it at every start."""
    code = "import pyinit; pyinit.fork_init(grace_s=1); print(*sorted({*sys.modules} - before))"
    ours = [
        "pyinit",
        "pyinit.api",
        "pyinit.api.keywords",
        "pyinit.options",
        "pyinit.options.table",
        "pyinit.options.values",
        "pyinit.settings",
        "pyinit.standby",
    ]
    loaded = [name for name in in_a_new_interpreter(code) if name.startswith(("pyinit", "typing"))]
    assert loaded == ours


@pytest.mark.parametrize("name", [*FUNCTIONS, *CLASSES])
def test_each_has_a_docstring(name: str) -> None:
    """Functions name their errors and a section of the manual, and times have their unit."""
    thing = getattr(pyinit, name)
    text = inspect.getdoc(thing)
    assert text
    if name in FUNCTIONS:
        assert re.search(r"\bRaises\b", text)
        assert re.search(r"\b[a-z_]+\([1-8]\)", text)
        for parameter in inspect.signature(thing).parameters:
            named = re.search("timeout|grace|time$", parameter)
            assert not named or parameter.endswith("_s") or parameter == TIMEOUT


def test_the_package_says_that_it_is_typed() -> None:
    """Type checkers look for py.typed (PEP 561)."""
    assert resources.files("pyinit").joinpath("py.typed").is_file()


async def typed() -> None:
    """Be a user's program, for mypy alone: an ignore that is not needed is an error, too."""
    end = pyinit.run(["make", Path("all")], grace_s=5, rewrite={"TERM": 3}, env={"A": "1"})
    assert_type(end, pyinit.Exit)
    assert_type(end.code, int)
    assert_type(end.signal, signal.Signals | None)
    options: pyinit.Options = {"grace_s": 0.5, "stop_signals": ["TERM"]}
    pyinit.fork_init(always=True, **options)
    with pyinit.spawn(["sh"], namespaces={"pid", "net"}, text=True, **options) as container:
        assert_type(container, pyinit.Container)
        assert_type(container.pid, int)
        assert_type(container.wait(timeout=1), pyinit.Exit)
        assert_type(container.returncode, int | None)
        assert_type(await container, pyinit.Exit)
        assert_type(container.exec(["ps"], cwd="/", env={}), pyinit.Process)
        assert_type(container.namespaces, dict[str, pyinit.Namespace])
        assert_type(container.processes(), list[pyinit.Member])
        assert_type(container.processes()[0].inner_pid, int)
    async with pyinit.spawn_async(("sh", "-c", "ls"), cwd=Path("/")) as each:
        assert_type(each, pyinit.AsyncContainer)
        assert_type(each.stdout, asyncio.StreamReader | None)
        assert_type(await each.wait(), pyinit.Exit)
        assert_type(await each.communicate(b""), tuple[bytes | None, bytes | None])
        assert_type(await each.exec(["ps"]), pyinit.AsyncProcess)
    assert_type(pyinit.run_container(["ls"], check=True), pyinit.Completed)
    assert_type(pyinit.namespaces_of(os.getpid()), dict[str, pyinit.Namespace])
    pyinit.run(["make"], grace=5)  # type: ignore[call-arg]
    pyinit.run(["make"], grace_s="5")  # type: ignore[arg-type]
    pyinit.run("true")  # type: ignore[arg-type]
    pyinit.spawn("true")  # type: ignore[arg-type]
    pyinit.spawn(["true"], namespaces="pid")  # type: ignore[arg-type]
    pyinit.spawn_async("true")  # type: ignore[arg-type]
    pyinit.fork_init(gracious=True)  # type: ignore[call-arg]
