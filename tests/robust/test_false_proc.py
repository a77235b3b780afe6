"""What somebody in the container has mounted over /proc is neither waited for nor believed."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.harness import SUBREAPER, Container

# Each is found under the names by which pyinit looks for itself and for its children.
FIFO = "mkfifo"
ENDLESS = "ln -s /dev/zero"
NONSENSE = "echo x >"

# The command mounts it: it has the mount namespace of its init.  No Python runs below it, which
# opens /proc/self/stat after each fork(2) itself, from 3.12 on.
MOUNT = """
mount -t tmpfs none /proc
ln -s $PPID /proc/self
for pid in $PPID $$ 5 6 7 8 99999999 x; do
    mkdir -p /proc/$pid/task/$pid
    for file in stat status comm task/$pid/children; do {make} /proc/$pid/$file; done
done
"""
LEFTOVERS = """
leave() { trap 'echo TERM; exit' TERM; echo ready; while :; do sleep 0.05; done; }
leave & leave & read _; exit 7
"""
SERVICE = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done"
EACH = pytest.mark.parametrize(
    "make", [FIFO, ENDLESS, NONSENSE], ids=["fifo", "endless", "nonsense"]
)


@EACH
def test_leftovers_below_a_false_proc(make: str, mode: str) -> None:
    """They get TERM, and their end is the end."""
    with Container(
        ["sh", "-c", MOUNT.replace("{make}", make) + LEFTOVERS],
        options=["--grace", "1000", "-vv", "-w"],
        mode=mode,
        before=["unshare", "--mount"],
        stdin=subprocess.PIPE,
    ) as container:
        for _ in range(2):
            container.expect("ready")
        container.close_stdin()
        for _ in range(2):
            container.expect("TERM")
        assert container.wait() == 7
        if mode == SUBREAPER:
            assert container.survivors == []


@EACH
def test_a_stop_with_a_command_before_it(make: str, mode: str) -> None:
    """It comes, though that command may not: where a fork would wait nobody is forked."""
    with Container(
        ["sh", "-c", MOUNT.replace("{make}", make) + SERVICE],
        options=["--drain", "0.2", "--pre-stop", "true"],
        mode=mode,
        before=["unshare", "--mount"],
    ) as container:
        container.expect("ready")
        container.signal(signal.SIGTERM)
        assert container.wait() == 7
