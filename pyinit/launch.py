"""The main child: it gets exactly what pyinit was given, in a process group of its own."""

import _signal
import posix
import sys

from pyinit import environment, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from pyinit.kills import Kills
    from pyinit.settings import Settings

# Python ignores these from its own start on, and the child would inherit that.
# Whether they were ignored before cannot be known afterwards.
RESET = (_signal.SIGPIPE, _signal.SIGXFSZ)


def launch(
    asked: "Settings",
    mask: set[int],
    environ: dict[bytes, bytes] | None,
    terminal: int | None,
    linux: "ModuleType | None",
) -> int:
    """Start the command of ``asked``; return its PID.

    It is the leader of a new process group, unless another place is asked for, and
    gets the signal mask ``mask`` and the environment ``environ``, or that of C if
    None.  ``terminal`` is handed over to it.  With ``linux``, the module, it gets
    SIGKILL when this process ends (prctl(2), PR_SET_PDEATHSIG).  Raises
    `pyinit.fork.StartError`, or UsageError for a user that there is not.
    """
    ignored: tuple[int, ...] = ()
    if _signal.getsignal(_signal.SIGCHLD) == _signal.SIG_IGN:
        # With an ignored SIGCHLD the kernel drops every wait status; see wait(2).
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        ignored = (_signal.SIGCHLD,)
    if asked.keeps_record():
        asked.kills = kills_before()
    simple = terminal is None and linux is None and not ignored
    changes = None
    if asked.changes_command() or b"LISTEN_PID" in environment.current():
        from pyinit import changes as module

        changes = module.Changes(asked)
    simple = simple and changes is None and asked.place == settings.GROUP
    # glibc keeps 32 and 33 to itself: posix_spawn(3) cannot say that they are blocked.
    simple = simple and not mask & {32, 33} and sys.getfilesystemencoding() == "utf-8"
    argv = asked.command
    if environ is not None and simple:
        try:
            # vfork(2) inside: half a millisecond less than fork(2), and no copied pages.
            return posix.posix_spawnp(
                argv[0], argv, environ, setpgroup=0, setsigmask=mask, setsigdef=RESET
            )
        except (OSError, ValueError):
            pass  # forking finds out which step failed, and knows the way to /bin/sh
    from pyinit import fork

    return fork.start(
        argv, fork.Orders(mask, ignored, terminal, linux, place=asked.place, changes=changes)
    )


def kills_before() -> "Kills | None":
    """Return what counts OOM kills from now on: the command may be killed while it starts."""
    try:
        from pyinit import kills

        return kills.Kills()
    except Exception:
        return None  # no reason not to start; it is tried again for the first one who is killed
