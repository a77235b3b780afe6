"""What pyinitctl shows of a container comes as data."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

import pyinit
from tests.harness import DEADLINE_S, PYINIT, python
from tests.spawning import line, spawn

pytestmark = pytest.mark.usefixtures("namespaces")


def shown(command: str, pid: int) -> Any:
    """Return what pyinitctl writes."""
    argv = [f"{PYINIT[0]}ctl", command, str(pid), "--json"]
    done = subprocess.run(argv, capture_output=True, check=False, timeout=DEADLINE_S)
    return json.loads(done.stdout)


def own(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out that others of the machine could not be looked at: they come and go."""
    left = [each for each in found["not_checked"] if each["id"] != "processes"]
    return {**found, "not_checked": left}


def test_it_is_what_pyinitctl_shows() -> None:
    """But for times, which pass."""
    with spawn(python("record.py", "TERM")) as container:
        assert line(container.stdout) == "ready"
        found = container.status()
        assert found["init"] == shown("status", container.pid)["init"]
        assert {each["inner_pid"] for each in found["processes"]} == {1, 2}
        assert own(container.doctor()) == own(shown("doctor", container.pid))
        container.kill()
        for ask in (container.status, container.doctor):
            with pytest.raises(ProcessLookupError, match="has ended"):
                ask()


def test_of_any_process() -> None:
    """Our own by default."""
    assert pyinit.status_of()["processes"]
    assert pyinit.examine()["target"]["own"]
    assert pyinit.examine(os.getpid(), stop_signal="INT")["target"]["stop_signal"] == "SIGINT"
    for ask in (pyinit.status_of, pyinit.examine):
        with pytest.raises(RuntimeError, match="no process"):
            ask(2**22)
    with pytest.raises(ValueError, match=r"^stop_signal: "):
        pyinit.examine(stop_signal="NONE")
