"""Outputs that go through the supervisor: each line with its service's name, or as an object.

A stream is a pipe that is made once and kept over restarts.  It is read when there is something,
and no longer while its outlet is full: the service waits then, as it would without us, and the
supervisor never does.  Nobody waits for a pipe's end: a grandchild can keep it open.
"""

import errno
import posix

from pyinit.log.sink import Sink
from pyinit.services import loop, model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.services.loop import Loop

# So much is read at once, half of what a pipe holds: what is made of it fits into memory that the
# allocator keeps.  With 65,536 it gives it back after each, and every page is a new one.
_BLOCK = 32768

# So much is held of a line, of the last lines.
_LONGEST = 16384
_KEPT = 16384
_KEPT_LINES = 20

# A pipe that somebody has made as large as an ordinary user may; see pipe-max-size in pipe(7).
_MOST_BLOCKS = (1 << 20) // _BLOCK + 1

# What a pipe takes whole; a regular file waits for nobody.
_PIPE_BUF = 4096

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_COLORS = (36, 33, 32, 35, 34, 31)


class Outlet:
    """The container's stdout or stderr, shared by the streams that go to it."""

    def __init__(self, loop_: "Loop", fd: int) -> None:
        self._loop = loop_
        self._fd = fd
        self._sink = Sink(fd)
        self._waiting = b""
        self._held: list[Stream] = []
        self.is_terminal = self._sink.is_terminal
        self.is_gone = not self._sink.is_open

    @property
    def is_full(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._waiting)

    def write(self, data: bytes) -> None:
        """Write whole lines, now or when there is room for them."""
        self._waiting += data
        if len(self._waiting) == len(data):
            self._send()

    def hold(self, stream: "Stream") -> None:
        """Have a stream go on when there is room again."""
        if stream not in self._held:
            self._held.append(stream)

    def close(self) -> None:
        """Write no more; the container's descriptor stays open."""
        self._loop.unwatch(self._fd)
        self._sink.close()

    def _send(self) -> None:
        try:
            self._send_what_fits()
        except OSError as error:
            # Dropped, as there is no room on a disk; EPIPE, EIO: nobody reads any more.
            self._waiting = b""
            self.is_gone = error.errno not in _NO_ROOM
        if self._waiting:
            self._loop.watch(self._fd, loop.WRITE, self._send)
            return
        self._loop.unwatch(self._fd)
        held, self._held = self._held, []
        for stream in held:
            stream.resume()

    def _send_what_fits(self) -> None:
        data = self._waiting
        at = 0
        try:
            while at < len(data):
                end = at + _PIPE_BUF
                if end < len(data):
                    # Whole lines, where they are not longer: others write to the same pipe.
                    end = data.rfind(b"\n", at, end) + 1 or end
                taken = self._sink.send(data[at:end])
                at += taken
                if not taken:
                    return
        finally:
            self._waiting = data[at:]


