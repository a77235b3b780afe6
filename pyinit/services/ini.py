"""Files of supervisord: sections and keys with their places, included files, expansions."""

import configparser
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

# From a section and a key (empty: its header) to a file and a line in it, counted from 1.
Places = dict[tuple[str, str], tuple[str, int]]

_MOST = 1 << 20


class IniError(ValueError):
    """The file cannot be read; ``place`` are the file and the line, 0 where nobody knows it."""

    def __init__(self, text: str, path: str, line: int = 0) -> None:
        super().__init__(text)
        self.place = (path, line)


class Ini:
    """The sections of a file and of those that it includes; the last word counts.

    ``notes`` are lines for people.  Raises `IniError`.
    """

    def __init__(self, text: str, source: str, environ: "Mapping[str, str]") -> None:
        # As supervisord sets it up: nothing is interpolated, and a section can come again.
        self._parser = configparser.RawConfigParser(
            inline_comment_prefixes=(";", "#"), strict=False, default_section="\n"
        )
        self.places: Places = {}
        self.notes: list[str] = []
        self.environ = {f"ENV_{name}": value for name, value in environ.items()}
        self.here = os.path.dirname(os.path.abspath(source))
        self._read(text, source, self.here)
        if self._parser.has_section("include"):
            self._include(source)

    def sections(self) -> dict[str, dict[str, str]]:
        """Return the keys of each section, in the order of the files."""
        return {name: dict(self._parser.items(name)) for name in self._parser.sections()}

    def _read(self, text: str, path: str, here: str) -> None:
        try:
            self._parser.read_string(text.replace("%(here)s", here.replace("%", "%%")), path)
        except configparser.MissingSectionHeaderError as error:
            raise IniError(
                "there is no section: expected [program:NAME] before it", path, error.lineno
            ) from None
        except configparser.ParsingError as error:
            line = error.errors[0][0]
            raise IniError("this is not a setting: expected KEY=VALUE", path, line) from None
        self._note_places(text, path)

    def _note_places(self, text: str, path: str) -> None:
        section = ""
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith("["):
                section = line[1:].partition("]")[0]
                self.places.setdefault((section, ""), (path, number))
            elif line[:1].strip() and line[0] not in ";#":
                key = line.replace(":", "=").partition("=")[0].strip().lower()
                self.places[section, key] = (path, number)

    def _include(self, source: str) -> None:
        import glob

        place = self.places.get(("include", "files"), (source, 0))
        files = self._parser.get("include", "files", fallback="")
        names = {"here": self.here, "host_node_name": os.uname().nodename, **self.environ}
        for pattern in expand(files, names, place).split():
            found = sorted(glob.glob(os.path.join(self.here, pattern)))
            if not found:
                self.notes.append(f"[include] files: no file matches '{pattern}'")
            for path in found:
                self._read(_content(path, place), path, os.path.dirname(os.path.abspath(path)))


def _content(path: str, place: tuple[str, int]) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST + 1)
        if len(data) > _MOST:
            raise IniError(f"'{path}' is too large: expected {_MOST} bytes at most", *place)
        return data.decode()
    except OSError as error:
        raise IniError(f"cannot read '{path}': {error.strerror}", *place) from None
    except UnicodeDecodeError:
        raise IniError(f"'{path}' is not UTF-8", *place) from None


def expand(text: str, names: "Mapping[str, object]", place: tuple[str, int]) -> str:
    """Return ``text`` with ``%(NAME)s`` replaced by ``names``, as Python formats them.

    Raises `IniError`, for ``place``.
    """
    try:
        return text % names
    except KeyError as error:
        _complain_of(str(error.args[0]), place)
    except (TypeError, ValueError) as error:
        raise IniError(
            f"'{text}' cannot be expanded: {error}: expected %(NAME)s, or %% for %", *place
        ) from None


def _complain_of(name: str, place: tuple[str, int]) -> "NoReturn":
    if name.startswith("ENV_"):
        text = f"variable {name[4:]} is not set: expected it in the environment"
    else:
        text = f"'%({name})s' is not known: expected %(ENV_NAME)s, %(here)s, %(program_name)s, ..."
    raise IniError(text, *place) from None


def variables(text: str) -> tuple[tuple[str, str | None], ...]:
    """Return the variables of a list such as ``A="b c",D=e``.  Raises ValueError."""
    import shlex

    lexer = shlex.shlex(text)
    lexer.wordchars += "/.+-():"
    words = list(lexer)
    found: dict[str, str | None] = {}
    for at in range(0, len(words), 4):
        name, equals, value, comma = (*words[at : at + 4], "", "", "", "")[:4]
        if equals != "=" or not value or comma not in ("", ","):
            raise ValueError(f'\'{text}\' is not a list of variables: expected A="b",C="d"')
        found[name] = value.strip("'\"")
    return tuple(found.items())
