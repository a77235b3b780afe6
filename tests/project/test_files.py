"""What the repository holds: nothing is empty by accident, and what names a test finds it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests import subsets
from tests.conftest import need

ROOT = Path(__file__).parents[2]
# Packages without code of their own, and the marker of PEP 561.
EMPTY = ("__init__.py", "py.typed")


def tracked() -> list[str]:
    """Return the files of the repository, or of the source distribution, which has just those."""
    if (ROOT / ".git").exists():
        need("git")
        words = ["git", "ls-files", "-z"]
        listing = subprocess.run(words, cwd=ROOT, capture_output=True, check=True)
        return listing.stdout.decode().split("\0")[:-1]
    files = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
    made = ("__pycache__", ".venv", ".pytest_cache", ".hypothesis", "build", "dist")
    return [str(path) for path in files if not any(part in made for part in path.parts)]


def test_no_tracked_file_is_empty() -> None:
    """But those that have to be: an empty LICENSE would be shipped as it is."""
    names = tracked()
    assert len(names) > 100
    found = [name for name in names if (ROOT / name).is_file() and not (ROOT / name).stat().st_size]
    assert [name for name in found if Path(name).name not in EMPTY] == []


def test_the_licence_is_mit() -> None:
    """As pyproject.toml says."""
    text = (ROOT / "LICENSE").read_text()
    assert text.startswith("MIT License\n")
    assert "The pyinit authors" in text


def test_the_subsets_name_what_exists() -> None:
    """A test that was renamed would no longer run as a user or with another interpreter."""
    for name in {*subsets.USER, *subsets.INTERPRETER, *subsets.ALONE}:
        assert (subsets.TESTS / name).exists(), name
