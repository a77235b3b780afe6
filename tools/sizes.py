"""No class of the package is longer than 250 lines, and no function than 50, without a reason.

The reason is a comment right above it: ``# Longer than 50 lines: why``.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path


def too_long(path: Path) -> Iterator[str]:
    """Yield what is too long in a module and has no reason."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        most = 250 if isinstance(node, ast.ClassDef) else 50
        first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        count = (node.end_lineno or first) - first + 1
        above = text.splitlines()[first - 2].lstrip() if first > 1 else ""
        if count > most and not above.startswith(f"# Longer than {most} lines: "):
            yield f"{path}:{node.lineno}: '{node.name}' has {count} lines, at most {most}"


def main() -> int:
    """Print what is too long; return 1 if anything is."""
    found = [line for path in sorted(Path("pyinit").rglob("*.py")) for line in too_long(path)]
    print("\n".join(found or ["classes and functions: none is too long"]))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
