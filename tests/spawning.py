"""Containers made by `pyinit.spawn` for the tests, as root and as an ordinary user alike."""

from __future__ import annotations

import os
import select
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pyinit
from tests.harness import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyinit import Container

# What an ordinary user has to add.
USER = frozenset() if os.geteuid() == 0 else frozenset({"user"})


def spawn(
    argv: Sequence[str], *more: str, kinds: Iterable[str] | None = None, **how: Any
) -> Container:
    """Start a container whose namespaces are pid, mount and ``more``, or ``kinds``.

    Its stdin is empty, its stdout a pipe.
    """
    wanted = {"pid", "mount", *more} if kinds is None else set(kinds)
    if not how.get("terminal"):
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **how}
    return pyinit.spawn(argv, namespaces=wanted | USER, **how)


def small_root_in(directory: Path) -> tuple[Path, list[tuple[str, str, bool]]]:
    """Make a root directory with mount points, and give the binds that fill it."""
    root = directory / "root"
    binds = []
    for name in ("usr", "bin", "sbin", "lib", "lib64", "lib32", "libx32"):
        source = Path("/", name)
        if source.is_symlink():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).symlink_to(source.readlink())
        elif source.is_dir():
            (root / name).mkdir(parents=True)
            binds.append((str(source), f"/{name}", True))
    for name in ("proc", "data", "tmp"):
        (root / name).mkdir()
    (root / "file").touch()
    return root, binds


def line(stream: IO[bytes] | None) -> str:
    """Return the next line without its end; an empty string is the end of the output."""
    assert stream is not None
    ready, _, _ = select.select([stream], [], [], DEADLINE_S)
    assert ready, f"no line within {DEADLINE_S} s"
    return os.fsdecode(stream.readline()).rstrip("\n")


def rest(stream: IO[bytes] | None) -> str:
    """Return the output up to its end."""
    lines = []
    while text := line(stream):
        lines.append(text)
    return "\n".join(lines)


def output(argv: Sequence[str], *more: str, **how: Any) -> str:
    """Return what a command has written in a container of its own that ended well."""
    with spawn(argv, *more, **how) as container:
        text = rest(container.stdout)
        assert container.wait(DEADLINE_S).code == 0, text
    return text


def own_namespaces() -> dict[str, str]:
    """Return the namespaces of this process, and those that its next children will be in."""
    return {name: os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")}


class Screen:
    """What the terminal of a container, a descriptor, has shown."""

    def __init__(self, fd: int | None) -> None:
        assert fd is not None
        self.fd = fd
        self.shown = b""

    def read(self) -> bytes:
        """Return what is shown next; nothing when nobody has the terminal open any more."""
        ready, _, _ = select.select([self.fd], [], [], DEADLINE_S)
        assert ready, f"nothing after {self.shown!r}"
        try:
            return os.read(self.fd, 4096)
        except OSError:
            return b""  # EIO

    def expect(self, text: str) -> None:
        """Read until ``text`` is shown."""
        while text.encode() not in self.shown:
            data = self.read()
            assert data, f"the end after {self.shown!r}"
            self.shown += data
        self.shown = self.shown.partition(text.encode())[2]

    def type(self, text: str) -> None:
        """Type ``text``."""
        os.write(self.fd, text.encode())
