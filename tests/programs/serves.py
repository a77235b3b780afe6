"""serves.py: a web service that ends what it has begun on TERM; `/slow` takes a second."""

import http.server
import signal
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers in two parts."""

    def do_GET(self) -> None:
        """Answer one request."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"begun\n")
        if self.path == "/slow":
            time.sleep(1.0)
        self.wfile.write(b"done\n")


server = http.server.ThreadingHTTPServer(("", 8000), Handler)
server.daemon_threads = False  # its close waits for them
stop = threading.Thread(target=server.shutdown)
signal.signal(signal.SIGTERM, lambda *_: stop.start())
server.serve_forever()
server.server_close()
