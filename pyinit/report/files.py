"""Files that are written for others while they may be read: whole, or not at all.

The command may run as another user, and the directory of such a file may be that user's.
So nothing is written through what that user can have put there: a path is followed once,
before the command is started (see `pyinit.kernel.paths`); from then on its directory is a
descriptor, in which no link is followed.
"""

from __future__ import annotations

import errno
import os
import stat

from pyinit.kernel import paths
from pyinit.log.sink import Sink, take_signal_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.kernel.clock import Clock

_FLAGS = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

# A mount point cannot be replaced, nor a file in a directory that is not ours to change.
_IRREPLACEABLE = (errno.EBUSY, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)

# Readers are waited for so long, in seconds, when nobody is left to be relayed to.
PATIENCE_S = 1.0

_CUT = "...\n"

_NO_READER = "no process reads it"


def cut(line: str, most: int) -> str:
    """Return ``line``, which ends with a newline, in ``most`` bytes."""
    data = line.encode("utf-8", "backslashreplace")
    if len(data) <= most:
        return line
    return data[: most - len(_CUT)].decode("utf-8", "ignore") + _CUT


def find(path: str) -> File | Stream:
    """Return what ``path`` leads to now, without opening it.  Raises OSError."""
    place = paths.find(path)
    return Stream(place, path) if isinstance(place, int) else File(path, place)


def _here() -> str:
    """Return the working directory, "" for one that was removed."""
    try:
        return os.getcwd()
    except OSError:
        return ""


class Stream:
    """Descriptor ``fd``, to which texts are written one after the other; see `Sink`."""

    def __init__(self, fd: int, name: str = "") -> None:
        self.fd = fd
        self.name = name or f"fd:{fd}"
        self.is_read = False  # somebody has made room for the end of a text
        self._sink = Sink(fd)
        self._rest = b""

    def close(self) -> None:
        """Write no more; ``fd`` stays open."""
        self._sink.close()

    @property
    def has_more(self) -> bool:
        """Whether the end of a text is still to be written."""
        return bool(self._rest)

    def write(self, text: str, clock: Clock | None = None) -> None:
        """Begin to write ``text`` if there is room now, and go on with it.

        A reader is waited for until ``clock`` is at `PATIENCE_S`.  Without one nothing is:
        what does not fit now is for `go_on`, and a text that comes before is dropped.
        Raises OSError.
        """
        self.go_on(clock)
        data = _encoded(text)
        taken = 0 if self._rest else self._sink.send(data)
        if not taken and self.is_read and clock is not None and _has_room(self.fd, clock):
            taken = self._sink.send(data)
        if not taken:
            raise BlockingIOError(errno.EAGAIN, _NO_READER)
        self._rest = data[taken:]
        self.go_on(clock)
        if self._rest and clock is not None:
            raise BlockingIOError(errno.EAGAIN, _NO_READER)

    def go_on(self, clock: Clock | None = None) -> None:
        """Write of the text that was begun what fits, while ``clock`` allows.  Raises OSError."""
        while self._rest:
            try:
                taken = self._sink.send(self._rest)
            except OSError:
                self._rest = b""  # nobody will read it
                raise
            self._rest = self._rest[taken:]
            self.is_read = self.is_read or taken > 0
            if not self._rest or clock is None or not _has_room(self.fd, clock):
                return


