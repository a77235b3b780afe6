"""older_build.py PROGRAM [ARG...]: run a program as in an interpreter for older C libraries.

Such are those for any Linux, which are built with the headers of an old one: uv's before July 2026,
conda's.  What they lack is taken away before PROGRAM begins.
"""

import _signal
import os
import posix
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

for name in ("memfd_create", "pidfd_open", "P_PIDFD"):
    for module in (posix, os):
        vars(module).pop(name, None)
for module in (_signal, signal):
    vars(module).pop("pidfd_send_signal", None)

pwritev = posix.pwritev


def pwritev_without_flags(fd: int, buffers: "Any", offset: int, flags: int = 0) -> int:
    """Take no flags, as where the C library has no pwritev2(3); `RWF_NOWAIT` may be there."""
    if flags:
        raise NotImplementedError("pwritev2: flags unavailable on this platform")
    return pwritev(fd, buffers, offset)


posix.pwritev = pwritev_without_flags

del sys.argv[0]
with open(sys.argv[0], encoding="utf-8") as file:
    exec(compile(file.read(), sys.argv[0], "exec"))
