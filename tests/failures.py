"""How a failure is shown: with the processes there are, how to run it alone, the first at once."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import pytest

from tests import harness

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = "first-failure"


def pytest_configure(config: pytest.Config) -> None:
    """Have the first failure shown when it comes; pytest shows all of them at the end."""
    config.pluginmanager.register(_First(config), FIRST)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add to a failure the processes below pytest, and the command that runs the test alone."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed:
        report.sections.append(("processes", harness.process_table(os.getpid())))
        report.sections.append(("to run it alone", command_for(item.nodeid)))


def command_for(nodeid: str) -> str:
    """Return what runs one test: its words go through make's shell and ours."""
    return f"make test ARGS={shlex.quote(shlex.quote(nodeid))}"


class _First:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._shown = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Show the report, once."""
        if not report.failed or self._shown:
            return
        self._shown = True
        writer = self._config.get_terminal_writer()
        writer.line()
        writer.sep("=", f"the first failure: {report.nodeid}")
        report.toterminal(writer)
        for name, content in report.sections:
            writer.sep("-", name)
            writer.line(content)
