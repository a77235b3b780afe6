"""The signals of the report: each is counted, by name and sender, and the report stays small."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from pyinit.report import facts
from tests.harness import Container, python
from tests.log import reports
from tests.log.reports import finish, reported
from tests.terminals import until_settled

if TYPE_CHECKING:
    from pathlib import Path

MANY = 5000
# A small machine queues no more than some thousand for all processes of a user: RLIMIT_SIGPENDING.
AT_ONCE = 500
SMALL = 64 * 1024  # what a pipe takes whole; see pipe(7)


def test_they_are_counted_exactly(namespaces: None, tmp_path: Path) -> None:
    """Those of real time are queued one by one; see signal(7)."""
    path = tmp_path / "report"
    command = python("record.py")
    with Container(command, options=reports.option(path)) as container:
        container.expect("ready")
        for _ in range(MANY // AT_ONCE):
            for _ in range(AT_ONCE):
                container.signal(signal.SIGRTMIN + 1)
            for _ in range(AT_ONCE):
                container.expect("RTMIN+1")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        report = finish(container, path)
    counts = {each["signal"]: each["count"] for each in report["signals"]}
    assert counts == {"SIGRTMIN+1": MANY, "SIGTERM": 1}


def test_what_becomes_of_them(namespaces: None, tmp_path: Path) -> None:
    """As what each was relayed, or null; the one that came last is last."""
    path = tmp_path / "report"
    rules = "HUP:USR2,WINCH:ignore"
    command = python("record.py", "USR1", "USR2")
    options = [*reports.option(path), "--rewrite", rules]
    with Container(command, options=options) as container:
        container.expect("ready")
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
        container.signal(signal.SIGWINCH)
        until_settled(container.pid)  # lower numbers come first; see signal(7)
        container.signal(signal.SIGHUP)
        container.expect("USR2")
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
        container.signal(signal.SIGTERM)
        report = finish(container, path)
    found = [(each["signal"], each["count"], each["relayed_as"]) for each in report["signals"]]
    assert found == [
        ("SIGWINCH", 1, None),
        ("SIGHUP", 1, "SIGUSR2"),
        ("SIGUSR1", 2, "SIGUSR1"),
        ("SIGTERM", 1, "SIGTERM"),
    ]
    times = [each["last_s"] for each in report["signals"]]
    assert times == sorted(times)
    assert {each["origin"] for each in report["signals"]} == {"outside"}


def test_very_many_senders(namespaces: None, tmp_path: Path) -> None:
    """Those beyond a number are counted together; who has stopped the command is told always."""
    more = 50
    command = python("senders.py", str(facts.MOST_SENDERS + more))
    _, report = reported(tmp_path, command)
    *_, together, last = report["signals"]
    assert len(report["signals"]) == facts.MOST_SENDERS + 2
    assert sum(each["count"] for each in report["signals"]) == facts.MOST_SENDERS + more + 1
    assert (together["count"], together["sender_name"], together["sender_pid"]) == (
        more,
        None,
        None,
    )
    assert (last["signal"], last["sender_name"]) == ("SIGTERM", None)
    stop = report["stop"]
    assert stop["sender_name"] == "the last"
    assert report["cause"].endswith(f"from the last[{stop['sender_pid']}] of user 0")
    assert (tmp_path / "report").stat().st_size < SMALL