class Stream:
    """One output of one service; ``writer`` is the end that the service gets, at each start."""

    def __init__(self, loop_: "Loop", outlet: Outlet, render: "Callable[[bytes], bytes]") -> None:
        self._loop = loop_
        self._outlet = outlet
        self._render = render
        self._partial = b""
        self._kept = b""
        self.followers: list[Callable[[bytes], None]] = []  # who gets the lines as well
        self._finishes = False
        self._reader, self.writer = posix.pipe2(posix.O_CLOEXEC)
        posix.set_blocking(self._reader, False)
        loop_.watch(self._reader, loop.READ, self.read)

    def read(self) -> None:
        """Read what there is, a block at most, and write its lines."""
        if self._reader < 0:
            return
        if self._outlet.is_gone:
            self._close_reader()
            return
        if self._outlet.is_full:
            self._loop.unwatch(self._reader)
            self._outlet.hold(self)
            return
        try:
            data = posix.read(self._reader, _BLOCK)
        except BlockingIOError:
            data = b""
        data_so_far = self._partial + data
        end = data_so_far.rfind(b"\n") + 1
        lines, self._partial = data_so_far[:end], data_so_far[end:]
        while len(self._partial) > _LONGEST:
            lines += self._partial[:_LONGEST] + b"\n"
            self._partial = self._partial[_LONGEST:]
        if self._finishes and len(data) < _BLOCK:
            self._finishes = False
            if self._partial:
                lines += self._partial + b"\n"
                self._partial = b""
        self._write(lines)

    def _write(self, lines: bytes) -> None:
        """Write whole lines."""
        if lines:
            self._kept = (self._kept + lines)[-_KEPT:]
            self._outlet.write(self._render(_in_pieces(lines)))
            for take in tuple(self.followers):
                take(lines)

    def resume(self) -> None:
        """Read again."""
        if self._reader >= 0:
            self._loop.watch(self._reader, loop.READ, self.read)
        if self._finishes:
            self.finish()

    def finish(self) -> None:
        """Write what a process that has ended has left in the pipe, its last line as well."""
        self._finishes = True
        for _ in range(_MOST_BLOCKS):
            self.read()
            if not self._finishes or self._reader < 0:
                break
            if self._outlet.is_full:
                # By then the pipe may be empty, of which poll(2) does not tell.
                self._outlet.hold(self)
                break

    @property
    def is_unread(self) -> bool:
        """Whether something is left in the pipe of a service that has ended."""
        return self._finishes and self._reader >= 0

    def last_lines(self) -> list[str]:
        """Return the last lines, 20 at most."""
        return [line[:-1].decode("utf-8", "backslashreplace") for line in self.last_blocks()]

    def last_blocks(self) -> list[bytes]:
        """Return the last lines as they came, each with its end."""
        return [line + b"\n" for line in self._kept.split(b"\n")[:-1][-_KEPT_LINES:]]

    def clear(self) -> None:
        """Forget the last lines."""
        self._kept = b""

    def _close_reader(self) -> None:
        """Have the service get what it would without us: SIGPIPE or EPIPE."""
        if self._reader >= 0:
            self._loop.unwatch(self._reader)
            posix.close(self._reader)
            self._reader = -1

    def close(self) -> None:
        """Read no more, and let go of the service's end, which is started no more."""
        self._close_reader()
        posix.close(self.writer)


def _in_pieces(lines: bytes) -> bytes:
    """Return the lines, those that are too long in pieces."""
    # A line that is too long fills one of these blocks; they are looked through faster than split.
    half = _LONGEST // 2
    blocks = range(0, len(lines) - half, half)
    if all(lines.find(b"\n", at, at + half) >= 0 for at in blocks):
        return lines
    return b"".join(
        line[at : at + _LONGEST] + b"\n"
        for line in lines[:-1].split(b"\n")
        for at in range(0, max(len(line), 1), _LONGEST)
    )


def prefixed(name: str, width: int, color: int | None) -> "Callable[[bytes], bytes]":
    """Return what puts a name in front of lines, in a colour of a terminal if there is one."""
    prefix = f"{name:<{width}} | ".encode()
    if color is not None:
        prefix = b"\033[%dm%b\033[0m" % (_COLORS[color % len(_COLORS)], prefix)
    between = b"\n" + prefix

    def render(lines: bytes) -> bytes:
        # Behind all but the last end: to cut it off copies less than a sum would.
        return b"".join((prefix, lines[:-1].replace(b"\n", between), b"\n"))

    return render


def as_objects(name: str, stream: str) -> "Callable[[bytes], bytes]":
    """Return what makes an object of each line; one that is an object gets the fields it lacks."""
    import time

    from pyinit.log.text import utc

    decode: Callable[[str], object] | None = None

    def render(lines: bytes) -> bytes:
        nonlocal decode
        # At the first line, not at the start: the import of json takes milliseconds.
        decode = decode or _decoder()
        common = {"timestamp": utc(time.time()), "service": name, "stream": stream}
        return b"".join(_object(line, common, decode) for line in lines[:-1].split(b"\n"))

    return render


