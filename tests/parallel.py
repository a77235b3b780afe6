"""Runs the tests in several processes at once: each a fork of the pytest that collected them.

A fork has what has been imported and collected, and one thread, as the tests that fork,
change namespaces or count threads need it; a worker of pytest-xdist has a second one for
its messages, and collects anew.  Whatever is marked ``alone`` runs at the end, when no
other test does.  ``--workers 1`` runs everything in the one process, as pytest does;
``--shuffle`` draws another order.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import select
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests import failures

if TYPE_CHECKING:
    from collections.abc import Iterator

# Tests wait much of the time: four for a processor keep it busy.
_PER_PROCESSOR = 4
# A worker is told of this many tests of one file at a time: few, so that all end at once.
_SHARE = 6
_NUMBER_SIZE = 4
_DONE = "done"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("parallel", "tests in several processes")
    group.addoption(
        "--workers",
        type=int,
        default=_PER_PROCESSOR * len(os.sched_getaffinity(0)),
        metavar="N",
        help="run the tests in N processes (default: %(default)s; 1: in this one)",
    )
    group.addoption(
        "--shuffle",
        nargs="?",
        type=int,
        const=-1,
        default=None,
        metavar="SEED",
        help="run the tests in another order, drawn anew or by SEED, which is printed",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Draw another order, if one is asked for."""
    seed = config.getoption("shuffle")
    if seed is None:
        return
    if seed < 0:
        seed = random.randrange(1_000_000)
    config.stash[_seed] = seed
    random.Random(seed).shuffle(items)


