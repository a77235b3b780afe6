"""pyinitctl beside the tools of a container runtime: what `podman exec` and `podman top` do.

The container is podman's own, with all that it takes from its processes: capabilities, a
filter, a root on an overlay, cgroups in every hierarchy.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

import pyinit
from tests import conftest, container_runtimes, harness
from tests.harness import DEADLINE_S, PYINIT, python

PYINITCTL = f"{PYINIT[0]}ctl"
LOOK = """
cd /proc/self/ns && readlink user cgroup ipc uts net pid time mnt
test / -ef /proc/1/root && test -e /run/.containerenv && echo "in its root"
echo "$PATH"
cat /proc/self/cgroup
"""


@pytest.fixture
def need_podman(namespaces: None) -> None:
    """Skip, or in CI fail, where podman cannot be run."""
    if os.geteuid() != 0:
        conftest.missing("root")
    conftest.need(*container_runtimes.Podman.programs)


def ctl(*words: str) -> str:
    """Return what pyinitctl says, with a PATH on which there is nothing."""
    done = subprocess.run(
        [PYINITCTL, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env={**os.environ, "PATH": "/nonexistent"},
    )
    assert not done.stderr
    return done.stdout.rstrip("\n")


@pytest.mark.runtimes
@pytest.mark.usefixtures("need_podman")
def test_pyinitctl_in_a_container_of_podman() -> None:
    """One container for all of it, as its start takes most of the time."""
    with container_runtimes.Podman(python("record.py", "TERM", "USR1")) as container:
        container.expect("ready")
        init = container.init()
        inside = pyinit.namespaces_of(init)

        def execute(script: str, *options: str) -> str:
            return ctl("exec", str(init), *options, "--", "sh", "-c", script)

        with open(f"/proc/{init}/cgroup") as file:
            cgroups = file.read().splitlines()
        lines = execute(LOOK).splitlines()
        assert lines[: len(inside)] == list(map(str, inside.values()))
        assert lines[len(inside)] == "in its root"
        assert "/usr/bin" in lines[len(inside) + 1].split(":")
        assert lines[len(inside) + 2 :] == cgroups
        # A terminal that has a name in the container's own devpts.
        assert execute("tty", "-t").startswith("/dev/pts/")
        # A daemon of the command is ended with it; the container goes on.
        execute("trap '' HUP; setsid sleep 1000 >/dev/null 2>&1 &")
        (tree,) = json.loads(ctl("tree", str(init), "--json"))["namespaces"]
        numbers = {each["pid"]: each["numbers"][-1] for each in tree["processes"]}
        assert (tree["init"], numbers[init]) == (init, 1)
        assert set(numbers) == {init, *harness.descendants(init)}
        row = json.loads(ctl("ns", str(init), "--json"))["processes"][0]
        assert row["namespaces"] == {kind: each.inode for kind, each in inside.items()}
        os.kill(init, signal.SIGUSR1)
        container.expect("USR1")
        container.stop()
        container.expect("TERM")
        assert container.wait() == 0
