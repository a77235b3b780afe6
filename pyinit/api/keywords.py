"""The options as keywords of the API: each value is checked and put into the settings.

Loaded for `pyinit.fork_init` too, so nothing here imports typing.
"""

import _signal
import os

from pyinit import settings
from pyinit.options import values
from pyinit.options.values import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from pyinit.api.run import Options, Signal


def settings_of(
    argv: "Sequence[str | os.PathLike[str]] | settings.Settings", options: "Options"
) -> settings.Settings:
    """Return the settings that ``options`` ask for; an ``argv`` that is some is taken as it is.

    Raises TypeError for an unknown keyword or a value of a wrong type, ValueError for one
    that is wrong otherwise; both name the keyword.
    """
    if isinstance(argv, settings.Settings):
        return argv
    asked = settings.Settings(_words(argv))
    apply(asked, options)
    if not asked.command and not asked.pause:
        raise ValueError("argv is empty: expected a command, or pause=True")
    if asked.command and asked.pause:
        raise ValueError("pause=True runs no command: expected an empty argv")
    return asked


def _words(argv: "Sequence[str | os.PathLike[str]]") -> list[str]:
    if isinstance(argv, str | bytes | os.PathLike):
        raise TypeError(f"argv: expected a sequence of words, not one word: {argv!r}")
    try:
        words = [os.fsdecode(word) for word in argv]
    except TypeError as error:
        raise TypeError(f"argv: expected a sequence of words: {error}") from None
    for word in words:
        if "\0" in word:
            raise ValueError(f"argv: {word!r} has a NUL, which ends a word; see execve(2)")
    return words


def apply(asked: settings.Settings, options: "Options") -> None:
    """Set ``options`` in ``asked``.  Raises TypeError and ValueError, which name the keyword."""
    for name, value in options.items():
        if name not in SETTERS:
            raise TypeError(f"there is no option '{name}': expected one of {', '.join(SETTERS)}")
        try:
            SETTERS[name](asked, name, value)
        except UsageError as error:
            raise ValueError(str(error)) from None
    if asked.pre_stop and not asked.drain_s:
        raise ValueError("pre_stop runs during the drain, and there is none: expected drain_s too")


def _typed(name: str, value: object, expected: str, *types: type) -> None:
    """Raise TypeError unless ``value`` is of one of ``types``; True is no number."""
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise TypeError(f"{name}: expected {expected}, not {value!r}")


def _is_mapping(name: str, value: object, expected: str) -> None:
    if not hasattr(value, "items"):
        raise TypeError(f"{name}: expected {expected}, not {value!r}")


def _items(name: str, value: "Iterable[Any]", expected: str) -> "list[Any]":
    """Return what is in ``value``, which is not a mere string."""
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        raise TypeError(f"{name}: expected {expected}, not {value!r}")
    return list(value)


def _word(name: str, signal: "Signal") -> str:
    _typed(name, signal, "a signal's number or name", int, str)
    return str(int(signal) if isinstance(signal, int) else signal)


def _number(name: str, signal: "Signal") -> int:
    return values.signal(_word(name, signal), name)


def _relayed(name: str, signal: "Signal") -> int:
    return values.relayed(_word(name, signal), name)


def _seconds_of(name: str, value: float) -> float:
    _typed(name, value, "a time in seconds", int, float)
    if not 0 <= value <= values.MAX_SECONDS:
        raise UsageError(
            f"{name}: {value!r} is not a time in seconds: expected 0 to {values.MAX_SECONDS}"
        )
    return float(value)


def _set_switch(asked: settings.Settings, name: str, value: bool) -> None:  # noqa: FBT001 - a keyword
    _typed(name, value, "True or False", bool)
    setattr(asked, name, value)


def _set_seconds(asked: settings.Settings, name: str, value: float) -> None:
    setattr(asked, name, _seconds_of(name, value))


def _set_rewrite(asked: settings.Settings, name: str, rules: "Mapping[Signal, Signal]") -> None:
    _is_mapping(name, rules, "a map such as {'TERM': 'QUIT', 'WINCH': 'ignore'}")
    asked.rewrite = {_relayed(name, old): _instead(name, new) for old, new in rules.items()}


def _instead(name: str, signal: "Signal") -> int:
    ignored = _word(name, signal).lower() in ("0", "ignore")
    return 0 if ignored else _number(name, signal)


def _set_stop_signals(asked: settings.Settings, name: str, signals: "Iterable[Signal]") -> None:
    listed = _items(name, signals, "a collection of signals, such as ['TERM', 'INT']")
    asked.stop_signals = frozenset(_relayed(name, each) for each in listed)


def _add_plan(asked: settings.Settings, name: str, steps: "Sequence[tuple[Signal, float]]") -> None:
    expected = "pairs of a signal and seconds, such as [('QUIT', 10), ('KILL', 28)]"
    listed = _items(name, steps, expected)
    for step in listed:
        if not isinstance(step, tuple | list) or len(step) != 2:
            raise TypeError(f"{name}: expected {expected}, not {steps!r}")
    new = tuple((_seconds_of(name, after_s), _number(name, signal)) for signal, after_s in listed)
    asked.escalation = values.by_time(asked.escalation + new)


def _add_kill(asked: settings.Settings, name: str, after_s: float) -> None:
    _add_plan(asked, name, [(_signal.SIGKILL, after_s)])


