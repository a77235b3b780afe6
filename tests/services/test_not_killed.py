"""A process of a service that SIGKILL does not end is named, and holds nothing up."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

from tests import conftest
from tests.freezers import cgroup, hierarchies
from tests.harness import SUBREAPER, status_field, until
from tests.services.boxes import box, shell, stays, told

if TYPE_CHECKING:
    from pathlib import Path

V1 = "/sys/fs/cgroup/freezer"


def test_who_is_frozen_is_named_and_not_waited_for(namespaces: None, tmp_path: Path) -> None:
    """A leader, and what is left of another's session: what they come after is stopped then.

    In a frozen cgroup of version 1 nobody is ended by SIGKILL until it is thawed.
    """
    if V1 not in hierarchies():
        conftest.missing("root")
    rest = 'sleep 1000 & echo "rest $!"; trap "exit 0" TERM; (echo >&3); wait'
    text = (
        "[service.db]\n"
        + stays("db")
        + "[service.leader]\nafter = ['db']\nstop-timeout = 0.1\n"
        + shell('echo "leader $$"; exec sleep 1000')
        + "[service.left]\nafter = ['db']\nstop-timeout = 0.1\nready = {fd = 3}\n"
        + shell(rest)
    )
    with cgroup(V1) as directory, box(tmp_path, text, mode=SUBREAPER) as container:
        try:
            lines = sorted([container.line() for _ in "123"])
            assert lines[0] == "db"
            inside = {int(line.split()[1]): line.split()[0] for line in lines[1:]}
            frozen: dict[str, int] = {}

            def are_there() -> bool:
                for pid in container.descendants():
                    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                        number = int(status_field(pid, "NSpid").split()[-1])
                        if number in inside and status_field(pid, "Name") == "sleep":
                            frozen[inside[number]] = pid
                return len(frozen) == len(inside)

            until(are_there, "both have become sleep", container.process.pid)
            for pid in frozen.values():
                (directory / "cgroup.procs").write_text(str(pid))
            (directory / "freezer.state").write_text("FROZEN")
            until(lambda: (directory / "freezer.state").read_text() == "FROZEN\n", "frozen")
            container.signal(signal.SIGTERM)
            container.expect("db stops")
        finally:
            (directory / "freezer.state").write_text("THAWED")
        found = [each for each in told(container) if each["event"] == "service_not_killed"]
        number = {name: number for number, name in inside.items()}
        assert {each["service"]: each["left"] for each in found} == {
            "leader": [number["leader"]],
            "left": [number["rest"]],
        }
