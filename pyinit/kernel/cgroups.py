"""The cgroups of a process, as directories; see cgroups(7).

PID 1 loads it to look for OOM kills, so it does without `os` and `pathlib`.
"""

import posix

from pyinit import environment
from pyinit.kernel import proc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# What version 2 has in place of a controller's name; in /proc/PID/cgroup too.
UNIFIED = ""


def directories_of(pid: int) -> list[str]:
    """Return the directories of the cgroups of ``pid``, one a hierarchy that is mounted here.

    Raises ProcessLookupError.
    """
    return list(dict.fromkeys(by_controller(pid).values()))


def freezer_of(pid: int) -> str | None:
    """Return the directory of the cgroup by which ``pid`` can be frozen, or None.

    None where that is the root of the hierarchy.
    """
    found = by_controller(pid)
    for controller in ("freezer", UNIFIED):
        directory = found.get(controller)
        if directory is None:
            continue
        for name in ("freezer.state", "cgroup.freeze"):
            if posix.access(f"{directory}/{name}", posix.F_OK):
                return directory
    return None


def by_controller(
    pid: int | None = None, wanted: "Collection[str] | None" = None
) -> dict[str, str]:
    """Return the directory of the cgroup of ``pid``, or of this process, for each controller.

    Only what is mounted here is there, and of that what is ``wanted``, if that is not None.
    Raises ProcessLookupError, OSError.
    """
    with proc.Real() as proc_fd:
        if proc_fd is None:
            raise FileNotFoundError("there is no /proc")
        try:
            lines = proc.read(f"{pid or 'self'}/cgroup", proc_fd).splitlines()
        except FileNotFoundError:
            raise ProcessLookupError(f"there is no process {pid}") from None
        mounted = list(_hierarchies(proc_fd))
    found = {}
    for line in lines:
        _, words, path = line.split(b":", 2)
        controllers = environment.decode(words).split(",")
        if wanted is not None and not any(name in wanted for name in controllers):
            continue
        for options, root, place in mounted:
            relative = _below(root, path)
            if relative is None or not options.issuperset(controllers):
                continue
            directory = environment.decode(place + relative)
            # Something else can be mounted over it.
            if posix.access(f"{directory}/cgroup.procs", posix.F_OK):
                found.update(dict.fromkeys(controllers, directory))
                break
    return found


def _hierarchies(proc_fd: int) -> "Iterator[tuple[set[str], bytes, bytes]]":
    """Yield the options, root and place of each hierarchy that is mounted; see proc(5)."""
    for line in proc.read("self/mountinfo", proc_fd).splitlines():
        before, _, after = line.partition(b" - ")
        kind, _, options = after.split(b" ", 2)
        if kind == b"cgroup2":
            words = {UNIFIED}
        elif kind == b"cgroup":
            words = set(environment.decode(options).split(","))
        else:
            continue
        fields = before.split(b" ")
        yield words, _unescaped(fields[3]), _unescaped(fields[4])


def _below(root: bytes, path: bytes) -> bytes | None:
    """Return the way from ``root``, which is mounted, to a cgroup; None if it is not below it.

    Both are as seen from our cgroup namespace: what is outside of it begins with "..", and
    the names between such a root and us are not told; see cgroup_namespaces(7).
    """
    prefix = root.rstrip(b"/")
    if path == root:
        return b""
    if not path.startswith(prefix + b"/") or path.startswith(prefix + b"/.."):
        return None
    return path[len(prefix) :]


def _unescaped(word: bytes) -> bytes:
    r"""Return a field of mountinfo without its escapes, such as ``\040`` for a space."""
    first, *others = word.split(b"\\")
    return first + b"".join(bytes((int(part[:3], 8),)) + part[3:] for part in others)
