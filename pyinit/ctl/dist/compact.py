"""Bytecode for an init: small, since it is read at each start and resident as long as a container.

What only people and type checkers read is left out: docstrings, annotations, and the columns of
tracebacks.  Lines stay: an `internal_error` tells its own.  What is left is a sixth smaller.
"""

from __future__ import annotations

import ast
import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType


@functools.cache  # PID 1 and a subreaper have most modules in common
def compiled(source: bytes, file: str) -> CodeType:
    """Return the code of a module in ``file``."""
    tree = _Small().visit(ast.parse(source))
    for node in ast.walk(tree):
        if "col_offset" in node._attributes:
            # The lines stay; -1 stands for a column that is not known.
            node.col_offset = node.end_col_offset = -1  # type: ignore[attr-defined]
            # The call of a method counts to the line where the method's name ends.
            if not isinstance(node, ast.Attribute):
                node.end_lineno = node.lineno  # type: ignore[attr-defined]
    return _with_few_entries(compile(tree, file, "exec", dont_inherit=True, optimize=2))


# Entries of a line table, each for at most 8 units of bytecode; InternalDocs/code_objects.md in
# CPython's sources.
_ENTRY, _MOST_UNITS = 0x80, 8
_NO_COLUMNS, _NO_LOCATION = 13 << 3, 15 << 3


def _with_few_entries(code: CodeType) -> CodeType:
    """Return ``code`` with one entry for all instructions of a line, where 3.11 has one for each."""
    table = bytearray()
    line = code.co_firstlineno
    for units, at in _runs(code):
        for done in range(0, units, _MOST_UNITS):
            length = min(units - done, _MOST_UNITS) - 1
            if at is None:
                table.append(_ENTRY | _NO_LOCATION | length)
            else:
                table.append(_ENTRY | _NO_COLUMNS | length)
                table += _signed(at - line)
                line = at
    constants = (
        _with_few_entries(each) if isinstance(each, type(code)) else each for each in code.co_consts
    )
    # Tracebacks show no more of the name.
    made = code.replace(co_consts=tuple(constants), co_qualname=code.co_name)
    shorter = made.replace(co_linetable=bytes(table))
    # A later Python may have another format.
    is_same = [*_runs(shorter)] == [*_runs(code)]
    return shorter if is_same and len(table) < len(code.co_linetable) else made


def _runs(code: CodeType) -> list[tuple[int, int | None]]:
    """Return how many units of bytecode belong to each line in turn."""
    runs: list[tuple[int, int | None]] = []
    for start, end, line in code.co_lines():
        units = (end - start) // 2
        if runs and runs[-1][1] == line:
            units += runs.pop()[0]
        runs.append((units, line))
    return runs


def _signed(number: int) -> bytes:
    """Return a signed number in groups of 6 bits, the lowest first, and the sign lowest of all."""
    rest = -number << 1 | 1 if number < 0 else number << 1
    groups = bytearray()
    while rest > 0x3F:
        groups.append(rest & 0x3F | 0x40)
        rest >>= 6
    groups.append(rest)
    return bytes(groups)


class _Small(ast.NodeTransformer):
    """Takes out annotations, and what is imported for them alone."""

    def visit(self, node: ast.AST) -> Any:
        # No expression holds any of that.
        return node if isinstance(node, ast.expr) else super().visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if node.module == "__future__" else node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return node.orelse
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        for decorator in node.decorator_list:
            self._cut_event(decorator)
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        self._cut_event(node.value)
        return node

    def _cut_event(self, node: ast.expr) -> None:
        """Leave what a record makes of an event: levels, fields and words are for the pages."""
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_event":
            empty = [ast.copy_location(ast.Constant(""), each) for each in node.args]
            node.args = [empty[0], node.args[1], *empty[2:]]
            node.keywords = []

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node
