"""The log, without a container: one event is one line, which nobody can forge, tear or misplace."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinit import events, settings
from pyinit.log import lines, sink, text
from pyinit.report import registry
from tests.log import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

VALUES = {"text": 'a "b" = \\c', "number": 3.5, "truth": True, "list": ["x y[1]", "'é\"[2]"]}


def value_of(kind: str, is_null: bool) -> object:  # noqa: FBT001
    """Return a value of a field of this kind."""
    return None if is_null and kind.endswith("?") else VALUES[kind.strip("(?)")]


def of_logfmt(line: str) -> dict[str, Any]:
    """Return the fields of a line, each with the type that the registry has for it."""
    found: dict[str, Any] = {}
    for key, word in re.findall(r'(\w+)=("(?:\\.|[^"\\])*"|[^ \n]*)', line):
        value = json.loads(word) if word.startswith('"') else word
        kind = registry.EVENTS[found["event"]].fields.get(key, "") if "event" in found else ""
        plain = "number" if key == "monotonic_s" else kind.strip("(?)")
        if not word:
            found[key] = None
        else:
            found[key] = value if plain in ("", "text") else json.loads(value)
    return found


def of_console(line: str) -> dict[str, Any]:
    """Return the fields of a line for people, which are Python's words, and of a summary."""
    line, _, summary = line.rstrip("\n").partition("\n")
    whole = re.fullmatch(r"(\S+) \[(\w+) *\] (\w+) ?(.*)", line)
    assert whole, line
    timestamp, level, event, words = whole.groups()
    found: dict[str, Any] = {"timestamp": timestamp, "level": level, "event": event}
    quoted = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
    for key, word in re.findall(rf"(\w+)=({quoted}|\[(?:{quoted}|[, ])*\]|\S*)", words):
        is_text = registry.EVENTS[event].fields[key].strip("(?)") == "text"
        found[key] = word if is_text and word[:1] not in "'\"" else ast.literal_eval(word)
    return found | ({"summary": summary} if summary else {})


PARSERS: dict[str, Callable[[str], dict[str, Any]]] = {
    settings.JSON: json.loads,
    settings.LOGFMT: of_logfmt,
    settings.CONSOLE: of_console,
}
NAMES = st.binary(max_size=20).map(os.fsdecode)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Return the two ends of a pipe; reading does not wait."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    yield reader, writer
    os.close(reader)
    os.close(writer)


def log_to(fd: int, level: int = events.INFO, style: str = "") -> events.Log:
    """Return a log that is written to ``fd``."""
    return events.Log(level, lambda: lines.LineWriter(fd, style), fd)


def logged(name: object, style: str, *, plain: bool = False) -> str:
    """Return the log of an event with ``name``."""
    reader, writer = os.pipe()
    try:
        log = lines.LineWriter(writer, style)
        if plain:
            log._render = lines._plain
        log.emit(events.INFO, "named", {"name": name}, events.now())
        return os.read(reader, 65536).decode()
    finally:
        os.close(reader)
        os.close(writer)


@given(NAMES, st.sampled_from(settings.LOG_FORMATS), st.booleans())
def test_a_name_stays_in_its_line(name: str, style: str, plain: bool) -> None:  # noqa: FBT001
    """Newlines, controls and bytes that are no text: the line is one, printable, and UTF-8."""
    for value in (name, [name]):
        line = logged(value, style, plain=plain)
        assert line.endswith("\n")
        assert line[:-1].isprintable()
        assert "named" in line


def test_bytes_are_shown_as_they_were() -> None:
    """A name can be told from another one, whatever is in it."""
    assert text.printable("é\n\x1b[31m\x85\udcff") == "é\\x0a\\x1b[31m\\xc2\\x85\\xff"
    assert text.printable(12) == "12"


