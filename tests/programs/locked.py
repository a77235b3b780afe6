"""locked.py DIRECTORY: leaves a process behind whose memory nobody can look at, and exits with 7.

It holds the lock of its own memory for ever, in a mmap(2) that waits for a page that is being
read from a file system whose server does not answer (fuse(4)), and has a name of 15 bytes.
The server is a process too, and its end lets go of all that.  Says `ready`; ends with stdin.
"""

import contextlib
import ctypes
import errno
import mmap
import os
import struct
import sys
import threading

NAME = "x" * 15
FILE = 2  # its inode; that of the root is 1

# Requests; see <linux/fuse.h>.
LOOKUP, GETATTR, OPEN, READ, INIT = 1, 3, 14, 15, 26
DIRECT_IO, KEEP_CACHE = 1, 2
HEADER = struct.Struct("=IIQQIIII")


def attributes(inode: int) -> bytes:
    """Return a struct fuse_attr."""
    mode = 0o40755 if inode != FILE else 0o100644
    return struct.pack("=QQQQQQIIIIIIIIII", inode, 4096, 8, *[0] * 6, mode, 1, 0, 0, 0, 4096, 0)


def serve(fd: int, reading: int) -> None:
    """Answer all but READ, of which ``reading``, a pipe, is told."""
    opened = 0
    while True:
        data = os.read(fd, 1 << 20)
        _, request, unique, inode, *_ = HEADER.unpack_from(data)
        answer, error = b"", 0
        if request == INIT:
            answer = struct.pack("=IIII", 7, 31, 4096, 0).ljust(64, b"\0")
        elif request == LOOKUP:
            answer = struct.pack("=QQQQII", FILE, 0, 100, 100, 0, 0) + attributes(FILE)
        elif request == GETATTR:
            answer = struct.pack("=QII", 100, 0, 0) + attributes(inode)
        elif request == OPEN:
            opened += 1
            flags = KEEP_CACHE if opened == 1 else KEEP_CACHE | DIRECT_IO
            answer = struct.pack("=QII", opened, flags, 0)
        elif request == READ:
            os.write(reading, b"\n")
            continue
        else:
            error = errno.ENOSYS
        os.write(fd, struct.pack("=IiQ", 16 + len(answer), -error, unique) + answer)


def read(fd: int) -> None:
    """Read a page, unless the server ends."""
    with contextlib.suppress(OSError):
        os.pread(fd, 4096, 0)


def lock(path: str, reading: int) -> None:
    """Hold the lock, when ``reading`` tells that a page is being read."""
    first = os.open(path, os.O_RDONLY)
    threading.Thread(target=read, args=(first,), daemon=True).start()
    os.read(reading, 1)
    second = os.open(path, os.O_RDONLY)
    with open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(NAME)
    os.write(1, b"ready\n")
    mmap.mmap(second, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ)


def main() -> None:
    """Run it."""
    directory = sys.argv[1]
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"none", os.fsencode(directory), b"fuse", 0, options) == -1:
        raise OSError(ctypes.get_errno(), "mount")
    reading, writer = os.pipe()
    if os.fork() == 0:
        serve(fd, writer)
    os.close(fd)
    if os.fork() == 0:
        lock(f"{directory}/file", reading)
        os._exit(0)
    while os.read(0, 1):
        pass
    os._exit(7)


main()
