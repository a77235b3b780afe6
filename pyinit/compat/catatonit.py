"""catatonit: its flags, its variable, its messages."""

from pyinit.compat.getopt import Words
from pyinit.compat.program import CATATONIT, DEBUG, WARNING, Program, failure, no_job_control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.compat.program import Lines
    from pyinit.options.values import UsageError
    from pyinit.settings import Settings

_USAGE = "usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]"

_VERSION = "tini version 0.1.7_catatonit"

_HELP = """\
usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]

Be the init around a program: relay signals to it, reap every orphan.
CATATONIT_DEBUG in the environment makes it tell what happens.

  -g             relay to the program's whole process group
  -h             print this help and exit
  -L             print the license and exit
  -P             run no program: reap until INT or TERM
  -V, --version  print the version and exit
"""
_LINES: "dict[str, Lines]" = {
    "child_started": ((DEBUG, "pid1 ({pid}) spawned: {program}"),),
    "orphan_reaped": ((DEBUG, "child process {pid} exited with code {exit_code}"),),
    "orphan_killed": ((DEBUG, "child process {pid} exited due to signal {number}"),),
    "not_a_subreaper": ((WARNING, "failed to set child-reaper as non-pid1: {reason}"),),
    # It does not say these.
    "signal_relayed": (),
    "signal_rewritten": (),
    "signal_ignored": (),
    "child_exited": (),
    "child_killed": (),
    "exiting": (),
}


def _parse(
    settings: "Settings", arguments: list[str], environ: dict[bytes, bytes], given: set[str]
) -> None:
    """Set what is asked for in the words of catatonit.  Raises UsageError."""
    settings.subreaper = True
    if b"CATATONIT_DEBUG" in environ:
        settings.verbose = 2
        given.add("verbose")
    usage = (_USAGE,)
    words = Words(CATATONIT, arguments, "ghLPV", usage=usage, long={"version": "V"})
    for flag, _ in words:
        if flag in "hLV":
            setattr(settings, {"h": "help", "L": "license", "V": "version"}[flag], True)
            return
        attribute = {"g": "group", "P": "pause"}[flag]
        setattr(settings, attribute, True)
        given.add(attribute)
    # It takes no notice of a program to -P.
    settings.command = [] if settings.pause else words.rest
    if not words.rest and not settings.pause and not environ.get(b"PYINIT_PAUSE"):
        raise failure(CATATONIT, "missing program name", more=usage)


def _greeting(settings: "Settings", _: bool) -> tuple[str, ...]:  # noqa: ARG001, FBT001
    """Return the lines that catatonit writes before it starts its command: none."""
    return ()


def _not_started(name: str, command: str, number: int, reason: str) -> "UsageError":  # noqa: ARG001
    """Return the error that catatonit ends with when the command could not be started."""
    return failure(name, f"failed to exec pid1: {reason}")


PROGRAM = Program(
    version=_VERSION,
    help=_HELP,
    answer_fd=1,
    help_fd=2,
    lines=_LINES,
    parse=_parse,
    rules=no_job_control,
    greeting=_greeting,
    not_started=_not_started,
)