def _set_remap(asked: settings.Settings, name: str, rules: "Mapping[int | str, int]") -> None:
    _is_mapping(name, rules, "a map such as {143: 0}")
    asked.remap_exit = {}
    for old, new in rules.items():
        for each in (old, new):
            _typed(name, each, "exit codes, or names of signals", int, str)
        asked.remap_exit |= values.exit_codes(f"{_bare(old)}:{_bare(new)}", name)


def _bare(code: int | str) -> int | str:
    return int(code) if isinstance(code, int) else code


def _set_text(asked: settings.Settings, name: str, value: str) -> None:
    _typed(name, value, "a string", str)
    parser = values.user if name == "user" else values.shell_command
    setattr(asked, name, parser(_without_nul(name, value), name))


def _without_nul(name: str, value: str) -> str:
    if "\0" in value:
        raise UsageError(f"{name}: {value!r} has a NUL, which ends a string; see execve(2)")
    return value


def _set_chdir(asked: settings.Settings, name: str, value: "str | os.PathLike[str]") -> None:
    _typed(name, value, "a path", str, bytes, os.PathLike)
    asked.chdir = values.directory(_without_nul(name, os.fsdecode(value)), name)


def _add_env(asked: settings.Settings, name: str, variables: "Mapping[str, str]") -> None:
    _is_mapping(name, variables, "a map such as {'TZ': 'UTC'}")
    for variable, value in variables.items():
        for each in (variable, value):
            _typed(name, each, "names and values that are strings", str)
        values.variable(_without_nul(name, variable), name)
        asked.env += ((variable, _without_nul(name, value)),)


def _remove_env(asked: settings.Settings, name: str, variables: "Iterable[str]") -> None:
    listed = _items(name, variables, "a collection of names, such as ['DEBUG']")
    for each in listed:
        _typed(name, each, "names that are strings", str)
    # In front: a variable that is both removed and set is set.
    asked.env = tuple(values.variable(each, name)[0] for each in listed) + asked.env


def _set_umask(asked: settings.Settings, name: str, value: int) -> None:
    _typed(name, value, "a number such as 0o027", int)
    if not 0 <= value <= 0o777:
        raise UsageError(f"{name}: {value:#o} is no umask: expected 0 to 0o777, such as 0o022")
    asked.umask = int(value)


def _set_session(asked: settings.Settings, name: str, on: bool) -> None:  # noqa: FBT001 - a keyword
    _typed(name, on, "True or False", bool)
    asked.place = settings.SESSION if on else settings.GROUP


def _set_death_signal(asked: settings.Settings, name: str, signal: "Signal") -> None:
    asked.parent_death_signal = values.received(_word(name, signal), name)


def _set_verbose(asked: settings.Settings, name: str, value: int) -> None:
    _typed(name, value, "how often, such as 0, 1 or 2", int, bool)
    if not 0 <= value <= 9:
        raise UsageError(f"{name}: {value!r} is not how often: expected 0 to 9")
    asked.verbose = int(value)


def _set_word(asked: settings.Settings, name: str, value: str) -> None:
    parsers = {"log_format": values.log_format, "on_oom": values.on_oom}
    _typed(name, value, "a word", str)
    setattr(asked, name, parsers[name](value, name))


def _set_level(asked: settings.Settings, name: str, value: str) -> None:
    _typed(name, value, "a level such as 'info'", str)
    asked.verbose = values.log_level(value, name)


def _path(name: str, value: "str | os.PathLike[str]") -> str:
    _typed(name, value, "a path", str, bytes, os.PathLike)
    return values.path(_without_nul(name, os.fsdecode(value)), name)


def _fd(name: str, value: int) -> int:
    _typed(name, value, "a file descriptor", int)
    return values.descriptor(str(int(value)), name)


def _set_log_fd(asked: settings.Settings, name: str, value: int) -> None:
    asked.log_to = _fd(name, value)


def _set_log_file(asked: settings.Settings, name: str, value: "str | os.PathLike[str]") -> None:
    asked.log_to = _path(name, value)


def _set_report(asked: settings.Settings, name: str, value: "int | str | os.PathLike[str]") -> None:
    asked.report = _fd(name, value) if isinstance(value, int) else _path(name, value)


def _set_file(asked: settings.Settings, name: str, value: "str | os.PathLike[str]") -> None:
    setattr(asked, name, _path(name, value))


# Every option of the command line that is about an init; a test compares.
SETTERS: "dict[str, Callable[[settings.Settings, str, Any], None]]" = {
    "group": _set_switch,
    "rewrite": _set_rewrite,
    "stop_signals": _set_stop_signals,
    "drain_s": _set_seconds,
    "pre_stop": _set_text,
    "escalate": _add_plan,
    "stop_timeout_s": _add_kill,
    "grace_s": _set_seconds,
    "remap_exit": _set_remap,
    "user": _set_text,
    "chdir": _set_chdir,
    "env": _add_env,
    "unset_env": _remove_env,
    "umask": _set_umask,
    "no_new_privs": _set_switch,
    "session": _set_session,
    "parent_death_signal": _set_death_signal,
    "pause": _set_switch,
    "notify": _set_switch,
    "on_oom": _set_word,
    "subreaper": _set_switch,
    "warn_on_reap": _set_switch,
    "verbose": _set_verbose,
    "quiet": _set_switch,
    "log_level": _set_level,
    "log_format": _set_word,
    "log_fd": _set_log_fd,
    "log_file": _set_log_file,
    "report": _set_report,
    "termination_log": _set_switch,
    "status_file": _set_file,
    "metrics_file": _set_file,
}
