"""What the functions of the API take and return."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypedDict

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    # A number, a member of signal.Signals, or a name such as "TERM" or "RTMIN+3".
    Signal = int | str


class Exit(NamedTuple):
    """How a command ended.

    ``code`` is the exit code as a shell reports it, 128+n after signal n, and after
    ``remap_exit``; ``signal`` is the number of the signal that killed the command, or 0.
    """

    code: int
    signal: int = 0


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
    remap_exit: Mapping[int | str, int]
    user: str
    chdir: str | os.PathLike[str]
    env: Mapping[str, str]
    unset_env: Iterable[str]
    umask: int
    no_new_privs: bool
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
