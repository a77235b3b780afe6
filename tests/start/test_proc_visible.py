"""PID 1 can be looked at by the user whom it runs as: /proc/1 is not root's."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pyinit.ctl.dist import pyz
from tests.conftest import missing
from tests.harness import run

NOBODY = 65534


def test_the_user_of_the_init_can_read_its_proc(single_file: Path) -> None:
    """The kernel hides a process that runs a program its user cannot read (proc(5)).

    That is so of an init installed execute-only; an interpreter can be read.  As a
    single file of the system's, for this one's place may be out of the user's reach.
    """
    if os.geteuid() != 0:
        missing("root")
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        init = Path(directory, "pyinit")
        data = single_file.read_bytes()
        # The rest of the file is the same for all interpreters, at the same places.
        init.write_bytes(
            pyz._first_line("/usr/bin/python3").ljust(pyz.START, b"\n") + data[pyz.START :]
        )
        init.chmod(0o755)
        before = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        script = "readlink /proc/1/exe; cat /proc/1/environ >/dev/null && stat -c %u /proc/1/fd"
        code, out, err = run(["sh", "-c", script], init=[str(init)], before=before)
        assert (code, err) == (0, "")
        assert out.splitlines()[-1] == str(NOBODY)
