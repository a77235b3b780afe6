#!/usr/bin/env python3
"""build.py [--time SECONDS] DIRECTORY STEP...: run the steps of a build, each in a container.

Each step is a line for a shell.  It sees DIRECTORY as /tmp, has no network, and is root in its
container only.  Its output appears as it comes.  A step that fails or takes too long ends the
build, and all processes that it has started end too.  The exit code of the build is that of the
step, or 124 after a time-out, as with timeout(1).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading

import pyinit

TOO_LONG = 124


def step(line: str, directory: str, time_s: float) -> int:
    """Run a step; return its exit code."""
    with pyinit.spawn(
        ["sh", "-e", "-c", line],
        namespaces={"user", "pid", "mount", "net", "ipc"},
        binds=[(directory, "/tmp")],
        cwd="/tmp",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        quiet=True,
    ) as container:
        showing = threading.Thread(target=show, args=(container,))
        showing.start()
        try:
            end = container.wait(timeout=time_s)
        except pyinit.TimeoutExpired:
            container.stop(timeout=2)
            print(f"build: no end within {time_s:g} s: {line}", file=sys.stderr)
            return TOO_LONG
        finally:
            showing.join()
    if end.signal is not None:
        print(f"build: killed by {end.signal.name}: {line}", file=sys.stderr)
    return end.code


def show(container: pyinit.Container) -> None:
    """Show the output of a step line by line."""
    assert container.stdout is not None
    for text in container.stdout:
        print(f"  {text}", end="", flush=True)


def main() -> int:
    """Run all steps; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time", metavar="SECONDS", type=float, default=600.0)
    parser.add_argument("directory")
    parser.add_argument("steps", metavar="STEP", nargs="+")
    args = parser.parse_args()
    for line in args.steps:
        print(f"> {line}", flush=True)
        try:
            code = step(line, args.directory, args.time)
        except (OSError, pyinit.StartError) as error:
            print(f"build: {error}", file=sys.stderr)
            return 125
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
