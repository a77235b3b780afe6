"""One service from its start to its end, as a state machine on data alone.

A unit is fed events and answers with actions; it does nothing itself.  `TRANSITIONS` below
is the whole of it: docs/services-states.md is drawn from it.  What happens among services
(who may start, who is stopped next, what becomes of the container) is `pyinit.services.group`'s.

An end has two steps.  The process ends; then what is left of its session is ended as well, and
only when nobody is left it is decided what the end leads to.  The events that begin with
"all gone" are that decision: the caller tells `GONE`, and the unit knows which one it is.
"""

from pyinit import signals
from pyinit.services import model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.services.model import Service

# States.
OFF = "off"  # not started by itself, and nobody has asked for it yet
WAITING = "waiting"
STARTING = "starting"
UP = "up"
IDLE = "idle"  # a job between two runs
STOPPING = "stopping"
ENDING = "ending"  # its process has ended, what is left of its session is being ended
KILLING = "killing"
BACKOFF = "backoff"
DONE = "done"
FAILED = "failed"
DOWN = "down"

# Those with processes, and those that nothing follows by itself.
LIVING = frozenset((STARTING, UP, STOPPING, ENDING, KILLING))
SETTLED = frozenset((OFF, DONE, FAILED, DOWN))
# What those that come after a service wait for.
RELEASED = frozenset((UP, DONE))

# Events.
CLEAR = "all of `after` ready or done"
CLEAR_JOB = "all of `after` ready or done, a job"
HOPELESS = "one of `after` has failed for good"
READY = "ready"
ENDED = "process ended"
GONE = "all gone"
GONE_ASKED = "all gone, a stop was asked for"
GONE_AGAIN = "all gone, a restart was asked for"
GONE_RESTART = "all gone, to be restarted"
GONE_STOP = "all gone, and with it the container"
GONE_DONE = "all gone, success that is ignored"
GONE_FAILED = "all gone, failure that is ignored"
GONE_RUN = "all gone, a job's run"
DEADLINE = "deadline"
STOP = "stop"
KILL_NOW = "kill at once"
START = "operator's start"
RESTART = "operator's restart"

# Actions.
EXEC = "exec"
WATCH = "watch for readiness"
UNWATCH = "stop watching for readiness"
RELEASE = "release those that come after it"
ARM_START = "arm start-timeout"
ARM_STOP = "arm stop-timeout"
ARM_BOUND = "arm the kill bound"
ARM_DELAY = "arm the delay"
ARM_NEXT = "arm the next run"
DISARM = "disarm"
SEND_STOP = "stop signal, then CONT to its group"
END_REST = "TERM, then CONT to what is left of its session"
KILL = "KILL to its group and to what is left of its session"
ABANDON = "name the processes that block, and go on without them"
SKIP = "log that the last run goes on"
TELL_HOPELESS = "log which one has failed"
END_CONTAINER = "begin the container's stop"

Actions = tuple[str, ...]

_EXEC = (WATCH, EXEC, ARM_START)
_RUN = (EXEC, ARM_NEXT)
_KILL = (KILL, ARM_BOUND)

