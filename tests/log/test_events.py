"""The log: each event and field is one of the registry, with the type that stands there."""

from __future__ import annotations

import ast
import itertools
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyinit
from pyinit.compat import log as dialect
from pyinit.compat import peers
from pyinit.log import text
from pyinit.report.registry import EVENTS
from pyinit.settings import NAMES
from tests.harness import PID1, ROOT, SUBREAPER, Container, children, logged, python, until
from tests.log.schema import check
from tools import events as tables

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(pyinit.__file__).parent


def test_the_document_is_as_new_as_the_registry() -> None:
    """Its tables are made of it; `make manual` makes them anew."""
    document = (ROOT / "docs" / "events.md").read_text("utf-8")
    assert tables.render(document) == document


def emitted() -> Iterator[tuple[str, ast.Call]]:
    """Return the calls in the source that tell of an event, each with the event's name."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "emit":
                for each in node.args:
                    if isinstance(each, ast.Constant) and isinstance(each.value, str):
                        yield each.value, node


def test_every_event_is_told_somewhere_and_no_other() -> None:
    """By their names in the source; the writer's own is not said by emit()."""
    assert {name for name, _ in emitted()} | {"structlog_missing"} == set(EVENTS)


def test_every_level_is_one_of_the_events() -> None:
    """As far as it stands in the call."""
    for name, call in emitted():
        if isinstance(call.args[0], ast.Attribute) and call.args[0].attr.isupper():
            assert call.args[0].attr.lower() in EVENTS[name].levels, name


def test_another_programs_words_are_for_events_that_there_are() -> None:
    """Or for what is told in other words where a signal has ended the process, or was rewritten."""
    derived = {*dialect._KILLED.values(), "signal_rewritten"}
    for words in (*(peers.program(name).lines for name in NAMES), dialect._NEW):
        assert set(words) - derived <= set(EVENTS)


def test_every_field_is_one_of_the_event() -> None:
    """As far as they stand in the call; the others are seen in real runs below."""
    for name, call in emitted():
        assert {word.arg for word in call.keywords if word.arg} <= set(EVENTS[name].fields), name


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


def test_info_tells_of_stops_and_not_of_other_signals(namespaces: None) -> None:
    """Who has stopped it is what everybody wants to know; the rest is for debugging."""
    found = life(PID1, "--log-level", "info")
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


def test_the_release_of_a_signal_that_was_held_is_told(namespaces: None) -> None:
    """At info, as its arrival is: else the log would leave it there."""
    command = ["sh", "-c", "echo ready; exec sleep 1000"]
    with Container(command, options=["-v", "--drain", "0.05"]) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        found = logged(container.errors())
        assert container.wait() == 143
    check(found)
    names = [event["event"] for event in found if event["event"] != "other_threads"]
    assert names[2:6] == ["signal_received", "drain_started", "signal_relayed", "child_exited"]


def test_the_cpu_time_of_an_orphan_is_told(namespaces: None) -> None:
    """Of one that has used some: the lower bound is what it has measured itself."""
    program = "import time\nwhile time.process_time() < 0.05: pass"
    script = '(python3 -ISc "$0" 3>&1 >/dev/null &) | cat'
    with Container(["sh", "-c", script, program], options=["-vv"]) as container:
        found = logged(container.errors())
        assert container.wait() == 0
    check(found)
    used = [event["cpu_s"] for event in found if event["event"] == "orphan_reaped"]
    assert max(used) >= 0.05


def test_leftovers_without_grace_are_told_too(namespaces: None) -> None:
    """They are killed at once, and named before."""
    with Container(
        python("leave.py", "session", "end"),
        options=["-v", "--grace", "0"],
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        container.close_stdin()
        found = logged(container.errors())
        assert container.wait() == 7
    check(found)
    names = [event["event"] for event in found]
    order = ["teardown_started", "leftover_killed", "teardown_finished"]
    assert [name for name in names if name in order] == order


def test_many_leftovers_are_counted_and_some_are_named(namespaces: None) -> None:
    """A line has room for twenty names; the number is right."""
    script = "for i in $(seq 50); do sleep 1000 & done; echo ready; read x"
    with Container(["sh", "-c", script], options=["-v"], stdin=subprocess.PIPE) as container:
        container.expect("ready")
        until(lambda: len(children(container.main_child())) == 50, "all are there")
        container.close_stdin()
        found = logged(container.errors())
        container.wait()
    check(found)
    (started,) = (event for event in found if event["event"] == "teardown_started")
    assert (started["count"], len(started["leftovers"])) == (50, 20)


def test_names_of_processes_are_in_their_field(namespaces: None) -> None:
    """Whatever a process calls itself: a line is one event, and says what the name was."""
    import os

    names = ["a\nb", "\x1b[31mred", 'quo"te', "back\\slash", "é", "=x y"]
    program = "import sys; open('/proc/self/comm', 'w').write(sys.argv[1]); print(flush=True)"
    script = 'for name; do (python3 -ISc "$0" "$name" &) | cat; done'
    with Container(["sh", "-c", script, program, *names], options=["-vv"]) as container:
        found = logged(container.errors())
        assert container.wait() == 0
    check(found)
    reaped = {event["name"] for event in found if event["event"] == "orphan_reaped"}
    assert {text.printable(os.fsdecode(name.encode())) for name in names} <= reaped
