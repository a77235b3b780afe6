"""What the command gets instead of what pyinit was given: user, directory, variables and so on.

Loaded when anything of it is asked for.
"""

import posix

from pyinit import environment, execve
from pyinit.command import accounts
from pyinit.options.values import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.settings import Settings

LISTEN_PID = b"LISTEN_PID"
LISTEN_PIDFDID = b"LISTEN_PIDFDID"
WATCHDOG_PID = b"WATCHDOG_PID"

# The device number of /dev/null: 1, 3 on every Linux; see null(4).
_NULL = 0x103


class ExecContext:
    """Made before the fork, where errors can be told best; applied after it.

    ``settings`` says what is to be changed.  ``activates`` is False for a command
    beside the main child, which the sockets of LISTEN_FDS are not for.  Raises
    UsageError.
    """

    def __init__(self, settings: "Settings", *, activates: bool = True) -> None:
        self._settings = settings
        self.account = accounts.lookup(settings.user) if settings.user else None
        self._activates = (
            activates and environment.current().get(LISTEN_PID) == b"%d" % posix.getpid()
        )
        if self._activates and LISTEN_PIDFDID in environment.current():
            from pyinit.kernel import pidfds  # noqa: F401 - for the child, which imports nothing
        self._is_watched = (
            activates and environment.current().get(WATCHDOG_PID) == b"%d" % posix.getpid()
        )
        self._forbid_privileges: Callable[[], None] | None = None
        if settings.no_new_privs:
            try:
                from pyinit import linux
            except ImportError as error:  # a Python built without libffi
                raise UsageError(f"option '--no-new-privs': {error}") from None
            self._forbid_privileges = linux.set_no_new_privs
        self._set_oom_score: Callable[[int], None] | None = None
        if settings.oom_score_adj is not None:
            from pyinit.kernel import score

            self._set_oom_score = score.write
        self.step = ""  # what is being done, for the message when it fails

    def apply(self, parent: int) -> None:
        """Do all that has to be done in the forked child of ``parent``.

        Nothing is imported here: as the user, the modules may be out of reach.
        Raises OSError, and ValueError for what no system call could be given.
        """
        settings = self._settings
        if self._activates:
            self.step = "name it in LISTEN_PID"
            _name_in_listen_pid(parent)
        if self._is_watched:
            self.step = "name it in WATCHDOG_PID"
            execve.change("WATCHDOG_PID", str(posix.getpid()))  # sd_watchdog_enabled(3)
        self.step = "change its environment"
        self._change_environment()
        if settings.umask is not None:
            posix.umask(settings.umask)
        if self._set_oom_score is not None and settings.oom_score_adj is not None:
            self.step = f"set oom_score_adj to {settings.oom_score_adj}"  # as root, to lower it
            self._set_oom_score(settings.oom_score_adj)
        if self.account is not None:
            self._become_user(self.account)
        if settings.chdir:
            # As the user: the directory may be open to nobody else, root included (NFS).
            self.step = f"change to directory '{settings.chdir}'"
            posix.chdir(environment.encode(settings.chdir))
        if self._forbid_privileges is not None:
            self.step = "set no_new_privs"
            self._forbid_privileges()

    def _change_environment(self) -> None:
        account = self.account
        if account is not None:
            execve.change("HOME", account.home)
            execve.change("USER", account.name)
            execve.change("LOGNAME", account.name)
        for name, value in self._settings.env:
            execve.change(name, value)

    def _become_user(self, account: "accounts.Account") -> None:
        self.step = f"become user '{self._settings.user}'"
        # Not needed where nothing changes, and then not allowed to everybody.
        if sorted(posix.getgroups()) != sorted(account.groups):
            posix.setgroups(account.groups)
        _hand_over_streams(account.uid)
        posix.setresgid(account.gid, account.gid, account.gid)
        posix.setresuid(account.uid, account.uid, account.uid)


def _hand_over_streams(uid: int) -> None:
    """Give the standard streams to the user, as runc does, so that it can open /dev/stdout.

    /dev/null stays as it is: all users can open it.  An error is ignored: the owner may not be
    mapped in this user namespace, or the file system may be read-only.
    """
    for fd in (0, 1, 2):
        try:
            found = posix.fstat(fd)
            if found.st_uid != uid and found.st_rdev != _NULL:
                posix.chown(fd, uid, -1)
        except OSError:
            pass


def _name_in_listen_pid(parent: int) -> None:
    """Make this process the one that LISTEN_FDS is for; see sd_listen_fds(3)."""
    execve.change("LISTEN_PID", str(posix.getpid()))
    if LISTEN_PIDFDID in environment.current():
        execve.change("LISTEN_PIDFDID", _pidfd_id(parent))


def _pidfd_id(parent: int) -> str | None:
    """Return the inode of a pidfd of this process, by which systemd knows it beyond its number.

    None where all pidfds have the same inode, as before Linux 6.9.
    """
    from pyinit.kernel import pidfds  # which is loaded

    try:
        numbers = []
        for pid in (posix.getpid(), parent):
            fd = pidfds.pidfd_open(pid, 0)
            numbers.append(posix.fstat(fd).st_ino)
            posix.close(fd)
    except OSError:
        return None
    return str(numbers[0]) if numbers[0] != numbers[1] else None
