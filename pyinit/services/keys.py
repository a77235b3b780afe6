"""The keys of a file of services: from a value of TOML to one of `model.Service`, or what is wrong.

Each function takes a value whose strings are expanded already.  It raises `WrongValueError`,
whose text says what the value is and what would be right; `pyinit.services.config` puts the key
in front.
"""

from pyinit.options import values
from pyinit.services import model
from pyinit.services.problems import WrongValueError, right_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")
    Parse = Callable[[object], object]

# Of getrlimit(2), by the names that `ulimit` and docker(1) have for them.
LIMITS = (
    *("as", "core", "cpu", "data", "fsize", "memlock", "msgqueue", "nice", "nofile"),
    *("nproc", "rss", "rtprio", "rttime", "sigpending", "stack"),
)
UNLIMITED = -1


def argv(value: object) -> tuple[str, ...]:
    """Return a command: a list, or a string that is split by its quotes, without a shell."""
    if isinstance(value, str):
        import shlex

        try:
            value = shlex.split(value)
        except ValueError as error:
            raise WrongValueError(f"'{value}' cannot be split: {str(error).lower()}") from None
    words = tuple(_strings(value, 'a list such as ["nginx", "-g", "daemon off;"], or a string'))
    if not words or not words[0]:
        raise WrongValueError('it is empty: expected a program, such as ["nginx"]')
    return words


def names(value: object) -> tuple[str, ...]:
    """Return the names of services."""
    return tuple(dict.fromkeys(_strings(value, 'a list of services, such as ["db"]')))


