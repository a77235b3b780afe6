"""Users and groups, from /etc/passwd and /etc/group of this file system; see passwd(5), group(5).

The C library would ask whatever nsswitch.conf(5) names: libraries and servers
that a container does not have, or that answer for another machine.
"""

from pyinit import environment
from pyinit.options.values import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWD = "/etc/passwd"
GROUP = "/etc/group"

# The number after it is -1, which setuid(2) takes for "as it is".
_MAX_ID = 2**32 - 2

# Fields of a line, and those that it must have: those behind them may be missing in files
# that were written by hand, and fgetpwent(3) does not miss them.
_PASSWD_FIELDS = (7, 4)
_GROUP_FIELDS = (4, 3)


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
    row = _find(PASSWD, user)
    if row is None and _number(user) is None:
        raise UsageError(f"option '--user': there is no user '{user}' in {PASSWD}")
    name, home = (row[0], row[5] or "/") if row else (user, "/")
    uid = _id(row[2], PASSWD) if row else int(user)
    if group:
        gid = _group(group)
        return Account(name, uid, gid, [gid], home)
    if row is None:
        raise UsageError(
            f"option '--user': user '{user}' is not in {PASSWD}, so its group is not known: "
            f"expected USER:GROUP, such as {user}:{user}"
        )
    gid = _id(row[3], PASSWD)
    return Account(name, uid, gid, [gid, *sorted(_groups_of(name) - {gid})], home)


def _groups_of(name: str) -> set[int]:
    """Return the groups that list the user as a member.

    A line whose number is none is passed over, as by getgrouplist(3).
    """
    found = set()
    for row in _rows(GROUP):
        number = _number(row[2])
        if number is not None and name in [member.strip() for member in row[3].split(",")]:
            found.add(number)
    return found


def _group(word: str) -> int:
    row = _find(GROUP, word)
    if row is not None:
        return _id(row[2], GROUP)
    if _number(word) is None:
        raise UsageError(f"option '--user': there is no group '{word}' in {GROUP}")
    return int(word)


def _find(path: str, word: str) -> list[str] | None:
    """Return the first row whose name is ``word``, else the first whose number it is."""
    number = _number(word)
    found = None
    for row in _rows(path):
        if row[0] == word:
            return row
        if found is None and number is not None and _number(row[2]) == number:
            found = row
    return found


def _rows(path: str) -> "Iterator[list[str]]":
    """Yield the rows of the file; none where there is no such file: numbers need none.

    Lines with a ``+`` or ``-`` first stand for tables of NIS (nsswitch.conf(5)).
    Nobody has an empty name: in /etc/group every empty list of members would hold it.
    """
    try:
        text = environment.read_all(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UsageError(f"option '--user': cannot read {path}: {error.strerror}") from None
    fields, least = _PASSWD_FIELDS if path == PASSWD else _GROUP_FIELDS
    # Not splitlines(), for which a U+2028 in somebody's full name would begin another line.
    for each in environment.decode(text).split("\n"):
        line = each.strip(" \t\r")
        row = line.split(":")
        if len(row) >= least and not line.startswith(("#", "+", "-", ":")):
            yield row + [""] * (fields - len(row))


def _number(word: str) -> int | None:
    """Return the number of a user or group that ``word`` is, or None."""
    if not (word.isascii() and word.isdecimal() and len(word) < 11):
        return None
    return int(word) if int(word) <= _MAX_ID else None


def _id(word: str, path: str) -> int:
    number = _number(word)
    if number is None:
        raise UsageError(f"option '--user': '{word}' in {path} is not a user or group ID")
    return number
