"""The man page and docs/cli.md: made from the table of options, and right in what they say."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from pyinit.ctl import main
from pyinit.ctl.dist import manual
from pyinit.options import parser, table
from pyinit.stopping.teardown import KILL_BOUND_S
from tests.conftest import need
from tests.harness import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "share" / "man" / "man1" / "pyinit.1"
DOCUMENT = ROOT / "docs" / "cli.md"

# In the order that man-pages(7) asks for.
SECTIONS = (
    "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "ENVIRONMENT", "EXIT STATUS", "SIGNALS",
    "NOTES", "EXAMPLES", "SEE ALSO",
)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "file"), [(["manual"], PAGE), (["manual", "--markdown"], DOCUMENT)], ids=str
)
def test_the_command_prints_what_is_committed(
    words: list[str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For those who have the package and not the tree."""
    assert main(words) == 0
    assert capsys.readouterr().out == file.read_text("utf-8")


def page_as_text() -> str:
    """Return the page as a reader sees it, with one space wherever there is space."""
    words = ["groff", "-man", "-ww", "-Tascii", "-P-cbou", "-rLL=200n", str(PAGE)]
    out = subprocess.run(words, check=True, capture_output=True, text=True)
    assert out.stderr == ""
    return out.stdout


def test_groff_finds_no_fault_in_the_page() -> None:
    """It warns of everything that it can warn of."""
    need("groff")
    assert page_as_text().startswith("PYINIT(1)")


def test_mandoc_finds_no_fault_in_the_page() -> None:
    """Another formatter, that of Alpine and the BSDs."""
    need("mandoc")
    words = ["mandoc", "-T", "lint", "-W", "warning", str(PAGE)]
    out = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (out.returncode, out.stdout + out.stderr) == (0, "")


def test_the_page_has_the_sections_that_one_looks_for() -> None:
    """Each once."""
    found = re.findall(r"^\.SH (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert tuple(found) == SECTIONS


def test_the_page_tells_of_every_option() -> None:
    """Its names, its value, its text, its variable, its example."""
    need("groff")
    text = " ".join(page_as_text().split())
    for option in table.TABLE:
        short = f"-{option.short}, " if option.short else ""
        value = f" {option.kind.name}" if option.takes_value else ""
        assert f"{short}--{option.name}{value} " in text
        assert option.text[1:] in text
        assert f"Example: {option.example} " in text
        assert option.variable in text


def test_the_document_tells_of_every_option() -> None:
    """The same, each under its own heading, to which the contents lead."""
    text = DOCUMENT.read_text("utf-8")
    for title, rows in table.GROUPS:
        assert f"\n## {title}\n" in text
        for option in rows:
            section = text.partition(f"--{option.name} {option.kind.name}`\n")[2]
            if not option.takes_value:
                section = text.partition(f"--{option.name}`\n")[2]
            section = section.partition("\n##")[0]
            assert option.text[1:] in section
            assert f"`pyinit {option.example}" in section
            assert f"- variable: `{option.variable}`\n" in section or not option.variable
            default = option.default if option.default == "on" else f"`{option.default}`"
            assert f"- default: {default}\n" in section or not option.default


def anchors() -> list[str]:
    """Return what the document's headings are linked to by: lower case, hyphens for spaces."""
    headings = re.findall(r"^##+ (.*)$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    return [re.sub(r"[^a-z0-9 _-]", "", each.lower()).replace(" ", "-") for each in headings]


def test_all_links_within_the_document_lead_somewhere() -> None:
    """Each to a heading of its own."""
    links = re.findall(r"\]\(#([^)]*)\)", DOCUMENT.read_text("utf-8"))
    assert len(links) == len(table.TABLE) + len(table.GROUPS)
    assert len(set(anchors())) == len(anchors())
    assert set(links) <= set(anchors())


@pytest.mark.parametrize("name", ["README.md", "docs/drop-in.md", "docs/lifecycle.md"])
def test_links_from_other_documents_lead_somewhere(name: str) -> None:
    """To headings of docs/cli.md that there are."""
    file = ROOT / name
    text = file.read_text("utf-8") if file.exists() else ""
    assert set(re.findall(r"cli\.md#([^)]*)\)", text)) <= set(anchors())


@pytest.mark.parametrize("waiter", manual.WAITERS, ids=lambda each: str(each.name))
def test_the_times_that_are_recommended_fit(waiter: manual.Waiter) -> None:
    """Drain, plan, grace and the bound for KILL are over before the orchestrator's own time-out."""
    settings = parser.parse([*shlex.split(waiter.fits), "true"], {})
    plan_s = settings.escalation[-1][0]
    assert settings.drain_s + plan_s + settings.grace_s + KILL_BOUND_S < waiter.default_s


@pytest.mark.parametrize("example", [each for _, each in manual._EXAMPLES])
def test_every_example_can_be_given(example: str) -> None:
    """As far as pyinit's own words go."""
    words = shlex.split(example.replace("ENTRYPOINT", "").translate(str.maketrans('[",]', "    ")))
    words = words[words.index("pyinit") + 1 :]
    # CMD of a Dockerfile.
    parser.parse(words + ["true"] * (words == ["--"]), {})
