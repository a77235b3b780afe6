"""The pages for people: each snippet is run as it stands there, or says why it is not.

A comment above a snippet says what becomes of it; all of a page happens in one empty directory:

``<!-- file: NAME -->``     it is written there, and checked for its language
``<!-- run -->``            a console: each ``$ `` command is run, and prints what stands below it
``<!-- part of: NAME -->``  it is an excerpt of a file of this project, line by line
``<!-- not run: WHY -->``   it is only read, as are pages that have this above their first heading
"""

from __future__ import annotations

import ast
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.harness import DEADLINE_S, ROOT, Container

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
# Each has a test of its own that runs it.
OTHERS = {"docs/namespaces.md"}
# Output that belongs to what stands above it, and directives of the site.
NO_SNIPPETS = ("", "text", "{toctree}", "{include}", "{eval-rst}", "mermaid")

FENCE = re.compile(
    r"(?:^(?P<indent> *)<!-- (?P<mark>[^\n]*?) -->\n+)?"
    r"^(?P=indent)?(?P<ticks>`{3,})(?P<language>\S*)[^\n]*\n(?P<body>.*?)^ *(?P=ticks)$",
    re.MULTILINE | re.DOTALL,
)


class Snippet(NamedTuple):
    """A block of code."""

    page: str
    line: int
    mark: str
    language: str
    body: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def snippets(page: Path) -> list[Snippet]:
    """Return those of a page, in its order."""
    text = page.read_text("utf-8")
    name = str(page.relative_to(ROOT))
    if name in OTHERS or text.startswith("<!-- not run: "):
        return []
    found = []
    for each in FENCE.finditer(text):
        language = each["language"]
        if language not in NO_SNIPPETS:
            line = text.count("\n", 0, each.start("ticks")) + 1
            found.append(Snippet(name, line, each["mark"] or "", language, each["body"]))
    return found


SNIPPETS = {page: found for page in PAGES if (found := snippets(page))}


def test_every_snippet_is_run_or_says_why_not() -> None:
    """A new one has to decide."""
    known = re.compile(r"file: \S+|run|part of: \S+|not run: .+")
    every = [each for found in SNIPPETS.values() for each in found]
    bare = [str(each) for each in every if not known.fullmatch(each.mark)]
    assert bare == [], "each needs one of the comments that the head of this file lists, above it"


