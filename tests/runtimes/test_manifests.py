"""What the pages show for Kubernetes and for compose fits their schemas.

kubernetes-validate has those of Kubernetes, docker-compose its own.
"""

from __future__ import annotations

import re
import subprocess
import textwrap
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests import conftest, harness
from tests.runtimes import image

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.runtimes

FENCE = re.compile(
    r"^(?P<indent> *)```ya?ml\n(?P<body>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: shown}\n"
CONTAINER = "spec:\n  containers:\n    - name: web\n      image: IMAGE\n"


class Shown(NamedTuple):
    """A block of a page."""

    place: str
    text: str


def shown() -> list[Shown]:
    """Return all blocks of YAML."""
    found = []
    for page in sorted((harness.ROOT / "docs").rglob("*.md")):
        text = page.read_text("utf-8")
        for each in FENCE.finditer(text):
            line = text.count("\n", 0, each.start()) + 1
            place = f"{page.relative_to(harness.ROOT)}:{line}"
            found.append(Shown(place, textwrap.dedent(each["body"])))
    return found


def of_kubernetes(text: str) -> str | None:
    """Return the whole manifest of which ``text`` is one or a part; None where it is none."""
    if text.startswith("apiVersion:"):
        return text
    if text.startswith("spec:\n  containers:"):
        return POD + text
    if re.match(r"(lifecycle|(liveness|readiness|startup)Probe):", text):
        return POD + CONTAINER + textwrap.indent(text, " " * 6)
    return None


def check(*argv: str) -> str:
    """Return what a program says that fails; nothing when all is well."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def kubernetes(text: str, directory: Path) -> str:
    """Return what is wrong with a manifest."""
    program = image.VALIDATOR / "bin" / "kubernetes-validate"
    if not program.exists():
        conftest.missing("kubernetes-validate, which `make test-runtimes` installs")
    path = directory / "manifest.yaml"
    path.write_text(text)
    return check(str(program), "--strict", str(path))


def compose(text: str, directory: Path) -> str:
    """Return what is wrong with a compose file."""
    conftest.need("docker-compose")
    path = directory / "compose.yaml"
    path.write_text(text)
    return check("docker-compose", "--file", str(path), "config", "--quiet")


@pytest.mark.parametrize("block", shown(), ids=lambda each: each.place)
def test_what_a_page_shows_fits_the_schema(block: Shown, tmp_path: Path) -> None:
    """Every block is of Kubernetes or a compose file."""
    manifest = of_kubernetes(block.text)
    if manifest is not None:
        assert kubernetes(manifest, tmp_path) == ""
    else:
        assert block.text.startswith("services:")
        assert compose(block.text, tmp_path) == ""


def test_a_misspelt_key_is_found(tmp_path: Path) -> None:
    """Else nothing would be checked."""
    assert "livenesProbe" in kubernetes(f"{POD}{CONTAINER}      livenesProbe: {{}}\n", tmp_path)
    wrong = "services:\n  web:\n    image: IMAGE\n    stop_grace_perod: 30s\n"
    assert "stop_grace_perod" in compose(wrong, tmp_path)
