"""What is left of a service is ended: one look at /proc, then a wait for who is there."""

import posix

from pyinit.kernel import pidfds, terminal
from pyinit.services import loop as module
from pyinit.services import session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.services.loop import Loop

# From the end of one who was left behind to the next look at who else is; without pidfds the
# time from look to look.  In seconds.
_NEXT_LOOK_S = 0.005
_LOOK_S = 0.02


class Rest:
    """Who is left of the session that ``leader`` leads, or of its group, if ``by_group``.

    ``gone`` is called once `end` was called, the leader has ended, and nobody else is left.
    ``reap`` reaps the leader, where that has to come first.
    """

    def __init__(
        self,
        loop: "Loop",
        leader: int,
        reap: "Callable[[], None]",
        gone: "Callable[[], None]",
        *,
        by_group: bool,
    ) -> None:
        self.leader_has_ended = False
        self._loop = loop
        self._leader = leader
        self._reap = reap
        self._gone = gone
        self._by_group = by_group
        self._numbers: tuple[int, ...] = ()
        self._is_told = False
        self._pidfd = -1  # of one who is left

    def end(self, numbers: tuple[int, ...]) -> None:
        """Send signals to all who are left, once, and wait until they have ended."""
        self._numbers = numbers
        # Whoever is started later by one who has got them is part of the cleaning up.
        self._is_told = False
        self._look()

    def abandon(self) -> list[int]:
        """Wait no more; return the PIDs of who is left."""
        self._forget()
        try:
            return session.members(self._leader, by_group=self._by_group)
        except session.Unknown:
            return []

    def _look(self) -> None:
        self._forget()
        try:
            rest = session.members(self._leader, by_group=self._by_group)
        except session.Unknown:
            self._look_at_group()
            return
        self._tell(rest)
        if rest:
            self._wait_for(rest[-1])
        elif self.leader_has_ended:
            self._gone()

    def _tell(self, rest: list[int]) -> None:
        if not self._is_told:
            self._is_told = True
            session.send(self._leader, self._numbers, rest)

    def _look_at_group(self) -> None:
        """Do without /proc: what is in other groups of the session is not found."""
        self._tell([])
        if not self.leader_has_ended:
            return
        self._reap()
        if terminal.group_exists(self._leader):
            self._loop.arm(self, _LOOK_S, self._look)
        else:
            self._gone()

    def _wait_for(self, pid: int) -> None:
        """Look again when one who is left has ended."""
        try:
            self._pidfd = pidfds.pidfd_open(pid, 0)
        except OSError:
            self._loop.arm(self, _LOOK_S, self._look)
            return
        self._loop.watch(self._pidfd, module.READ, self._one_ended)

    def _one_ended(self) -> None:
        self._forget()
        # Others end at the same moment, and each look reads all of /proc.
        self._loop.arm(self, _NEXT_LOOK_S, self._look)

    def _forget(self) -> None:
        self._loop.disarm(self)
        if self._pidfd >= 0:
            self._loop.unwatch(self._pidfd)
            posix.close(self._pidfd)
            self._pidfd = -1
