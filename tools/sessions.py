"""``make sessions``: the pictures of README.md, each a terminal session that was really run.

The commands run on a pseudo-terminal, in PID namespaces of their own; their output becomes an SVG
for light and one for dark backgrounds.  Needs tini, util-linux and root.
"""

from __future__ import annotations

import html
import os
import pty
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "images"
COLUMNS = 92
UNSHARE = "unshare --pid --fork --mount-proc"

WORK = """\
#!/bin/sh
# A worker in the background saves its work on TERM.
sh -c 'trap "sleep 0.2; echo 42 records >saved; exit" TERM
    echo "worker: 42 records in memory"; sleep 1000 & wait' &
sleep 1
echo "main: failed"
exit 3
"""
COMPARISON = (
    "cat work.sh",
    f"{UNSHARE} tini -- ./work.sh; cat saved",
    f"{UNSHARE} pyinit -- ./work.sh; cat saved",
)

# ENTRYPOINT in the shell form, as a Dockerfile has it.
SICK = "exec {unshare} sh -c 'python3 -m http.server --bind 127.0.0.1 0; true' >/dev/null 2>&1"

THEMES = {
    "light": {"back": "#ffffff", "text": "#1f2328", "rim": "#d1d9e0", "prompt": "#1a7f37"},
    "dark": {"back": "#0d1117", "text": "#e6edf3", "rim": "#3d444d", "prompt": "#3fb950"},
}
COLORS = {
    "light": {"31": "#cf222e", "32": "#1a7f37", "33": "#9a6700", "36": "#1b7c83"},
    "dark": {"31": "#ff7b72", "32": "#3fb950", "33": "#d29922", "36": "#76e3ea"},
}
WIDTH, HEIGHT, RIM = 8.0, 18, 16


def main() -> int:
    """Run the sessions and write the pictures."""
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        (directory / "work.sh").write_text(WORK)
        (directory / "work.sh").chmod(0o755)
        write("session", compared(directory), "A worker's file, under tini and under pyinit")
        write("doctor", examined(directory), "pyinitctl doctor finds why a stop takes 10 seconds")
    return 0


def compared(directory: Path) -> str:
    """Return the session in which tini loses a worker's file, and pyinit does not."""
    screen = []
    for command in COMPARISON:
        output = run(command, directory)
        screen.append(f"$ {command}\n{output}")
    return "\n".join(screen)


def examined(directory: Path) -> str:
    """Return what doctor says of a container whose PID 1 is a shell."""
    words = ["sh", "-c", SICK.format(unshare=UNSHARE + " --kill-child")]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as outside:
        try:
            init = child_of(outside.pid)
            child_of(init)
            output = run(f"pyinitctl doctor {init}", directory)
            return f"$ pyinitctl doctor {init}\n{output}"
        finally:
            outside.kill()


def child_of(pid: int) -> int:
    """Return the first child, once there is one that has executed its program."""
    for _ in range(1000):
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if found and Path(f"/proc/{found[0]}/comm").read_text() != "unshare\n":
            return int(found[0])
        time.sleep(0.01)
    raise TimeoutError(f"process {pid} has no child")


def run(command: str, directory: Path) -> str:
    """Return what a shell writes to a terminal."""
    ours, theirs = pty.openpty()
    environ = {
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "COLUMNS": str(COLUMNS),
        "LC_ALL": "C.UTF-8",
    }
    words = ["sh", "-c", command]
    streams = {"stdin": subprocess.DEVNULL, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(words, cwd=directory, env=environ, **streams):  # type: ignore[call-overload]
        os.close(theirs)
        output = b""
        try:
            while block := os.read(ours, 65536):
                output += block
        except OSError:  # EIO: nothing has the terminal open any more
            pass
        os.close(ours)
    return output.decode().replace("\r\n", "\n").rstrip("\n") + "\n"


def write(name: str, screen: str, title: str) -> None:
    """Write a picture for each theme."""
    for theme in THEMES:
        (OUT / f"{name}-{theme}.svg").write_text(svg(screen, title, theme))
    print(f"{name}:\n{screen}")


def svg(screen: str, title: str, theme: str, columns: int = COLUMNS) -> str:
    """Return the picture of a screen."""
    lines = screen.rstrip("\n").split("\n")
    colors = THEMES[theme]
    width = columns * WIDTH + 2 * RIM
    height = len(lines) * HEIGHT + 2 * RIM
    rows = []
    for number, line in enumerate(lines):
        y = RIM + number * HEIGHT + 13
        rows.append(f'<text xml:space="preserve" x="{RIM}" y="{y}">{spans(line, theme)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" role="img">\n'
        f"<title>{html.escape(title)}</title>\n"
        "<style>text{font:13.3px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        f"white-space:pre;fill:{colors['text']}}}.b{{font-weight:bold}}</style>\n"
        f'<rect x=".5" y=".5" width="{width - 1:g}" height="{height - 1}" rx="6" '
        f'fill="{colors["back"]}" stroke="{colors["rim"]}"/>\n' + "\n".join(rows) + "\n</svg>\n"
    )


def spans(line: str, theme: str) -> str:
    """Return a line with its colours (SGR in ECMA-48) as spans."""
    if line.startswith("$ "):
        prompt = THEMES[theme]["prompt"]
        return f'<tspan fill="{prompt}">$</tspan><tspan class="b">{html.escape(line[1:])}</tspan>'
    done, open_ = "", False
    for part in re.split(r"(\x1b\[[\d;]*m)", line):
        if not part.startswith("\x1b"):
            done += html.escape(part)
            continue
        codes = part[2:-1].split(";")
        color = next((COLORS[theme][code] for code in codes if code in COLORS[theme]), "")
        done += "</tspan>" if open_ else ""
        open_ = bool(color) or "1" in codes
        if open_:
            bold = ' class="b"' if "1" in codes else ""
            done += f"<tspan{bold}" + (f' fill="{color}">' if color else ">")
    return done + ("</tspan>" if open_ else "")


if __name__ == "__main__":
    sys.exit(main())
