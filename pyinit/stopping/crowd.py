"""Many children of ours who are left: they are asked to end before others are looked for.

A process that has been listed in /proc takes longer to end, and to list 500 takes 2 ms.
"""

import _signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.inbox import Inbox
    from pyinit.kernel.clock import Clock
    from pyinit.reaper import Reaper
    from pyinit.scope import Scope

# Where more than so many end, those who do within so many seconds are reaped together: a wake-up
# for each takes the time in which others could end.
MANY = 16
GATHER_S = 0.0005
# So long, in seconds, children have to end before others are looked for.
_BOUND_S = 0.01


def end(
    pids: set[int], where: "Scope", reaper: "Reaper", inbox: "Inbox", took: "Clock"
) -> _signal.struct_siginfo | None:
    """Ask children to end, and reap them as long as they do.

    Return a signal that came meanwhile, with which this is over.
    """
    now = took.now()
    until = now + _BOUND_S
    reaper.signalled.update(pids)
    for pid in pids:
        # A stopped process acts on TERM only after CONT.
        where.signal_one(pid, (_signal.SIGTERM, _signal.SIGCONT))
    while now < until:
        taken = took.wait(inbox.besides_chld, min(until, now + GATHER_S))
        if taken is not None:
            return taken
        reaper.begin_turn()
        if not reaper.reap():
            break
        now = took.now()
    return None
