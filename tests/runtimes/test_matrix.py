"""Under each runtime is seen what docs/runtimes.md says."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest

from tests import conftest, container_runtimes
from tests.container_runtimes import docker
from tests.runtimes import matrix
from tests.runtimes.observations import Observer

if TYPE_CHECKING:
    from pathlib import Path


def test_the_page_shows_what_is_expected() -> None:
    """`make manual` writes the table."""
    assert matrix.PAGE.read_text("utf-8") == matrix.page()


@pytest.mark.runtimes
@pytest.mark.parametrize("runtime", container_runtimes.ALL, ids=lambda each: each.name)
def test_what_is_seen_is_what_the_page_says(
    runtime: type[container_runtimes.Runtime], root: Path
) -> None:
    """One test a runtime, so that those of one do not wait for each other's daemons and locks."""
    conftest.need(*runtime.programs)
    if not issubclass(runtime, docker.Docker):
        assert seen(runtime, root) == matrix.expected(runtime)
        return
    with docker.daemon(root.parent / "pyinit.pyz") as host:
        docker.load(host, root)
        runtime.host = host
        assert seen(runtime, root) == matrix.expected(runtime)


def seen(runtime: type[container_runtimes.Runtime], root: Path) -> dict[str, str]:
    """Return what is, column by column; an error is shown, and what comes after it is tried."""
    observer = Observer(runtime, root)
    expected = matrix.expected(runtime)
    found = {}
    for column in matrix.COLUMNS:
        if column.heading in expected:
            try:
                found[column.heading] = getattr(observer, column.method)()
            except (AssertionError, OSError, ValueError) as error:
                traceback.print_exc()
                found[column.heading] = f"failed: {error}".splitlines()[0]
    return found
