"""The options as keywords of the API: each value is checked and put into the settings.

Which keywords there are says the table of options; what a value of each kind may be is said here.
Loaded for `pyinit.fork_init` too, so nothing here imports typing.
"""

import _signal
import os
import sys

from pyinit.options import table, values
from pyinit.options.values import UsageError
from pyinit.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from pyinit.api.types import Options, Signal, Word, Words
    from pyinit.boot import Init

KEYWORDS = {option.keyword: option for option in table.TABLE if option.keyword}
# Those that are for a command alone: what it gets, and whether there is one.
OF_A_COMMAND = (
    *(option.keyword for option in dict(table.GROUPS)[table.OF_THE_COMMAND]),
    "pause",
)


def settings_of(
    argv: "Words[Word] | Settings", options: "Options", function: "Callable[..., Any]"
) -> Settings:
    """Return the settings that ``options`` ask for; an ``argv`` that is some is taken as it is.

    Raises TypeError for an unknown keyword or a value of a wrong type, ValueError for one
    that is wrong otherwise; both name the keyword.  ``function`` is the one that has been called.
    """
    if isinstance(argv, Settings):
        return argv
    settings = Settings(words_of("argv", argv))
    apply(settings, options, function)
    if not settings.command and not settings.pause:
        raise ValueError("argv is empty: expected a command, or pause=True")
    if settings.command and settings.pause:
        raise ValueError("pause=True runs no command: expected an empty argv")
    return settings


def settings_of_program(options: "Options", function: "Callable[..., Any]") -> Settings:
    """Return the settings that ``options`` ask for, which is of a program that runs already.

    Raises ValueError, TypeError.
    """
    settings = Settings(sys.orig_argv)
    for name in OF_A_COMMAND:
        if name in options:
            raise ValueError(
                f"{name} changes what a command gets, and fork_init() starts none: "
                "expected the program to do it itself"
            )
    apply(settings, options, function, OF_A_COMMAND)
    return settings


def words_of(name: str, words: "Words[Word]") -> list[str]:
    """Return the words of a command.  Raises TypeError and ValueError, which name the keyword."""
    if isinstance(words, str | bytes | os.PathLike):
        raise TypeError(f"{name}: expected a sequence of words, not one word: {words!r}")
    try:
        given = [os.fsdecode(word) for word in words]
    except TypeError as error:
        raise TypeError(f"{name}: expected a sequence of words: {error}") from None
    return [word_of(name, word) for word in given]


def word_of(name: str, word: "Word") -> str:
    """Return a word for a system call.  Raises TypeError and ValueError, which name the keyword."""
    try:
        return _passable(name, os.fsdecode(word))
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    except UsageError as error:
        raise ValueError(str(error)) from None


def apply(
    settings: Settings,
    options: "Options",
    function: "Callable[..., Any]",
    refused: "Sequence[str]" = (),
) -> None:
    """Set ``options``.  Raises TypeError and ValueError, which name the keyword.

    ``function`` is the one that has been called, ``refused`` are those that it does not take.
    """
    given: set[str] = set()
    # A variable that is both removed and set is set.
    for name, value in sorted(options.items(), key=lambda item: item[0] != "unset_env"):
        option = KEYWORDS.get(name)
        if option is None:
            raise TypeError(_unknown(name, function, refused))
        try:
            found = OF_KIND[option.kind](name, value)
        except UsageError as error:
            raise ValueError(str(error)) from None
        if option.kind is table.SWITCH:
            found = option.switched(on=found)
        option.put(settings, found, given)
    if settings.pre_stop and not settings.drain_s:
        raise ValueError("pre_stop runs during the drain, and there is none: expected drain_s too")
    if settings.wait_all and settings.pause:
        raise ValueError("wait_all waits after a command, and pause=True runs none")
    if settings.wait_all and not settings.subreaper:
        raise ValueError("wait_all waits for orphans, which do not come with subreaper=False")


def prepare(init: "Init") -> None:
    """Do what comes before the start.  Raises ValueError for a place that cannot be written to."""
    try:
        init.prepare()
    except UsageError as error:
        raise ValueError(in_python(str(error))) from None


