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
    return compile(tree, file, "exec", dont_inherit=True, optimize=2)


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
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node