TRANSITIONS: dict[tuple[str, str], tuple[str, Actions]] = {
    (OFF, START): (WAITING, ()),
    (WAITING, CLEAR): (STARTING, _EXEC),
    (WAITING, CLEAR_JOB): (UP, _RUN),
    (WAITING, HOPELESS): (FAILED, (TELL_HOPELESS,)),
    (WAITING, STOP): (DOWN, ()),
    (STARTING, READY): (UP, (UNWATCH, DISARM, RELEASE)),
    (STARTING, ENDED): (ENDING, (UNWATCH, END_REST, ARM_STOP)),
    (STARTING, DEADLINE): (STOPPING, (UNWATCH, SEND_STOP, ARM_STOP)),
    (STARTING, STOP): (STOPPING, (UNWATCH, SEND_STOP, ARM_STOP)),
    (STARTING, KILL_NOW): (KILLING, (UNWATCH, *_KILL)),
    (UP, ENDED): (ENDING, (END_REST, ARM_STOP)),
    (UP, DEADLINE): (UP, (SKIP, ARM_NEXT)),
    (UP, STOP): (STOPPING, (SEND_STOP, ARM_STOP)),
    (UP, KILL_NOW): (KILLING, _KILL),
    (IDLE, DEADLINE): (UP, _RUN),
    (IDLE, START): (UP, _RUN),
    (IDLE, STOP): (DOWN, (DISARM,)),
    (STOPPING, ENDED): (ENDING, (END_REST,)),
    (STOPPING, DEADLINE): (KILLING, _KILL),
    (STOPPING, KILL_NOW): (KILLING, _KILL),
    (ENDING, DEADLINE): (KILLING, _KILL),
    (ENDING, KILL_NOW): (KILLING, _KILL),
    (KILLING, ENDED): (KILLING, (KILL,)),
    (KILLING, DEADLINE): (KILLING, (ABANDON,)),
    (BACKOFF, DEADLINE): (STARTING, _EXEC),
    (BACKOFF, START): (STARTING, _EXEC),
    (BACKOFF, STOP): (DOWN, (DISARM,)),
    (DONE, START): (WAITING, ()),
    (FAILED, START): (WAITING, ()),
    (DOWN, START): (WAITING, ()),
}
for _state in (ENDING, KILLING):
    TRANSITIONS |= {
        (_state, GONE_ASKED): (DOWN, (DISARM,)),
        (_state, GONE_AGAIN): (WAITING, (DISARM,)),
        (_state, GONE_RESTART): (BACKOFF, (ARM_DELAY,)),
        (_state, GONE_STOP): (DOWN, (DISARM, END_CONTAINER)),
        (_state, GONE_DONE): (DONE, (DISARM, RELEASE)),
        (_state, GONE_FAILED): (FAILED, (DISARM,)),
        (_state, GONE_RUN): (IDLE, (ARM_NEXT,)),
    }

# After a timeout of the start, as timeout(1) has it.
TIMED_OUT = 124
# From KILL to giving up on who does not end by it, in seconds.
KILL_BOUND_S = 2.0


