"""podman(1): as root, as an ordinary user, and with its own init replaced."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

from tests import harness
from tests.container_runtimes.runtime import HOST, STOP_TIMEOUT_S, Runtime, unmount_below

# For machines without systemd, and where limits cannot be raised.  Locks in memory are shared by
# all podmans of a user, whatever their store is, and a new store frees those of the others.
CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
netns = "none"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
"""


class Podman(Runtime):
    """podman(1) as root, with runc and an overlay over the image that is thrown away."""

    name = "podman"
    programs: tuple[str, ...] = ("podman", "runc")

    def argv(self, init: list[str]) -> list[str]:
        """Return what starts the container with ``init`` as its process 1."""
        config = self.directory / "containers.conf"
        config.write_text(CONFIGURATION)
        self._pidfile = self.directory / "podman" / "init.pid"
        self._pidfile.parent.mkdir()
        self.environ = {"CONTAINERS_CONF": str(config)}
        self._resources.callback(self._clean_up)
        volumes = [f"--volume={path}:{path}:ro" for path in self._outside_of_root()]
        return [
            *(*self._podman(), "run", "--rm", "--name", "init", f"--pidfile={self._pidfile}"),
            *(*volumes, *self.wanted.docker_options(), "--rootfs", f"{self.root}:O", *init),
        ]

    def init(self) -> int:
        """Return the number of its process 1, as it is here."""
        return int(self._pidfile.read_text())

    def stop(self) -> None:
        """Stop it with `podman stop`, which waits for the end."""
        self.start(*self._podman(), "stop", "--time", str(STOP_TIMEOUT_S), "init")

    def execute(self, *command: str) -> int:
        """Run a command in it."""
        return self.call(*self._podman(), "exec", "init", *command)

    def pause(self) -> bool:
        """Freeze it, and let it go on."""
        assert self.call(*self._podman(), "pause", "init") == 0
        assert self.call(*self._podman(), "unpause", "init") == 0
        return True

    def remove(self) -> None:
        """End it by force: `podman rm` would wait for a `podman stop` that is under way."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(self.init(), signal.SIGKILL)

    def _clean_up(self) -> None:
        """Wait for conmon, which becomes `podman container cleanup`; then unmount what is left.

        When that runs beside `podman stop`, the directory of the overlays may stay mounted.
        """
        harness.until(self._is_alone, "podman has cleaned up")
        unmount_below(self.directory)

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
        home = self.directory / "podman"
        places = {"root": "storage", "runroot": "run", "tmpdir": "tmp"}
        return ["podman", *(f"--{key}={home / value}" for key, value in places.items())]

    def _outside_of_root(self) -> list[str]:
        """Return what the tests need and an overlay over "/" does not show: other file systems."""
        if self.root != HOST:
            return []
        device = os.stat("/").st_dev
        needed = {sys.prefix, sys.base_prefix, str(harness.ROOT)}
        return sorted(path for path in needed if os.stat(path).st_dev != device)


class PodmanInit(Podman):
    """`podman run --init`, with a file of the machine's in the place of podman's own init."""

    name = "podman --init"

    def argv(self, init: list[str]) -> list[str]:
        """Return what starts the container; podman itself puts the init before the command."""
        words = super().argv(init[init.index("--") + 1 :])
        at = words.index("run") + 1
        path = self.root.parent / "pyinit.pyz"
        grace = "--env=PYINIT_GRACE=1000"
        return [*words[:at], "--init", f"--init-path={path}", grace, *words[at:]]


# Accounts for a user who is on no machine: a mount namespace shows podman other files.
ROOTLESS_ID = 61234
FIRST_SUBORDINATE_ID = 1_000_000
FILES = {
    "passwd": f"rootless:x:{ROOTLESS_ID}:{ROOTLESS_ID}::/nonexistent:/bin/sh\n",
    "group": f"rootless:x:{ROOTLESS_ID}:\n",
    "subuid": f"rootless:{FIRST_SUBORDINATE_ID}:65536\n",
    "subgid": f"rootless:{FIRST_SUBORDINATE_ID}:65536\n",
}
AS_ROOTLESS = """
for each in passwd group subuid subgid; do mount --bind "$1/$each" "/etc/$each" || exit; done
id=$2
shift 2
exec setpriv --reuid "$id" --regid "$id" --clear-groups env -i "$@"
"""


class PodmanRootless(Podman):
    """podman(1) as an ordinary user, with a user namespace of 65536 subordinate IDs."""

    name = "podman rootless"
    programs = ("podman", "runc", "newuidmap", "setpriv")

    def argv(self, init: list[str]) -> list[str]:
        """Return what starts the container with ``init`` as its process 1."""
        self._accounts = self.directory / "accounts"
        self._accounts.mkdir()
        for name, text in FILES.items():
            there = Path("/etc", name).read_text() if Path("/etc", name).exists() else ""
            (self._accounts / name).write_text(there + text)
        if self.root != HOST:
            # Whose files are that user's.
            self.root = self.root.parent / "rootless"
        argv = super().argv(init)
        for each in (self._pidfile.parent, self.directory / "runtime"):
            each.mkdir(mode=0o700, exist_ok=True)
            os.chown(each, ROOTLESS_ID, ROOTLESS_ID)
        return argv

    def _clean_up(self) -> None:
        super()._clean_up()
        # It keeps the namespaces of this user for the next podman.
        pause = self._pidfile.parent / "tmp" / "pause.pid"
        if pause.exists():
            os.kill(int(pause.read_text()), signal.SIGKILL)

    def _podman(self) -> list[str]:
        environ = {
            "HOME": str(self._pidfile.parent),
            "PATH": os.environ["PATH"],
            "XDG_RUNTIME_DIR": str(self.directory / "runtime"),
            **self.environ,
        }
        words = [f"{key}={value}" for key, value in environ.items()]
        script = ["sh", "-c", AS_ROOTLESS, "sh", str(self._accounts), str(ROOTLESS_ID), *words]
        private = ["unshare", "--mount", "--propagation", "slave"]
        return [*private, *script, *super()._podman(), "--storage-driver=overlay"]
