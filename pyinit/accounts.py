"""Users and groups, from /etc/passwd and /etc/group of this file system; see passwd(5), group(5).

The C library would ask whatever nsswitch.conf(5) names: libraries and servers
that a container does not have, or that answer for another machine.
"""

from pyinit.environment import read_all
from pyinit.values import UsageError

PASSWD = "/etc/passwd"
GROUP = "/etc/group"

# The number after it is -1, which setuid(2) takes for "as it is".
_MAX_ID = 2**32 - 2


class Account:
    """Whom a command runs as: numbers, and what the environment says of it."""

    __slots__ = ("gid", "groups", "home", "name", "uid")

    def __init__(self, name: str, uid: int, gid: int, groups: list[int], home: str) -> None:
        self.name = name
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.home = home


def lookup(spec: str) -> Account:
    """Return who ``USER`` or ``USER:GROUP`` is, each a name or a number.

    Without GROUP it gets the groups that login would give it (initgroups(3)),
    with it that one alone.  Raises UsageError.
    """
    user, _, group = spec.partition(":")
    entry = _find(PASSWD, user, 7)
    number = _number(user)
    if entry is None and number is None:
        raise UsageError(f"option '--user': there is no user '{user}' in {PASSWD}")
    name, home = (entry[0], entry[5] or "/") if entry else (user, "/")
    uid = _id(entry[2], PASSWD) if entry else _id(user, "option '--user'")
    if group:
        gid = _group(group)
        return Account(name, uid, gid, [gid], home)
    if entry is None:
        raise UsageError(
            f"option '--user': user '{user}' is not in {PASSWD}, so its group is not known: "
            f"expected USER:GROUP, such as {user}:{user}"
        )
    gid = _id(entry[3], PASSWD)
    others = {_id(row[2], GROUP) for row in _rows(GROUP, 4) if name in row[3].split(",")}
    return Account(name, uid, gid, [gid, *sorted(others - {gid})], home)


def _group(word: str) -> int:
    row = _find(GROUP, word, 4)
    if row is not None:
        return _id(row[2], GROUP)
    if _number(word) is None:
        raise UsageError(f"option '--user': there is no group '{word}' in {GROUP}")
    return _id(word, "option '--user'")


def _find(path: str, word: str, fields: int) -> list[str] | None:
    """Return the row whose name is ``word``, or whose number it is."""
    rows = _rows(path, fields)
    for column in (0, 2):
        for row in rows:
            if row[column] == word:
                return row
    return None


def _rows(path: str, fields: int) -> list[list[str]]:
    """Return the rows of the file; none where there is no such file: numbers need none."""
    try:
        text = read_all(path)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"option '--user': cannot read {path}: {error.strerror}") from None
    lines = text.decode("utf-8", "surrogateescape").splitlines()
    rows = [line.split(":") for line in lines if not line.startswith("#")]
    return [row for row in rows if len(row) >= fields]


def _number(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdecimal() and len(word) < 11 else None


def _id(word: str, source: str) -> int:
    number = _number(word)
    if number is None or number > _MAX_ID:
        raise UsageError(f"{source}: '{word}' is no number of a user or group")
    return number
