"""dumb-init: its options, its variables, its messages."""

import _signal

from pyinit import settings as choices
from pyinit import signals
from pyinit.compat.getopt import Words
from pyinit.compat.program import DEBUG, DUMB_INIT, INFO, Program, failure
from pyinit.options import values
from pyinit.options.values import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.compat.program import Lines
    from pyinit.settings import Settings

# What dumb-init makes of a terminal's stops, which an orphaned process group would not heed.
_TO_STOP = dict.fromkeys((_signal.SIGTSTP, *signals.BACKGROUND_TTY), int(_signal.SIGSTOP))

_USAGE = "Usage: dumb-init [option] program [args]"
_MORE = ("Try dumb-init --help for full usage.",)

_VERSION = "dumb-init v1.2.5"

_HELP = """\
{version}
Usage: dumb-init [OPTION...] [--] COMMAND [ARG...]

Be the init around COMMAND, which gets a session of its own: relay signals to
its process group, reap every orphan.

  -c, --single-child      no session, and relay to COMMAND alone [DUMB_INIT_SETSID=0]
  -r, --rewrite FROM:TO   relay TO instead of FROM, numbers or names; 0 drops it;
                          may be repeated
  -v, --verbose           tell what happens [DUMB_INIT_DEBUG=1]
  -h, --help              print this help and exit
  -V, --version           print the version and exit
"""
_LINES: "dict[str, Lines]" = {
    "child_started": ((INFO, "Child spawned with PID {pid}."),),
    "signal_relayed": (
        (DEBUG, "Received signal {number}."),
        (DEBUG, "Forwarded signal {number} to children."),
    ),
    "signal_rewritten": (
        (DEBUG, "Received signal {before}."),
        (DEBUG, "Translating signal {before} to {number}."),
        (DEBUG, "Forwarded signal {number} to children."),
    ),
    "signal_ignored": (
        (DEBUG, "Received signal {before}."),
        (DEBUG, "Translating signal {before} to 0."),
        (DEBUG, "Not forwarding signal 0 to children (ignored)."),
    ),
    "orphan_reaped": ((DEBUG, "A child with PID {pid} exited with exit status {exit_code}."),),
    "orphan_killed": ((DEBUG, "A child with PID {pid} was terminated by signal {number}."),),
    "child_exited": ((INFO, "A child with PID {pid} exited with exit status {exit_code}."),),
    "child_killed": ((INFO, "A child with PID {pid} was terminated by signal {number}."),),
    "leftovers_asked": ((INFO, "Forwarded signal {number} to children."),),
    "exiting": ((INFO, "Child exited with status {exit_code}. Goodbye."),),
}


def _parse(
    settings: "Settings", arguments: list[str], environ: dict[bytes, bytes], given: set[str]
) -> None:
    """Set what is asked for in the words of dumb-init.  Raises UsageError."""
    settings.group = True
    settings.synchronous = True
    settings.place = choices.SESSION
    settings.leftovers = choices.ASK
    single = environ.get(b"DUMB_INIT_SETSID") == b"0"
    long = {"single-child": "c", "rewrite": "r", "verbose": "v", "help": "h", "version": "V"}
    words = Words(DUMB_INIT, arguments, "chvV", "r", long=long)
    for flag, value in words:
        if flag in "hV":
            setattr(settings, {"h": "help", "V": "version"}[flag], True)
            return
        if flag == "r":
            settings.rewrite = settings.rewrite | _rule(value)
            given.add("rewrite")
        elif flag == "c":
            single = True
        else:
            settings.verbose = 2
    settings.command = words.rest
    if not settings.command and not environ.get(b"PYINIT_PAUSE"):
        raise UsageError(_USAGE, 1, "", _MORE)
    if environ.get(b"DUMB_INIT_DEBUG") == b"1":
        settings.verbose = 2
    if settings.verbose:
        given.add("verbose")
    if single:
        settings.group = False
        settings.place = choices.SAME
        settings.leftovers = choices.LEAVE
        given.update(("group", "place"))


def _rule(value: str) -> dict[int, int]:
    """Return the rule in ``FROM:TO``; one for a signal that cannot come is no mistake here."""
    before, colon, after = value.partition(":")
    before, after = (word.strip().removeprefix("+") for word in (before, after))
    try:
        if colon:
            to = 0 if after.lower() in ("0", "ignore") else values.signal(after, "")
            return {values.signal(before, ""): to}
    except UsageError:
        pass
    raise UsageError(
        "Usage: -r option takes <signum>:<signum>, where <signum> is between 1 and "
        f"{_signal.SIGRTMAX} or a name, and the second one may be 0: not '{value}'.",
        1,
        "",
        ("It may be repeated; --help tells more.",),
    )


def _rules(settings: "Settings") -> dict[int, int]:
    return _TO_STOP if settings.place == choices.SESSION else {}


def _not_started(name: str, command: str, number: int, reason: str) -> UsageError:  # noqa: ARG001
    """Return the error that dumb-init ends with when the command could not be started."""
    return failure(name, f"{command}: {reason}", code=2)


PROGRAM = Program(
    version=_VERSION,
    help=_HELP,
    answer_fd=2,
    help_fd=2,
    lines=_LINES,
    parse=_parse,
    rules=_rules,
    greeting=lambda *_: (),
    not_started=_not_started,
)
