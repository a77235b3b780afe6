"""A linter of prose: the pages and messages against the project's own words (tools/prose.toml).

``python -m tools.prose [FILE...]`` prints each finding as FILE:LINE, and exits with 1 if there is
one.  It skips code, links and comments in pages; of modules it reads the strings that users see.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = ("*.md", "docs/**/*.md", "tests/README.md")
MODULES = ("pyinit/**/*.py",)

# Blanked with as many characters, so that lines keep their numbers.
_NO_PROSE = re.compile(
    r"^(?P<ticks>`{3,})[^\n]*\n.*?^(?P=ticks)|<!--.*?-->|`[^`]+`|\]\([^)]*\)|https?://\S+",
    re.MULTILINE | re.DOTALL,
)
_SENTENCE = re.compile(r"[^.!?:;|\n](?:[^.!?:;|\n]|\n(?!\s*(?:\n|[-*|#>]|\d+\. ))|[.:](?=\S))*")


class Finding(NamedTuple):
    """What is wrong, and where."""

    file: Path
    line: int
    text: str
    instead: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}: '{self.text}': {self.instead}"


class Words:
    """The rules of tools/prose.toml."""

    def __init__(self) -> None:
        data = tomllib.loads((ROOT / "tools" / "prose.toml").read_text("utf-8"))
        self.longest = int(data["longest_sentence"])
        self.rules = [(_compiled(each["pattern"]), each["instead"]) for each in data["rules"]]

    def check(self, text: str) -> Iterator[tuple[int, str, str]]:
        """Yield the position, the words and what to write instead."""
        for pattern, instead in self.rules:
            for found in pattern.finditer(text):
                yield found.start(), " ".join(found[0].split()), instead

    def check_sentences(self, text: str) -> Iterator[tuple[int, str, str]]:
        """Yield those with more words than one can follow."""
        for found in _SENTENCE.finditer(text):
            words = found[0].split()
            if len(words) > self.longest:
                yield found.start(), " ".join(words[:5]), f"{len(words)} words in a sentence"


def _compiled(pattern: str) -> re.Pattern[str]:
    # A line may end between any two words.
    return re.compile(pattern.replace(" ", r"\s"), re.IGNORECASE)


def check_page(file: Path, words: Words) -> Iterator[Finding]:
    """Yield what is wrong in a page."""
    text = file.read_text("utf-8")
    prose = _NO_PROSE.sub(lambda found: re.sub(r"[^\n]", "\0", found[0]), text)
    prose = re.sub(r"\n[ \t]+", "\n", prose)
    for where, said, instead in (*words.check(prose), *words.check_sentences(prose)):
        yield Finding(file, text.count("\n", 0, where) + 1, said.replace("\0", ""), instead)


def check_module(file: Path, words: Words) -> Iterator[Finding]:
    """Yield what is wrong in the strings of a module that users see: no docstrings, no names."""
    tree = ast.parse(file.read_text("utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) in docstrings or node.value.count(" ") < 2:
                continue
            for _, said, instead in words.check(re.sub(r"`[^`]+`", "", node.value)):
                yield Finding(file, node.lineno, said, instead)


def main(arguments: list[str]) -> int:
    """Check the files that are named, or all."""
    words = Words()
    named = [Path(each).resolve() for each in arguments]
    files = named or [file for pattern in (*PAGES, *MODULES) for file in sorted(ROOT.glob(pattern))]
    found = [
        each
        for file in files
        for each in (check_page if file.suffix == ".md" else check_module)(file, words)
    ]
    for each in found:
        print(each)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