class File:
    """The file that ``place`` is, which was found by the path ``name``.

    It is replaced at once (rename(2)).  A mount point, as Kubernetes makes of its log of
    terminations, a FIFO or a device is written to.
    """

    def __init__(self, name: str, place: paths.Place) -> None:
        self.name = name
        self._path = name if name.startswith("/") else os.path.join(_here(), name)
        self._place = place
        self._known: tuple[int, int] | None = None  # what was there at first, or was put there
        self._stream: Stream | None = None  # of a FIFO or a device whose text has not ended
        self._is_read = False  # it was
        before = self._look()
        if before is not None:
            self._known = (before.st_dev, before.st_ino)

    def close(self) -> None:
        """Let go of the directory, and of a text that has not ended."""
        self._end_stream()
        if self._place.fd >= 0:
            os.close(self._place.fd)
            self._place.fd = -1

    @property
    def has_more(self) -> bool:
        """Whether the end of a text is still to be written."""
        return self._stream is not None

    def check(self) -> None:
        """Raise OSError if it could not be written now, whatever it will be then.

        What access(2) denies is tried: it does not know of every right, and a filter may deny it.
        """
        before = self._look()
        if before is not None and stat.S_ISDIR(before.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a directory")
        if before is not None and not _is_replaced(before):
            self._check_owner(before)
            return
        directory = self._place.fd
        if os.access(".", os.W_OK | os.X_OK, dir_fd=directory):
            return
        try:
            os.close(self._create())
            os.unlink(self._draft, dir_fd=directory)
        except OSError as error:
            if error.errno not in _IRREPLACEABLE:
                return  # no room, for example: there may be some at the end
        else:
            return
        if before is None or not stat.S_ISREG(before.st_mode):
            text = f"directory '{self._place.path}' is read-only or belongs to another user"
            raise PermissionError(errno.EACCES, text)
        self._check_owner(before)
        os.close(os.open(self._place.name, _FLAGS, dir_fd=directory))

    def write(self, text: str, clock: Clock | None = None) -> None:
        """Write ``text``; of ``clock`` see `Stream.write`.  Raises OSError."""
        try:
            self._write(text, clock)
        except FileNotFoundError:
            self._find_again()
            self._write(text, clock)

    def _write(self, text: str, clock: Clock | None) -> None:
        before = self._look()
        if before is not None and not _is_replaced(before):
            self._write_to_stream(text, before, clock)
            return
        self._end_stream()
        try:
            self._replace(_encoded(text), before)
        except OSError as error:
            is_file = before is not None and stat.S_ISREG(before.st_mode)
            if error.errno not in _IRREPLACEABLE or not is_file:
                raise
            assert before is not None
            self._write_into(_encoded(text), before)

    def append(self, text: str, most: int, clock: Clock) -> None:
        """Write ``text`` to the end of the file, of which ``most`` bytes are read.

        It is not made where there is none.  Raises OSError.
        """
        before = self._look()
        if before is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if not stat.S_ISREG(before.st_mode):
            self._write_to_stream(cut(text, most), before, clock)
            return
        text = f"\n{text}" if before.st_size else text
        self._write_into(_encoded(cut(text, most)), before, os.O_APPEND)

    def open_to_append(self) -> int:
        """Open it, or make it; return a descriptor that is above the standard ones.

        Raises OSError.
        """
        fd = self._open(os.O_APPEND | os.O_CREAT)
        try:
            self._check_owner(os.fstat(fd), is_new=self._known is None)
        except OSError:
            os.close(fd)
            raise
        return paths.above_standard(fd)

    def _look(self) -> os.stat_result | None:
        try:
            return os.stat(self._place.name, dir_fd=self._place.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _check_owner(self, found: os.stat_result, *, is_new: bool = False) -> None:
        """Raise PermissionError if others can have given a file this name that is not theirs.

        Whoever may write to the directory can do so by a hard link or a rename.
        """
        if paths.is_ours_alone(os.fstat(self._place.fd)):
            return
        is_known = is_new or (found.st_dev, found.st_ino) == self._known
        if not is_known or found.st_nlink > 1:
            text = "others may write to its directory, and it was not there at the start"
            if is_known:
                text = "others may write to its directory, and it has another name (a hard link)"
            raise PermissionError(errno.EPERM, text)

    def _open(self, flags: int) -> int:
        try:
            return os.open(self._place.name, _FLAGS | flags, 0o644, dir_fd=self._place.fd)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            raise OSError(errno.ENXIO, _NO_READER) from None  # a FIFO; see fifo(7)

    def _write_into(self, data: bytes, before: os.stat_result, flags: int = 0) -> None:
        """Write to the regular file where it is.  Raises OSError."""
        self._check_owner(before)
        fd = self._open(flags)
        try:
            self._check_same(fd, before)
            if not flags & os.O_APPEND:
                os.ftruncate(fd, 0)
            _write_all(fd, data)
        finally:
            os.close(fd)

    def _write_to_stream(self, text: str, before: os.stat_result, clock: Clock | None) -> None:
        """Write to the FIFO or the device, which is opened until the text has ended."""
        if self._stream is None:
            self._check_owner(before)
            fd = self._open(0)
            try:
                self._check_same(fd, before)
            except OSError:
                os.close(fd)
                raise
            self._stream = Stream(fd)
            self._stream.is_read = self._is_read
        try:
            self._stream.write(text, clock)
        finally:
            if not self._stream.has_more or clock is not None:
                self._end_stream()

    def go_on(self, clock: Clock | None = None) -> None:
        """Write of a text that was begun what fits; see `Stream.go_on`.  Raises OSError."""
        if self._stream is None:
            return
        try:
            self._stream.go_on(clock)
        finally:
            if not self._stream.has_more:
                self._end_stream()

    def _end_stream(self) -> None:
        if self._stream is not None:
            self._is_read = self._stream.is_read
            self._stream.close()
            os.close(self._stream.fd)
            self._stream = None

    @staticmethod
    def _check_same(fd: int, before: os.stat_result) -> None:
        """Raise OSError if ``fd`` is not what was looked at before it was opened."""
        if not os.path.samestat(os.fstat(fd), before):
            raise OSError(errno.EAGAIN, "it was replaced at this moment")

    # -- Replacing.

    @property
    def _draft(self) -> str:
        # Hidden, so that no collector of *.prom takes it for a file of its own.
        return f".{self._place.name}.{os.getpid()}"

    def _replace(self, data: bytes, before: os.stat_result | None) -> None:
        draft, directory = self._draft, self._place.fd
        fd = self._create()
        try:
            try:
                if before is not None and stat.S_ISREG(before.st_mode):
                    _resemble(fd, before)
                _write_all(fd, data)
                made = os.fstat(fd)
            finally:
                os.close(fd)
            os.replace(draft, self._place.name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError:
            _remove(draft, directory)
            raise
        self._known = (made.st_dev, made.st_ino)

    def _create(self) -> int:
        """Create a file that nobody else has made, in place of what a run that was killed has left.

        In a directory for everybody it could be a link, or a FIFO.  Raises OSError.
        """
        flags = _FLAGS | os.O_CREAT | os.O_EXCL
        try:
            return os.open(self._draft, flags, 0o644, dir_fd=self._place.fd)
        except FileExistsError:
            os.unlink(self._draft, dir_fd=self._place.fd)
            return os.open(self._draft, flags, 0o644, dir_fd=self._place.fd)

    def _find_again(self) -> None:
        """Follow the path anew: its directory was removed, and may have been made again.

        Not to one that others can have put there and that is not theirs.  Raises OSError.
        """
        try:
            found = paths.find(self._path)
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None
        if isinstance(found, int):
            raise PermissionError(errno.EPERM, "it was not a descriptor at the start")
        owner = os.fstat(found.fd).st_uid
        is_theirs = owner == os.fstat(self._place.fd).st_uid and not paths.is_trusted(owner)
        if not found.is_fixed and not is_theirs:
            os.close(found.fd)
            raise PermissionError(errno.EPERM, "others may have put its directory there")
        os.close(self._place.fd)
        self._place = found


def _is_replaced(found: os.stat_result) -> bool:
    """Return whether a new file takes its place; a link is not followed any more."""
    return stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)


def _resemble(fd: int, before: os.stat_result) -> None:
    """Give the new file mode and owner of the one that it replaces, as far as we may.

    It is nothing to be executed, and no set-user-ID program of that owner's.
    """
    try:
        if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(fd, before.st_uid, before.st_gid)
    except OSError:
        pass  # EPERM without CAP_CHOWN
    os.fchmod(fd, before.st_mode & 0o666)


def _remove(name: str, directory: int) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except OSError:
        pass  # others may remove it, too


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _write_all(fd: int, data: bytes) -> None:
    """Write ``data`` to a regular file.  Raises OSError."""
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError as error:
        take_signal_of(error)
        raise


def _has_room(fd: int, clock: Clock) -> bool:
    """Wait until more can be written, or ``clock`` is at `PATIENCE_S`."""
    left_s = PATIENCE_S - clock.now()
    if left_s <= 0:
        return False
    import select  # a report of a run that went well does without it

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    if poll.poll(left_s * 1000):
        return True
    clock.reach(PATIENCE_S)
    return False
