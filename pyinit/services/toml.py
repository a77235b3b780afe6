"""From services as data to the TOML that describes them; `config` reads the same from it."""

from pyinit import signals
from pyinit.services import keys, model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pyinit.services.model import Service, Services


def write(services: "Services") -> str:
    """Return the file: each service with what is not the default."""
    return "\n".join(_service(each) for each in services.by_name.values())


def _service(service: "Service") -> str:
    lines = [f"[service.{_key(service.name)}]"]
    for key, value in _entries(service):
        lines.append(f"{key} = {value}")
    return "\n".join(lines) + "\n"


def _entries(service: "Service") -> "Iterable[tuple[str, str]]":
    default = model.Service(service.name, (), type=service.type).settle()
    if service.type != model.SERVICE:
        yield "type", _plain(service.type)
    for key, (attributes, _) in keys.KEYS.items():
        if service.type not in keys.ONLY_OF.get(key, model.TYPES):
            continue
        values = tuple(getattr(service, each) for each in attributes)
        if values != tuple(getattr(default, each) for each in attributes):
            yield key, _WRITERS.get(key, _plain)(*values)
    # What was removed first and set then is set, and the other way: the last one counts.
    last = dict(service.env)
    removed = [name for name, value in last.items() if value is None]
    if removed:
        yield "unset-env", _plain(removed)
    held = {name: value for name, value in last.items() if value is not None}
    if held:
        yield "env", _table(held)


def _plain(value: object) -> str:
    """Return a value as TOML has it; dollars of strings are doubled."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value.replace("$", "$$"))
    if isinstance(value, float):
        return f"{value:.17g}" if value % 1 else str(int(value))
    if isinstance(value, tuple | list):
        return f"[{', '.join(_plain(each) for each in value)}]"
    return str(value)


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(map(_character, escaped)) + '"'


def _character(char: str) -> str:
    return char if char.isprintable() else f"\\u{ord(char):04x}" if ord(char) < 65536 else char


def _key(word: str) -> str:
    bare = word.isascii() and word.replace("-", "").replace("_", "").isalnum()
    return word if bare else _string(word)


def _table(entries: "Mapping[str, object]") -> str:
    return "{" + ", ".join(f"{_key(key)} = {_plain(value)}" for key, value in entries.items()) + "}"


def _ready(ready: model.Ready) -> str:
    if ready.kind == model.COMMAND:
        return _table({ready.kind: ready.command})
    if ready.kind in (model.FD, model.PORT):
        return _table({ready.kind: ready.number})
    return _plain(ready.kind)


def _limit(times: int, within_s: float) -> str:
    return _table({"times": times, "within": within_s}) if times else '"none"'


def _signal(number: int) -> str:
    return _plain(signals.name(number).removeprefix("SIG"))


def _signals(numbers: "frozenset[int] | None") -> str:
    return f"[{', '.join(_signal(each) for each in sorted(numbers or ()))}]"


def _limits(limits: tuple[tuple[str, int, int], ...]) -> str:
    found: dict[str, object] = {}
    for name, soft, hard in limits:
        pair = ["unlimited" if each == keys.UNLIMITED else each for each in (soft, hard)]
        found[name] = pair[0] if soft == hard else pair
    return _table(found)


def _log(stdout: str, stderr: str) -> str:
    if stdout == stderr:
        return _plain(stdout)
    return _table({"stdout": stdout, "stderr": stderr})


_WRITERS: "dict[str, Callable[..., str]]" = {
    "ready": _ready,
    "success": lambda codes: _plain(sorted(codes)),
    "restart-limit": _limit,
    "stop-signal": _signal,
    "reload-signal": _signal,
    "signals": _signals,
    "umask": lambda mask: f"0o{mask:03o}",
    "limits": _limits,
    "log": _log,
}
