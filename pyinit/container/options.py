"""The keywords of `pyinit.spawn` and `Process.exec` as types, for whoever passes them on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinit.api.types import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from pyinit.api.types import Word, Words
    from pyinit.container.files import File
    from pyinit.namespaces.idmaps import IdMap


class ExecOptions(Options, total=False):
    """Keywords of `Container.exec`: files, variables, directory, and `Options`."""

    stdin: File
    stdout: File
    stderr: File
    pass_fds: Sequence[int]
    text: bool
    encoding: str | None
    errors: str | None
    terminal: bool
    cwd: Word | None
    env: Mapping[str, str] | None


class SpawnOptions(ExecOptions, total=False):
    """Keywords of `spawn`."""

    namespaces: Words[str]
    uid_map: IdMap | str | None
    gid_map: IdMap | str | None
    mount_proc: bool | None
    hostname: str | None
    root: Word | None
    binds: Sequence[tuple[Word, Word] | tuple[Word, Word, bool]]
    cgroup: Word | Words[Word]
    loopback: bool
    time_offsets: Mapping[str, float] | None
    detach: bool
    events: bool | Callable[[dict[str, Any]], object]
    logger: Any
