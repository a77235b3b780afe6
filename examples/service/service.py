#!/usr/bin/env python3
"""service.py [PORT]: a service in Python that is its own init.

As the ENTRYPOINT of an image it is PID 1, and forks.  The parent stays the init: it relays
signals, reaps orphans, and ends the processes that are left.  The child is the service.  On a
developer's machine it does not fork.  In both cases TERM ends it cleanly.
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
    """Answers with the PIDs of the service and of its parent."""

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
            # An exception would not do: Python drops one that the handler raises during a callback.
            threading.Thread(target=server.shutdown).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        print("ready", server.server_port, flush=True)
        server.serve_forever()
        print("stopped", flush=True)


if __name__ == "__main__":
    main()
