"""The log: each event and field is one that docs/events.md has, with the type that stands there."""

from __future__ import annotations

import ast
import itertools
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyinit
from pyinit.compat import log as dialect
from pyinit.log import lines as output
from pyinit.report import record
from tests.harness import ROOT, SUBREAPER, Container, children, logged, python, until

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = (ROOT / "docs" / "events.md").read_text("utf-8")
SOURCE = Path(pyinit.__file__).parent

TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "number": (int, float),
    "truth": (bool,),
    "list": (list,),
}


class Field:
    """A field as the document has it: ``(`exit_code` number)``, ```sender_pid` number?``."""

    def __init__(self, words: str) -> None:
        match = re.fullmatch(r"(\(?)`(\w+)` (\w+)(\??)\)?", words.strip())
        assert match, words
        self.optional = bool(match[1])
        self.name = match[2]
        self.types = TYPES[match[3]] + ((type(None),) if match[4] else ())


def rows() -> Iterator[list[str]]:
    """Return the rows of all tables of the document, cell by cell."""
    for line in DOCUMENT.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def documented() -> dict[str, tuple[list[str], list[Field]]]:
    """Return levels and fields of each event."""
    found: dict[str, tuple[list[str], list[Field]]] = {}
    for row in rows():
        if len(row) == 4:
            names, levels, words, _ = row
            fields = [Field(each) for each in words.split(", ") if each]
            for name in re.findall(r"`(\w+)`", names):
                found[name] = levels.split(", "), fields
    return found


EVENTS = documented()
COMMON = {"timestamp": str, "level": str, "event": str, "monotonic_s": float, "dropped_lines": int}