def in_python(message: str) -> str:
    """Return a message with the keyword in the place of the option that it begins with."""
    import re

    found = re.match(r"option '--([a-z-]+)': |--([a-z-]+) \(or PYINIT_[A-Z_]+\): ", message)
    keyword = {option.name: option.keyword for option in KEYWORDS.values()}.get(
        (found[1] or found[2]) if found else ""
    )
    return f"{keyword}: {message[found.end() :]}" if found and keyword else message


def _unknown(name: str, function: "Callable[..., Any]", refused: "Sequence[str]") -> str:
    import inspect

    from pyinit.options.spelling import nearest

    own = [
        each.name
        for each in inspect.signature(function).parameters.values()
        if each.kind is each.KEYWORD_ONLY
    ]
    known = [*own, *(each for each in KEYWORDS if each not in refused)]
    near = nearest(name.replace("_", "-"), [each.replace("_", "-") for each in known])
    hint = f"did you mean '{near.replace('-', '_')}'? " if near else ""
    listed = ", ".join(known)
    return f"{function.__name__}() has no keyword '{name}': {hint}expected some of {listed}"


def signal_of(signal: "Signal", name: str = "signal") -> int:
    """Return the number of a signal.  Raises TypeError and ValueError, which name the keyword."""
    try:
        return _number(name, signal)
    except UsageError as error:
        raise ValueError(str(error)) from None


def variables_of(env: "Mapping[str, str]") -> "dict[str, str]":
    """Return a whole environment.  Raises TypeError and ValueError."""
    try:
        _env("env", env)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return dict(env)


# -- values by type ------------------------------------------------------------------------------


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


def _passable(name: str, value: str) -> str:
    """Return ``value``, which a system call can be given: what it cannot would fail in a child."""
    if "\0" in value:
        raise UsageError(f"{name}: {value!r} has a NUL, which ends a string; see execve(2)")
    try:
        os.fsencode(value)
    except UnicodeEncodeError as error:
        text = f"{name}: {value!r} has no bytes in {error.encoding}: {error.reason}"
        raise UsageError(text) from None
    return value


def _signal_word(name: str, signal: "Signal") -> str:
    _typed(name, signal, "a signal's number or name", int, str)
    return str(int(signal) if isinstance(signal, int) else signal)


def _number(name: str, signal: "Signal") -> int:
    return values.signal(_signal_word(name, signal), name)


def _relayed(name: str, signal: "Signal") -> int:
    return values.relayed(_signal_word(name, signal), name)


# -- values by kind ------------------------------------------------------------------------------


def _switch(name: str, value: bool) -> bool:  # noqa: FBT001 - a keyword
    _typed(name, value, "True or False", bool)
    return value


def _count(name: str, value: int) -> int:
    _typed(name, value, "a count, such as 0, 1 or 2", int, bool)
    if not 0 <= value <= 9:
        raise UsageError(f"{name}: {value!r} is not a count: expected 0 to 9")
    return int(value)


def _seconds(name: str, value: float) -> float:
    _typed(name, value, "a time in seconds", int, float)
    if not 0 <= value <= values.MAX_SECONDS:
        raise UsageError(
            f"{name}: {value!r} is not a time in seconds: expected 0 to {values.MAX_SECONDS}"
        )
    return float(value)


def _received(name: str, signal: "Signal") -> int:
    return values.received(_signal_word(name, signal), name)


def _signals(name: str, signals: "Iterable[Signal]") -> frozenset[int]:
    listed = _items(name, signals, "a collection of signals, such as ['TERM', 'INT']")
    return frozenset(_relayed(name, each) for each in listed)


def _plan(name: str, steps: "Sequence[tuple[Signal, float]]") -> tuple[tuple[float, int], ...]:
    expected = "pairs of a signal and seconds, such as [('QUIT', 10), ('KILL', 28)]"
    listed = _items(name, steps, expected)
    for step in listed:
        if not isinstance(step, tuple | list) or len(step) != 2:
            raise TypeError(f"{name}: expected {expected}, not {steps!r}")
    return values.by_time(
        tuple((_seconds(name, after_s), _number(name, signal)) for signal, after_s in listed)
    )


def _kill_at(name: str, after_s: float) -> tuple[tuple[float, int], ...]:
    return _plan(name, [(_signal.SIGKILL, after_s)])


