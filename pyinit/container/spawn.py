"""Containers of one's own: new namespaces with pyinit as init and a command under it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING, Any

from pyinit.api import logger as loggers
from pyinit.api.deprecated import renamed
from pyinit.container import order as orders
from pyinit.container import starter
from pyinit.container.container import Container
from pyinit.container.errors import TimeoutExpired
from pyinit.container.events import EventStream
from pyinit.container.files import CommandFiles, form_of
from pyinit.namespaces import found, idmaps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Unpack

    from pyinit.api.types import Exit, Options, Word, Words
    from pyinit.container.files import File
    from pyinit.container.options import SpawnOptions
    from pyinit.namespaces.idmaps import IdMap
    from pyinit.settings import Settings


# Longer than a screen by its keywords and what is said of them.
# Longer than 50 lines: half of it is the signature, which names each keyword, and the docstring.
@renamed(directory="cwd", environment="env")
def spawn(
    argv: Words[Word] | Settings,
    *,
    namespaces: Words[str] = ("pid", "mount"),
    uid_map: IdMap | str | None = None,
    gid_map: IdMap | str | None = None,
    mount_proc: bool | None = None,
    hostname: str | None = None,
    root: Word | None = None,
    binds: Sequence[tuple[Word, Word] | tuple[Word, Word, bool]] = (),
    cgroup: Word | Words[Word] = (),
    loopback: bool = True,
    time_offsets: Mapping[str, float] | None = None,
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
    detach: bool = False,
    events: bool | Callable[[dict[str, Any]], object] = False,
    logger: Any = None,
    **options: Unpack[Options],
) -> Container:
    """Start a command in new namespaces, under pyinit as their init.

    ``namespaces`` are some of user, cgroup, ipc, uts, net, pid, time and mount; the
    others stay the caller's.  In a new user namespace ``uid_map`` and ``gid_map`` say
    who is who: rows of (inside, outside, how many), "auto" for root and the
    ranges of subuid(5), or None for root alone.  ``mount_proc`` mounts a new
    /proc (default: where both pid and mount are new).  ``root`` becomes the root
    directory (pivot_root(2)), ``binds`` are (source, target[, read only]), the targets
    have to exist.  ``cgroup`` names directories of cgroups to join.  A new network has
    nothing but its ``loopback``.  ``time_offsets`` are seconds to add to the clocks
    "monotonic" and "boottime" (time_namespaces(7)).

    ``cwd``, ``env``, the files, ``text``, ``encoding``, ``errors`` and ``pass_fds`` are as in
    `subprocess.Popen`; ``cwd`` is looked for after the change of the root.  With ``terminal`` the
    command gets a new one.  The container is killed when this process ends, unless ``detach``.
    ``events`` is True for `Container.events`, or is called with each event in a thread of its own;
    in such a thread ``logger`` gets them, each at its level.
    ``options`` are those of the init, see `Options`.

    The caller's own namespaces, its next children and other threads are not touched.
    Raises `NamespaceError` with the system call and the reason, `StartError` when the command
    could not be started, ValueError and TypeError for arguments.  See
    namespaces(7), clone(2), unshare(2).
    """
    events = called_with(events, logger, options)
    names = found.checked(namespaces)
    order = orders.new(argv, options, spawn)
    order.update(
        namespaces=names,
        mount_proc="pid" in names and "mount" in names if mount_proc is None else mount_proc,
        hostname=orders.word_of("hostname", hostname),
        root=os.path.abspath(orders.word_of("root", root)) if root is not None else "",
        binds=[orders.bind(each) for each in binds],
        cgroups=[(path, True) for path in orders.paths(cgroup)],
        loopback=loopback and "net" in names,
        time_offsets=orders.offsets(time_offsets),
        directory=orders.word_of("cwd", cwd),
        terminal=terminal,
        detach=detach,
    )
    orders.check(order)
    maps = idmaps.maps_for(names, uid_map, gid_map)
    environ = orders.environment(order, env)
    stream = EventStream(order["settings"]) if events else None
    try:
        if stream is not None and callable(events):
            stream.call(events)
        passed = (*pass_fds, *orders.outlets(order))
        form = form_of(text=text, encoding=encoding, errors=errors)
        files = CommandFiles(stdin, stdout, stderr, passed, terminal=terminal, form=form)
        started = starter.start(order, files, environ, maps)
    except BaseException:
        if stream is not None:
            stream.close()
        raise
    return Container(started, names, stream)


def called_with(
    events: bool | Callable[[dict[str, Any]], object],  # noqa: FBT001 - as it was given
    logger: Any,
    options: Mapping[str, Any],
) -> bool | Callable[[dict[str, Any]], object]:
    """Return what is called with each event.  Raises TypeError, ValueError."""
    if logger is None:
        return events
    loggers.check(logger, options)
    if events:
        raise ValueError("events: they go to logger: expected one of the two")
    return loggers.teller(logger)


class Completed(subprocess.CompletedProcess[Any]):
    """The end of a container of `run_container`; ``exit`` is its `Exit`.

    The others are as in `subprocess.CompletedProcess`: ``returncode`` is -N after signal N.
    """

    __module__ = "pyinit"

    def __init__(self, args: Any, exit: Exit, stdout: Any = None, stderr: Any = None) -> None:  # noqa: A002 - its name
        super().__init__(args, exit.returncode, stdout, stderr)
        self.exit = exit


def run_container(
    argv: Words[Word],
    *,
    input: str | bytes | None = None,  # noqa: A002 - as there
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    **how: Unpack[SpawnOptions],
) -> Completed:
    """Start a container as `spawn` does, communicate with it, and return how it has ended.

    As `subprocess.run`: ``input`` is written to it, ``capture_output`` reads stdout and stderr.
    After ``timeout`` seconds it is killed, with all that it has started.  Raises `TimeoutExpired`
    then, `subprocess.CalledProcessError` with ``check`` when its exit code is not 0, and as
    `spawn`; see namespaces(7).
    """
    with spawn(argv, **run_options(how, input, capture_output=capture_output)) as container:
        try:
            out, err = container.communicate(input, timeout)
        except TimeoutExpired as error:
            container.kill()
            with contextlib.suppress(UnicodeDecodeError):  # it may have ended inside a character
                container.communicate()
            error.output, error.stderr = container.said()
            raise
        return completed(container.args, container.wait(), (out, err), check=check)


def run_options(
    how: SpawnOptions, given: str | bytes | None, *, capture_output: bool
) -> SpawnOptions:
    """Return the keywords of `spawn` for those of `run_container`.  Raises ValueError."""
    more: SpawnOptions = {**how}
    if given is not None:
        if "stdin" in how:
            raise ValueError("input is written to a pipe: expected no stdin")
        more["stdin"] = subprocess.PIPE
    if capture_output:
        if "stdout" in how or "stderr" in how:
            raise ValueError("capture_output is stdout and stderr: expected none of them")
        more["stdout"] = more["stderr"] = subprocess.PIPE
    return more


def completed(args: Sequence[str], end: Exit, said: tuple[Any, Any], *, check: bool) -> Completed:
    """Return what `run_container` does.  Raises CalledProcessError."""
    done = Completed([*args], end, *said)
    if check:
        done.check_returncode()
    return done
