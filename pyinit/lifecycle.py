"""The whole policy of stopping, as a state machine on data alone.

A lifecycle is fed events and answers with actions; it does nothing itself.  The
supervisor turns signals, exits and deadlines into events and performs the
actions.  `TRANSITIONS` below is the policy: docs/lifecycle.md is drawn from it.

The main child's end is the hinge.  Before it, signals are relayed; a drain holds
the first stop signal back for a while, and a plan sends others to a main child
that outlives its stop.  After it, whoever is left is asked to end (TERM, and CONT
for those who are stopped and could not act on it), is given the grace, and is then
killed.  Where they are waited for, that begins with a stop signal.  Those whose parent is
pyinit are asked first, and whoever becomes its child by the end of a parent.  When half of
the grace is over, those are asked whose parents do not act on TERM; near its end all others,
for their parents take too long.  A second stop signal says that
somebody is in a hurry, so the drain or the grace is cut short.
"""

# States.
RUNNING = "running"
WAITING = "waiting"
DRAINING = "draining"
STOPPING = "stopping"
DESCENDING = "descending"
BYPASSING = "bypassing"
TEARDOWN = "teardown"
KILLING = "killing"
DONE = "done"

# Events.
SIGNAL = "relayable signal"
STOP = "stop signal"
STOP_DRAIN = "stop signal, drain set"
HURRY = "second stop signal"
ENDED = "main child ended, no leftovers"
LEFTOVERS_AWAITED = "main child ended, leftovers, wait-all set"
LEFTOVERS = "main child ended, leftovers"
LEFTOVERS_BELOW = "main child ended, leftovers with children"
LEFTOVERS_NO_GRACE = "main child ended, leftovers, grace 0"
DEADLINE = "deadline"
ADOPTED = "leftover became our child"
GONE = "last leftover ended"

# Actions.
RELAY = "relay"
RELAY_DOWN = "relay to our children that handle it"
END_WAIT = "end the wait"
ARM_DRAIN = "arm drain deadline"
RELEASE = "relay the stop signal that was held back"
ARM_PLAN = "arm the escalation plan, if any"
ESCALATE = "send the plan's next signal to the main child"
ASK_CHILDREN = "TERM then CONT to our children"
ARM_HALF = "arm half of the grace"
ASK_BYPASSED = "TERM then CONT to leftovers whose parent does not act"
ARM_LAST = "arm 1 s before the grace's end"
TERMINATE = "TERM then CONT to all leftovers without TERM so far"
ARM_GRACE = "arm the grace's end"
KILL = "KILL to all leftovers"
ARM_BOUND = "arm the kill bound"
NAME_BLOCKERS = "name the processes that block"

Actions = tuple[str, ...]

