"""filtered.py ERRNO NAMES COMMAND...: exec COMMAND where the system calls NAMES fail with ERRNO.

As under the seccomp profile of a container runtime: a filter of BPF, see seccomp(2).
NAMES are separated by commas.
"""

import ctypes
import os
import struct
import sys

# On x86-64 and on the machines that took the common table.
NUMBERS = {
    "clone3": (435, 435),
    "close_range": (436, 436),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "openat2": (437, 437),
    "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pivot_root": (155, 41),
    "prctl": (157, 167),
    "pwritev2": (328, 287),
    "setns": (308, 268),
    "statx": (332, 291),
    "unshare": (272, 97),
    "waitid": (247, 95),
}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
SECCOMP_MODE_FILTER = 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


class Program(ctypes.Structure):
    """A struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def main() -> None:
    """Run it."""
    number, names, *command = sys.argv[1:]
    calls = [NUMBERS[name][os.uname().machine != "x86_64"] for name in names.split(",")]
    # The number of the call is the first word of struct seccomp_data.
    steps = [(LOAD, 0, 0, 0)]
    for index, call in enumerate(calls):
        steps.append((JUMP_IF_EQUAL, len(calls) - index, 0, call))
    steps += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ERRNO | int(number))]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    libc = ctypes.CDLL(None, use_errno=True)
    # Without CAP_SYS_ADMIN a filter is for those alone that gain no privileges.
    if os.geteuid():
        assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    program = Program(len(steps), code)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program)) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")
    os.execvp(command[0], command)


main()
