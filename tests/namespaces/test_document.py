"""docs/namespaces.md: each of its snippets is run as it stands there, and prints what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.harness import DEADLINE_S, ROOT, unexplained

pytestmark = pytest.mark.usefixtures("namespaces")

DOCUMENT = ROOT / "docs" / "namespaces.md"

# Run by root, those that say so are run as somebody with another number and no capabilities. Run
# by a user (tests/subsets.py), all are.
ORDINARY = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


class Snippet(NamedTuple):
    """One block of code, and what it prints."""

    heading: str
    words: list[str]
    code: str
    output: str


def snippets() -> list[Snippet]:
    """Return all of the document, in its order."""
    found = []
    heading = ""
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = re.compile(r"^#+ (.*)$|^```(\w+)(.*)\n([^`]*)^```\n", re.MULTILINE)
    for title, language, options, body in blocks.findall(text):
        if title:
            heading = title
        elif language == "python":
            found.append(Snippet(heading, options.split(), body, ""))
        elif language == "text":
            found[-1] = found[-1]._replace(output=body)
        elif language == "console":
            found.extend(Snippet(heading, ["console"], *each) for each in _commands(body))
    return found


def _commands(body: str) -> list[tuple[str, str]]:
    """Return the commands of a console and what each prints."""
    pairs = [each.partition("\n") for each in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]]
    return [(command, output) for command, _, output in pairs]


SNIPPETS = snippets()


def run(snippet: Snippet, before: tuple[str, ...]) -> str:
    """Run it with the tests' Python and its programs on PATH; return what it prints."""
    here = str(Path(sys.executable).parent)
    command = ["sh", "-c"] if "console" in snippet.words else [sys.executable, "-c"]
    done = subprocess.run(
        [*before, *command, snippet.code],
        env={
            **os.environ,
            "PATH": f"{here}:{os.environ['PATH']}",
            "PYTHONWARNINGS": "error",
            "LC_ALL": "C.UTF-8",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert (unexplained(done.stderr), done.returncode) == ("", 0)
    return done.stdout


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda each: each.heading)
def test_a_snippet_prints_what_the_document_says(snippet: Snippet) -> None:
    """As root, unless it says ``as-user``, and as a user without capabilities."""
    before = ORDINARY if "as-user" in snippet.words and os.geteuid() == 0 else ()
    assert run(snippet, before) == snippet.output


def test_every_snippet_says_what_it_prints() -> None:
    """Else it would show nothing."""
    assert SNIPPETS
    assert [each.heading for each in SNIPPETS if not each.output] == []
