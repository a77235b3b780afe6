"""The containers of this machine that can be seen: each PID namespace below ours, by its init.

A container has the name or id that its runtime puts into the path of its cgroup, and the
hostname that its init was started with.
"""

from __future__ import annotations

import argparse
import os
import re
from typing import NamedTuple

from pyinit import environment
from pyinit.kernel import proc

# Of the last component of a cgroup path that is a runtime's: what it is called there.
_SCOPES = (
    (re.compile(r"docker-([0-9a-f]{64})\.scope"), "docker"),
    (re.compile(r"libpod-(?:payload-)?([0-9a-f]{64})(?:\.scope)?"), "podman"),
    (re.compile(r"crio-([0-9a-f]{64})(?:\.scope)?"), "CRI-O"),
    (re.compile(r"(?:cri-containerd|nerdctl)-([0-9a-f]{64})\.scope"), "containerd"),
    # What systemd would make a scope of, where cgroups are made without it.
    (re.compile(r"[^:]*:docker:([0-9a-f]{64})"), "docker"),
    (re.compile(r"[^:]*:(?:cri-containerd|nerdctl):([0-9a-f]{64})"), "containerd"),
    (re.compile(r"[^:]*:crio:([0-9a-f]{64})"), "CRI-O"),
    (re.compile(r"systemd-nspawn@(.+)\.service"), "nspawn"),
    (re.compile(r"machine-(.+)\.scope"), "machined"),
    (re.compile(r"lxc\.payload\.(.+)"), "lxc"),
)
_ID = re.compile(r"[0-9a-f]{64}")
# The component above a bare name or id.
_PARENTS = {"docker": "docker", "default": "containerd",
            "k8s.io": "containerd", "moby": "docker", "lxc": "lxc"}  # fmt: skip
# As docker shows an id.
SHORT = 12


class Found(NamedTuple):
    """A container: its init as it is numbered here, and what it can be called besides.

    ``runtime`` and ``name`` are empty where the path of its cgroup has none.
    """

    pid: int
    inode: int | None
    runtime: str
    name: str
    hostname: str

    @property
    def short_name(self) -> str:
        """The name as people write it."""
        return self.name[:SHORT] if _ID.fullmatch(self.name) else self.name

    def is_called(self, word: str) -> bool:
        """Return whether ``word`` is its name, its hostname or the beginning of its id."""
        is_id = bool(_ID.fullmatch(self.name)) and len(word) >= 4
        return word in (self.name, self.hostname) or (is_id and self.name.startswith(word))


def look() -> list[Found]:
    """Return the containers that can be seen, by the number of their init."""
    with proc.Ours() as directory:
        if directory is None:
            return []
        found = []
        for pid in sorted(proc.pids(directory)):
            try:
                numbers = proc.numbers(proc.read(f"{pid}/status", directory))
                if len(numbers) > 1 and numbers[-1] == 1:
                    found.append(_looked_at(pid))
            except OSError:
                continue  # it has ended
        return found


def _looked_at(pid: int) -> Found:
    """Return the container of an init.  Raises OSError: it has ended."""
    text = environment.decode(environment.read_all(f"/proc/{pid}/cgroup"))
    named = (called(line.split(":", 2)[2]) for line in text.splitlines() if line.count(":") >= 2)
    runtime, name = next((each for each in named if each[1]), ("", ""))
    try:
        inode: int | None = os.stat(f"/proc/{pid}/ns/pid").st_ino
    except PermissionError:
        inode = None
    return Found(pid, inode, runtime, name, _hostname(pid))


def called(path: str) -> tuple[str, str]:
    """Return the runtime and the name or id in the path of a cgroup, or two empty texts."""
    parts = [part for part in path.split("/") if part]
    for index in range(len(parts) - 1, -1, -1):
        part = parts[index]
        for pattern, runtime in _SCOPES:
            match = pattern.fullmatch(part)
            if match:
                return runtime, _unescaped(match[1])
        above = parts[index - 1] if index else ""
        if above in _PARENTS and (index == 1 or _ID.fullmatch(part)):
            return _PARENTS[above], part
        if _ID.fullmatch(part):
            return ("kubernetes" if "kubepods" in path else ""), part
    return "", ""


def _unescaped(name: str) -> str:
    r"""Return a part of the name of a systemd unit without its \x2d; see systemd.unit(5)."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), name)


def _hostname(pid: int) -> str:
    """Return HOSTNAME of the environment of an init, which runtimes set; nothing if unknown."""
    try:
        entries = environment.read_all(f"/proc/{pid}/environ").split(b"\0")
    except OSError:
        return ""
    values = [each[9:] for each in entries if each.startswith(b"HOSTNAME=")]
    return os.fsdecode(values[0]) if values else ""


def add_target(parser: argparse.ArgumentParser, nargs: str | None = None) -> None:
    """Add the argument by which a process or a container is named."""
    parser.add_argument(
        "pids" if nargs == "*" else "pid",
        metavar="PID",
        type=target,
        nargs=nargs,
        help="a process, as it is numbered here; or a container by name, id or hostname",
    )


def target(word: str) -> int:
    """Return a PID, for argparse: the number as it is, else the init of the container so called.

    Raises ArgumentTypeError.
    """
    if word.isascii() and word.isdecimal() and int(word):
        return int(word)
    # What begins so is no name; see docker-run(1).
    found = [] if word.startswith("-") else [each for each in look() if each.is_called(word)]
    if not found:
        raise argparse.ArgumentTypeError(
            f"'{word}' is neither a PID nor the name of a container: 'pyinitctl ps' lists the "
            "containers"
        )
    if len(found) > 1:
        pids = ", ".join(str(each.pid) for each in found)
        raise argparse.ArgumentTypeError(f"'{word}' is the name of several containers: {pids}")
    return found[0].pid
