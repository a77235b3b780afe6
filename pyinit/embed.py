"""The init inside of another program: `run`, `fork_init`, and the options as keywords."""

from __future__ import annotations

import _signal
import os
import posix
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from pyinit import cli, launch, scope, settings, values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Unpack

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
    subreaper: bool
    warn_on_reap: bool
    verbose: int
    quiet: bool


def settings_of(
    argv: Sequence[str | os.PathLike[str]] | settings.Settings, options: Options
) -> settings.Settings:
    """Return the settings that ``options`` ask for; an ``argv`` that is some is taken as it is.

    Raises TypeError for an unknown keyword and ValueError for a value that is wrong.
    """
    if isinstance(argv, settings.Settings):
        return argv
    if isinstance(argv, str | bytes):
        raise TypeError(f"argv is a sequence of words, not one word: {argv!r}")
    asked = settings.Settings([os.fsdecode(word) for word in argv])
    asked.subreaper = True
    for name, value in options.items():
        if name not in Options.__annotations__:
            raise TypeError(f"there is no option '{name}': see pyinit.Options")
        try:
            _SETTERS.get(name, setattr)(asked, name, value)
        except (values.UsageError, TypeError) as error:
            raise ValueError(f"{name}={value!r}: {error}") from None
    if not asked.command and not asked.pause:
        raise ValueError("argv is empty: expected a command, or pause=True")
    if asked.command and asked.pause:
        raise ValueError("pause=True runs no command: argv has to be empty")
    if asked.pre_stop and not asked.drain_s:
        raise ValueError("pre_stop needs a drain_s that bounds it")
    return asked


def _number(signal: Signal) -> int:
    return values.signal(str(int(signal) if isinstance(signal, int) else signal), "signal")


def _relayed(signal: Signal) -> int:
    return values.relayed(str(int(signal) if isinstance(signal, int) else signal), "signal")


def _seconds(asked: settings.Settings, name: str, value: float) -> None:
    if not 0 <= value <= values.MAX_SECONDS:
        raise values.UsageError("expected a time in seconds from 0 on")
    setattr(asked, name, float(value))


def _set_rewrite(asked: settings.Settings, _: str, rules: Mapping[Signal, Signal]) -> None:
    asked.rewrite = {
        _relayed(old): 0 if new in (0, "ignore") else _number(new) for old, new in rules.items()
    }


def _set_stop_signals(asked: settings.Settings, _: str, signals: Iterable[Signal]) -> None:
    asked.stop_signals = frozenset(map(_relayed, signals))


def _add_steps(asked: settings.Settings, _: str, steps: Sequence[tuple[Signal, float]]) -> None:
    new = tuple((float(after_s), _number(signal)) for signal, after_s in steps)
    asked.escalation = tuple(sorted(asked.escalation + new))


def _add_kill(asked: settings.Settings, _: str, after_s: float) -> None:
    _add_steps(asked, _, [(_signal.SIGKILL, after_s)])


def _set_remap(asked: settings.Settings, _: str, rules: Mapping[int | str, int]) -> None:
    asked.remap_exit = {}
    for old, new in rules.items():
        asked.remap_exit |= values.exit_codes(f"{old}:{new}", "code")


