"""What the functions of the API take and return."""

from __future__ import annotations

import os
import signal as signals
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypedDict, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_T_co = TypeVar("_T_co", covariant=True)

# A number, a member of signal.Signals, or a name such as "TERM" or "RTMIN+3".
Signal = int | str

Word = str | os.PathLike[str]


class Words(Protocol[_T_co]):
    """A list, tuple or set, and no string: that takes a string alone for ``in``."""

    def __contains__(self, value: object, /) -> bool: ...
    def __iter__(self) -> Iterator[_T_co]: ...
    def __len__(self) -> int: ...


class Exit(NamedTuple):
    """How a command ended.

    ``code`` is the exit code as a shell reports it, 128+n after signal n, and after
    ``remap_exit``; ``signal`` is the signal that killed the command, or None.  As in the module
    signal, a real-time signal that has no name there is a number.
    """

    code: int
    signal: signals.Signals | None = None

    @property
    def returncode(self) -> int:
        """Return the end as `subprocess.Popen` has it: -N after signal N, else the exit code."""
        by_signal = self.signal is not None and self.code == 128 + self.signal
        return 128 - self.code if by_signal else self.code


def exit_of(code: int, number: int) -> Exit:
    """Return the end with an exit code, by a signal or 0."""
    try:
        return Exit(code, signals.Signals(number) if number else None)
    except ValueError:
        return Exit(code, number)  # type: ignore[arg-type] # one between SIGRTMIN and SIGRTMAX


class Options(TypedDict, total=False):
    """The options of the command line as keywords; docs/cli.md says what each one does.

    Times are in seconds.
    """

    # -- The options: made by `make manual` from pyinit/options/table.py.
    group: bool
    rewrite: Mapping[Signal, Signal]
    stop_signals: Iterable[Signal]
    drain_s: float
    pre_stop: str
    escalate: Sequence[tuple[Signal, float]]
    stop_timeout_s: float
    grace_s: float
    leftovers: str
    wait_all: bool
    remap_exit: Mapping[int | str, int]
    user: str
    chdir: str | os.PathLike[str]
    add_env: Mapping[str, str]
    unset_env: Iterable[str]
    umask: int
    no_new_privs: bool
    oom_score_adj: int
    session: bool
    parent_death_signal: Signal
    pause: bool
    notify: bool
    on_oom: str
    subreaper: bool
    warn_on_reap: bool
    verbose: int
    quiet: bool
    log_level: str
    log_format: str
    log_fd: int
    log_file: str | os.PathLike[str]
    report: int | str | os.PathLike[str]
    termination_log: bool
    status_file: str | os.PathLike[str]
    metrics_file: str | os.PathLike[str]
    # -- The end of what is made.