def _rewrite(name: str, rules: "Mapping[Signal, Signal]") -> dict[int, int]:
    _is_mapping(name, rules, "a map such as {'TERM': 'QUIT', 'WINCH': 'ignore'}")
    return {
        _relayed(name, old): values.instead(_signal_word(name, new), name)
        for old, new in rules.items()
    }


def _exit_codes(name: str, rules: "Mapping[int | str, int]") -> dict[int, int]:
    _is_mapping(name, rules, "a map such as {143: 0}")
    found: dict[int, int] = {}
    for pair in rules.items():
        for each in pair:
            _typed(name, each, "exit codes, or names of signals", int, str)
        old, new = (int(each) if isinstance(each, int) else each for each in pair)
        found |= values.exit_codes(f"{old}:{new}", name)
    return found


def _mask(name: str, value: int) -> int:
    _typed(name, value, "a number such as 0o027", int)
    if not 0 <= value <= 0o777:
        raise UsageError(f"{name}: {value:#o} is not a umask: expected 0 to 0o777, such as 0o022")
    return int(value)


def _adjustment(name: str, value: int) -> int:
    _typed(name, value, "a number such as 500", int)
    return values.adjustment(str(int(value)), name)


def _env(name: str, variables: "Mapping[str, str]") -> tuple[tuple[str, str | None], ...]:
    _is_mapping(name, variables, "a map such as {'TZ': 'UTC'}")
    for pair in variables.items():
        for each in pair:
            _typed(name, each, "names and values that are strings", str)
            _passable(name, each)
        values.variable(pair[0], name)
    return tuple(variables.items())


def _unset_env(name: str, variables: "Iterable[str]") -> tuple[tuple[str, str | None], ...]:
    listed = _items(name, variables, "a collection of names, such as ['DEBUG']")
    for each in listed:
        _typed(name, each, "names that are strings", str)
        _passable(name, each)
    return tuple(values.variable(each, name)[0] for each in listed)


def _descriptor(name: str, value: int) -> int:
    _typed(name, value, "a file descriptor", int)
    return values.descriptor(str(int(value)), name)


def _text(kind: table.Kind, expected: str) -> "Callable[[str, str], Any]":
    """Return what checks a string by the parser of the command line."""

    def check(name: str, value: str) -> "Any":
        _typed(name, value, expected, str)
        return kind.parse(_passable(name, value), name)

    return check


def _path(kind: table.Kind) -> "Callable[[str, str | os.PathLike[str]], Any]":
    def check(name: str, value: "str | os.PathLike[str]") -> "Any":
        _typed(name, value, "a path", str, bytes, os.PathLike)
        return kind.parse(_passable(name, os.fsdecode(value)), name)

    return check


def _place(name: str, value: "int | str | os.PathLike[str]") -> int | str:
    if isinstance(value, int):
        return _descriptor(name, value)
    found: str = OF_KIND[table.FILE](name, value)
    return found


OF_KIND: "dict[table.Kind, Callable[[str, Any], Any]]" = {
    table.SWITCH: _switch,
    table.COUNT: _count,
    table.SECONDS: _seconds,
    table.SIGNAL: _received,
    table.SIGNALS: _signals,
    table.STEPS: _plan,
    table.TIMEOUT: _kill_at,
    table.RULES: _rewrite,
    table.CODES: _exit_codes,
    table.MASK: _mask,
    table.ADJUSTMENT: _adjustment,
    table.COMMAND_LINE: _text(table.COMMAND_LINE, "a string"),
    table.DIRECTORY: _path(table.DIRECTORY),
    table.USER: _text(table.USER, "a string"),
    table.ASSIGNMENT: _env,
    table.NAME: _unset_env,
    table.ANSWER: _text(table.ANSWER, "a word"),
    table.ORDER: _text(table.ORDER, "a word"),
    table.LEVEL: _text(table.LEVEL, "a level such as 'info'"),
    table.FORMAT: _text(table.FORMAT, "a word"),
    table.DESCRIPTOR: _descriptor,
    table.FILE: _path(table.FILE),
    table.PROM: _path(table.PROM),
    table.PLACE: _place,
}
