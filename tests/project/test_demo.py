"""What `make demo` runs shows what it says: a PID, an orphan reaped, a leftover awaited."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.harness import DEADLINE_S, PYINIT, ROOT

DEMO = ROOT / "examples" / "demo.sh"


def lines_of(*, path: str = os.environ["PATH"]) -> tuple[int, list[str], str]:
    """Run the demonstration; return its exit code, and the lines of stdout and stderr."""
    done = subprocess.run(
        ["/bin/sh", str(DEMO), *PYINIT],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_the_demonstration_shows_an_init_at_work(namespaces: None) -> None:
    """In this order: the shell's PID, its orphan's end, its own, and the leftover's, awaited.

    The leftover is told to end before that is written, so `teardown_started` has no fixed place.
    """
    code, lines, err = lines_of()
    assert code == 0, err
    wanted = iter(
        (
            "shell: my PID is 2, and PID 1 is pyinit",
            "is an orphan",
            "has ended and is not a zombie",
            "leftover: the shell ends",
            "child_exited pid=2 exit_code=7",
            "leftover: got TERM",
            "leftover: saved",
            "exiting exit_code=7",
            "The exit status is the shell's: 7.",
        )
    )
    text = "\n".join(lines)
    want = next(wanted, "")
    for line in lines:
        if want and want in line:
            want = next(wanted, "")
    assert not want, text
    assert "teardown_started" in text
    orphan = re.search(r"process (\d+) is an orphan", text)
    assert orphan, text
    assert f"orphan_reaped pid={orphan[1]} name=sleep" in text


@pytest.mark.parametrize("unshare", [None, "#!/bin/sh\necho 'unshare: no' >&2\nexit 1\n"])
def test_it_says_what_is_missing(unshare: str | None, tmp_path: os.PathLike[str]) -> None:
    """Without unshare(1), or where no namespace can be made, it names that, and fails."""
    if unshare is not None:
        program = os.path.join(tmp_path, "unshare")
        with open(program, "w", encoding="utf-8") as file:
            file.write(unshare)
        os.chmod(program, 0o755)
    for name in ("cat", "true"):
        os.symlink(f"/bin/{name}", os.path.join(tmp_path, name))
    code, lines, err = lines_of(path=str(tmp_path))
    assert code == 1
    assert lines == []
    assert ("unshare: no" if unshare else "install util-linux") in err