def _decoder() -> "Callable[[str], object]":
    """Return what reads JSON, made once: json.loads() makes it anew where it is told of numbers."""
    import json

    return json.JSONDecoder(parse_constant=_refused, parse_float=_finite).decode


def _object(line: bytes, common: dict[str, str], decode: "Callable[[str], object]") -> bytes:
    import json

    text = line.decode("utf-8", "backslashreplace")
    found = None
    if text.startswith("{"):
        try:
            found = decode(text)
        except (ValueError, RecursionError):
            pass  # it only looks like one
    if isinstance(found, dict):
        found = found | {key: value for key, value in common.items() if key not in found}
    else:
        found = common | {"event": text}
    # As structlog's JSONRenderer writes it, which calls json.dumps() and takes 2.5 µs a line for
    # 1.7 µs; its import takes 70 ms of processor time and 8 MB.
    return json.dumps(found).encode() + b"\n"


def _refused(word: str) -> float:
    """Take no Infinity and no NaN: RFC 8259 has neither, and a reader would refuse the line."""
    raise ValueError(word)


def _finite(word: str) -> float:
    """Return a number, which would be written as Infinity where it is too large for a float."""
    number = float(word)
    return number if abs(number) != float("inf") else _refused(word)


class Outputs:
    """The streams of all services; ``stdout`` and ``stderr`` are where they go."""

    def __init__(self, loop_: "Loop", services: "model.Services") -> None:
        self._loop = loop_
        self._services = services
        self._outlets: dict[int, Outlet] = {}
        self._streams: dict[tuple[str, int], Stream] = {}

    def stream(self, name: str, number: int) -> Stream | None:
        """Return the stream of descriptor ``number`` of a service, if it has one."""
        service = self._services.by_name[name]
        mode = service.stdout if number == 1 else service.stderr
        if mode not in model.COPIED:
            return None
        key = (name, number)
        if key not in self._streams:
            self._streams[key] = self._open(name, number, mode)
        return self._streams[key]

    def _open(self, name: str, number: int, mode: str) -> Stream:
        if number not in self._outlets:
            self._outlets[number] = Outlet(self._loop, number)
        outlet = self._outlets[number]
        if mode == model.JSON:
            render = as_objects(name, ("stdout", "stderr")[number - 1])
        else:
            names = list(self._services.by_name)
            colorless = not outlet.is_terminal or posix.environ.get(b"NO_COLOR")
            color = None if colorless else names.index(name)
            render = prefixed(name, max(map(len, names)), color)
        return Stream(self._loop, outlet, render)

    def finish(self, name: str) -> None:
        """Write what is left in the pipes of a service that has ended."""
        for (owner, _), stream in self._streams.items():
            if owner == name:
                stream.finish()

    def last_lines(self, name: str, number: int = 0) -> list[str]:
        """Return the last lines of a service, those of stderr after those of stdout.

        Of descriptor ``number`` alone, unless it is 0.
        """
        found = []
        for key in ((name, 1), (name, 2)):
            if key in self._streams and number in (0, key[1]):
                found += self._streams[key].last_lines()
        return found

    def clear(self, name: str) -> None:
        """Forget the last lines of a service."""
        for (owner, _), stream in self._streams.items():
            if owner == name:
                stream.clear()

    def close(self) -> None:
        """Close all pipes, and what was opened of the places that they went to."""
        for stream in self._streams.values():
            stream.close()
        for outlet in self._outlets.values():
            outlet.close()
        self._streams, self._outlets = {}, {}

    def is_waiting(self) -> bool:
        """Return whether something is still to be written."""
        outlets, streams = self._outlets.values(), self._streams.values()
        return any(each.is_full for each in outlets) or any(each.is_unread for each in streams)
