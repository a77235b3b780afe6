"""Who is who in a new user namespace: the maps of users and groups; see user_namespaces(7)."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pyinit.kernel import proc
from pyinit.namespaces.found import NamespaceError

# Inside, outside, how many.
IdMap = Sequence[tuple[int, int, int]]


class Maps:
    """Who is who in a new user namespace; see user_namespaces(7)."""

    def __init__(self, uids: IdMap, gids: IdMap) -> None:
        self._maps = {"uid": uids, "gid": gids}

    def write(self, pid: int) -> None:
        """Write the maps of the user namespace of ``pid``.  Raises NamespaceError."""
        if not proc.is_ours():
            reason = (
                "there is no /proc here of our own PID namespace, so the number is another process"
            )
            raise NamespaceError(f"writing /proc/{pid}/uid_map", errno.ENOENT, reason)
        for kind, rows in self._maps.items():
            text = "".join(f"{inside} {outside} {count}\n" for inside, outside, count in rows)
            try:
                self._write(pid, kind, text, rows)
            except PermissionError:
                self._write_by_helper(pid, kind, rows)
            except OSError as error:
                call = f"writing /proc/{pid}/{kind}_map"
                reason = f"{error.strerror}: the rows are {text.strip()!r}"
                raise NamespaceError(call, error.errno or 0, reason) from None

    @classmethod
    def _write(cls, pid: int, kind: str, text: str, rows: IdMap) -> None:
        try:
            cls._write_once(pid, kind, text)
        except PermissionError:
            if kind != "gid" or [row[1:] for row in rows] != [(os.getegid(), 1)]:
                raise
            # Whoever may map no other group than its own could leave groups that take
            # a right away from it.
            Path(f"/proc/{pid}/setgroups").write_text("deny")
            cls._write_once(pid, kind, text)

    @staticmethod
    def _write_once(pid: int, kind: str, text: str) -> None:
        fd = os.open(f"/proc/{pid}/{kind}_map", os.O_WRONLY)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)

    @staticmethod
    def _write_by_helper(pid: int, kind: str, rows: IdMap) -> None:
        program = f"new{kind}map"
        numbers = [str(number) for row in rows for number in row]
        try:
            done = subprocess.run(
                [program, str(pid), *numbers], check=False, capture_output=True, text=True
            )
        except FileNotFoundError:
            reason = f"these rows take {program}(1), which is not installed (package uidmap)"
            raise NamespaceError(program, errno.EPERM, reason) from None
        if done.returncode:
            raise NamespaceError(program, errno.EPERM, done.stderr.strip())


def maps_for(
    names: Sequence[str], uid_map: IdMap | str | None, gid_map: IdMap | str | None
) -> Maps | None:
    """Return the maps of a new user namespace, or None where none is among ``names``.

    Raises ValueError.
    """
    if "user" in names:
        return maps(uid_map, gid_map)
    if uid_map is not None or gid_map is not None:
        raise ValueError("uid_map and gid_map are for a new user namespace: add 'user'")
    return None


def maps(uid_map: IdMap | str | None, gid_map: IdMap | str | None) -> Maps:
    """Return the maps for rows, for "auto" or for None, which is root alone.  Raises ValueError."""
    return Maps(
        _rows("uid_map", uid_map, os.geteuid(), "/etc/subuid"),
        _rows("gid_map", gid_map, os.getegid(), "/etc/subgid"),
    )


def _rows(argument: str, rows: IdMap | str | None, own: int, path: str) -> IdMap:
    """Return the rows of a map: as given, root alone, or root and the ranges in ``path``."""
    if rows is None:
        return [(0, own, 1)]
    if not isinstance(rows, str):
        return [(int(inside), int(outside), int(count)) for inside, outside, count in rows]
    if rows != "auto":
        raise ValueError(f"{argument}: '{rows}' is neither 'auto' nor rows of numbers")
    import pwd

    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = ""
    found: list[tuple[int, int, int]] = [(0, own, 1)]
    try:
        lines = Path(path).read_text().splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        user, first, count = [*line.split(":"), "", ""][:3]
        if user in (name, str(os.geteuid())) and first.isdecimal() and count.isdecimal():
            inside = found[-1][0] + found[-1][2]
            found.append((inside, int(first), int(count)))
    if len(found) == 1:
        raise ValueError(f"{argument}='auto': {path} has no range for user {name or os.geteuid()}")
    return found
