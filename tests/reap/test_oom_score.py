"""`--oom-score-adj`: whom the kernel's OOM killer chooses, the command or its init."""

from __future__ import annotations

import os
import subprocess

from tests import memory
from tests.harness import Container, run, status_field, until
from tests.users import need_root

# Twelve processes of some 4 MB each, in 32 MB: each is smaller than an interpreter.
WORKERS = """
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    (x=$(head -c 4000000 /dev/zero | tr '\\0' x); sleep 0.3) &
done
wait
echo served
"""
SYS_RESOURCE = 24  # its number in capabilities(7)
READ = ["sh", "-c", "cat /proc/self/oom_score_adj; read -r line"]


def adjustment(pid: int) -> str:
    """Return what the OOM killer adds for a process."""
    with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as file:
        return file.read().strip()


def test_workers_are_killed_and_their_init_goes_on(mode: str) -> None:
    """Without the option the largest process is pyinit, and the container ends with it."""
    with (
        memory.cgroup(limit_bytes=32 << 20) as directory,
        Container(
            ["sh", "-c", WORKERS],
            mode=mode,
            before=["setpriv", "--bounding-set", "-sys_resource"],
            options=["--oom-score-adj", "500"],
            preexec=memory.joining(directory),
        ) as container,
    ):
        container.rest()
        code = container.wait()
        control = (directory / "memory.oom_control").read_text()
    assert "oom_kill 0" not in control
    assert code == 0


def test_it_is_the_commands_and_the_init_takes_less(mode: str) -> None:
    """As little as the kernel allows; it does so after the start, so the command has its own."""
    least = "-1000" if int(status_field(os.getpid(), "CapEff"), 16) >> SYS_RESOURCE & 1 else "0"
    raised = ["sh", "-c", 'echo 200 >/proc/self/oom_score_adj; exec "$@"', "sh"]
    with Container(
        READ, mode=mode, before=raised, options=["--oom-score-adj", "300"], stdin=subprocess.PIPE
    ) as container:
        container.expect("300")
        until(lambda: adjustment(container.pid) == least, "pyinit took less")


def test_what_cannot_be_lowered_starts_nothing(mode: str) -> None:
    """The message names the value."""
    need_root()
    before = ["setpriv", "--bounding-set", "-sys_resource"]
    assert run(["true"], mode=mode, before=before, options=["--oom-score-adj", "-900"]) == (
        125,
        "",
        "pyinit: cannot set oom_score_adj to -900: Permission denied\n",
    )
