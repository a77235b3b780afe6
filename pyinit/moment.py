"""The first moment of a command: what its init does then, and whether that is all.

Many a command has ended by then, and needs nobody to supervise it.  What supervises takes longer
to load than true(1) takes to start and end.
"""

import _signal
import gc
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.settings import Settings

# So long, in seconds, the command has the processor to itself.
_MOMENT_S = 0.003

_WALL = 0x40000000  # as in `pyinit.signals`
_WAIT = posix.WNOHANG | _WALL
_PEEK = _WAIT | posix.WEXITED | posix.WNOWAIT


def settle(settings: "Settings") -> None:
    """Change in our own process what the command was not to inherit.  Raises nothing."""
    gc.freeze()  # what there is now stays for good; the launcher has it disabled until here
    gc.enable()
    # The pre-stop command runs where we were started, and `pyinitctl status` looks there.
    if not settings.pre_stop and settings.status_file[:1] in ("", "/"):
        try:
            _leave_directory()
        except Exception:
            pass  # a filter forbids it: a mount stays busy
    if settings.oom_score_adj is not None:
        try:
            from pyinit.kernel import score

            score.spare()
        except Exception:
            pass  # there is no CAP_SYS_RESOURCE, or no /proc


def _leave_directory() -> None:
    """Go to the root directory, so that no mount is busy; modules are found as before.

    Raises OSError.
    """
    paths = (*sys.path, *sys.modules["pyinit"].__path__)
    if not all(path.startswith("/") for path in paths):
        from pyinit.process import directory

        directory.make_absolute(posix.getcwd())
    posix.chdir("/")


def exit_status(pid: int) -> int | None:
    """Return the wait status of the command if it exits within a moment, else None.

    It is reaped then.  A signal that comes meanwhile waits, and keeps it from being reaped here.
    """
    try:
        if _signal.sigtimedwait((_signal.SIGCHLD,), _MOMENT_S) is None or _signal.sigpending():
            return None
        seen = posix.waitid(posix.P_PID, pid, _PEEK)
        if seen is None or seen.si_code != posix.CLD_EXITED:
            return None
        return posix.waitpid(pid, _WAIT)[1]
    except OSError:
        return None  # a filter, seccomp(2)


def is_nobody_left(*, is_init: bool) -> bool:
    """Return whether nobody but us is left, as PID 1 in our PID namespace, as far as is known."""
    try:
        posix.waitid(posix.P_ALL, 0, _PEEK)
    except ChildProcessError:
        if not is_init:
            return True  # a descendant's line leads to a child of ours
        try:
            posix.kill(-1, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass  # somebody is there whom we may not signal
    except OSError:
        pass  # a filter
    return False