class Unit:
    """Where one service stands.

    ``code`` is the exit code of its last end, 128+n for signal n, or None before there was one;
    ``starts`` counts its processes, ``restarts`` those that came by themselves.
    ``delay_s`` is from its last end to the next start.  Times are of a monotonic clock, in
    seconds, and given by the caller.
    """

    __slots__ = (
        *("asked", "code", "delay_s", "gave_up", "killed", "next_run", "restarts", "service"),
        *("signal", "starts", "state", "stops_with_container", "timed_out", "up_since"),
        *("_doublings", "_recent"),
    )

    def __init__(self, service: "Service") -> None:
        self.service = service
        self.state = WAITING if service.autostart else OFF
        self.asked = ""  # STOP or RESTART, by the operator or the container
        self.stops_with_container = False  # the container's stop has begun
        self.code: int | None = None
        self.signal = 0  # that ended it
        self.delay_s = 0.0
        self.gave_up = False
        self.killed = False  # KILL was needed
        self.timed_out = False  # before it was ready
        self.next_run = 0.0
        self.starts = 0
        self.restarts = 0
        self.up_since = 0.0
        self._doublings = 0
        self._recent: list[float] = []  # moments of restarts that count for the limit

    def step(self, event: str, now: float, status: int = 0) -> Actions:
        """Take one event, move to the next state and return what is to be done, in order.

        ``status`` is the wait status of a process that has ended.  A stop of what is being
        stopped, and a start of what is started, change nothing.  Raises KeyError for an event
        that cannot happen in the state: a defect of the caller.
        """
        if event in (STOP, RESTART, START, KILL_NOW):
            event = self._requested(event)
            if not event:
                return ()
        elif event == CLEAR and self.service.type == model.JOB:
            event = CLEAR_JOB
        elif event == ENDED:
            self._note_end(now, status)
        elif event == GONE:
            event = self._decision(now)
        elif event == DEADLINE:
            self._note_deadline(now)
        elif event == READY:
            self.up_since = now
        self.state, actions = TRANSITIONS[self.state, event]
        if EXEC in actions:
            self._note_start(now)
        return actions

    def may_take(self, event: str) -> bool:
        """Return whether ``event``, one of a process or a deadline, can happen in the state."""
        decided = GONE_ASKED if event == GONE else event
        return (self.state, decided) in TRANSITIONS

    def _requested(self, event: str) -> str:
        """Return the event that a request comes to in this state, or "" for none."""
        state = self.state
        if event == RESTART and (state not in LIVING or self.asked == STOP):
            event = START
        if state in SETTLED:
            self.asked = ""
        elif event == RESTART:
            self.asked = RESTART
            event = STOP
        elif event != START:
            self.asked = STOP
        elif state in LIVING and self.asked == STOP and not self.stops_with_container:
            self.asked = RESTART  # it is on its way down, and to come up again
        if event == KILL_NOW and state not in LIVING:
            event = STOP
        return event if (state, event) in TRANSITIONS else ""

    def _note_start(self, now: float) -> None:
        self.asked = ""
        self.code = None
        self.signal = 0
        self.killed = self.timed_out = self.gave_up = False
        self.starts += 1
        self.up_since = now
        if self.service.type == model.JOB:
            self.next_run = now + self.service.every_s

    def _note_end(self, now: float, status: int) -> None:
        if self.state == KILLING and self.code is not None:
            return
        self.signal = status & 0x7F
        self.code = TIMED_OUT if self.timed_out else signals.exit_code(status)
        if self.state == UP and now - self.up_since >= self.service.restart_delay_s[1]:
            self._doublings = 0

    def _note_deadline(self, now: float) -> None:
        if self.state == STARTING:
            self.timed_out = True
        elif self.state == STOPPING:
            self.killed = True
        elif self.state == UP:  # a job whose time has come again
            every = self.service.every_s
            self.next_run += every * max(1, -(-(now - self.next_run) // every))
        elif self.state == KILLING and self.code is None:
            self.code = 128 + 9  # it does not end, and nobody will learn with what

    def _decision(self, now: float) -> str:
        """Return what the end comes to, now that nobody is left of the service."""
        if self.stops_with_container or self.asked == STOP:
            return GONE_ASKED
        if self.asked == RESTART:
            return GONE_AGAIN
        action = self.service.on_success if self.succeeded() else self.service.on_failure
        if action == model.RESTART and not self._may_restart(now):
            self.gave_up = True
            action = self.service.give_up
        if action == model.STOP:
            return GONE_STOP
        if self.service.type == model.JOB:
            return GONE_RUN
        if action == model.RESTART:
            self._note_restart(now)
            return GONE_RESTART
        return GONE_DONE if self.succeeded() and not self.gave_up else GONE_FAILED

    def succeeded(self) -> bool:
        """Return whether its last end was no failure."""
        return not self.timed_out and self.code is not None and self.service.is_success(self.code)

    def _may_restart(self, now: float) -> bool:
        self._recent = [at for at in self._recent if now - at < self.service.restart_within_s]
        times = self.service.restart_times
        return not times or len(self._recent) < times

    def _note_restart(self, now: float) -> None:
        first, most = self.service.restart_delay_s
        # 2^63 seconds are enough, and a float has no more than 2^1023.
        self.delay_s = min(first * 2.0 ** min(self._doublings, 63), most)
        self._doublings += 1
        self.restarts += 1
        if self.service.restart_times:
            self._recent.append(now)

    def is_failing(self) -> bool:
        """Return whether an end by itself, if it had one, is neither ignored nor made good yet."""
        is_yet_to_run = self.state == BACKOFF or self.state in LIVING
        return is_yet_to_run and not self.asked and self.service.on_failure != model.IGNORE

    def ended_as_asked(self) -> bool:
        """Return whether its end is what the container's stop asked for."""
        if self.code is None:
            return True  # it never ran, or it ran and its start was the last that was heard
        return self.succeeded() or (bool(self.asked) and self.signal == self.service.stop_signal)
