"""Where pyinit is to differ from the init whose name it bears: why, and what is seen of each."""

from __future__ import annotations

from typing import NamedTuple

from tests.peers import LINK, REAL, Variant

# The program itself, and pyinit by a link of its name; --as is the same after one more word.
WHO = (REAL, LINK)


class Difference(NamedTuple):
    """Why pyinit does otherwise, and what is seen of the original and of pyinit."""

    reason: str
    original: object
    pyinit: object


def outcome(difference: Difference, who: str) -> object:
    """Return what is expected of ``who``."""
    return difference.original if who == REAL else difference.pyinit


def init(name: str, who: str) -> tuple[str, ...]:
    """Return the words that start the program ``name``, or pyinit under that name."""
    return Variant(name, who).init
