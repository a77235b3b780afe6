"""Another command in the namespaces of a process, with an init of its own; see setns(2)."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyinit.api.deprecated import renamed
from pyinit.container import order as orders
from pyinit.container import starter
from pyinit.container.files import CommandFiles, form_of
from pyinit.container.process import Process
from pyinit.kernel import cgroups
from pyinit.namespaces import found
from pyinit.namespaces.found import open_process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from pyinit.api.types import Options, Word, Words
    from pyinit.container.files import File
    from pyinit.settings import Settings


@renamed(directory="cwd", environment="env")
def exec_in(
    pid: int,
    argv: Words[Word] | Settings,
    *,
    namespaces: Words[str] | None = None,
    pidfd: int | None = None,
    cwd: Word | None = None,
    env: Mapping[str, str] | None = None,
    stdin: File = None,
    stdout: File = None,
    stderr: File = None,
    text: bool = False,
    encoding: str | None = None,
    errors: str | None = None,
    pass_fds: Sequence[int] = (),
    terminal: bool = False,
    **options: Unpack[Options],
) -> Process:
    """Start a command in the namespaces, root and cgroup of process ``pid``.

    ``namespaces`` are those to enter; the default is all that differ from ours, and the root
    too.  The command has an init of its own, a child subreaper, so that it leaves no zombie
    and no stray behind.  ``pidfd`` is one of the process, where there is one already.  The others
    are as in `spawn`.  Raises `NamespaceError`, `StartError`, ValueError,
    TypeError, ProcessLookupError and PermissionError; see setns(2).
    """
    names = _to_enter(pid, namespaces)
    order = orders.new(argv, options, exec_in)
    environ = orders.environment(order, env)
    passed = (*pass_fds, *orders.outlets(order))
    target = open_process(pid) if pidfd is None else os.dup(pidfd)
    try:
        whole = namespaces is None
        order.update(
            enter=pid,
            pidfd=target,
            namespaces=names,
            root="mount" in names or (whole and _has_other_root(pid)),
            cgroups=[(path, False) for path in cgroups.directories_of(pid)] if whole else [],
            directory=orders.word_of("cwd", cwd),
            terminal=terminal,
        )
        form = form_of(text=text, encoding=encoding, errors=errors)
        passed = (*passed, target)
        files = CommandFiles(stdin, stdout, stderr, passed, terminal=terminal, form=form)
        return Process(starter.start(order, files, environ, None))
    finally:
        os.close(target)


def _to_enter(pid: int, wanted: Words[str] | None) -> list[str]:
    """Return the kinds that differ from ours, of all or of those wanted."""
    chosen = None if wanted is None else found.checked(wanted)
    differing = found.differing(pid)
    return differing if chosen is None else [each for each in chosen if each in differing]


def _has_other_root(pid: int) -> bool:
    try:
        return not os.path.samefile(f"/proc/{pid}/root", "/")
    except FileNotFoundError:  # as of a zombie
        raise ProcessLookupError(errno.ESRCH, f"process {pid} has ended") from None