def emitted() -> Iterator[ast.Call]:
    """Return the calls in the source that tell of an event."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "emit":
                yield node


def test_every_event_is_documented_and_no_other() -> None:
    """By their names in the source; the plain writer's own is not said by emit()."""
    names = {
        argument.value
        for call in emitted()
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    assert names | {"structlog_missing"} == set(EVENTS)


def test_a_record_knows_every_event_and_no_other() -> None:
    """Also those of which it makes nothing: one that it does not know is an error, and said."""
    assert set(record.NOTES) | {"structlog_missing"} == set(EVENTS)


def test_another_programs_words_are_for_events_that_there_are() -> None:
    """Or for what is told in other words where a signal has ended the process, or was rewritten."""
    derived = {*dialect._KILLED.values(), "signal_rewritten"}
    for words in (*dialect._LANGUAGES.values(), dialect._NEW):
        assert set(words) - derived <= set(EVENTS)


def test_every_field_is_documented() -> None:
    """As far as they stand in the call; the others are seen in real runs below."""
    for call in emitted():
        name = next(
            (a.value for a in call.args if isinstance(a, ast.Constant) and a.value in EVENTS), None
        )
        if isinstance(name, str):
            fields = {field.name for field in EVENTS[name][1]}
            assert {word.arg for word in call.keywords if word.arg} <= fields


def check(events: list[dict[str, Any]]) -> None:
    """Assert that each event is one of the document, with all its fields and no other."""
    for event in events:
        levels, fields = EVENTS[event["event"]]
        assert event["level"] in levels
        given = {name: value for name, value in event.items() if name not in COMMON}
        known = {field.name: field for field in fields}
        assert set(given) <= set(known), event
        assert {field.name for field in fields if not field.optional} <= set(given), event
        for name, value in given.items():
            types = known[name].types
            assert isinstance(value, types), (event, name)
            assert not isinstance(value, bool) or bool in types, (event, name)
        assert list(event)[:4] == ["timestamp", "level", "event", "monotonic_s"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event["timestamp"])


SCRIPT = """
trap "" TERM; sleep 1000 &
trap - TERM; sleep 1000 &
(exec true &)
trap "exit 3" TERM; trap : HUP
echo ready
while :; do wait; done
"""


def life(mode: str, *options: str) -> list[dict[str, Any]]:
    """Return the log of a life with most of what can happen in it."""
    words = ["-vv", "--grace", "0.2", "--rewrite", "USR1:HUP,USR2:ignore", *options]
    with Container(["sh", "-c", SCRIPT], mode=mode, options=words) as container:
        container.expect("ready")
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
            container.signal(number)
        container.signal(signal.SIGTERM)
        log = container.errors()
        assert container.wait() == 3
    return logged(log)


def test_a_whole_life(mode: str) -> None:
    """Its events are in the order in which things happened, each as it is documented."""
    found = life(mode)
    check(found)
    names = [event["event"] for event in found]
    assert names[:2] == ["init_started", "child_started"]
    assert names[-2:] == ["teardown_finished", "exiting"]
    order = ["child_exited", "teardown_started", "leftover_killed", "teardown_finished"]
    # On a slow machine the grace can be over for the one that heeds TERM, too.
    assert [name for name, _ in itertools.groupby(each for each in names if each in order)] == order
    assert {"signal_received", "signal_relayed", "signal_ignored", "orphan_reaped"} <= set(names)
    moments = [event["monotonic_s"] for event in found]
    assert moments == sorted(moments)
    clock = [event["timestamp"] for event in found]
    assert clock == sorted(clock)


def test_the_start_says_what_it_is(mode: str) -> None:
    """The role is what decides about orphans and leftovers."""
    first = life(mode)[0]
    assert first["role"] == ("subreaper" if mode == SUBREAPER else "init")
    assert first["version"] == pyinit.__version__
    assert mode == SUBREAPER or first["pid"] == 1


def test_info_tells_of_stops_and_not_of_other_signals(mode: str) -> None:
    """Who has stopped it is what everybody wants to know; the rest is for debugging."""
    found = life(mode, "--log-level", "info")
    check(found)
    received = [event for event in found if event["event"] == "signal_received"]
    assert [(event["signal"], event["stop"]) for event in received] == [("SIGTERM", True)]
    assert "orphan_reaped" not in {event["event"] for event in found}


def test_stop_and_continuation_of_the_command(mode: str) -> None:
    """SIGSTOP and SIGCONT sent to it by somebody else: pyinit sees what came of them."""
    command = ["sh", "-c", "echo ready; sleep 1000"]
    with Container(command, mode=mode, options=["-v"], before=["setsid"]) as container:
        container.expect("ready")
        child = container.main_child()
        os.kill(child, signal.SIGSTOP)
        lines = []
        while "child_stopped" not in (line := container.line(2)):
            lines.append(line)
        os.kill(child, signal.SIGCONT)
        if mode == SUBREAPER:
            os.kill(container.pid, signal.SIGCONT)  # it has stopped with its command
        lines += [line, container.line(2)]
        container.signal(signal.SIGTERM)
        found = logged("\n".join(lines) + "\n" + container.errors())
        container.wait()
    check(found)
    names = [event["event"] for event in found]
    assert names.index("child_stopped") < names.index("child_continued")


def test_the_cpu_time_of_an_orphan_is_told(mode: str) -> None:
    """Of one that has used some: the lower bound is what it has measured itself."""
    program = "import time\nwhile time.process_time() < 0.05: pass"
    script = '(python3 -ISc "$0" 3>&1 >/dev/null &) | cat'
    with Container(["sh", "-c", script, program], mode=mode, options=["-vv"]) as container:
        found = logged(container.errors())
        assert container.wait() == 0
    check(found)
    used = [event["cpu_s"] for event in found if event["event"] == "orphan_reaped"]
    assert max(used) >= 0.05


def test_leftovers_without_grace_are_told_too(mode: str) -> None:
    """They are killed at once, and named before."""
    with Container(
        python("leave.py", "session", "end"),
        mode=mode,
        options=["-v", "--grace", "0"],
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        assert container.process.stdin is not None
        container.process.stdin.close()
        found = logged(container.errors())
        assert container.wait() == 7
    check(found)
    names = [event["event"] for event in found]
    order = ["teardown_started", "leftover_killed", "teardown_finished"]
    assert [name for name in names if name in order] == order


def test_many_leftovers_are_counted_and_some_are_named(mode: str) -> None:
    """A line has room for twenty names; the number is right."""
    script = "for i in $(seq 50); do sleep 1000 & done; echo ready; read x"
    with Container(
        ["sh", "-c", script], mode=mode, options=["-v"], stdin=subprocess.PIPE
    ) as container:
        container.expect("ready")
        until(lambda: len(children(container.main_child())) == 50, "all are there")
        assert container.process.stdin is not None
        container.process.stdin.close()
        found = logged(container.errors())
        container.wait()
    check(found)
    (started,) = (event for event in found if event["event"] == "teardown_started")
    assert (started["count"], len(started["leftovers"])) == (50, 20)


def test_names_of_processes_are_in_their_field(mode: str) -> None:
    """Whatever a process calls itself: a line is one event, and says what the name was."""
    import os

    names = ["a\nb", "\x1b[31mred", 'quo"te', "back\\slash", "é", "=x y"]
    program = "import sys; open('/proc/self/comm', 'w').write(sys.argv[1]); print(flush=True)"
    script = 'for name; do (python3 -ISc "$0" "$name" &) | cat; done'
    with Container(["sh", "-c", script, program, *names], mode=mode, options=["-vv"]) as container:
        found = logged(container.errors())
        assert container.wait() == 0
    check(found)
    reaped = {event["name"] for event in found if event["event"] == "orphan_reaped"}
    assert {output.printable(os.fsdecode(name.encode())) for name in names} <= reaped
