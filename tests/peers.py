"""Other inits beside pyinit under their names: a test runs with each of them, and has to agree.

`variants` are the ways to have an init of a name: the program itself, a link
of that name to pyinit, and ``--as``.  A test that gets them all as a parameter
asserts the same of all: then it compares.  Where pyinit differs on purpose, see
tests/compat/differences.py.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import harness
from tests.conftest import need
from tests.harness import PYINIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REAL = "real"
LINK = "link"
AS = "as"

# The package of docker-init's name is Docker's; it is this program.
SAME_PROGRAM = {"docker-init": "tini-static"}

_links: tempfile.TemporaryDirectory[str] | None = None


def _link(name: str, target: str, where: str) -> str:
    """Return a link of that name to ``target``, in a directory that goes when the tests end."""
    global _links  # noqa: PLW0603
    if _links is None:
        _links = tempfile.TemporaryDirectory(prefix="pyinit-peers-")
        os.chmod(_links.name, 0o755)  # for the tests of other users
    path = Path(_links.name, where, name)
    path.parent.mkdir(exist_ok=True)
    if not path.is_symlink():
        path.symlink_to(target)
    return str(path)


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way to have an init called ``name``."""

    name: str
    how: str

    def __str__(self) -> str:
        """Return its name in the test's ID."""
        return f"{self.name}-{self.how}"

    @property
    def is_real(self) -> bool:
        """Whether this is the program itself."""
        return self.how == REAL

    @property
    def init(self) -> tuple[str, ...]:
        """The words that start it; without the program the test is skipped, or fails in CI."""
        if self.how == AS:
            return (*PYINIT, "--as", self.name)
        if self.how == LINK:
            return (_link(self.name, PYINIT[0], "ours"),)
        program = SAME_PROGRAM.get(self.name, self.name)
        need(program)
        if program == self.name:
            return (program,)
        return (_link(self.name, str(shutil.which(program)), "theirs"),)

    def run(
        self,
        *words: str,
        before: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run it with ``words`` outside of any namespace, to its end."""
        return subprocess.run(
            [*before, *self.init, *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=harness.DEADLINE_S,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})},
            **options,
        )

    def contain(
        self,
        command: Sequence[str | bytes],
        *options: str,
        env: Mapping[str, str] | None = None,
        **more: Any,
    ) -> harness.Container:
        """Return it with ``options`` and ``command`` in a PID namespace."""
        return harness.Container(
            command, options=options, init=self.init, env={**os.environ, **(env or {})}, **more
        )

    def run_contained(
        self, command: Sequence[str | bytes], *options: str, **more: Any
    ) -> tuple[int, str, str]:
        """Run it in a PID namespace to the end; return exit code, stdout and stderr."""
        with self.contain(command, *options, **more) as container:
            out = container.rest()
            err = container.errors()
            return container.wait(), out, err


def variants(*names: str) -> list[Variant]:
    """Return all ways to have each of ``names``: for `pytest.mark.parametrize`, with ids=str."""
    return [Variant(name, how) for name in names for how in (REAL, LINK, AS)]


def normal(text: str) -> str:
    """Return ``text`` without what differs from run to run: PIDs become N."""
    return re.sub(
        r"(?<=\()\d+(?=\))|(?<=:)\d+(?=\))|((?<=pid=)|(?<=pid ')|(?<=pid: ')|(?<=PID ))\d+",
        "N",
        text,
    )
