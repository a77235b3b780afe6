"""Real container runtimes around pyinit: how each is started, and how it stops a container.

No image is needed: the root file system of the container is that of the
machine, read-only or under an overlay that is thrown away.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests import harness

if TYPE_CHECKING:
    from collections.abc import Sequence

# Longer than a test may take: the runtime's KILL never stands in for pyinit's work.
STOP_TIMEOUT_S = 1000


class Runtime:
    """A container with pyinit as its init and ``command``; use it in a ``with`` statement.

    A subclass says in `argv` how it is started, and in `stop` how it is ended
    by whoever operates it.
    """

    name = "unshare"
    programs: tuple[str, ...] = ("unshare",)
    needs_root = True

    def __init__(self, command: Sequence[str]) -> None:
        """Start it."""
        self._resources = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            undo.push(self._resources)
            self.directory = Path(self._resources.enter_context(tempfile.TemporaryDirectory()))
            argv = self.argv([*harness.PYINIT, "--grace", "1000", "--", *command])
            self.process = self._resources.enter_context(self._popen(argv))
            undo.pop_all()

    def _popen(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                argv,
                bufsize=0,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                pass_fds=self.pass_fds,
                env={**os.environ, **self.environ},
            )
        finally:
            for fd in self.pass_fds:
                os.close(fd)

    pass_fds: tuple[int, ...] = ()
    environ: dict[str, str] = {}  # noqa: RUF012 - never changed in place

    def argv(self, init: list[str]) -> list[str]:
        """Return what starts the container with ``init`` as its process 1."""
        return ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *init]

    def stop(self) -> None:
        """Stop the container as its operator does: TERM to the init.

        unshare(1) itself ignores TERM while it waits.
        """
        os.kill(harness.children(self.process.pid)[0], signal.SIGTERM)

    def remove(self) -> None:
        """End it by force, if it is still there."""
        for pid in harness.children(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        """Return the container."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and everything that was made for it."""
        with self._resources:
            if self.process.poll() is None:
                self.remove()

    def expect(self, text: str) -> None:
        """Assert that the next line of its output is ``text``."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], harness.DEADLINE_S)
        table = harness.process_table(self.process.pid)
        assert ready, f"no line within {harness.DEADLINE_S} s\n{table}"
        line = self.process.stdout.readline().decode()
        assert line == f"{text}\n", f"{line!r} instead of {text!r}\n{table}"

    def wait(self) -> int:
        """Wait for its end; return the exit code that the runtime reports."""
        return self.process.wait(harness.DEADLINE_S)


class Unprivileged(Runtime):
    """unshare(1) in a user namespace, the way of an ordinary user; root can go it too."""

    name = "unshare --user"
    needs_root = False

    def argv(self, init: list[str]) -> list[str]:
        """Return what starts the container with ``init`` as its process 1."""
        return [
            *("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"),
            *("--kill-child", *init),
        ]


class Bubblewrap(Runtime):
    """bwrap(1), whose own init relays nothing: with --as-pid-1 it leaves the place to ours."""

    name = "bubblewrap"
    programs = ("bwrap",)
    needs_root = False

    def argv(self, init: list[str]) -> list[str]:
        """Return what starts the container with ``init`` as its process 1."""
        reader, writer = os.pipe()
        self._info = self._resources.enter_context(os.fdopen(reader))
        self.pass_fds = (writer,)
        return [
            *("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
            *("--unshare-pid", "--as-pid-1", "--info-fd", str(writer), *init),
        ]

    def stop(self) -> None:
        """Send TERM to the init, whose number bwrap tells by --info-fd."""
        text = ""
        while not text.rstrip().endswith("}"):
            text += self._info.readline()
        os.kill(json.loads(text)["child-pid"], signal.SIGTERM)


class Runc(Runtime):
    """runc(8), with a bundle that holds the machine's own root."""

    name = "runc"
    programs = ("runc", "unshare")

    def argv(self, init: list[str]) -> list[str]:
        """Return what starts the container with ``init`` as its process 1."""
        subprocess.run(["runc", "spec"], cwd=self.directory, check=True)
        path = self.directory / "config.json"
        config = json.loads(path.read_text())
        config["process"].update(terminal=False, args=init)
        path.write_text(json.dumps(config))
        root = self.directory / "rootfs"
        root.mkdir()
        # A bind mount, for runc takes no plain "/"; of a mount namespace of its own, so that
        # nothing is left to unmount.
        script = 'mount --rbind / "$1" && shift && exec "$@"'
        return [
            *(
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                script,
                "sh",
                str(root),
            ),
            *(*self._runc(), "run", "--bundle", str(self.directory), self._id()),
        ]

    def stop(self) -> None:
        """Stop it with `runc kill`."""
        subprocess.run([*self._runc(), "kill", self._id(), "TERM"], check=True)

    def remove(self) -> None:
        """End it by force, if it is still there."""
        subprocess.run([*self._runc(), "delete", "--force", self._id()], check=False)

    def _runc(self) -> list[str]:
        return ["runc", "--root", str(self.directory / "state")]

    def _id(self) -> str:
        return f"pyinit-test-{self.directory.name}"


