"""patient.py WORD...: modules.py for which the first moment lasts until a child has changed.

The words are those of modules.py, or of without.py after the word ``without``.
"""

import _signal
import sys
from collections.abc import Iterable

wait = _signal.sigtimedwait


def wait_for_long(signals: Iterable[int], seconds: float) -> _signal.struct_siginfo | None:
    """Stand for sigtimedwait(2): the moment is the one wait for SIGCHLD alone."""
    return wait(signals, 20 if tuple(signals) == (_signal.SIGCHLD,) else seconds)


_signal.sigtimedwait = wait_for_long
kind = "modules"
if sys.argv[1] == "without":
    kind = sys.argv.pop(1)
here = sys.argv[0].rpartition("/")[0]
with open(f"{here}/{kind}.py", encoding="utf-8") as file:
    program = compile(file.read(), file.name, "exec")
exec(program)
