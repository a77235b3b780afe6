"""What starter, stage and init say to each other: a JSON array a packet, and a signal.

A command that may trace its init takes the init's end of the socket by pidfd_getfd(2), and
says what it likes.  So a packet is taken for one of `_FORMS`, of a bounded length, or for
none.  The stage only says: nothing but the caller loads `json`, which costs 6 ms.
"""

import _signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Form = tuple[Callable[[object], bool], ...]

# An init that is not PID 1 is to kill the command and all that it has left, and to end: the caller
# sends it, or has ended (PR_SET_PDEATHSIG in prctl(2)).  It is one that is never relayed.
END_ALL = _signal.SIGSYS

# In bytes.  A longer packet is none of ours.
MOST = 65536

# In characters, six bytes each at most; a packet has two texts at most.
_LONGEST_TEXT = 4096
_CUT = "..."

# Numbers of processes, stops and errors: what the C library takes for an int.
_MOST_NUMBER = 2**31 - 1
_MOST_SIGNAL = 64
_MOST_CODE = 255


def encode(*words: str | int | None) -> bytes:
    """Return a packet; a text that is too long is cut."""
    return f"[{','.join(map(_json, words))}]".encode("utf-8", "surrogatepass")


def _json(word: str | int | None) -> str:
    if word is None:
        return "null"
    if isinstance(word, int):
        return f"{word:d}"
    if len(word) > _LONGEST_TEXT:
        word = word[: _LONGEST_TEXT - len(_CUT)] + _CUT
    return f'"{"".join(map(_escaped, word))}"'


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}" if char < " " or char in '"\\' else char


def decode(packet: bytes) -> tuple[str | int | None, ...]:
    """Return the words of a packet.  Raises ValueError for one that has none of the forms."""
    import json

    try:
        words = json.loads(packet.decode("utf-8", "surrogatepass"))
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(words, list) or not words or not isinstance(words[0], str):
        raise ValueError("no array of words")
    word, *rest = words
    form = _FORMS.get(word)
    if form is None or len(form) != len(rest):
        raise ValueError("no known word")
    for is_right, each in zip(form, rest, strict=True):
        if not is_right(each):
            raise ValueError(f"another form of '{word}'")
    return (word, *rest)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT


def _is_number(value: object, least: int = 0, most: int = _MOST_NUMBER) -> bool:
    # Not True, which is an int as well.
    return type(value) is int and least <= value <= most


def _is_pid(value: object) -> bool:
    return _is_number(value, 1)


def _is_signal(value: object) -> bool:
    return _is_number(value, 0, _MOST_SIGNAL)


def _is_code(value: object) -> bool:
    return _is_number(value, 0, _MOST_CODE)


def _is_flag(value: object) -> bool:
    return _is_number(value, 0, 1)


def _is_errno_or_none(value: object) -> bool:
    return value is None or _is_number(value)


# By the first word, what follows it.
_FORMS: "dict[str, Form]" = {
    # -- Of the stage.
    "map": (),  # its user namespace is to be given maps
    "init": (_is_pid,),  # who has been forked
    # -- Of the stage or the init.
    "failed": (_is_text, _is_number, _is_text),  # system call, errno, reason
    # -- Of the init.
    "terminal": (),  # its descriptor comes with it
    "not started": (_is_code, _is_text, _is_errno_or_none),
    "started": (),
    "stopped": (_is_signal, _is_flag, _is_number),  # had the terminal, how often so far
    "ended": (_is_signal,),  # 0: it has exited
}
