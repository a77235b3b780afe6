"""Web applications, `wsgi` and `asgi`: the answer to a request is `began`, and 1 s later `done`."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator


def wsgi(environ: dict[str, object], start_response: Callable[..., object]) -> Iterator[bytes]:
    """Answer; see PEP 3333."""
    start_response("200 OK", [])
    yield b"began\n"
    time.sleep(1)
    yield b"done\n"


async def asgi(
    scope: dict[str, object],
    receive: Callable[[], Awaitable[object]],
    send: Callable[[dict[str, object]], Awaitable[None]],
) -> None:
    """Answer; see the ASGI specification."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"began\n", "more_body": True})
    await asyncio.sleep(1)
    await send({"type": "http.response.body", "body": b"done\n"})
