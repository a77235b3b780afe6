#!/usr/bin/env python3
"""run_jobs.py [OPTIONS] COMMAND...: run shell commands in parallel, each in a container of its own.

Each job has its own PID and mount namespace with pyinit as init, so all processes that it starts
end with it, daemons too.  At the end run_jobs.py prints a table of the results:

    run_jobs.py --jobs 2 --time 10 --memory 200 'make -C a' 'make -C b' 'sleep 60'

An ordinary user needs a kernel that allows user namespaces; each job then gets one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyinit

if TYPE_CHECKING:
    from collections.abc import Generator

MIB = 1 << 20
NAMESPACES = {"pid", "mount", *(("user",) if os.geteuid() else ())}

_numbers = itertools.count()


class Result(NamedTuple):
    """The result of a job."""

    command: str
    end: str
    seconds: float
    output: str


@contextlib.contextmanager
def memory_cgroup(mib: int) -> Generator[Path | None, None, None]:
    """Make a cgroup with this memory limit; yield None where that is not possible."""
    for parent, limit in (
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),  # version 1
        ("/sys/fs/cgroup", "memory.max"),  # version 2
    ):
        place = Path(parent, f"job-{os.getpid()}-{next(_numbers)}")
        try:
            place.mkdir()
            (place / limit).write_text(str(mib * MIB))
        except OSError:
            with contextlib.suppress(OSError):
                place.rmdir()
            continue
        try:
            yield place
        finally:
            place.rmdir()  # it is empty, because the namespace has ended
        return
    yield None


async def run(command: str, time_s: float, memory_mib: int) -> Result:
    """Run one job in a container; kill all of it after its time."""
    start = time.monotonic()
    with memory_cgroup(memory_mib) as cgroup, tempfile.TemporaryFile() as output:
        words = ["/bin/sh", "-c", command]
        if cgroup is None:
            # A limit for each process instead of one for the job: RLIMIT_AS in setrlimit(2).
            words[2:] = [f'ulimit -v {memory_mib * 1024}; exec /bin/sh -c "$1"', "sh", command]
        container = pyinit.spawn(
            words,
            namespaces=NAMESPACES,
            cgroup=[cgroup] if cgroup else [],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            grace_s=1,  # from TERM to KILL for what a job leaves behind
            quiet=True,
        )
        with container:  # leaving the block kills it in any case
            try:
                # Waiting takes no thread: the event loop watches the pidfd.
                ended = await asyncio.wait_for(_end(container), time_s)
                end = f"killed by {ended.signal}" if ended.signal else f"exit {ended.code}"
            except TimeoutError:
                end = f"over {time_s:g} s"
                container.kill()
        output.seek(0)
        text = output.read().decode(errors="replace")
    return Result(command, end, time.monotonic() - start, text)


async def _end(container: pyinit.Container) -> pyinit.Exit:
    return await container


async def run_all(commands: list[str], jobs: int, time_s: float, memory_mib: int) -> list[Result]:
    """Run all jobs, ``jobs`` at a time; print the output of each when it has ended."""
    room = asyncio.Semaphore(jobs)

    async def one(command: str) -> Result:
        async with room:
            result = await run(command, time_s, memory_mib)
        for line in result.output.splitlines():
            print(f"{command}: {line}", flush=True)
        return result

    return await asyncio.gather(*map(one, commands))


def main() -> int:
    """Return 0 if all jobs have exited with 0."""
    parser = argparse.ArgumentParser(description="Run shell commands in containers of their own.")
    parser.add_argument("commands", metavar="COMMAND", nargs="+")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at a time")
    parser.add_argument("--time", type=float, default=60.0, help="seconds for each")
    parser.add_argument("--memory", type=int, default=256, help="MiB for each")
    args = parser.parse_args()
    results = asyncio.run(run_all(args.commands, args.jobs, args.time, args.memory))
    print(f"\n{'END':<14} {'TIME':>8}  JOB")
    for each in results:
        print(f"{each.end:<14} {each.seconds:6.1f} s  {each.command}")
    return int(any(each.end != "exit 0" for each in results))


if __name__ == "__main__":
    sys.exit(main())
