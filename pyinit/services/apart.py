"""Reads a file of services in a process of its own.

What reads TOML brings `re`, `typing` and more along, 3 MiB that the supervisor would keep for
as long as the container runs.  The reader's process ends with them, and says what it has found.
"""

import marshal
import posix

from pyinit.environment import read_to_end
from pyinit.services import model
from pyinit.services.problems import ServicesError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from pyinit.services.model import Service, Services


def read(path: str, command: list[str]) -> "Services":
    """Return what `readers.read` does.  Raises ServicesError, and OSError for want of a process.

    What the supervisor is made of is loaded meanwhile.
    """
    reader, writer = posix.pipe2(posix.O_CLOEXEC)
    pid = posix.fork()
    if pid == 0:
        _be_reader(path, command, writer)
    posix.close(writer)
    from pyinit.services import supervisor  # noqa: F401

    data = read_to_end(reader)
    posix.close(reader)
    posix.waitpid(pid, 0)
    if not data:
        raise ServicesError([f"{path}: the process that reads it has ended too early"])
    problems, notes, found = marshal.loads(data)
    if problems:
        raise ServicesError(problems)
    services = model.Services([_service(each) for each in found], path)
    services.notes = notes
    return services


def _be_reader(path: str, command: list[str], writer: int) -> "NoReturn":
    try:
        from pyinit.services import readers

        try:
            services = readers.read(path, command)
            rows = [_plain(each) for each in services.by_name.values()]
            data = marshal.dumps(((), services.notes, rows))
        except ServicesError as error:
            data = marshal.dumps((error.lines, [], []))
        except BaseException as error:  # in its words: it is no error of the file
            data = marshal.dumps(((f"{path}: cannot be read: {error!r}",), [], []))
        while data:
            data = data[posix.write(writer, data) :]
    finally:
        posix._exit(0)  # nothing of the supervisor runs in here, whatever is raised


def _plain(service: "Service") -> "dict[str, Any]":
    """Return a service as what `marshal` knows."""
    ready = service.ready
    return service.values() | {"ready": (ready.kind, ready.number, ready.command)}


def _service(values: dict[str, object]) -> "Service":
    ready = values.pop("ready")
    assert isinstance(ready, tuple)
    return model.Service(**values, ready=model.Ready(*ready))  # type: ignore[arg-type]
