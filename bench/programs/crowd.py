"""Many processes for the other programs."""

import os
import signal


def make_orphans(count: int) -> tuple[int, list[int]]:
    """Make ``count`` orphans that wait; return their process group and their PIDs."""
    reader, writer = os.pipe()
    mother = os.fork()
    if mother == 0:
        bear(count, writer)
    os.close(writer)
    data = b""
    while len(data) < 4 * count:
        block = os.read(reader, 65536)
        if not block:
            raise SystemExit("the orphans could not be made")
        data += block
    os.close(reader)
    os.waitpid(mother, 0)
    return mother, [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]


def bear(count: int, writer: int) -> None:
    """Be the mother of ``count`` processes, and end."""
    try:
        os.setpgid(0, 0)
        for _ in range(count):
            pid = os.fork()
            if pid == 0:
                os.close(writer)
                while True:
                    signal.pause()
            os.write(writer, pid.to_bytes(4, "little"))
    finally:
        os._exit(0)
