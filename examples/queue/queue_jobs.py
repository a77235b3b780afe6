#!/usr/bin/env python3
"""queue_jobs.py [--at-once N] [--time SECONDS]: run a job for each line of stdin, in asyncio.

Each line is a shell command and runs in a container of its own.  For each job that ends,
queue_jobs.py writes one line of JSON: the command, its exit code and its output.  SIGINT and
SIGTERM end all jobs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys

import pyinit

KINDS = {"pid", "mount", *(() if os.geteuid() == 0 else ("user",))}


async def job(line: str, time_s: float) -> dict[str, object]:
    """Run a job; return its result."""
    try:
        async with asyncio.timeout(time_s):
            done = await pyinit.run_container_async(
                ["sh", "-c", line], namespaces=KINDS, capture_output=True, quiet=True
            )
    except TimeoutError:
        return {"job": line, "error": f"no end within {time_s:g} s"}
    except (OSError, pyinit.StartError) as error:
        return {"job": line, "error": str(error)}
    output = (done.stdout + done.stderr).decode(errors="replace")
    return {"job": line, "code": done.exit.code, "output": output}


async def worker(waiting: asyncio.Queue[str], time_s: float) -> None:
    """Run one job after the other."""
    while True:
        line = await waiting.get()
        print(json.dumps(await job(line, time_s)), flush=True)
        waiting.task_done()


async def run_all(lines: list[str], at_once: int, time_s: float) -> None:
    """Run all jobs, ``at_once`` at a time."""
    waiting: asyncio.Queue[str] = asyncio.Queue()
    for line in lines:
        waiting.put_nowait(line)
    workers = [asyncio.create_task(worker(waiting, time_s)) for _ in range(at_once)]
    try:
        await waiting.join()
    finally:
        for each in workers:
            each.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def run_until_stopped(lines: list[str], at_once: int, time_s: float) -> int:
    """Run all jobs, or until a signal comes; return the exit code."""
    running = asyncio.ensure_future(run_all(lines, at_once, time_s))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        return 1
    return 0


def main() -> int:
    """Read the jobs and run them; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at-once", metavar="N", type=int, default=50)
    parser.add_argument("--time", metavar="SECONDS", type=float, default=600.0)
    args = parser.parse_args()
    lines = sys.stdin.read().splitlines()
    return asyncio.run(run_until_stopped(lines, args.at_once, args.time))


if __name__ == "__main__":
    sys.exit(main())