def _add_env(asked: settings.Settings, _: str, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        asked.env += values.assignment(f"{name}={value}", "env")


def _remove_env(asked: settings.Settings, _: str, names: Iterable[str]) -> None:
    # In front: a variable that is both removed and set is set.
    asked.env = tuple(values.variable(name, "unset_env")[0] for name in names) + asked.env


def _set_session(asked: settings.Settings, _: str, on: bool) -> None:  # noqa: FBT001 - a keyword
    asked.place = settings.SESSION if on else settings.GROUP


_SETTERS: dict[str, Any] = {
    "rewrite": _set_rewrite,
    "stop_signals": _set_stop_signals,
    "drain_s": _seconds,
    "grace_s": _seconds,
    "escalate": _add_steps,
    "stop_timeout_s": _add_kill,
    "remap_exit": _set_remap,
    "user": lambda asked, _, value: setattr(asked, "user", values.user(value, "user")),
    "chdir": lambda asked, _, value: setattr(asked, "chdir", os.fsdecode(value)),
    "env": _add_env,
    "unset_env": _remove_env,
    "session": _set_session,
    "parent_death_signal": lambda asked, name, value: setattr(asked, name, _number(value)),
}


def run(argv: Sequence[str | os.PathLike[str]], **options: Unpack[Options]) -> Exit:
    """Be the init of a command until it and all that it left behind have ended; return its end.

    ``argv`` is the command; ``options`` are those of the command line, see
    `Options`.  As PID 1 this process reaps everybody and ends the namespace's other
    processes; otherwise it becomes a child subreaper and ends the command's
    descendants.  Signals that it receives are relayed meanwhile.  Signal mask,
    dispositions and subreaper flag are afterwards as they were before.

    To be called in the main thread; other threads should have all signals blocked.
    Raises ValueError and TypeError for options, RuntimeError in another thread or
    when there are children already, which an init would reap and end, and
    `StartError` when the command could not be started.  See signal(7),
    PR_SET_CHILD_SUBREAPER in prctl(2).
    """
    asked = settings_of(argv, options)
    if posix.getpid() != 1 and scope.has_children():
        raise RuntimeError(
            "this process has children already, which run() would reap and end: "
            "start the command by pyinit.spawn()"
        )
    with _Restored() as mask:
        return _supervise(asked, mask)


class _Restored:
    """Blocks all signals, and makes mask, dispositions and subreaper flag again what they were."""

    def __enter__(self) -> set[int]:
        import threading

        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("signals can be taken care of in the main thread only")
        self._mask = {int(n) for n in _signal.pthread_sigmask(_signal.SIG_BLOCK, _ALL)}
        self._dispositions = {number: _signal.getsignal(number) for number in _ALL - _FIXED}
        self._subreaper: bool | None = None
        if posix.getpid() != 1:
            from pyinit import linux

            self._subreaper = linux.is_child_subreaper()
        return self._mask

    def __exit__(self, *_: object) -> None:
        for number, disposition in self._dispositions.items():
            if disposition is not None and _signal.getsignal(number) is not disposition:
                _signal.signal(number, disposition)
        if self._subreaper is not None:
            from pyinit import linux

            linux.set_child_subreaper(on=self._subreaper)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)


_ALL = _signal.valid_signals()
_FIXED = {_signal.SIGKILL, _signal.SIGSTOP}


def _supervise(asked: settings.Settings, mask: set[int]) -> Exit:
    """Start the command and be its init.  Raises `StartError`."""
    linux, problem = None, None
    if asked.parent_death_signal:
        cli.die_with_parent(asked.parent_death_signal)
    if posix.getpid() != 1:
        linux, problem = cli.be_responsible(asked)
    if asked.pause:
        return Exit(cli.pause(asked, mask, problem))
    group = asked.place == settings.GROUP
    terminal = cli.terminal_for(asked)
    try:
        pid = launch.launch(asked, mask, None, terminal, linux)
    finally:
        if terminal is not None:
            posix.close(terminal)
    had_terminal = group and terminal is not None
    init = cli.supervisor_of(pid, asked, mask, problem, had_terminal=had_terminal)
    code = init.run()
    return Exit(code, init.status & 0x7F)


def fork_init(*, always: bool = False, **options: Unpack[Options]) -> None:
    """Fork when this process is PID 1: the parent becomes the init for good, the child returns.

    The first line of a program that may find itself PID 1, before it starts
    threads or opens anything: the program goes on in the child, in a process group
    of its own and with the terminal, and the init exits with its status.
    Nothing happens when this process is not PID 1, unless ``always``: then the
    parent becomes a child subreaper.  ``options`` are those of `Options` that
    do not change what the command gets.

    Raises ValueError and TypeError for options, and OSError; see fork(2).
    """
    asked = settings_of(["fork_init"], options)
    if asked.changes_command() or asked.pause or asked.place != settings.GROUP:
        raise ValueError("fork_init() forks this program as it is: it takes no option of a command")
    if posix.getpid() == 1 or always:
        _fork_init(asked)


def _fork_init(asked: settings.Settings) -> None:
    """Fork; return in the child only.  Raises OSError."""
    mask = {int(n) for n in _signal.pthread_sigmask(_signal.SIG_BLOCK, _ALL)}
    linux, problem = None, None
    if asked.parent_death_signal:
        cli.die_with_parent(asked.parent_death_signal)
    if posix.getpid() != 1:
        linux, problem = cli.be_responsible(asked)
    ignores = _signal.getsignal(_signal.SIGCHLD) == _signal.SIG_IGN
    if ignores:
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # wait(2): else no status is kept
    terminal = cli.terminal_for(asked)
    parent = posix.getpid()
    pid = os.fork()
    if pid == 0:
        from pyinit import fork

        fork.take_place(settings.GROUP, terminal)
        if linux is not None:
            fork.die_with(parent, linux)
        if ignores:
            _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)
        if terminal is not None:
            posix.close(terminal)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
        return
    if terminal is not None:
        posix.close(terminal)
    had_terminal = terminal is not None
    posix._exit(cli.be_init_of(pid, asked, mask, problem, had_terminal=had_terminal))
