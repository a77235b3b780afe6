#!/usr/bin/env python3
"""service.py [PORT]: a service in Python that is its own init.

As the ENTRYPOINT of an image it finds itself PID 1: the parent of the fork stays the init, relays
signals, reaps orphans, and ends what is left; the child is the service.  On a developer's
machine nothing is forked.  Either way TERM ends it in good order.
"""

from __future__ import annotations

import pyinit

pyinit.fork_init(grace_s=5)  # before anything else

import http.server  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402


class Handler(http.server.BaseHTTPRequestHandler):
    """Says who answers."""

    def do_GET(self) -> None:
        """Answer one request."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"process {os.getpid()}, child of {os.getppid()}\n".encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as there
        """Write no log."""


def main() -> None:
    """Serve until SIGTERM or SIGINT comes."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:

        def stop(*_: object) -> None:
            # Not by an exception: Python drops one that a handler raises in a callback of its own.
            threading.Thread(target=server.shutdown).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        print("ready", server.server_port, flush=True)
        server.serve_forever()
        print("stopped", flush=True)


if __name__ == "__main__":
    main()
