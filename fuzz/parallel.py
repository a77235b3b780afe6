"""Many runs at a time: they wait for most of theirs."""

from __future__ import annotations

import concurrent.futures
import itertools
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


def run_all(
    run: Callable[[_Job], _Result], jobs: Iterable[_Job], at_once: int
) -> Iterator[_Result]:
    """Call ``run`` with each job, in so many threads; yield what it returns as it comes.

    No job is taken before a thread is free for it, so there may be no end of them.
    """
    todo = iter(jobs)
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        waiting = {pool.submit(run, each) for each in itertools.islice(todo, at_once)}
        while waiting:
            done, waiting = concurrent.futures.wait(
                waiting, return_when=concurrent.futures.FIRST_COMPLETED
            )
            waiting |= {pool.submit(run, each) for each in itertools.islice(todo, len(done))}
            for future in done:
                yield future.result()
