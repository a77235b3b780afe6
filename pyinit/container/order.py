"""What `pyinit.container.stage` is told to do: arguments, checked before anything is started."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from pyinit.api import keywords

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyinit.api.types import Options, Word, Words
    from pyinit.settings import Settings

# Settings that have a word of their own in the order.
_ELSEWHERE = ("command", "mask")


def new(
    argv: Words[Word] | Settings, options: Options, function: Callable[..., Any]
) -> dict[str, Any]:
    """Return the order for `pyinit.container.stage`, with nothing asked for but the command.

    ``function`` is the one that has been called.  Raises ValueError, TypeError.
    """
    settings = keywords.settings_of(argv, options, function)
    chosen = {name: value for name, value in vars(settings).items() if name not in _ELSEWHERE}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ()) if settings.mask is None else settings.mask
    return {
        "argv": settings.command,
        "settings": chosen,
        "mask": sorted(map(int, mask)),
        "enter": 0,
        "pidfd": -1,
        "namespaces": [],
        "root": "",
        "binds": [],
        "cgroups": [],
        "time_offsets": [],
        "mount_proc": False,
        "hostname": "",
        "loopback": False,
        "directory": "",
        "terminal": False,
        "detach": False,
    }


def outlets(order: dict[str, Any]) -> list[int]:
    """Return the descriptors that the init writes to, and does not leave to its command."""
    found = []
    for setting, name in (("report", "report"), ("log_to", "log_fd")):
        fd = order["settings"].get(setting)
        if isinstance(fd, int) and fd > 2:
            try:
                os.fstat(fd)
            except OSError:
                # The number would become that of a file of our own on the way to the init.
                raise ValueError(f"{name}: descriptor {fd} is not open") from None
            found.append(fd)
    return found


def check(order: dict[str, Any]) -> None:
    """Raise ValueError when what is asked for would change the caller's own namespaces."""
    names = order["namespaces"]
    needs = {
        "mount_proc": "mount",
        "root": "mount",
        "binds": "mount",
        "hostname": "uts",
        "time_offsets": "time",
    }
    for argument, kind in needs.items():
        if order[argument] and kind not in names:
            raise ValueError(f"{argument} needs a new {kind} namespace: add '{kind}'")


def offsets(given: Mapping[str, float] | None) -> list[tuple[str, float]]:
    """Return clocks and seconds to add to them.  Raises ValueError, TypeError."""
    found = []
    for clock, seconds in sorted((given or {}).items()):
        if clock not in ("monotonic", "boottime"):
            raise ValueError(f"time_offsets: '{clock}' is neither 'monotonic' nor 'boottime'")
        if not isinstance(seconds, int | float):
            raise TypeError(f"time_offsets: '{clock}' is {seconds!r}: expected a number of seconds")
        if not is_offset(seconds):
            raise ValueError(
                f"time_offsets: '{clock}' is {seconds!r}: expected a number of seconds of 64 bits"
            )
        # marshal(3) does not write subclasses, such as the float of numpy, for what they are.
        found.append((clock, int(seconds) if isinstance(seconds, int) else float(seconds)))
    return found


def is_offset(seconds: float) -> bool:
    """Return whether a clock can be set so.

    The kernel refuses what is too much for a clock, but reads 64 bits of a number that has more
    (timens_offsets in time_namespaces(7)).
    """
    return -(2**63) < seconds < 2**63  # not of nan


def bind(each: Sequence[Any]) -> tuple[str, str, bool]:
    """Return source, target and whether it is read-only.  Raises ValueError, TypeError."""
    source, target, *read_only = each
    place = word_of("binds", target)
    if not place.startswith("/"):
        raise ValueError(f"binds: the target '{place}' is not absolute")
    return os.path.abspath(word_of("binds", source)), place, bool(read_only and read_only[0])


def word_of(argument: str, word: Word | None) -> str:
    """Return a word for a system call, or nothing for None.  Raises ValueError, TypeError."""
    return "" if word is None else keywords.word_of(argument, word)


def environment(order: dict[str, Any], env: Mapping[str, str] | None) -> dict[str, str] | None:
    """Return the init's environment, which the command inherits; None is ours.

    For a command of another user the order has it once more: HOME, USER and LOGNAME are that
    user's then, unless ``env`` has some.  Raises ValueError, TypeError.
    """
    if env is None:
        return None
    variables = keywords.variables_of(env)
    settings = order["settings"]
    if settings.get("user"):
        settings["env"] = (*variables.items(), *settings.get("env", ()))
    return variables


def paths(cgroup: Word | Words[Word]) -> list[str]:
    """Return the directories of one cgroup or several.  Raises ValueError, TypeError."""
    if isinstance(cgroup, str | os.PathLike):
        return [word_of("cgroup", cgroup)]
    return [word_of("cgroup", each) for each in cgroup]
