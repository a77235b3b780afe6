"""Make docs/screens.md: what each tool shows, at 60, 80 and 120 columns, of a real container.

Without colours as text; in colour as pictures, docs/images/screen-*.svg.

``python -m tools.screens``, or ``make screens``; as root, with unshare(1).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tools import sessions

ROOT = Path(__file__).parents[1]
PYINIT = str(Path(sys.executable).with_name("pyinit"))
# With a process that is stopped, and one that is a zombie.
PROGRAM = "import os, time; os.fork() or os._exit(0); print(); time.sleep(1000)"
COMMAND = f"sleep 900 & setsid sleep 1000 & python3 -uc '{PROGRAM}' & wait"
TOOLS = ("ps PID", "status PID", "tree PID", "ns PID", "doctor PID", "--help", "run --help")
COLOURED = ("ps", "status", "tree", "ns", "doctor")
WIDTHS = (60, 80, 120)
INTRODUCTION = """\
What the tools show of a container, on terminals of three widths, without colours and with them.
Where a screen is narrow other columns are left out before the command, and what is
cut ends with an ellipsis."""


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
        pid = _children(str(init.pid))[0]
        os.kill(int(_children(_children(pid)[0])[0]), signal.SIGSTOP)
        parts = [
            "# Screens",
            "<!-- Made by `make screens`. -->",
            INTRODUCTION,
        ]
        for words in TOOLS:
            parts.append(f"## pyinitctl {words}")
            for width in WIDTHS:
                shown = _shown(words.replace("PID", pid), width, {"NO_COLOR": "1"})
                parts += [f"{width} columns:", f"```text\n{shown}```"]
                name = words.split()[0]
                if name in COLOURED:
                    coloured = _shown(words.replace("PID", pid), width, {"FORCE_COLOR": "1"})
                    title = f"pyinitctl {words}, {width} columns"
                    picture = f"images/screen-{name}-{width}.svg"
                    svg = sessions.svg(coloured, title, "dark", width)
                    (ROOT / "docs" / picture).write_text(svg, "utf-8")
                    parts.append(f"![{title}, in colour]({picture})")
        (ROOT / "docs" / "screens.md").write_text("\n\n".join(parts) + "\n", "utf-8")
    finally:
        init.kill()
        init.wait()


def _children(pid: str) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _shown(words: str, width: int, how: dict[str, str]) -> str:
    environ = {key: os.environ[key] for key in os.environ if not key.endswith("_COLOR")}
    done = subprocess.run(
        [sys.executable, "-m", "pyinit.ctl", *words.split()],
        env={**environ, "COLUMNS": str(width), **how},
        stdout=subprocess.PIPE,
        check=False,
        text=True,
    )
    return done.stdout.replace(str(ROOT), "/srv/pyinit")


if __name__ == "__main__":
    main()
