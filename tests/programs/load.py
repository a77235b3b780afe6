"""load.py PATH...: asks the service at port 8000 of this network, as it is told by lines on stdin.

It prints `served` once the service answers.  For a line it makes 400 requests in 4 threads and
prints how many were answered; then it begins one for each PATH, prints `begun`, and at the end how
many of those were answered to their end.
"""

import socket
import sys
import threading
import time

THREADS, REQUESTS, DEADLINE_S = 4, 100, 60.0


def ask(path: str) -> socket.socket:
    """Send a request."""
    connection = socket.create_connection(("127.0.0.1", 8000), DEADLINE_S)
    connection.sendall(f"GET {path} HTTP/1.0\r\nHost: test\r\n\r\n".encode())
    return connection


def rest(connection: socket.socket) -> bytes:
    """Return what comes up to the end."""
    with connection:
        answer = b""
        while block := connection.recv(65536):
            answer += block
    return answer


def is_answered(path: str) -> bool:
    """Return whether a whole answer comes."""
    try:
        return b" 200 " in rest(ask(path)).partition(b"\n")[0]
    except OSError:
        return False


def some(answered: list[bool]) -> None:
    """Make the requests of one thread."""
    answered.extend(is_answered("/") for _ in range(REQUESTS))


deadline = time.monotonic() + DEADLINE_S
while not is_answered("/") and time.monotonic() < deadline:
    time.sleep(0.02)
print("served", flush=True)
sys.stdin.readline()
answered: list[bool] = []
threads = [threading.Thread(target=some, args=(answered,)) for _ in range(THREADS)]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(sum(answered), flush=True)
slow = [ask(path) for path in sys.argv[1:]]
for connection in slow:
    while b"begun" not in connection.recv(65536, socket.MSG_PEEK):
        pass
print("begun", flush=True)
print(sum(rest(each).endswith(b"done\n") for each in slow), flush=True)
