"""A web application that gives its work to a worker, through Redis."""

from collections.abc import Callable

import celery  # type: ignore[import-not-found]

app = celery.Celery("tasks", broker="redis://127.0.0.1:6379", backend="redis://127.0.0.1:6379")


@app.task  # type: ignore[untyped-decorator]
def add(one: int, other: int) -> int:
    """Add two numbers, in the worker."""
    return one + other


def application(_: dict[str, object], start_response: Callable[..., object]) -> list[bytes]:
    """Answer with the result of a worker; see PEP 3333."""
    found = add.delay(2, 3).get(timeout=30)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{found}\n".encode()]
