"""A small web application (WSGI, PEP 3333), to see a service under pyinit.

``/`` answers at once, ``/slow`` begins to answer and ends a second later: stop
the container meanwhile, and see that it still ends.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

SLOW_S = 1.0


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request."""
    path = environ["PATH_INFO"]
    if path not in ("/", "/slow", "/healthz"):
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"no such page\n"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/slow":
        return slow_answer()
    return [f"worker {os.getpid()}, child of {os.getppid()}\n".encode()]


def slow_answer() -> Iterator[bytes]:
    """Answer in two parts."""
    yield b"begun\n"
    time.sleep(SLOW_S)
    yield b"done\n"
