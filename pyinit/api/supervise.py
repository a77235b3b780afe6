"""Several services below a program in Python: `supervise`."""

import _thread
import os

from pyinit import events, settings
from pyinit.api import held, keywords
from pyinit.log import lines
from pyinit.services import readers, supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def supervise(
    services: "str | os.PathLike[str]", *, command: "Sequence[str | os.PathLike[str]]" = ()
) -> int:
    """Start the services that the file ``services`` describes; return their exit code at the end.

    As ``pyinit --services FILE -- COMMAND`` does in a process of its own: this process is the
    services' parent, and takes its signals as the supervisor until it returns.  As PID 1 it
    needs `fork_init` first, which reaps orphans and outlives it; see pid_namespaces(7).

    Raises ValueError, whose text has all that is wrong with the file, and TypeError, both before
    anything was started, RuntimeError when this process has other threads or this is not the
    main one, and OSError.
    """
    if _thread._count():
        raise RuntimeError("this process has other threads, of which fork(2) copies none")
    if os.getpid() == 1:
        raise RuntimeError("this process is PID 1: call fork_init() first")
    words = keywords.words_of("command", command)
    found = readers.read(keywords.word_of("services", services), words)
    writer = lines.LineWriter(2)
    log = events.Log(events.WARNING, lambda: writer, 2)
    before = held.SavedProcessState(settings.Settings([]))
    try:
        made = supervisor.Supervisor(found, log, mask=before.mask)
        try:
            return made.run()
        finally:
            made.close()
    finally:
        writer.close()
        before.give_signals_back()
