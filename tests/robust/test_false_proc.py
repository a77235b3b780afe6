"""What somebody in the container has mounted over /proc is neither waited for nor believed."""

from __future__ import annotations

import subprocess

import pytest

from tests.harness import SUBREAPER, Container, python

# Each is found under the names by which pyinit looks for itself and for its children.
FIFO = "mkfifo"
ENDLESS = "ln -s /dev/zero"
NONSENSE = "echo x >"

# The command mounts it: it has the mount namespace of its init.
MOUNT = """
mount -t tmpfs none /proc
ln -s $PPID /proc/self
for pid in $PPID $$ 5 6 7 8 99999999 x; do
    mkdir -p /proc/$pid/task/$pid
    for file in stat status comm task/$pid/children; do {make} /proc/$pid/$file; done
done
exec "$@"
"""


@pytest.mark.parametrize("make", [FIFO, ENDLESS, NONSENSE], ids=["fifo", "endless", "nonsense"])
def test_a_false_proc(make: str, mode: str) -> None:
    """Leftovers get TERM, and their end is the end."""
    script = MOUNT.replace("{make}", make)
    with Container(
        ["sh", "-c", script, "sh", *python("leave.py", "daemon", "end", "2")],
        options=["--grace", "1000", "-vv", "-w"],
        mode=mode,
        before=["unshare", "--mount"],
        stdin=subprocess.PIPE,
    ) as container:
        for _ in range(2):
            container.expect("ready")
        assert container.process.stdin is not None
        container.process.stdin.close()
        for _ in range(2):
            container.expect("TERM")
        assert container.wait() == 7
        if mode == SUBREAPER:
            assert container.survivors == []
