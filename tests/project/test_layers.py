"""The order of the modules: imports flow one way, policy is pure, ctypes stays in one place.

`make lint` sees to the contracts in pyproject.toml, which say more.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pyinit

PACKAGE = Path(pyinit.__file__).parent
PURE = (
    "settings",
    "options/table",
    "options/values",
    "options/parser",
    "options/help",
    "signals",
    "lifecycle",
)


def imports(path: Path) -> set[str]:
    """Return the names of the top-level modules that the source imports anywhere when it runs."""
    found = set()
    left: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while left:
        node = left.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            left += node.orelse
            continue
        left += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_imports_next_to_nothing(name: str) -> None:
    """Numbers of signals."""
    assert imports(PACKAGE / f"{name}.py") <= {"_signal", "pyinit"}


def test_only_one_module_knows_ctypes() -> None:
    """A system call that Python lacks is one function there."""
    users = {p.stem for p in PACKAGE.rglob("*.py") if imports(p) & {"ctypes", "_ctypes"}}
    assert users == {"linux"}