@pytest.mark.parametrize("page", SNIPPETS, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_does_what_it_says(page: Path, namespaces: None, tmp_path: Path) -> None:
    """Its files are well formed, its commands print what the page shows."""
    for snippet in SNIPPETS[page]:
        kind, _, name = snippet.mark.partition(": ")
        if kind == "file":
            write(snippet, tmp_path / name)
        elif kind == "run":
            for command, output in commands(snippet.body):
                compare(snippet, command, run(command, tmp_path), output)
        elif kind == "part of":
            assert_part(snippet, (ROOT / name).read_text("utf-8"))


def write(snippet: Snippet, path: Path) -> None:
    """Write it, and see that it is what its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(snippet.body)
    if snippet.language == "python":
        ast.parse(snippet.body, str(snippet))
    elif snippet.language == "sh":
        path.chmod(0o755)
        assert subprocess.run(["sh", "-n", str(path)], check=False).returncode == 0
    elif snippet.language == "toml":
        tomllib.loads(snippet.body)
    elif snippet.language == "json":
        json.loads(snippet.body)
    elif snippet.language == "dockerfile":
        check_dockerfile(snippet)
    elif snippet.language == "yaml":
        check_yaml(snippet)


def check_dockerfile(snippet: Snippet) -> None:
    """Its instructions exist, and pyinit takes the options of its entry point."""
    known = "FROM RUN COPY WORKDIR USER ENV EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD ARG"
    lines = snippet.body.replace("\\\n", " ").splitlines()
    pairs = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]
    assert {name for name, _ in pairs} <= set(known.split()), str(snippet)
    last = {name: json.loads(words) for name, words in pairs if name in ("ENTRYPOINT", "CMD")}
    check_options(snippet, last["ENTRYPOINT"] + last["CMD"])


def check_yaml(snippet: Snippet) -> None:
    """No tab indents it, and pyinit takes the options in each list of a command."""
    assert "\t" not in snippet.body
    for words in re.findall(r"^ *(?:command|entrypoint): (\[.*\])$", snippet.body, re.MULTILINE):
        check_options(snippet, json.loads(words))


def check_options(snippet: Snippet, argv: list[str]) -> None:
    """Where ``argv`` starts pyinit, it accepts the options; the command is left out."""
    if os.path.basename(argv[0]) != "pyinit":
        return
    options = argv[1 : argv.index("--")]
    words = [sys.executable, "-m", "pyinit", *options, "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), f"{snippet}: {shlex.join(argv)}"


def commands(body: str) -> list[tuple[str, str]]:
    """Return the commands of a console, each a line, and what each prints."""
    pairs = [each.partition("\n") for each in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]]
    return [(command, output) for command, _, output in pairs]


def run(command: str, directory: Path) -> str:
    """Return what a shell writes to its terminal."""
    ours, theirs = pty.openpty()
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "COLUMNS": "100",
        "EXAMPLES": str(ROOT / "examples"),
    }
    with subprocess.Popen(
        ["sh", "-c", command],
        cwd=directory,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        output = b""
        try:
            while block := _read(ours):
                output += block
            process.wait(DEADLINE_S)
        finally:
            process.kill()
            os.close(ours)
    return output.decode().replace("\r\n", "\n")


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # EIO: nobody has the terminal open any more
        return b""


def compare(snippet: Snippet, command: str, actual: str, expected: str) -> None:
    """Compare them; ``...`` in a page stands for anything."""
    pattern = re.escape(expected).replace(re.escape("..."), ".*?")
    if re.fullmatch(pattern, actual, re.DOTALL) is None:
        pytest.fail(f"{snippet}: $ {command}\nprints\n{actual}\ninstead of\n{expected}")


def assert_part(snippet: Snippet, text: str) -> None:
    """Each line that is not a comment or empty stands in that file."""
    lines = {line.strip() for line in text.splitlines()}
    missing = [line for line in snippet.body.splitlines() if line.strip() not in lines]
    assert [line for line in missing if line.strip() not in ("", "...")] == [], str(snippet)


def test_each_finding_of_doctor_has_its_symptom() -> None:
    """Who looks a finding up in docs/troubleshooting.md finds it."""
    text = (DOCS / "doctor.md").read_text("utf-8")
    table = text[text.index("| id |") : text.index("## JSON")]
    found = {
        finding
        for row in table.splitlines()[2:]
        for finding in re.findall(r"`([a-z-]+)`", row.split("|")[1] if "|" in row else "")
    }
    assert len(found) > 20
    symptoms = (DOCS / "troubleshooting.md").read_text("utf-8")
    assert [each for each in sorted(found) if f"`{each}`" not in symptoms] == []


def test_the_first_container_saves_its_work(namespaces: None, tmp_path: Path) -> None:
    """The service of docs/tutorial/first-container.md, stopped as `docker stop` does."""
    page = DOCS / "tutorial" / "first-container.md"
    service = next(each for each in SNIPPETS[page] if each.mark == "file: service.py")
    program = tmp_path / "service.py"
    program.write_text(service.body)
    with Container([sys.executable, str(program)], options=["-v"]) as container:
        container.expect("helper: ready")
        container.signal(signal.SIGTERM)
        container.expect("helper: work saved")
        assert container.wait() == 0


def test_links_outside_of_the_site_lead_somewhere() -> None:
    """Those of README.md and its like; `make docs` checks those of docs/."""
    outside = [*ROOT.glob("*.md"), ROOT / "tests" / "README.md"]
    wrong = []
    for page in outside:
        for target in re.findall(
            r'\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"', page.read_text("utf-8")
        ):
            path, _, anchor = (target[0] or target[1]).partition("#")
            if path.startswith("https:"):
                continue
            file = page.parent / path if path else page
            if not file.exists() or (anchor and anchor not in anchors(file)):
                wrong.append(f"{page.relative_to(ROOT)}: {path}#{anchor}")
    assert wrong == []


def anchors(page: Path) -> set[str]:
    """Return those that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
