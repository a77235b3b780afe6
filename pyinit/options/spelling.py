"""What a word was meant to be: loaded only when it is unknown.

Not difflib: that takes PORT for REPORT, and the variables that Kubernetes sets for a service called
pyinit (PYINIT_PORT, PYINIT_SERVICE_HOST) are no mistakes.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection


def nearest(word: str, names: "Collection[str]") -> str:
    """Return the name that ``word`` was most likely meant to be, or nothing.

    That is one that is a slip or two away (one letter too many or too few, another one, two that
    have changed places), or the only one of which it is the beginning or the end: ``timeout`` of
    ``stop-timeout``.  Hyphens are between the parts of a name.
    """
    slips = 1 if len(word) < 8 else 2
    near = [(distance(word, name), name) for name in names if abs(len(name) - len(word)) <= slips]
    found = min(near, default=(slips + 1, ""))
    if found[0] <= slips:
        return found[1]
    parts = [n for n in names if n.startswith(f"{word}-") or n.endswith(f"-{word}")]
    return parts[0] if len(parts) == 1 else ""


def distance(one: str, other: str) -> int:
    """Return how many slips turn one word into the other, each letter being hit once at most."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one):
        row = [i + 1]
        for j, wanted in enumerate(other):
            cost = min(last[j] + (letter != wanted), last[j + 1] + 1, row[j] + 1)
            if i and j and (letter, one[i - 1]) == (other[j - 1], wanted):
                cost = min(cost, before[j - 1] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