def _strings(value: object, expected: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise WrongValueError(f"{show(value)} is not {expected}")
    return [each for each in value if isinstance(each, str)]


def show(value: object) -> str:
    """Return a value as the file has it, shortly."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}'"
    text = str(value)
    return text if len(text) < 60 else text[:57] + "..."


def one_of(words: "tuple[str, ...]") -> "Callable[[object], str]":
    """Return what takes one of ``words``."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise WrongValueError(f"{show(value)} is not known: expected one of {', '.join(words)}")
        return value

    return parse


def boolean(value: object) -> bool:
    """Return true or false, which a variable can be as well."""
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else ""
    if word not in values.TRUE + values.FALSE:
        raise WrongValueError(f"{show(value)} is neither: expected true or false")
    return word in values.TRUE


def seconds(value: object) -> float:
    """Return a time in seconds, from 0 on."""
    found = _float(value)
    if found is None or not 0 <= found <= values.MAX_SECONDS:
        raise WrongValueError(
            f"{show(value)} is not a time in seconds: expected a number from 0 on, such as 5 or 0.5"
        )
    return found


def interval(value: object) -> float:
    """Return the time between two runs of a job, in seconds."""
    found = seconds(value)
    if found < 0.01:
        raise WrongValueError(f"{show(value)} is too short: expected seconds, such as 900")
    return found


def _float(value: object) -> float | None:
    """Return a number, which a string can be that came from a variable."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    if isinstance(value, str) and value.strip(".0123456789"):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _integer(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    if isinstance(value, str) and not (value.removeprefix("-").isdecimal() and value.isascii()):
        return None
    return int(value) if not isinstance(value, str) or len(value) < 20 else None


def integer(least: int, most: int) -> "Callable[[object], int]":
    """Return what takes an integer of a range."""

    def parse(value: object) -> int:
        found = _integer(value)
        if found is None or not least <= found <= most:
            raise WrongValueError(f"{show(value)} is out of place: expected {least} to {most}")
        return found

    return parse


def ready(value: object) -> model.Ready:
    """Return how a service says that it is ready."""
    expected = (
        "expected 'started', 'notify', {fd = 3}, {port = 8080} or {command = [\"test\", ...]}"
    )
    if value in (model.STARTED, model.NOTIFY):
        return model.Ready(str(value))
    if not isinstance(value, dict) or len(value) != 1:
        raise WrongValueError(f"{show(value)} is not known: {expected}")
    kind, inner = next(iter(value.items()))
    if kind == model.FD:
        return model.Ready(model.FD, integer(3, 1023)(inner))
    if kind == model.PORT:
        return model.Ready(model.PORT, integer(1, 65535)(inner))
    if kind == model.COMMAND:
        return model.Ready(model.COMMAND, command=argv(inner))
    raise WrongValueError(f"'{kind}' is not known: {expected}")


def success(value: object) -> frozenset[int]:
    """Return exit codes; signal n is 128+n."""
    if not isinstance(value, list):
        raise WrongValueError(
            f'{show(value)} is not a list: expected codes and signals, such as [3, "TERM"]'
        )
    found = set()
    for each in value:
        number = _integer(each)
        if number is None:
            found.add(128 + signal(each))
        elif 0 <= number <= 255:
            found.add(number)
        else:
            raise WrongValueError(f"{number} is not an exit code: expected 0 to 255")
    return frozenset(found)


def limit(value: object) -> tuple[int, float]:
    """Return how often something is restarted within how many seconds; 0 times: without limit."""
    if value == "none":
        return 0, model.Service.restart_within_s
    if not isinstance(value, dict) or set(value) - {"times", "within"} or not value:
        raise WrongValueError(
            f"{show(value)} is not a limit: expected {{times = 5, within = 60}} or 'none'"
        )
    times = integer(1, 1_000_000)(value.get("times", model.Service.restart_times))
    return times, seconds(value.get("within", model.Service.restart_within_s))


def delay(value: object) -> tuple[float, float]:
    """Return the first and the longest delay."""
    if not isinstance(value, list) or len(value) != 2:
        raise WrongValueError(
            f"{show(value)} is not a delay: expected [first, most], such as [0.5, 30]"
        )
    first, most = (seconds(each) for each in value)
    if first > most:
        raise WrongValueError(f"the first, {first:g}, is longer than the most, {most:g}")
    return first, most


def signal(value: object) -> int:
    """Return the number of a signal."""
    word = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    return _with(values.signal, word or show(value))


def signals(value: object) -> frozenset[int]:
    """Return signals that are passed on."""
    if not isinstance(value, list):
        raise WrongValueError(
            f'{show(value)} is not a list: expected signals, such as ["HUP", "USR1"]'
        )
    return frozenset(_with(values.relayed, str(each)) for each in value)


def _with(parse: "Callable[[str, str], T]", word: str) -> "T":
    """Parse as an option of pyinit is; what is wrong is said without the option's name."""
    try:
        return parse(word, "")
    except values.UsageError as error:
        raise WrongValueError(str(error).removeprefix(": ")) from None


def user(value: object) -> str:
    """Return USER or USER:GROUP."""
    return _with(values.user, string(value))


def umask(value: object) -> int:
    """Return a file mode creation mask: a number of TOML such as 0o022, or octal digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value <= 0o777:
            raise WrongValueError(f"{value} is not a mask: expected 0o000 to 0o777, such as 0o022")
        return value
    return _with(values.mask, string(value))


def string(value: object) -> str:
    """Return a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise WrongValueError(f"{show(value)} is empty or not a string")
    return value


def variables(value: object) -> tuple[tuple[str, str | None], ...]:
    """Return variables of a table; numbers and booleans are written as TOML writes them."""
    if not isinstance(value, dict):
        raise WrongValueError(f'{show(value)} is not a table: expected {{NAME = "value"}}')
    found: list[tuple[str, str | None]] = []
    for name, each in value.items():
        _check_variable(name)
        if isinstance(each, (dict, list)):
            raise WrongValueError(f"{name} is {show(each)}: expected a string")
        found.append((name, each if isinstance(each, str) else show(each)))
    return tuple(found)


def unset(value: object) -> tuple[tuple[str, str | None], ...]:
    """Return variables that are to be removed."""
    found = _strings(value, 'a list of variables, such as ["PASSWORD"]')
    for name in found:
        _check_variable(name)
    return tuple((name, None) for name in found)


def _check_variable(name: str) -> None:
    if not name or "=" in name or "\0" in name:
        raise WrongValueError(f"'{name}' is not a variable: expected a name, such as TZ")


def paths(value: object) -> tuple[str, ...]:
    """Return the paths of files: one, or a list."""
    return tuple(_strings([value] if isinstance(value, str) else value, "a path"))


def limits(value: object) -> tuple[tuple[str, int, int], ...]:
    """Return limits of resources, each soft and hard; see getrlimit(2)."""
    if not isinstance(value, dict):
        raise WrongValueError(f"{show(value)} is not a table: expected {{nofile = 65536}}")
    found = []
    for name, each in value.items():
        if name not in LIMITS:
            raise WrongValueError(f"'{name}' is not a limit: {right_word(name, LIMITS)}")
        pair = each if isinstance(each, list) and len(each) == 2 else [each, each]
        soft, hard = (_limit(name, one) for one in pair)
        if soft > hard >= 0 or hard >= 0 > soft:
            raise WrongValueError(f"{name}: the soft limit is higher than the hard one")
        found.append((name, soft, hard))
    return tuple(found)


def _limit(name: str, value: object) -> int:
    if value == "unlimited":
        return UNLIMITED
    number = _integer(value)
    if number is None or not 0 <= number < 1 << 63:
        raise WrongValueError(
            f"{name}: {show(value)} is not a limit: expected a number, [soft, hard] or 'unlimited'"
        )
    return number


def log(value: object) -> tuple[str, str]:
    """Return where stdout and stderr go."""
    if isinstance(value, str):
        return _output(value), _output(value)
    if not isinstance(value, dict) or not value or set(value) - {"stdout", "stderr"}:
        raise WrongValueError(
            f"{show(value)} is not a place: expected one of {', '.join(model.LOGS)}, "
            'or {stdout = "prefix", stderr = "null"}'
        )
    stdout = _output(value.get("stdout", model.INHERIT))
    stderr = value.get("stderr", model.INHERIT)
    return stdout, model.TO_STDOUT if stderr == model.TO_STDOUT else _output(stderr)


def _output(value: object) -> str:
    if isinstance(value, str) and value.startswith("/"):
        return value
    return one_of((*model.LOGS, "/a/path"))(value)


# From a key to the attributes that it sets, and what takes its value.
KEYS: "dict[str, tuple[tuple[str, ...], Callable[[object], object]]]" = {
    "command": (("command",), argv),
    "type": (("type",), one_of(model.TYPES)),
    "main": (("main",), boolean),
    "autostart": (("autostart",), boolean),
    "after": (("after",), names),
    "stop-before": (("stop_before",), names),
    "ready": (("ready",), ready),
    "start-timeout": (("start_timeout_s",), seconds),
    "on-success": (("on_success",), one_of(model.ACTIONS)),
    "on-failure": (("on_failure",), one_of(model.ACTIONS)),
    "success": (("success",), success),
    "restart-limit": (("restart_times", "restart_within_s"), limit),
    "restart-delay": (("restart_delay_s",), delay),
    "give-up": (("give_up",), one_of((model.STOP, model.IGNORE))),
    "stop-signal": (("stop_signal",), signal),
    "stop-timeout": (("stop_timeout_s",), seconds),
    "reload-signal": (("reload_signal",), signal),
    "signals": (("signals",), signals),
    "every": (("every_s",), interval),
    "user": (("user",), user),
    "chdir": (("chdir",), string),
    "umask": (("umask",), umask),
    "no-new-privs": (("no_new_privs",), boolean),
    "nice": (("nice",), integer(-20, 19)),
    "oom-score-adj": (("oom_score_adj",), integer(-1000, 1000)),
    "limits": (("limits",), limits),
    "log": (("stdout", "stderr"), log),
}

# Those that `pyinit.services.config` puts together itself.
OTHERS: "dict[str, Callable[[object], object]]" = {
    "enabled": boolean,
    "env": variables,
    "env-file": paths,
    "unset-env": unset,
}

ALL = (*KEYS, *OTHERS)

# Of the top level: what services get that do not say otherwise.
TOP = ("env", "log", "stop-timeout")

# Keys that say nothing where a service is of another type.
ONLY_OF = {
    "every": (model.JOB,),
    "ready": (model.SERVICE,),
    "start-timeout": (model.SERVICE, model.TASK),
    "restart-limit": (model.SERVICE, model.TASK),
    "restart-delay": (model.SERVICE, model.TASK),
    "give-up": (model.SERVICE, model.TASK),
    "main": (model.SERVICE,),
}