TRANSITIONS: dict[tuple[str, str], tuple[str, Actions]] = {
    (RUNNING, SIGNAL): (RUNNING, (RELAY,)),
    (RUNNING, STOP): (STOPPING, (RELAY, ARM_PLAN)),
    (RUNNING, STOP_DRAIN): (DRAINING, (ARM_DRAIN,)),
    (RUNNING, ENDED): (DONE, ()),
    (RUNNING, LEFTOVERS_AWAITED): (WAITING, ()),
    (RUNNING, LEFTOVERS): (TEARDOWN, (TERMINATE, ARM_GRACE)),
    (RUNNING, LEFTOVERS_BELOW): (DESCENDING, (ASK_CHILDREN, ARM_HALF)),
    (RUNNING, LEFTOVERS_NO_GRACE): (KILLING, (KILL, ARM_BOUND)),
    (WAITING, SIGNAL): (WAITING, (RELAY_DOWN,)),
    (WAITING, STOP): (STOPPING, (END_WAIT,)),
    (WAITING, STOP_DRAIN): (DRAINING, (ARM_DRAIN,)),
    (WAITING, ENDED): (DONE, ()),
    (WAITING, LEFTOVERS): (TEARDOWN, (TERMINATE, ARM_GRACE)),
    (WAITING, LEFTOVERS_BELOW): (DESCENDING, (ASK_CHILDREN, ARM_HALF)),
    (WAITING, LEFTOVERS_NO_GRACE): (KILLING, (KILL, ARM_BOUND)),
    (DRAINING, SIGNAL): (DRAINING, (RELAY,)),
    (DRAINING, DEADLINE): (STOPPING, (RELEASE, ARM_PLAN)),
    (DRAINING, HURRY): (STOPPING, (RELEASE, RELAY, ARM_PLAN)),
    (DRAINING, ENDED): (DONE, ()),
    (DRAINING, LEFTOVERS): (TEARDOWN, (TERMINATE, ARM_GRACE)),
    (DRAINING, LEFTOVERS_BELOW): (DESCENDING, (ASK_CHILDREN, ARM_HALF)),
    (DRAINING, LEFTOVERS_NO_GRACE): (KILLING, (KILL, ARM_BOUND)),
    (STOPPING, SIGNAL): (STOPPING, (RELAY,)),
    (STOPPING, DEADLINE): (STOPPING, (ESCALATE,)),
    (STOPPING, HURRY): (STOPPING, (RELAY,)),
    (STOPPING, ENDED): (DONE, ()),
    (STOPPING, LEFTOVERS): (TEARDOWN, (TERMINATE, ARM_GRACE)),
    (STOPPING, LEFTOVERS_BELOW): (DESCENDING, (ASK_CHILDREN, ARM_HALF)),
    (STOPPING, LEFTOVERS_NO_GRACE): (KILLING, (KILL, ARM_BOUND)),
    (DESCENDING, SIGNAL): (DESCENDING, ()),
    (DESCENDING, STOP): (DESCENDING, ()),
    (DESCENDING, ADOPTED): (DESCENDING, (ASK_CHILDREN,)),
    (DESCENDING, DEADLINE): (BYPASSING, (ASK_BYPASSED, ARM_LAST)),
    (DESCENDING, HURRY): (KILLING, (KILL, ARM_BOUND)),
    (DESCENDING, GONE): (DONE, ()),
    (BYPASSING, SIGNAL): (BYPASSING, ()),
    (BYPASSING, STOP): (BYPASSING, ()),
    (BYPASSING, ADOPTED): (BYPASSING, (ASK_CHILDREN,)),
    (BYPASSING, DEADLINE): (TEARDOWN, (TERMINATE, ARM_GRACE)),
    (BYPASSING, HURRY): (KILLING, (KILL, ARM_BOUND)),
    (BYPASSING, GONE): (DONE, ()),
    (TEARDOWN, SIGNAL): (TEARDOWN, ()),
    (TEARDOWN, STOP): (TEARDOWN, ()),
    (TEARDOWN, HURRY): (KILLING, (KILL, ARM_BOUND)),
    (TEARDOWN, DEADLINE): (KILLING, (KILL, ARM_BOUND)),
    (TEARDOWN, GONE): (DONE, ()),
    (KILLING, SIGNAL): (KILLING, ()),
    (KILLING, STOP): (KILLING, ()),
    (KILLING, HURRY): (KILLING, ()),
    (KILLING, DEADLINE): (DONE, (NAME_BLOCKERS,)),
    (KILLING, GONE): (DONE, ()),
}


class Lifecycle:
    """Where one run of a command stands, from its start to ``done``.

    ``grace_s`` is the time in seconds that leftovers have between TERM and
    KILL; with 0 they are killed at once.  ``drain_s`` is the time from the
    first stop signal to its relay, which comes at once with 0.
    """

    __slots__ = ("drain_s", "grace_s", "state", "stops")

    def __init__(self, grace_s: float, drain_s: float = 0.0) -> None:
        self.grace_s = grace_s
        self.drain_s = drain_s
        self.state = RUNNING
        self.stops = 0

    def step(self, event: str) -> Actions:
        """Take one event, move to the next state and return what is to be done, in order.

        ``done`` absorbs everything.  Raises KeyError for an event that cannot
        happen in the state: a defect of the caller.
        """
        if self.state == DONE:
            return ()
        if event == STOP:
            self.stops += 1
            if self.stops > 1:
                event = HURRY
            elif self.state in (RUNNING, WAITING) and self.drain_s:
                event = STOP_DRAIN
        elif event in (LEFTOVERS, LEFTOVERS_BELOW) and not self.grace_s:
            event = LEFTOVERS_NO_GRACE
        self.state, actions = TRANSITIONS[self.state, event]
        return actions
