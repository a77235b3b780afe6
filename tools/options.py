"""Make what comes from the table of options: ``python -m tools.options``, or ``make manual``.

Whole files, and in others the lines between two that say so.  Of `Settings` and of the keywords'
types they are source, for a run without options must not load the table, and mypy has to see them.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyinit
from pyinit import ctl
from pyinit.ctl.dist import completion, manual, tools
from pyinit.options import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyinit.options.table import Option

ROOT = Path(__file__).parents[1]


def contents() -> dict[Path, str]:
    """Return each file that has something made from the table, and what it should be."""
    made = {_place(name): make() for name, make in _FILES.items()}
    for name, (begin, end, make_lines) in _PARTS.items():
        text = _place(name).read_text("utf-8")
        before, _, rest = text.partition(begin)
        _, there, after = rest.partition(end)
        if not there:
            raise ValueError(f"{name}: expected the lines '{begin}' and '{end}'")
        lines = "".join(f"{line}\n" for line in make_lines())
        indent = before[before.rindex("\n") + 1 :]
        made[_place(name)] = f"{before}{begin}\n{lines}{indent}{end}{after}"
    return made


def _place(name: str) -> Path:
    """Return where a file is: the package may be installed, and not in this tree."""
    home = Path(pyinit.__file__).parents[1] if name.startswith("pyinit/") else ROOT
    return home / name


def _settings() -> Iterator[str]:
    """Yield the attributes of Settings: those of one row, or of several that set the same."""
    rows: dict[str, list[Option]] = {}
    for option in table.TABLE:
        rows.setdefault(option.attribute, []).append(option)
    for name, options in rows.items():
        first = options[0]
        types = list(dict.fromkeys(_type(option) for option in options))
        holds = " | ".join(types)
        value = first.initial
        literal = f'"{value}"' if isinstance(value, str) else repr(value)
        annotation = "" if holds in {"bool", "int", "float", "str"} else f': "{holds}"'
        names = ", ".join(f"--{option.name}" for option in options)
        # Ruff fears that it is changed in place.
        noqa = "noqa: RUF012 - " if isinstance(value, dict) else ""
        yield f"    {name}{annotation} = {literal}  # {noqa}{names}"


def _type(option: Option) -> str:
    return type(option.value).__name__ if option.kind is table.SWITCH else option.kind.holds


def _keywords() -> Iterator[str]:
    for option in table.TABLE:
        if option.keyword:
            yield f"    {option.keyword}: {option.kind.keyword}"


def _keywords_in_document() -> Iterator[str]:
    yield "| keyword | such as | on the command line |"
    yield "| --- | --- | --- |"
    for option in table.TABLE:
        if option.keyword:
            yield f"| `{option.keyword}` | `{option.kind.python}` | `--{option.name}` |"


_FILES: dict[str, Callable[[], str]] = {
    "share/man/man1/pyinit.1": manual.man_page,
    "docs/cli.md": manual.markdown,
    "share/bash-completion/completions/pyinit": completion.bash,
    "share/zsh/site-functions/_pyinit": completion.zsh,
    "share/fish/vendor_completions.d/pyinit.fish": completion.fish,
    "share/bash-completion/completions/pyinitctl": tools.bash,
    "share/zsh/site-functions/_pyinitctl": tools.zsh,
    "share/fish/vendor_completions.d/pyinitctl.fish": tools.fish,
    "share/man/man1/pyinitctl.1": tools.man_page,
    **{
        f"share/man/man1/pyinitctl-{name}.1": functools.partial(tools.man_page, name)
        for name in ctl.names()
    },
}
_IN_PYTHON = (
    "# -- The options: made by `make manual` from pyinit/options/table.py.",
    "# -- The end of what is made.",
)
_IN_MARKDOWN = (
    "<!-- Made by `make manual` from pyinit/options/table.py. -->",
    "<!-- The end of what is made. -->",
)
_PARTS: dict[str, tuple[str, str, Callable[[], Iterator[str]]]] = {
    "pyinit/settings.py": (*_IN_PYTHON, _settings),
    "pyinit/api/types.py": (*_IN_PYTHON, _keywords),
    "docs/api.md": (*_IN_MARKDOWN, _keywords_in_document),
}


def main() -> int:
    """Write what is not as it should be."""
    for path, text in contents().items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"made anew: {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
