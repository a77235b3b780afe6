"""From the path of a file to its services: which format it is, and what is wrong with it."""

from pyinit import environment
from pyinit.services import model
from pyinit.services.problems import ServicesError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Parse = Callable[[str, str, Mapping[str, str]], model.Services]

# A file of services has so many bytes at most: more is another file.
_MOST = 1 << 20


def read(path: str, command: list[str] | None = None) -> model.Services:
    """Return the services of the file ``path``, and ``command`` as the main one if there is one.

    Raises ServicesError.
    """
    environ = {
        environment.decode(name): environment.decode(value)
        for name, value in environment.current().items()
    }
    try:
        data = environment.read_all(path)
    except OSError as error:
        raise ServicesError([f"{path}: cannot read it: {error.strerror}"]) from None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ServicesError([f"{path}:{line}: it is not UTF-8"]) from None
    if len(data) > _MOST:
        raise ServicesError([f"{path}: it is too large: expected {_MOST} bytes at most"])
    services = _parser(path)(text, path, environ)
    try:
        found = services.with_command(command or [])
    except ValueError as error:
        raise ServicesError([f"{path}: {error}"]) from None
    if not any(each.autostart for each in found.by_name.values()):
        raise ServicesError([f"{path}: nothing is started: expected a service with 'autostart'"])
    return found


def _parser(path: str) -> "Parse":
    """Return what reads the file ``path``, by its name; TOML if it says nothing."""
    name = path.rpartition("/")[2]
    if name.startswith("Procfile") or name.endswith(".Procfile"):
        from pyinit.services import procfile

        return procfile.parse
    if name.endswith((".conf", ".ini")):
        from pyinit.services import supervisord

        return supervisord.parse
    from pyinit.services import config

    return config.parse
