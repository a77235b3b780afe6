"""--rewrite FROM:TO: the main child gets TO instead of FROM, which stays what it was to pyinit."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests import harness
from tests.harness import MODES, PID1, Container, logged, python, until
from tests.terminals import INTERRUPT, SUSPEND, session, state, until_settled

if TYPE_CHECKING:
    from collections.abc import Sequence

RECORD = python("record.py", "-")
NOT_RELAYED = {"KILL", "STOP", "CHLD", "ILL", "TRAP", "ABRT", "BUS", "FPE", "SEGV", "SYS"}
STANDARD = sorted({s.name[3:] for s in signal.Signals if s < signal.SIGRTMIN} - NOT_RELAYED)
REAL_TIME = [f"RTMIN+{n}" for n in range(signal.SIGRTMAX - signal.SIGRTMIN + 1)]
RELAYED = STANDARD + REAL_TIME


def number(name: str) -> int:
    """Return the number of a signal as record.py names it."""
    word, _, offset = name.partition("+")
    return signal.Signals[f"SIG{word}"] + int(offset or 0)


def recorder(
    mode: str, *options: str, command: Sequence[str] = RECORD, before: Sequence[str] = ()
) -> Container:
    """Return a container whose command records signals, ready to do so."""
    container = Container(command, options=options, mode=mode, before=before)
    with container._ended_if_failing():
        container.expect("ready")
    return container


def test_every_signal_can_become_another(namespaces: None) -> None:
    """Each becomes the next one in the list, the last one the first: no rule is applied twice."""
    rules = dict(zip(RELAYED, [*RELAYED[1:], RELAYED[0]], strict=True))
    option = ",".join(f"{before}:{after}" for before, after in rules.items())
    with recorder(PID1, "-r", option) as container:
        for before, after in rules.items():
            container.signal(number(before))
            container.expect(after)


@pytest.mark.parametrize(
    "options", [("-rTERM:INT,INT:TERM",), ("-r", "SIGTERM:2", "--rewrite=2:SIGTERM")]
)
def test_two_signals_can_be_swapped(namespaces: None, options: tuple[str, ...]) -> None:
    """Other signals stay what they are."""
    with recorder(PID1, *options) as container:
        for sent, got in (("TERM", "INT"), ("INT", "TERM"), ("QUIT", "QUIT"), ("HUP", "HUP")):
            container.signal(number(sent))
            container.expect(got)


@pytest.mark.parametrize("to", ["ignore", "IGNORE", "0"])
def test_every_signal_can_be_dropped(namespaces: None, to: str) -> None:
    """Of all that are sent only the last one, which has no rule, arrives."""
    others = [name for name in RELAYED if name != "USR1"]
    with recorder(PID1, "-r", ",".join(f"{name}:{to}" for name in others)) as container:
        for name in others:
            container.signal(number(name))
        container.signal(signal.SIGUSR1)
        container.expect("USR1")


def test_real_time_signals_stay_as_many_as_they_were(namespaces: None) -> None:
    """Queued to pyinit, and queued to the command; a standard one made of them coalesces."""
    with recorder(PID1, "-r", "RTMIN:RTMAX,RTMAX:RTMIN,RTMIN+1:RTMIN+2") as container:
        for sent, got in (("RTMIN+0", "RTMIN+30"), ("RTMIN+30", "RTMIN+0"), ("RTMIN+1", "RTMIN+2")):
            for _ in range(20):
                container.signal(number(sent))
            for _ in range(20):
                container.expect(got)
        container.signal(signal.SIGUSR1)
        container.expect("USR1")


def test_to_kill_ends_the_command(namespaces: None) -> None:
    """KILL cannot be received, but it can be sent."""
    with recorder(PID1, "-r", "HUP:KILL") as container:
        container.signal(signal.SIGHUP)
        assert container.wait() == 128 + signal.SIGKILL


def test_to_stop_stops_the_command(namespaces: None) -> None:
    """Until pyinit gets CONT."""
    with recorder(PID1, "-r", "USR1:STOP", command=python("catch.py", "CONT")) as container:
        child = container.main_child()
        container.signal(signal.SIGUSR1)
        until(lambda: state(child) == "T", "it has stopped")
        until_settled(container.pid)
        container.signal(signal.SIGCONT)
        container.expect("CONT")


@pytest.mark.parametrize("name", ["CHLD", "ABRT", "SEGV"])
def test_to_a_signal_that_pyinit_never_gets(namespaces: None, name: str) -> None:
    """CHLD, and those that report a fault, such as ABRT for a core dump, can be sent."""
    with recorder(PID1, "-r", f"USR1:{name}", command=python("catch.py", name)) as container:
        container.signal(signal.SIGUSR1)
        container.expect(name)


def test_tstp_made_of_another_signal_stops_the_command_in_an_orphaned_group(
    namespaces: None,
) -> None:
    """There the kernel would discard it (setpgid(2)), so that STOP is sent, as for TSTP itself."""
    command = [*python("join.py", "session"), *python("catch.py", "CONT")]
    with recorder(PID1, "-r", "USR1:TSTP", command=command, before=["setsid"]) as container:
        child = container.main_child()
        container.signal(signal.SIGUSR1)
        until(lambda: state(child) == "T", "it has stopped")


def test_tstp_can_become_another_signal(namespaces: None) -> None:
    """Nothing of its own is left of it then: the command is not stopped."""
    with recorder(PID1, "-r", "TSTP:USR2") as container:
        container.signal(signal.SIGTSTP)
        container.expect("USR2")
        container.signal(signal.SIGUSR1)
        container.expect("USR1")


def test_the_whole_group_gets_what_the_signal_became(namespaces: None) -> None:
    """With --group."""
    with recorder(PID1, "-gr", "TERM:QUIT,HUP:0", command=python("pair.py")) as container:
        for sent, got in ((signal.SIGTERM, signal.SIGQUIT), (signal.SIGUSR1, signal.SIGUSR1)):
            container.signal(signal.SIGHUP)
            container.signal(sent)
            both = {container.line(), container.line()}
            assert both == {f"child {int(got)}", f"member {int(got)}"}


def test_a_signal_of_the_namespace_itself_is_mapped_too(mode: str) -> None:
    """Sent by the command to its parent."""
    script = "trap 'exit 3' USR2; kill -HUP $PPID; while :; do sleep 0.01; done"
    assert harness.run(["sh", "-c", script], options=["-r", "HUP:USR2"], mode=mode) == (3, "", "")


# -- What a mapped stop signal still is.


def test_a_mapped_term_begins_the_drain(namespaces: None) -> None:
    """It is held back, the second one ends the wait, and what arrives is what it became."""
    with recorder(PID1, "-r", "TERM:USR1", "--drain", "1000") as container:
        for sent, got in (("TERM", ""), ("HUP", "HUP"), ("TERM", "USR1"), ("USR2", "USR2")):
            container.signal(number(sent))
            until_settled(container.pid)  # USR2 would be taken before TERM
            if got:
                container.expect(got)


def test_a_dropped_term_begins_the_drain(namespaces: None) -> None:
    """The second one ends the wait, and the plan follows, of which the drain is no part."""
    with recorder(PID1, "-r", "TERM:ignore", "--drain", "1000", "--stop-timeout", "0") as container:
        container.signal(signal.SIGTERM)
        until_settled(container.pid)
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
        container.signal(signal.SIGTERM)
        assert container.rest() == ""
        assert container.wait() == 128 + signal.SIGKILL


@pytest.mark.parametrize("to", ["USR1", "ignore"])
def test_a_mapped_term_starts_the_plan(namespaces: None, to: str) -> None:
    """Whose own signals are sent as they stand there, whatever the map says of them."""
    options = ("-r", f"TERM:{to},USR2:HUP", "--escalate", "USR2@0.2")
    with recorder(PID1, *options) as container:
        before = time.monotonic()
        container.signal(signal.SIGTERM)
        if to == "USR1":
            container.expect("USR1")
        container.expect("USR2")
        assert time.monotonic() - before >= 0.2


def test_a_signal_that_becomes_term_is_no_stop_signal(namespaces: None) -> None:
    """No drain holds it back, and no plan follows: pyinit is asked to stop by what it gets."""
    options = ("-r", "USR1:TERM", "--drain", "1000", "--stop-timeout", "0")
    with recorder(PID1, *options) as container:
        for _ in range(2):
            container.signal(signal.SIGUSR1)
            container.expect("TERM")
        container.signal(signal.SIGHUP)
        container.expect("HUP")


@pytest.mark.parametrize("to", ["QUIT", "ignore"])
def test_a_mapped_term_hurries_the_teardown(namespaces: None, to: str) -> None:
    """The second one, whatever they are mapped to; the leftovers got TERM, which no map changes."""
    with Container(
        python("leave.py", "daemon", "ignore"),
        options=["--grace", "1000", "-r", f"TERM:{to}"],
        stdin=subprocess.PIPE,
    ) as container:
        container.expect("ready")
        container.close_stdin()
        container.expect("TERM")
        container.signal(signal.SIGTERM)
        container.signal(signal.SIGINT)
        assert container.wait() == 7


def test_a_stopped_command_acts_on_what_a_stop_signal_became(namespaces: None) -> None:
    """It is continued, as for TERM itself: nobody would wait for it otherwise."""
    command = python("catch.py", "USR2", "CONT")
    with recorder(PID1, "-r", "TERM:USR2", command=command) as container:
        child = container.main_child()
        container.signal(signal.SIGTSTP)
        until(lambda: state(child) == "T", "it has stopped")
        until_settled(container.pid)
        container.signal(signal.SIGTERM)
        assert {container.line(), container.line()} == {"USR2", "CONT"}


# -- The fast way for signals that are relayed as they are.


def test_other_stop_signals_begin_a_stop_and_the_usual_ones_are_only_relayed(
    namespaces: None,
) -> None:
    """HUP, which is usually relayed at once, is held back by a drain, and TERM is not."""
    options = ("--stop-signals", "HUP,RTMIN+3", "--drain", "1000", "-r", "RTMIN+3:USR2")
    with recorder(PID1, *options) as container:
        for name in ("TERM", "INT", "QUIT"):
            container.signal(number(name))
            container.expect(name)
        container.signal(signal.SIGHUP)
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
        container.signal(number("RTMIN+3"))
        assert {container.line(), container.line()} == {"HUP", "USR2"}


def test_it_is_said_what_a_signal_became_and_which_was_dropped(namespaces: None) -> None:
    """With -vv, at the signal and its sender."""
    with recorder(PID1, "-vv", "-r", "USR1:USR2,HUP:ignore") as container:
        for name in ("HUP", "USR1"):
            container.signal(number(name))
        container.expect("USR2")
        lines: list[str] = []
        while "signal_relayed" not in (line := container.line(2)):
            assert line, lines
            lines.append(line)
        *_, got, ignored, got_next = logged("\n".join(lines))
        assert (got["event"], got["signal"]) == ("signal_received", "SIGHUP")
        assert (ignored["event"], ignored["received"]) == ("signal_ignored", "SIGHUP")
        assert (got_next["event"], got_next["signal"]) == ("signal_received", "SIGUSR1")
        relayed = json.loads(line)
        assert (relayed["signal"], relayed["received"]) == ("SIGUSR2", "SIGUSR1")


# -- The terminal's own signals.


def test_winch_ignore_keeps_a_new_window_size_from_the_command(namespaces: None) -> None:
    """The cure for Apache, to which WINCH is a request to end.

    The terminal sends it to the foreground process group, so that this has to be
    pyinit's: the command is not given the terminal before it wants to read from it.
    """
    with session(RECORD, options=["-r", "WINCH:ignore"]) as (terminal, container):
        terminal.expect_only("ready")
        assert terminal.foreground() == container.pid != container.main_child()
        for rows in (30, 31):
            terminal.resize(rows, 100)
            until_settled(container.pid)
            container.signal(signal.SIGWINCH)
            until_settled(container.pid)
            terminal.type(INTERRUPT)
            terminal.expect_only("INT")
            container.signal(signal.SIGUSR1)
            terminal.expect_only("USR1")


@pytest.mark.parametrize(
    ("rule", "key", "got"), [("INT:TERM", INTERRUPT, "TERM"), ("TSTP:USR2", SUSPEND, "USR2")]
)
def test_a_key_sends_what_its_signal_became(
    rule: str, key: str, got: str, namespaces: None
) -> None:
    """Once; and nothing of what it was."""
    with session(RECORD, options=["-r", rule]) as (terminal, container):
        terminal.expect_only("ready")
        for _ in range(2):
            terminal.type(key)
            terminal.expect_only(got)
            container.signal(signal.SIGUSR1)
            terminal.expect_only("USR1")


def test_the_command_is_given_the_terminal_when_it_wants_to_read(namespaces: None) -> None:
    """TTIN stops it, for it is in the background; pyinit hands the terminal over and continues it.

    From then on the terminal's signals are the command's own, and no map sees them.
    """
    with session(["cat"], options=["-r", "INT:TERM"]) as (terminal, container):
        child = container.main_child()
        until(lambda: terminal.foreground() == child, "the command has the terminal")
        terminal.type("hello\n")
        terminal.expect_only("hello")
        terminal.type(INTERRUPT)
        assert container.wait() == 128 + signal.SIGINT


def test_other_maps_do_not_change_who_has_the_terminal(namespaces: None) -> None:
    """It is the command."""
    with session(RECORD, options=["-r", "TERM:QUIT"]) as (terminal, container):
        terminal.expect_only("ready")
        assert terminal.foreground() == container.main_child()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rule", ["INT:INT", "INT:TERM", "INT:ignore"])
def test_a_command_in_the_group_of_pyinit_has_got_the_signal_itself_already(
    rule: str, mode: str, namespaces: None
) -> None:
    """What the terminal sent to the whole group no map can take back; it may add another one."""
    command = [*python("join.py", "foreground"), *RECORD]
    with session(command, mode=mode, options=["-r", rule]) as (terminal, container):
        terminal.expect_only("ready")
        terminal.type(INTERRUPT)
        terminal.expect_only("INT")
        if rule == "INT:TERM":
            terminal.expect_only("TERM")
        container.signal(signal.SIGUSR1)
        terminal.expect_only("USR1")