_seed = pytest.StashKey[int]()


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Print the seed of the order."""
    seed = config.stash.get(_seed, None)
    return [] if seed is None else [f"order: --shuffle {seed}"]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> object:
    """Run the tests that can run beside others, then those that cannot."""
    option = session.config.option
    workers = min(option.workers, len(session.items))
    if workers < 2 or option.collectonly or option.usepdb or session.testsfailed:
        return None  # as pytest does it
    beside = [item for item in session.items if item.get_closest_marker("alone") is None]
    alone = [item for item in session.items if item.get_closest_marker("alone") is not None]
    _Pool(session, beside).run(workers)
    for item, following in itertools.zip_longest(alone, alone[1:]):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        _stop_if_asked(session)
    return True


def _stop_if_asked(session: pytest.Session) -> None:
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)


def _shares(items: list[pytest.Item]) -> list[list[int]]:
    """Return the indices of ``items``, a few neighbours of one file together."""
    shares: list[list[int]] = []
    for index, item in enumerate(items):
        last = shares[-1] if shares else []
        if last and len(last) < _SHARE and items[last[-1]].path == item.path:
            last.append(index)
        else:
            shares.append([index])
    return shares


class _Worker(NamedTuple):
    pid: int
    pidfd: int
    reports: int
    name: str


class _Pool:
    """The workers, and what they have told so far."""

    def __init__(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        self._session = session
        self._config = session.config
        self._items = items
        self._shares = _shares(items)
        self._left = set(range(len(items)))
        self._running: dict[int, int] = {}  # by the descriptor of the reports
        self._buffers: dict[int, bytes] = {}

    def run(self, count: int) -> None:
        """Run all tests in ``count`` workers; a worker that dies is a failure of its test."""
        # So that the workers' directories lie in one.
        base = self._config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        queue, filler = os.pipe()
        # Each reader takes one number whole: a read of a few bytes is atomic (pipe(7)).
        os.set_blocking(filler, False)
        for number in range(len(self._shares)):
            os.write(filler, number.to_bytes(_NUMBER_SIZE, "little"))
        workers = []
        try:
            for number in range(count):
                name = f"worker{number}"
                (base / name).mkdir()
                workers.append(self._fork(name, queue, filler))
            os.close(filler)
            self._hear(workers)
        finally:
            os.close(queue)
            _end(workers)
        for index in sorted(self._left):
            self._fail(index, "no worker was left to run it")

    def _fork(self, name: str, queue: int, filler: int) -> _Worker:
        reader, writer = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(reader)
                os.close(filler)
                _Run(self._session, self._items, self._shares, writer, name).work(queue)
                code = 0
            except KeyboardInterrupt:
                pass
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(writer)
        self._buffers[reader] = b""
        return _Worker(pid, os.pidfd_open(pid), reader, name)

    def _hear(self, workers: list[_Worker]) -> None:
        poll = select.poll()
        by_fd = {}
        for worker in workers:
            for fd in (worker.reports, worker.pidfd):
                poll.register(fd, select.POLLIN)
                by_fd[fd] = worker
        alive = len(workers)
        while alive:
            # Reports first: a worker's last ones are there when its pidfd tells of its end.
            for fd, _ in sorted(poll.poll(), key=lambda ready: by_fd[ready[0]].pidfd == ready[0]):
                worker = by_fd[fd]
                if fd == worker.reports:
                    if not self._read(fd):
                        poll.unregister(fd)
                    continue
                while self._read(worker.reports):
                    pass
                poll.unregister(fd)
                alive -= 1
                self._ended(worker)
            _stop_if_asked(self._session)

    def _read(self, fd: int) -> bool:
        """Take what a worker has told since; return whether there was anything."""
        if not select.select([fd], [], [], 0)[0]:
            return False
        block = os.read(fd, 1 << 20)
        *lines, self._buffers[fd] = (self._buffers[fd] + block).split(b"\n")
        for line in lines:
            self._take(fd, json.loads(line))
        return bool(block)

    def _take(self, fd: int, message: dict[str, Any]) -> None:
        hook = self._config.hook
        if "begins" in message:
            self._running[fd] = message["begins"]
        elif "ends" in message:
            self._left.discard(message["ends"])
            del self._running[fd]
            item = self._items[message["ends"]]
            hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        else:
            if isinstance(message["longrepr"], list):
                message["longrepr"] = tuple(message["longrepr"])  # of a skip: JSON has no tuples
            report = hook.pytest_report_from_serializable(config=self._config, data=message)
            hook.pytest_runtest_logreport(report=report)

    def _ended(self, worker: _Worker) -> None:
        index = self._running.pop(worker.reports, None)
        if index is not None:
            self._left.discard(index)
            self._fail(index, f"{worker.name} has ended while it ran this test")

    def _fail(self, index: int, why: str) -> None:
        item = self._items[index]
        report = pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords={},
            outcome="failed",
            longrepr=why,
            when="call",
        )
        self._config.hook.pytest_runtest_logreport(report=report)


def _end(workers: list[_Worker]) -> None:
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(worker.pidfd, signal.SIGKILL)
        os.waitpid(worker.pid, 0)
        os.close(worker.pidfd)
        os.close(worker.reports)


class _Run:
    """What one worker does."""

    def __init__(
        self,
        session: pytest.Session,
        items: list[pytest.Item],
        shares: list[list[int]],
        reports: int,
        name: str,
    ) -> None:
        self._session = session
        self._config = session.config
        self._items = items
        self._shares = shares
        self._reports = reports
        self._separate(name)

    def _separate(self, name: str) -> None:
        """Stop to share with the others what a fork shares: files of the capture, directories."""
        manager = self._config.pluginmanager
        capture: Any = manager.getplugin("capturemanager")
        capture.stop_global_capturing()
        capture.start_global_capturing()
        capture.suspend_global_capture()
        for name_of_plugin in ("terminalreporter", failures.FIRST):
            manager.unregister(name=name_of_plugin)
        manager.register(self, "report-to-parent")
        factory = self._config._tmp_path_factory  # type: ignore[attr-defined]
        factory._basetemp = factory.getbasetemp() / name

    def work(self, queue: int) -> None:
        """Run the tests whose numbers are in ``queue`` until it is empty."""
        numbers = self._numbers(queue)
        index = next(numbers, None)
        while index is not None:
            following = next(numbers, None)
            item = self._items[index]
            self._tell({"begins": index})
            item.config.hook.pytest_runtest_protocol(
                item=item, nextitem=None if following is None else self._items[following]
            )
            self._tell({"ends": index})
            index = following

    def _numbers(self, queue: int) -> Iterator[int]:
        while data := os.read(queue, _NUMBER_SIZE):
            yield from self._shares[int.from_bytes(data, "little")]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Pass a report on."""
        self._tell(
            self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        )

    def _tell(self, message: dict[str, Any]) -> None:
        data = json.dumps(message, default=str).encode() + b"\n"
        while data:
            data = data[os.write(self._reports, data) :]
