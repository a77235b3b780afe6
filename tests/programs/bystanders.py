"""bystanders.py NUMBER before|after COMMAND...: runs COMMAND, with NUMBER bystanders beside it.

They are forked before it, or after it but before it becomes COMMAND, so that
the numbers of all are known.  Each prints `bystander`, and when COMMAND has
ended the signals that it has got by then: `got []`.  The exit code is COMMAND's.
"""

import _signal as signal
import os
import sys


def stand_by(gate: int) -> None:
    """Be a bystander until the gate's other end is closed."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    os.closerange(0, 1)
    os.write(1, b"bystander\n")
    os.read(gate, 1)
    os.write(1, f"got {sorted(map(int, signal.sigpending()))}\n".encode())
    os._exit(0)


def start(gate: int, writers: list[int]) -> int:
    """Fork the command, which waits for the gate."""
    pid = os.fork()
    if pid == 0:
        for writer in writers:
            os.close(writer)
        os.read(gate, 1)
        os.execvp(sys.argv[3], sys.argv[3:])
    return pid


def main() -> None:
    """Run it."""
    start_gate, start_writer = os.pipe()
    end_gate, end_writer = os.pipe()
    writers = [start_writer, end_writer]
    first = sys.argv[2] == "after"
    pid = start(start_gate, writers) if first else 0
    for _ in range(int(sys.argv[1])):
        if os.fork() == 0:
            os.close(start_writer)
            os.close(end_writer)
            stand_by(end_gate)
    pid = pid or start(start_gate, writers)
    os.close(start_writer)
    _, status = os.waitpid(pid, 0)
    os.close(end_writer)
    for _ in range(int(sys.argv[1])):
        os.wait()
    os._exit(os.waitstatus_to_exitcode(status))


main()
