"""docs/services.md and examples/services: what they show is read."""

from __future__ import annotations

import re

from pyinit.services import check, config, keys, readers
from tests.harness import ROOT

PAGE = (ROOT / "docs" / "services.md").read_text()


def test_every_key_is_in_the_table() -> None:
    """Of those that a service can have."""
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert set(keys.ALL) <= set(re.findall(r"`([a-z-]+)`", " ".join(rows)))


def test_what_the_page_shows_is_read() -> None:
    """Without an error or a warning."""
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    services = config.parse(block, "services.toml", {})
    assert list(services.by_name) == ["migrate", "app", "nginx"]


def test_the_tests_that_the_page_names_are_there() -> None:
    """Each in its file."""
    for file, names in re.findall(r"`(test_[a-z_]+)`: ((?:`test_[a-z_0-9]+`(?:, )?)+)", PAGE):
        text = (ROOT / "tests" / "services" / f"{file}.py").read_text()
        for name in re.findall(r"`(test_[a-z_0-9]+)`", names):
            assert f"def {name}(" in text, f"{file}: {name}"


def test_the_examples_are_read() -> None:
    """And nothing in them may be meant otherwise, but what the orchestrator has to know."""
    known = ("the stop can take", "is only for --notify and status")
    place = ROOT / "examples" / "services"
    for path in [*place.glob("*.toml"), place / "Procfile"]:
        services = readers.read(str(path))
        assert services.notes == []
        found = [
            each for each in check.warnings(services) if not any(word in each for word in known)
        ]
        assert found == [], path
