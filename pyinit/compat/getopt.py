"""Flags as getopt_long(3) reads them, up to the first operand."""

from pyinit.options.values import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Words:
    """The flags in front of the first operand, as (letter, value); then ``rest`` are the operands.

    ``plain`` are the letters without a value, ``valued`` those with one; ``long``
    maps long names to letters.  ``usage`` follows a message about a mistake.
    """

    def __init__(
        self,
        name: str,
        arguments: list[str],
        plain: str,
        valued: str = "",
        *,
        usage: tuple[str, ...] = (),
        long: dict[str, str] | None = None,
    ) -> None:
        self.rest = list(arguments)
        self._name = name
        self._plain = plain
        self._valued = valued
        self._usage = usage
        self._long = long

    def __iter__(self) -> "Iterator[tuple[str, str]]":
        """Yield one flag after the other.  Raises UsageError."""
        while self.rest and self.rest[0].startswith("-") and self.rest[0] != "-":
            word = self.rest.pop(0)
            if word == "--":
                return
            if word.startswith("--") and self._long is not None:
                yield self._find_long(word, self._long)
            else:
                yield from self._bundle(word[1:])

    def _bundle(self, letters: str) -> "Iterator[tuple[str, str]]":
        for index, letter in enumerate(letters, 1):
            if letter in self._plain:
                yield letter, ""
            elif letter in self._valued:
                yield (
                    letter,
                    letters[index:] or self._next(f"option requires an argument -- '{letter}'"),
                )
                return
            else:
                raise self._mistake(f"invalid option -- '{letter}'")

    def _find_long(self, word: str, long: dict[str, str]) -> tuple[str, str]:
        name, equals, value = word[2:].partition("=")
        found = [each for each in long if each.startswith(name)]
        if name in long:
            found = [name]
        if not found:
            raise self._mistake(f"unrecognized option '{word}'")
        if len(found) > 1:
            names = " ".join(f"'--{each}'" for each in found)
            raise self._mistake(f"option '{word}' is ambiguous; possibilities: {names}")
        letter = long[found[0]]
        if letter in self._valued:
            if not equals:
                value = self._next(f"option '--{found[0]}' requires an argument")
        elif equals:
            raise self._mistake(f"option '--{found[0]}' doesn't allow an argument")
        return letter, value

    def _next(self, missing: str) -> str:
        if not self.rest:
            raise self._mistake(missing)
        return self.rest.pop(0)

    def _mistake(self, message: str) -> UsageError:
        return UsageError(message, 1, f"{self._name}: ", self._usage)
