"""Foreign code for the process of an init: libraries that start threads, telltale modules."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests import conftest, harness

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

# A command that is not to have the thread itself runs behind these words.
NO_THREAD = ("env", "NO_THREAD=1")

_LIBRARY = """
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *idle(void *unused) { for (;;) pause(); }

__attribute__((constructor)) static void begin(void) {
    pthread_t thread;
    if (!getenv("NO_THREAD")) pthread_create(&thread, NULL, idle, NULL);
}
"""

# FOREIGN_PYTHON keeps pyinit from starting itself once more.
_SITECUSTOMIZE = """
import os, sys, threading, time
if "NO_THREAD" not in os.environ:
    threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
    sys.executable = os.environ.get("FOREIGN_PYTHON", sys.executable)
"""

_TELLTALE = "import os; os.write(2, b'foreign: %b\\n' % __name__.encode())"


def library(factory: pytest.TempPathFactory) -> Path:
    """Return a library that starts a thread as soon as it is loaded; the thread blocks nothing."""
    conftest.need("gcc")

    def make(directory: Path) -> None:
        path = str(directory / "thread.so")
        command = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", path, "-pthread"]
        subprocess.run(command, input=_LIBRARY, text=True, check=True)

    return harness.once(factory, "thread", make) / "thread.so"


def sitecustomize(directory: Path) -> Path:
    """Write a ``sitecustomize`` that starts a thread; return its directory, for PYTHONPATH."""
    (directory / "sitecustomize.py").write_text(_SITECUSTOMIZE)
    return directory


def telltales(directory: Path, *names: str) -> Path:
    """Write modules that say ``foreign: NAME`` on stderr when they are imported."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / f"{name}.py").write_text(_TELLTALE)
    return directory