@given(
    st.integers(0, 4), st.text(alphabet="aé€😀", min_size=1, max_size=5), st.integers(4070, 4110)
)
def test_a_long_line_is_cut_between_characters(start: int, piece: str, size: int) -> None:
    """To what a pipe takes whole (PIPE_BUF, 4096 bytes), and the cut shows."""
    words = (piece * size)[: size * len(piece) // len(piece.encode())]
    reader, writer = os.pipe()
    try:
        lines.LineWriter(writer).write("." * start + words)
        line = os.read(reader, 65536)
    finally:
        os.close(reader)
        os.close(writer)
    whole = ("." * start + words + "\n").encode()
    assert len(line) <= sink.PIPE_BUF
    assert line == whole or (line.endswith(b" ...\n") and whole.startswith(line[:-5]))
    line.decode()


def test_nothing_is_written_to_what_takes_the_number_of_a_closed_one(tmp_path: Path) -> None:
    """Closed when the log was made, it is no place for a log for ever."""
    number = os.open(os.devnull, os.O_WRONLY)
    os.close(number)
    log = log_to(number, events.DEBUG)
    path = tmp_path / "data"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        assert fd == number
        log.emit(events.ERROR, "misplaced")
    finally:
        os.close(fd)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("level", [events.ERROR, events.WARNING, events.INFO, events.DEBUG])
def test_events_up_to_the_level_are_said(level: int, pipe: tuple[int, int]) -> None:
    """And none above."""
    reader, writer = pipe
    log = log_to(writer, level)
    for each in range(4):
        log.emit(each, f"event{each}")
    written = os.read(reader, 65536).decode()
    assert [f"event{each}" in written for each in range(4)] == [each <= level for each in range(4)]


@pytest.mark.parametrize("broken", [True, False])
def test_without_structlog_it_speaks_plainly(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch, *, broken: bool
) -> None:
    """Not installed, or so broken that its import fails in another way."""
    reader, writer = pipe

    def fail(*_: object, **__: object) -> object:
        raise MemoryError

    if broken:
        monkeypatch.setattr(lines.LineWriter, "_people", fail)
    else:
        # What another test has loaded of it is found without the package.
        monkeypatch.setitem(sys.modules, "structlog", None)
        monkeypatch.setitem(sys.modules, "structlog.dev", None)
        monkeypatch.delitem(sys.modules, "pyinit.log.rendering", raising=False)
        monkeypatch.delattr("pyinit.log.rendering", raising=False)
    log_to(writer, style=settings.CONSOLE).emit(events.WARNING, "happened", pid=3, name="a\nb")
    assert os.read(reader, 65536) == b"pyinit: warning: happened pid=3 name=a\\x0ab\n"


def test_emitting_raises_nothing(pipe: tuple[int, int]) -> None:
    """Not even for a value that cannot be shown; the next line tells of the loss."""

    class Unshowable:
        def __repr__(self) -> str:
            raise ValueError

    reader, writer = pipe
    log = log_to(writer)
    log.emit(events.INFO, "odd", value=Unshowable())
    log.emit(events.INFO, "next")
    assert b'"dropped_lines": 1' in os.read(reader, 65536)


def test_the_own_flags_of_a_stderr_do_not_matter(pipe: tuple[int, int]) -> None:
    """One that the caller has made non-blocking works the same."""
    reader, writer = pipe
    os.set_blocking(writer, False)
    log = lines.LineWriter(writer)
    log.write("first")
    assert os.read(reader, 65536) == b"first\n"


def test_an_old_kernel_makes_it_open_the_pipe_anew(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """RWF_NOWAIT came to pipes with Linux 6.4: before, EOPNOTSUPP says so."""

    def refuse(*_: object) -> int:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("posix.pwritev", refuse)
    reader, writer = pipe
    log = lines.LineWriter(writer)
    try:
        for _ in range(3000):
            log.write("x" * 100)  # more than fits: it would wait for ever
        assert os.get_blocking(writer)
        assert os.read(reader, 1 << 20).startswith(b"x" * 100 + b"\n")
        log.emit(events.INFO, "next", {}, events.now())
        assert b'"event": "next"' in (line := os.read(reader, 65536))
        assert b'"dropped_lines": ' in line
    finally:
        os.close(log._sink._fd)


def test_the_rest_of_a_line_comes_before_the_next_one(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sockets and terminals may take a part: here three bytes at a time."""
    reader, writer = pipe
    monkeypatch.setattr("posix.pwritev", lambda fd, data, *_: os.write(fd, data[0][:3]))
    log = lines.LineWriter(writer)
    for line in ("one", "two", "three"):
        log.write(line)
    taken = os.read(reader, 65536).decode()
    # The newline of "one" comes with "two", whose own with "three", and so on.
    assert taken == "one\ntwo\nthr"


def test_a_line_that_the_rest_of_another_keeps_out_is_counted(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is lost like one for which there was no room."""
    reader, writer = pipe
    log = log_to(writer)
    with monkeypatch.context() as patch:
        patch.setattr("posix.pwritev", lambda fd, data, *_: os.write(fd, data[0][:3]))
        for event in ("torn", "lost"):
            log.emit(events.INFO, event)
    log.emit(events.INFO, "next")
    torn, after = map(json.loads, os.read(reader, 65536).splitlines())
    assert (torn["event"], after["event"], after["dropped_lines"]) == ("torn", "next", 1)


@pytest.mark.parametrize("style", settings.LOG_FORMATS)
def test_an_event_has_the_same_fields_in_every_form(style: str, pipe: tuple[int, int]) -> None:
    """One schema: of each event of the registry, with every type that its fields may have."""
    reader, writer = pipe
    log = log_to(writer, events.DEBUG, style)
    for name, event in registry.EVENTS.items():
        for is_null in (False, True):
            fields = {key: value_of(kind, is_null) for key, kind in event.fields.items()}
            log.emit(events._LEVELS.index(event.levels[0]), name, **fields)
            line = os.read(reader, 65536).decode()
            found = PARSERS[style](line)
            if style == settings.CONSOLE:
                fields = {key: value for key, value in fields.items() if value is not None}
                if "summary" in fields:
                    del fields["cause"]  # it is a part of the summary
            else:
                schema.check([found])
            assert {key: found[key] for key in fields} == fields
            assert set(found) - set(schema.HEAD) == set(fields)
