"""Files of variables: a line NAME=VALUE for each, as docker(1) and others read them."""

from pyinit import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    Variables = list[tuple[str, str | None]]


def read(path: str, source: str) -> "Variables":
    """Return the variables of the file ``path``, which is relative to that of ``source``.

    Raises OSError, and ValueError for a line that is none.
    """
    folder, slash, _ = source.rpartition("/")
    data = environment.read_all(path if path.startswith("/") else folder + slash + path)
    return parse(environment.decode(data))


def parse(text: str) -> "Variables":
    """Return the variables of a file with this content.

    Empty lines and those that begin with ``#`` are passed over, ``export`` in front of a name
    is too, and quotes around a value.  Nothing is expanded.  Raises ValueError.
    """
    found: Variables = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        first, *rest = line.split(None, 1)
        name, equals, value = (rest[0] if first == "export" and rest else line).partition("=")
        name = name.strip()
        if not equals or len(name.split()) != 1 or "\0" in line:
            raise ValueError(f"line {number} is not a variable: expected NAME=VALUE")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found.append((name, value))
    return found
