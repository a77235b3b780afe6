"""Make docs/screens.md: what each tool shows, at 60, 80 and 120 columns, of a real container.

``python -m tools.screens``, or ``make screens``; as root, with unshare(1).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYINIT = str(Path(sys.executable).with_name("pyinit"))
COMMAND = "python3 -c 'import time; time.sleep(1000)' & setsid sleep 1000 & echo ready; wait"
TOOLS = ("ps PID", "status PID", "tree PID", "ns PID", "doctor PID", "--help", "run --help")
WIDTHS = (60, 80, 120)
INTRODUCTION = """\
What the tools show of a container, on terminals of three widths. Columns go before the command
does, and what is cut ends with an ellipsis."""


def main() -> None:
    """Write the file."""
    argv = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    init = subprocess.Popen(
        [*argv, PYINIT, "--", "sh", "-c", COMMAND],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin"},  # as in an image, not as in our shell
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert init.stdout is not None
        init.stdout.readline()
        pid = Path(f"/proc/{init.pid}/task/{init.pid}/children").read_text().split()[0]
        parts = [
            "# Screens",
            "<!-- Made by `make screens`. -->",
            INTRODUCTION,
        ]
        for words in TOOLS:
            parts.append(f"## pyinitctl {words}")
            for width in WIDTHS:
                shown = _shown(words.replace("PID", pid), width)
                parts += [f"{width} columns:", f"```text\n{shown}```"]
        (ROOT / "docs" / "screens.md").write_text("\n\n".join(parts) + "\n", "utf-8")
    finally:
        init.kill()
        init.wait()


def _shown(words: str, width: int) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pyinit.ctl", *words.split()],
        env={**os.environ, "COLUMNS": str(width), "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        check=False,
        text=True,
    )
    return done.stdout.replace(str(ROOT), "/srv/pyinit")


if __name__ == "__main__":
    main()
