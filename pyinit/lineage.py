"""Who is left and how to reach them when not PID 1: all descendants of a child subreaper."""

from pyinit import scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from pyinit.kernel.descendants import Sending
    from pyinit.kernel.proc import ProcessStat


class Descendants(scope.Scope):
    """All descendants of this process, a child subreaper."""

    def __init__(self) -> None:
        super().__init__()
        self._sending: Sending | None = None
        self._found: list[int] = []

    def load(self) -> None:
        """Load what it takes to signal them.  Raises ImportError."""
        from pyinit.kernel import descendants  # noqa: F401

    def left(self) -> int:
        """Return whether anybody is left who is waited for: NOBODY, CHILDREN or OUTSIDERS.

        A descendant's line leads to a child of ours.
        """
        if not scope.has_any_child():
            return scope.NOBODY
        if not self.asks:
            return scope.CHILDREN
        return scope.OUTSIDERS if self._is_awaited() else scope.NOBODY

    def signal(
        self, *numbers: int, met: scope.Met | None = None, but: "Collection[int]" = ()
    ) -> bool:
        """Send signals to every descendant, one after the other, and once to each, ``but`` to some.

        No error: they may be gone.  ``met`` gets those who were reached.  Return whether that
        was everybody; if not, the same call goes on with it.
        """
        from pyinit.kernel import descendants

        if self._sending is None or self._sending.numbers != numbers:
            self._sending = descendants.Sending(numbers, self._found, but)
        sending = self._sending
        is_done = sending.go_on()
        self._found = sending.found()
        self.refuses = self.refuses or sending.is_refused
        if is_done:
            self._sending = None
        if met is not None:
            met.count = len(sending.reached.keys() - sending.ended)
            reached = [p for p in sending.reached.values() if p is not None]
            met.processes = reached[: scope.MOST_NAMED]
        return is_done

    def everybody(self) -> "list[ProcessStat]":
        """Return the descendants, zombies too, as far as /proc tells, parents first.

        Raises OSError.
        """
        from pyinit.kernel import descendants

        return descendants.everybody()

    def meet(self, met: scope.Met) -> None:
        """Note who is there.  Raises OSError."""
        found = [process for process in self.everybody() if not process.is_zombie]
        met.count = len(found)
        met.processes = found[: scope.MOST_NAMED]