class Podman(Runtime):
    """podman(1) as root, with runc and an overlay over the machine's own root."""

    name = "podman"
    programs = ("podman", "runc")

    def argv(self, init: list[str]) -> list[str]:
        """Return what starts the container with ``init`` as its process 1."""
        config = self.directory / "containers.conf"
        # For machines without systemd, and where limits cannot be raised.
        config.write_text(
            "[containers]\n"
            'default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]\n'
            'netns = "none"\n'
            "[engine]\n"
            'runtime = "runc"\n'
            'cgroup_manager = "cgroupfs"\n'
            'events_logger = "file"\n'
        )
        self._pidfile = self.directory / "init.pid"
        self.environ = {"CONTAINERS_CONF": str(config)}
        self._resources.callback(self._clean_up)
        volumes = [f"--volume={path}:{path}:ro" for path in self._outside_of_root()]
        return [
            *(*self._podman(), "run", "--rm", "--name", "init"),
            *(f"--pidfile={self._pidfile}", *volumes),
            *("--rootfs", "/:O", *init),
        ]

    def init(self) -> int:
        """Return the number of its process 1, as it is here."""
        return int(self._pidfile.read_text())

    def stop(self) -> None:
        """Stop it with `podman stop`, which waits for the end."""
        self._resources.enter_context(
            subprocess.Popen(
                [*self._podman(), "stop", "--time", str(STOP_TIMEOUT_S), "init"],
                env={**os.environ, **self.environ},
                stdout=subprocess.DEVNULL,
            )
        )

    def remove(self) -> None:
        """End it by force: `podman rm` would wait for a `podman stop` that is under way."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(self.init(), signal.SIGKILL)

    def _clean_up(self) -> None:
        """Wait for conmon, which becomes `podman container cleanup`; then unmount what is left.

        When that runs beside `podman stop`, the directory of the overlays may stay mounted.
        """
        harness.until(self._is_alone, "podman has cleaned up")
        for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
            place = line.split()[4]
            if place.startswith(f"{self.directory}/"):
                subprocess.run(["umount", place], check=True)

    def _is_alone(self) -> bool:
        """Return whether no process has this directory in its command line."""
        here = str(self.directory).encode()
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if here in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return False
        return True

    def _podman(self) -> list[str]:
        """Return the command, with places of its own: other containers are not touched."""
        places = {"root": "storage", "runroot": "run", "tmpdir": "tmp"}
        return ["podman", *(f"--{key}={self.directory / value}" for key, value in places.items())]

    @staticmethod
    def _outside_of_root() -> list[str]:
        """Return what the tests need and an overlay over "/" does not show: other file systems."""
        device = os.stat("/").st_dev
        needed = {sys.prefix, sys.base_prefix, str(harness.ROOT)}
        return sorted(path for path in needed if os.stat(path).st_dev != device)


ALL = (Runtime, Unprivileged, Bubblewrap, Runc, Podman)
