"""Events as text in one line: JSON, logfmt, times, and names that stay in their line."""

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    When = tuple[float, float]  # of time.time() and time.monotonic()

LEVELS = ("error", "warning", "info", "debug")
_WORDS = {None: "null", True: "true", False: "false"}


def printable(value: object) -> str:
    r"""Return ``value`` as text in one line: newlines, controls and bytes of no text as ``\x0a``.

    A process can call itself what it likes, and must not write our log.
    """
    text = str(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def clean(value: object) -> object:
    """Return ``value`` with every text in it, however deep, made printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {key: clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [clean(each) for each in value]
    return value


def utc(when: float) -> str:
    """Return a time of time.time() in UTC with microseconds, as RFC 3339 writes it."""
    second, micro = divmod(round(when * 1_000_000), 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)) + f".{micro:06}Z"


def head(level: int, event: str, when: "When") -> "dict[str, object]":
    """Return the fields that every event begins with."""
    clock, monotonic = when
    # Differences of the first time are wrong where somebody sets the clock.
    return {
        "timestamp": utc(clock),
        "level": LEVELS[level],
        "event": event,
        "monotonic_s": round(monotonic, 6),
    }


def as_json(value: object) -> str:
    """Return ``value`` as JSON in one line, every text in it printable.

    The module `json` takes 6 ms to load, and none can be loaded where no descriptor is left.
    """
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, int):
        return f"{value:d}"  # of signal.Signals and its like as well
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        pairs = [f"{as_json(key)}: {as_json(each)}" for key, each in value.items()]
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_json, value)) + "]"
    # What is printable has no controls: these two are all that JSON has escaped (RFC 8259).
    return '"' + printable(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def as_logfmt(fields: "Mapping[str, object]") -> str:
    """Return ``fields`` as ``KEY=VALUE`` in one line; null is empty, a list is JSON."""
    return " ".join(f"{key}={_logfmt(value)}" for key, value in fields.items())


def _logfmt(value: object) -> str:
    if value is None:
        return ""
    word = printable(value) if isinstance(value, str) else as_json(value)
    if word and not any(char in word for char in ' ="\\'):
        return word
    return as_json(word)
