"""The values of options: text to number, signal, plan or map; or which word is wrong."""

import _signal

from pyinit.settings import LEFTOVERS, LOG_FORMATS, ON_OOM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

TRUE = ("1", "yes", "true", "on")
FALSE = ("0", "no", "false", "off")

LOG_LEVELS = ("error", "warning", "info", "debug")

MAX_SECONDS = 1_000_000_000

# Nobody can catch them; see signal(7).
_UNCATCHABLE = (_signal.SIGKILL, _signal.SIGSTOP)


class UsageError(Exception):
    """The command line or a variable is wrong; the text names the word and what would be right.

    ``code`` is the exit code, ``prefix`` stands before the message, and ``more`` are
    lines to follow it.
    """

    def __init__(
        self,
        message: str,
        code: int = 125,
        prefix: str = "pyinit: ",
        more: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.prefix = prefix
        self.more = more


def seconds(value: str, source: str) -> float:
    """Return a time in seconds.  Raises UsageError, as all functions here."""
    whole, _, fraction = value.partition(".")
    digits = whole + fraction
    if not (digits.isascii() and digits.isdecimal()):
        raise UsageError(
            f"{source}: '{value}' is not a time in seconds: "
            "expected a number from 0 on, such as 5 or 0.5"
        )
    if float(value) > MAX_SECONDS:
        raise UsageError(f"{source}: '{value}' is too long: expected at most {MAX_SECONDS} seconds")
    return float(value)


def count(value: str, source: str) -> int:
    """Return how often an option is given by a variable: a digit, or a truth value for once."""
    if len(value) == 1 and value.isascii() and value.isdecimal():
        return int(value)
    try:
        return int(boolean(value, source))
    except UsageError:
        raise UsageError(
            f"{source}: '{value}' is not a count: expected a digit, such as 0, 1 or 2"
        ) from None


def boolean(value: str, source: str) -> bool:
    """Return whether something is switched on."""
    word = value.lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise UsageError(
        f"{source}: '{value}' is neither 1 nor 0: expected 1 to switch it on, 0 to switch it off"
    )


def signal(value: str, source: str) -> int:
    """Return the number of a signal: ``TERM``, ``SIGTERM``, ``15``, ``RTMIN+3``; see signal(7)."""
    number = _number(value)
    if number is None:
        raise UsageError(
            f"{source}: '{value}' is not a signal: "
            f"expected a name such as TERM or RTMIN+3, or a number from 1 to {_signal.SIGRTMAX}"
        )
    return number


def _number(value: str) -> int | None:
    if not value.isascii():
        return None  # upper() makes ASCII of some letters that are none
    if value.isdecimal():
        # The C library keeps 32 and 33 to itself.
        return int(value) if len(value) < 5 and int(value) in _signal.valid_signals() else None
    word = value.upper().removeprefix("SIG")
    for base, sign in (("RTMIN", "+"), ("RTMAX", "-")):
        if word.startswith(base + sign):
            offset = word[6:]
            if not (offset.isdecimal() and len(offset) < 3):
                return None
            first: int = getattr(_signal, f"SIG{base}")
            number = first + int(sign + offset)
            return number if _signal.SIGRTMIN <= number <= _signal.SIGRTMAX else None
    named = getattr(_signal, f"SIG{word}", None) if word.isalnum() else None
    return None if named is None else int(named)


def relayed(value: str, source: str) -> int:
    """Return the number of a signal that pyinit can receive and pass on."""
    number = signal(value, source)
    _check_relayed(number, value, source)
    return number


def received(value: str, source: str) -> int:
    """Return the number of a signal that does something to pyinit: KILL, or one that it relays."""
    number = signal(value, source)
    if number != _signal.SIGKILL:
        _check_relayed(number, value, source)
    return number


def _check_relayed(number: int, value: str, source: str) -> None:
    if number in _UNCATCHABLE:
        raise UsageError(
            f"{source}: '{value}' cannot be caught by any process: "
            "expected a signal that can, such as TERM"
        )
    if number == _signal.SIGCHLD:
        raise UsageError(
            f"{source}: '{value}' reports the end of children and is not relayed: "
            "expected a signal that is, such as TERM"
        )
    from pyinit.signals import SYNCHRONOUS  # most options name no signal

    if number in SYNCHRONOUS:
        raise UsageError(
            f"{source}: '{value}' reports a fault of its receiver and is not relayed: "
            "expected a signal that is, such as TERM"
        )


def signals(value: str, source: str) -> frozenset[int]:
    """Return the signals of a list such as ``TERM,INT,RTMIN+3``."""
    return frozenset(relayed(word, source) for word in _items(value, source))


def _items(value: str, source: str) -> list[str]:
    words = value.split(",")
    if value and "" in words:
        raise UsageError(
            f"{source}: '{value}' has a comma too many: expected one between two items only"
        )
    return words


def rewrite(value: str, source: str) -> dict[int, int]:
    """Return the map of ``FROM:TO``, or of several with commas; ``ignore`` is 0."""
    return dict(_pair(word, source) for word in _items(value, source))


def _pair(word: str, source: str) -> tuple[int, int]:
    before, colon, after = word.partition(":")
    if not colon:
        raise UsageError(
            f"{source}: '{word}' is not a rule: expected FROM:TO, such as TERM:QUIT or WINCH:ignore"
        )
    where = f"{source}: '{word}'"
    return relayed(before, where), instead(after, where)


def instead(value: str, source: str) -> int:
    """Return the signal that is relayed instead of another one; 0 is none."""
    return 0 if value.lower() in ("0", "ignore") else signal(value, source)


def plan(value: str, source: str) -> tuple[tuple[float, int], ...]:
    """Return the steps of ``SIGNAL@SECONDS``, or of several with commas, by time."""
    return by_time(tuple(_step(word, source) for word in _items(value, source)))


def by_time(steps: tuple[tuple[float, int], ...]) -> tuple[tuple[float, int], ...]:
    """Return the steps of a plan in their order; of two at the same time the one given first."""
    return tuple(sorted(steps, key=lambda step: step[0]))


def _step(word: str, source: str) -> tuple[float, int]:
    before, at, after = word.partition("@")
    if not at:
        raise UsageError(
            f"{source}: '{word}' is not a step of a plan: expected SIGNAL@SECONDS, such as KILL@28"
        )
    where = f"{source}: '{word}'"
    return seconds(after, where), signal(before, where)


def kill_at(value: str, source: str) -> tuple[tuple[float, int], ...]:
    """Return the plan that is KILL after ``value`` seconds."""
    return ((seconds(value, source), _signal.SIGKILL),)


def exit_codes(value: str, source: str) -> dict[int, int]:
    """Return the map of ``CODE[:TO]``, or of several with commas."""
    found = {}
    for word in _items(value, source):
        before, colon, after = word.partition(":")
        found[_exit_code(before, word, source)] = _exit_code(after, word, source) if colon else 0
    return found


def _exit_code(value: str, word: str, source: str) -> int:
    """Return an exit code, given as such or by the name of the signal that leads to it."""
    if value.isascii() and value.isdecimal():
        if len(value) < 4 and int(value) < 256:
            return int(value)
    elif number := _number(value):
        return 128 + number
    raise UsageError(
        f"{source}: '{value}' in '{word}' is not an exit code: "
        "expected CODE or CODE:TO, each a number from 0 to 255 or a signal's name, such as TERM:0"
        if value != word
        else f"{source}: '{value}' is not an exit code: "
        "expected a number from 0 to 255 or a signal's name, such as 143 or TERM"
    )


def mask(value: str, source: str) -> int:
    """Return a file mode creation mask in octal; see umask(2)."""
    if not value or value.strip("01234567") or int(value, 8) > 0o777:
        raise UsageError(f"{source}: '{value}' is not a umask: expected octal digits, such as 022")
    return int(value, 8)


def adjustment(value: str, source: str) -> int:
    """Return a value of oom_score_adj; see proc_pid_oom_score_adj(5)."""
    digits = value.removeprefix("-")
    if digits.isascii() and digits.isdecimal() and len(digits) < 5 and int(digits) <= 1000:
        return int(value)
    raise UsageError(
        f"{source}: '{value}' is not an oom_score_adj: "
        "expected a number from -1000 to 1000, such as 500"
    )


def directory(value: str, source: str) -> str:
    """Return a path; whether it is there is seen when the command is started."""
    if not value:
        raise UsageError(f"{source}: '' is not a directory: expected a path, such as /srv")
    return value


def shell_command(value: str, source: str) -> str:
    """Return a command for ``/bin/sh -c``."""
    if not value.strip():
        raise UsageError(
            f"{source}: '{value}' is not a command: expected one for /bin/sh, "
            "such as 'touch /run/draining'"
        )
    return value


def user(value: str, source: str) -> str:
    """Return ``USER`` or ``USER:GROUP``; who they are is looked up when the command is started."""
    name, colon, group = value.partition(":")
    if not name or (colon and not group) or ":" in group:
        raise UsageError(
            f"{source}: '{value}' is not a user: "
            "expected USER or USER:GROUP, such as app or 1000:1000"
        )
    return value


def assignment(value: str, source: str) -> tuple[tuple[str, str | None], ...]:
    """Return name and value of ``NAME=VALUE``."""
    name, equals, rest = value.partition("=")
    if not name or not equals:
        raise UsageError(
            f"{source}: '{value}' sets no variable: expected NAME=VALUE, such as TZ=UTC"
        )
    return ((name, rest),)


def variable(value: str, source: str) -> tuple[tuple[str, str | None], ...]:
    """Return a variable's name, which is to be removed."""
    if not value or "=" in value:
        raise UsageError(f"{source}: '{value}' is not a variable: expected a name, such as TZ")
    return ((value, None),)


def log_level(value: str, source: str) -> int:
    """Return how often ``-v`` would be given for a level of the log; -1 is errors only."""
    if value.lower() not in LOG_LEVELS:
        raise UsageError(
            f"{source}: '{value}' is not a level: expected one of {', '.join(LOG_LEVELS)}"
        )
    return LOG_LEVELS.index(value.lower()) - 1


def log_format(value: str, source: str) -> str:
    """Return the name of a way to write the log."""
    return _one_of(LOG_FORMATS, value, source, "a format")


def on_oom(value: str, source: str) -> str:
    """Return what is to be done when the kernel kills for want of memory."""
    return _one_of(ON_OOM, value, source, "an answer to an OOM kill")


def leftovers(value: str, source: str) -> str:
    """Return in which order leftovers are asked to end."""
    return _one_of(LEFTOVERS, value, source, "an order of leftovers")


def _one_of(words: tuple[str, ...], value: str, source: str, what: str) -> str:
    if value.lower() not in words:
        expected = f"one of {', '.join(words)}" if len(words) > 1 else words[0]
        raise UsageError(f"{source}: '{value}' is not {what}: expected {expected}")
    return value.lower()


def descriptor(value: str, source: str) -> int:
    """Return the number of a file descriptor; whether it is open is seen later."""
    if not (value.isascii() and value.isdecimal() and len(value) < 8):
        raise UsageError(
            f"{source}: '{value}' is not a file descriptor: expected a number such as 3"
        )
    return int(value)


def path(value: str, source: str) -> str:
    """Return the path of a file to be written."""
    if not value or value.endswith("/"):
        raise UsageError(f"{source}: '{value}' is not a file: expected a path, such as /run/pyinit")
    return value


def metrics_path(value: str, source: str) -> str:
    """Return the path of a file that node_exporter reads: it skips all other names."""
    if not path(value, source).endswith(".prom"):
        raise UsageError(
            f"{source}: '{value}' does not end in .prom, so node_exporter would not read it: "
            "expected a path such as /metrics/pyinit.prom"
        )
    return value


def place(value: str, source: str) -> int | str:
    """Return the descriptor of ``fd:N``, or a path."""
    if value.startswith("fd:"):
        return descriptor(value[3:], f"{source}: '{value}'")
    return path(value, source)


def never(value: str, source: str) -> "NoReturn":
    """Refuse a value.  Raises UsageError."""
    raise UsageError(f"{source}: it takes no value: '{value}'")
