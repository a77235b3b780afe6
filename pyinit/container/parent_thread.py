"""The thread of this process that all inits are born in."""

from __future__ import annotations

import errno
import os
import queue
import signal
import threading
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pyinit.namespaces.kinds import NamespaceError

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

_requests: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]]] | None = None
_requests_pid = 0
_requests_lock = threading.Lock()


def call_there(call: Callable[[], _T]) -> _T:
    """Return what ``call`` returns in a thread that lives as long as this process.

    The kernel takes the thread that forked a child for its parent: with PR_SET_PDEATHSIG
    (prctl(2)) the child would be killed at the end of any other thread.
    """
    global _requests, _requests_pid
    with _requests_lock:
        if _requests is None or _requests_pid != os.getpid():
            new: queue.SimpleQueue[Any] = queue.SimpleQueue()
            try:
                threading.Thread(
                    target=_serve, args=(new,), name="pyinit-parent", daemon=True
                ).start()
            except RuntimeError as problem:
                # The interpreter does not say the errno; see clone(2).
                raise NamespaceError("clone(CLONE_THREAD)", errno.EAGAIN, str(problem)) from None
            _requests, _requests_pid = new, os.getpid()
    answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
    _requests.put((call, answer))
    value, error = answer.get()
    if error is not None:
        raise error
    return cast("_T", value)


def _serve(requests: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]]]) -> None:
    # Signals are for the program's own threads.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        call, answer = requests.get()
        try:
            answer.put((call(), None))
        except BaseException as error:
            answer.put((None, error))
