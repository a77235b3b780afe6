"""What is wrong with a file of services: all of it at once, each with its line where it has one."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class WrongValueError(ValueError):
    """A value is wrong; the text says what it is and what would be right."""


class ServicesError(ValueError):
    """Nothing was started: the file says what cannot be.

    ``lines`` are the problems, of the form ``FILE:LINE: what is wrong: what would be right``.
    ``code`` is the exit code, ``more`` are the lines to follow the first one.
    """

    def __init__(self, lines: "Iterable[str]") -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))
        self.code = 125
        self.prefix = "pyinit: "
        self.more = tuple(self.prefix + line for line in self.lines[1:])


class Problems:
    """Collects what is wrong with ``source``, the name of a file."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._found: list[tuple[int, str]] = []

    def add(self, text: str, line: int = 0) -> None:
        """Take note of a problem in ``line``, counted from 1; 0 where nobody knows it."""
        self._found.append((line, text))

    def lines(self) -> list[str]:
        """Return what was found, in the order of the file; what has no line comes last."""
        ordered = sorted(self._found, key=lambda each: (not each[0], each[0]))
        return [
            f"{self.source}:{line}: {text}" if line else f"{self.source}: {text}"
            for line, text in ordered
        ]

    def raise_any(self) -> None:
        """Raise `ServicesError` if there is a problem."""
        if self._found:
            raise ServicesError(self.lines())


def right_word(word: str, known: "Iterable[str]") -> str:
    """Return what to say of a word that is not known: the nearest one, or all there are."""
    from pyinit.options.spelling import nearest

    names = list(known)
    near = nearest(word, names)
    if near:
        return f"did you mean '{near}'?"
    return f"expected one of {', '.join(sorted(names))}" if names else "there is none"
