"""A minimal web application: it answers with the word that the migration has written."""

import os
import sqlite3
from collections.abc import Callable


def application(_: dict[str, object], start_response: Callable[..., object]) -> list[bytes]:
    """Answer; see PEP 3333."""
    with sqlite3.connect(os.environ.get("DATABASE", "app.db")) as database:
        (word,) = database.execute("select word from greeting").fetchone()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{word}\n".encode()]
