"""Tables of pyinitctl: on a terminal they fit it and are coloured, elsewhere they are whole."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess

import pytest

from pyinit import ctl
from pyinit.ctl import table
from pyinit.ctl.table import Cell, Column, Screen
from tests.ctl.views import run
from tests.harness import PYINITCTL, Container, python
from tests.terminals import Terminal

COLUMNS = (Column("N", right=True), Column("NAME", flexible=True), Column("LAST"))
PAINT = re.compile(r"\x1b\[\d*m")


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    """Numbers to the right, texts to the left, no blanks at the end of a line."""
    rows: list[table.Row | Cell] = [("1", "a", "x"), ("200", "long name", ""), Cell("a heading")]
    assert table.render(COLUMNS, rows, Screen()) == [
        "  N  NAME       LAST",
        "  1  a          x",
        "200  long name",
        "a heading",
    ]


@pytest.mark.parametrize("width", range(1, 60))
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Flexible columns give way first; where that is not enough, the edge cuts."""
    rows: list[table.Row | Cell] = [
        ("12345", "n" * 40, "l" * 10),
        Cell("h" * 70),
        ("1", "\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 30, ""),
    ]
    lines = table.render(COLUMNS, rows, Screen(width))
    assert max(map(table.width_of, lines)) <= width
    if width >= 5 + 8 + 10 + 4:
        assert lines[1].endswith("  " + "l" * 10)
    assert lines[1] == table.cut(lines[1], width)


def test_nothing_is_cut_where_there_is_no_terminal() -> None:
    """A pipe has no edge."""
    (_, line) = table.render(COLUMNS, [("1", "n" * 5000, "l")], Screen())
    assert line == f"1  {'n' * 5000}  l"


def test_what_was_cut_shows() -> None:
    """By an ellipsis in its place."""
    assert table.cut("abcdefghij", 10) == "abcdefghij"
    assert table.cut("abcdefghij", 9) == "abcdefgh\N{HORIZONTAL ELLIPSIS}"
    assert table.cut("abcdefghij", 2) == "a\N{HORIZONTAL ELLIPSIS}"
    assert table.cut("abcdefghij", 0) == ""


def test_styles_are_for_a_terminal_with_colours_only() -> None:
    """They do not count for the width."""
    rows = [("1", Cell("red", "red"), "x")]
    assert table.render(COLUMNS, rows, Screen())[1] == "1  red   x"
    painted = table.render(COLUMNS, rows, Screen(80, colour=True))
    assert painted[1] == "1  \x1b[31mred\x1b[0m   x"
    assert [PAINT.sub("", line) for line in painted] == table.render(COLUMNS, rows, Screen(80))


def test_what_is_not_printable_is_escaped() -> None:
    """Or a process could command the terminal of who looks at it."""
    (_, line) = table.render(COLUMNS, [("1", "\x1b[2J\n\udcff", "x")], Screen())
    assert line == "1  \\x1b[2J\\n\\udcff  x"


def shown(words: list[str], columns: int, **env: str) -> str:
    """Return what pyinitctl shows on a terminal that many columns wide."""
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
    environment |= {"TERM": "xterm", **env}
    with Terminal() as terminal:
        terminal.resize(24, columns)
        script = '"$@"; echo; echo the" "end'  # tree shows this line, which is not the end
        command = ["sh", "-c", script, "sh", *PYINITCTL, *words]
        process = subprocess.Popen(command, stdout=terminal.slave, env=environment)
        try:
            found = b""
            while b"the end" not in found:
                found += os.read(terminal.master, 65536)
        finally:
            process.wait()
    return found.decode().replace("\r\n", "\n").partition("\nthe end")[0]


@pytest.mark.parametrize("columns", [30, 80, 200])
@pytest.mark.parametrize("subcommand", ["ns", "ns PID", "tree"])
def test_it_fits_the_terminal(subcommand: str, columns: int, namespaces: None) -> None:
    """As wide as it is now, and coloured."""
    with Container(python("record.py", "TERM")) as container:
        container.expect("ready")
        words = subcommand.replace("PID", str(container.pid)).split()
        out = shown(words, columns)
        lines = PAINT.sub("", out).splitlines()
        assert max(map(table.width_of, lines)) <= columns
        assert out.lstrip().startswith("\x1b[1m")
        if subcommand == "ns PID":
            assert ("all inodes begin with" in out) == (columns < 200)


def test_a_narrow_ns_leaves_out_what_is_the_same_for_all(namespaces: None) -> None:
    """The kinds that differ stay, and none is cut; those left out are below the table."""
    with Container(python("record.py", "TERM")) as container:
        container.expect("ready")
        out = shown(["ns", str(container.pid)], 60, NO_COLOR="1")
    titles, me, other, *_ = out.splitlines()
    assert {"PID", "NAME", "MOUNT"} <= {*titles.split()}
    assert len(me.split()) == len(other.split()) == len(titles.split())
    assert "user cgroup ipc uts net time  self" in out or "cgroup ipc uts net time  self" in out


def test_columns_of_the_environment_come_first(namespaces: None) -> None:
    """As in environ(7); what is no number there is not heeded."""
    assert max(map(len, shown(["ns"], 200, COLUMNS="50", NO_COLOR="1").splitlines())) == 50
    assert max(map(len, shown(["ns"], 60, COLUMNS="x", NO_COLOR="1").splitlines())) == 60


@pytest.mark.parametrize(
    ("name", "value", "escapes"),
    [("NO_COLOR", "1", 0), ("NO_COLOR", "", 1), ("TERM", "dumb", 0), ("TERM", "", 0)],
)
def test_colours_can_be_switched_off(name: str, value: str, escapes: int) -> None:
    """By NO_COLOR, when it is not empty, and by a terminal that has none."""
    out = shown(["ns", str(os.getppid())], 80, **{name: value})
    assert ("\x1b" in out) == bool(escapes)


@pytest.mark.parametrize(
    "words",
    [
        ("ps",),
        ("ns",),
        ("ns", "PID"),
        ("tree",),
        ("status", "PID"),
        ("doctor", "PID"),
        ("run", "-h"),
    ],
)
def test_no_tool_is_wider_in_a_pipe(
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    namespaces: None,
) -> None:
    """COLUMNS says how wide its reader is; it gets no colours unless they are asked for."""
    with Container(python("record.py", "TERM")) as container:
        container.expect("ready")
        argv = [word.replace("PID", str(container.pid)) for word in words]
        for columns in (60, 80, 120):
            monkeypatch.setenv("COLUMNS", str(columns))
            with contextlib.suppress(SystemExit):  # after -h
                ctl.main(argv)
            out = capsys.readouterr().out
            assert "\x1b" not in out
            assert max(map(table.width_of, out.splitlines())) <= columns


@pytest.mark.parametrize(
    ("words", "width", "expected"),
    [
        ("/venv/bin/python /srv/app/worker.py --queue a", 80, None),
        (
            "/venv/bin/python /srv/app/worker.py --queue a",
            40,
            "python /srv/app/worker.py --queue a",
        ),
        ("/venv/bin/python /srv/app/worker.py --queue a", 30, "python worker.py --queue a"),
        ("/venv/bin/python /srv/app/worker.py --queue a", 20, "worker.py --queue a"),
        ("/venv/bin/python -X dev -m app.worker -q a", 20, "-m app.worker -q a"),
        ("/usr/sbin/nginx -g daemon", 16, "nginx -g daemon"),
        ("/usr/bin/python3 -uc import_os;main()", 30, "python3 -uc import_os;main()"),
        ("/usr/bin/perl -we print_1 /x/y", 26, "perl -we print_1 /x/y"),
        ("/bin/sh -e /srv/app/start.sh a", 20, "sh -e start.sh a"),
    ],
)
def test_a_command_keeps_what_tells_it_from_others(
    words: str, width: int, expected: str | None
) -> None:
    """The directories go first, then the interpreter; what is left is cut at its end."""
    (_, line) = table.render(
        [Column("COMMAND", flexible=True)], [(table.command(words.split()),)], Screen(width)
    )
    assert line == (expected or words)


def test_other_columns_go_first() -> None:
    """By their rank, and only as far as the text needs it."""
    columns = [
        Column("PID", right=True),
        Column("USER", rank=2),
        Column("AGE", rank=1),
        Column("COMMAND", flexible=True, least=20),
    ]
    rows: list[table.Row] = [("1", "root", "10:00", "c" * 40)]
    for width, titles in (
        (60, "PID USER AGE COMMAND"),
        (32, "PID USER COMMAND"),
        (25, "PID COMMAND"),
    ):
        lines = table.render(columns, rows, Screen(width))
        assert lines[0].split() == titles.split()
        assert len(lines[1]) <= width


def test_colours_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """By FORCE_COLOR, in a pipe as well; NO_COLOR comes first."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" in run("tree")[0]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("tree")[0]
