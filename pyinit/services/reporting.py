"""The supervisor's word to its init, which writes the report, the status file and the metrics."""

import errno
import posix
import time

from pyinit.report import services as report
from pyinit.services import machine
from pyinit.services.group import is_ready, longest_stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.services.supervisor import Supervisor

# Between two messages, and until the next try when the init has not taken the last ones; in
# seconds.  A service that restarts as fast as it can keeps the init no busier than this.
_PAUSE_S = 0.1
_RETRY_S = 1.0


class Reporter:
    """Tells the init at the descriptor ``fd`` what becomes of the services of ``supervisor``."""

    def __init__(self, supervisor: "Supervisor", fd: int) -> None:
        self._supervisor = supervisor
        self._fd = fd
        self._offset = time.monotonic() - supervisor.loop.now()  # of the loop's clock
        self._stop_timeout_s = longest_stop(supervisor.services)[0]
        self._told = b""
        self._next = 0.0
        supervisor.on_change.append(self._look)

    def _look(self) -> None:
        """Tell now or soon."""
        loop = self._supervisor.loop
        if loop.now() >= self._next:
            self.tell()
        else:
            loop.arm(self, self._next - loop.now(), self.tell)

    def tell(self) -> None:
        """Tell of all, if there is anything new."""
        data = self._message()
        if data == self._told or self._fd < 0:
            return
        loop = self._supervisor.loop
        try:
            posix.write(self._fd, data)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM):
                loop.arm(self, _RETRY_S, self.tell)
            else:
                self._fd = -1  # the init reads no more, or the services are too many
            return
        self._told = data
        self._next = loop.now() + _PAUSE_S

    def _message(self) -> bytes:
        supervisor = self._supervisor
        rows: list[tuple[object, ...]] = []
        offset = self._offset
        for name, unit in supervisor.group.units.items():
            ready = is_ready(unit)
            pid = supervisor.runs[name].pid if unit.state in machine.LIVING else 0
            since = int((supervisor.since[name][1] + offset) * 1e6)
            code = "" if unit.code is None else unit.code
            row = (name, unit.service.type, unit.state, int(ready), pid or "", since)
            rows.append((*row, unit.starts, unit.restarts, code, unit.signal or ""))
        group = supervisor.group
        lines = supervisor.outputs.last_lines(group.culprit) if group.culprit else []
        head = (group.cause, group.culprit, int(self._stop_timeout_s * 1000))
        return report.write(rows, head, lines)
