"""The log, without a container: one event is one line, which nobody can forge, tear or misplace."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinit import events, settings
from pyinit.log import lines, rendering

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = st.binary(max_size=20).map(os.fsdecode)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Return the two ends of a pipe; reading does not wait."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    yield reader, writer
    os.close(reader)
    os.close(writer)


def logged(name: object, style: str, *, plain: bool) -> str:
    """Return the log of an event with ``name``."""
    reader, writer = os.pipe()
    try:
        log = lines.Writer(writer, style)
        log._plain = plain
        log.emit(events.INFO, "named", {"name": name})
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
    assert lines.printable("é\n\x1b[31m\x85\udcff") == "é\\x0a\\x1b[31m\\xc2\\x85\\xff"
    assert lines.printable(12) == "12"


@given(
    st.integers(0, 4), st.text(alphabet="aé€😀", min_size=1, max_size=5), st.integers(4070, 4110)
)
def test_a_long_line_is_cut_between_characters(start: int, piece: str, size: int) -> None:
    """To what a pipe takes whole (PIPE_BUF, 4096 bytes), and the cut shows."""
    text = (piece * size)[: size * len(piece) // len(piece.encode())]
    reader, writer = os.pipe()
    try:
        lines.Writer(writer).write("." * start + text)
        line = os.read(reader, 65536)
    finally:
        os.close(reader)
        os.close(writer)
    whole = ("." * start + text + "\n").encode()
    assert len(line) <= lines.PIPE_BUF
    assert line == whole or (line.endswith(b" ...\n") and whole.startswith(line[:-5]))
    line.decode()


def test_nothing_is_written_to_what_takes_the_number_of_a_closed_one(tmp_path: Path) -> None:
    """Closed when the log was made, it is no place for a log for ever."""
    number = os.open(os.devnull, os.O_WRONLY)
    os.close(number)
    log = events.Log(events.DEBUG, number)
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
    log = events.Log(level, writer)
    for each in range(4):
        log.emit(each, f"event{each}")
    text = os.read(reader, 65536).decode()
    assert [f"event{each}" in text for each in range(4)] == [each <= level for each in range(4)]


@pytest.mark.parametrize("broken", [True, False])
def test_without_structlog_it_speaks_plainly(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch, *, broken: bool
) -> None:
    """Not installed, or so broken that its import fails in another way."""
    reader, writer = pipe

    def fail(*_: object, **__: object) -> object:
        raise MemoryError

    if broken:
        monkeypatch.setattr(rendering, "make_logger", fail)
    else:
        monkeypatch.setitem(sys.modules, "structlog", None)
    for style in (settings.CONSOLE, settings.JSON):
        log = events.Log(events.INFO, writer, style=style)
        log.emit(events.WARNING, "happened", pid=3, name="a\nb")
    plain, whole = os.read(reader, 65536).splitlines()
    assert plain == b"pyinit: warning: happened pid=3 name=a\\x0ab"
    fields = json.loads(whole)
    assert list(fields) == ["timestamp", "level", "event", "monotonic_s", "pid", "name"]
    assert (fields["event"], fields["pid"], fields["name"]) == ("happened", 3, "a\\x0ab")


def test_emitting_raises_nothing(pipe: tuple[int, int]) -> None:
    """Not even for a value that cannot be shown; the next line tells of the loss."""

    class Unshowable:
        def __repr__(self) -> str:
            raise ValueError

    reader, writer = pipe
    log = events.Log(events.INFO, writer)
    log.emit(events.INFO, "odd", value=Unshowable())
    log.emit(events.INFO, "next")
    assert b'"dropped_lines": 1' in os.read(reader, 65536)


def test_the_own_flags_of_a_stderr_do_not_matter(pipe: tuple[int, int]) -> None:
    """One that the caller has made non-blocking works the same."""
    reader, writer = pipe
    os.set_blocking(writer, False)
    log = lines.Writer(writer)
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
    log = lines.Writer(writer)
    try:
        for _ in range(3000):
            log.write("x" * 100)  # more than fits: it would wait for ever
        assert os.get_blocking(writer)
        assert os.read(reader, 1 << 20).startswith(b"x" * 100 + b"\n")
        log.emit(events.INFO, "next", {})
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
    log = lines.Writer(writer)
    for line in ("one", "two", "three"):
        log.write(line)
    text = os.read(reader, 65536).decode()
    # The newline of "one" comes with "two", whose own with "three", and so on.
    assert text == "one\ntwo\nthr"
