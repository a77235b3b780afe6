"""runc(8) and crun(1), which take a bundle: a config.json and a root."""

from __future__ import annotations

import json
from typing import Any

from tests.container_runtimes.runtime import HOST, USER, Runtime

# A bind mount, for runc takes no plain "/"; of a mount namespace of its own, so that nothing is
# left to unmount.
PRIVATE = ("unshare", "--mount", "--propagation", "private", "sh", "-c")
MOUNT = 'mount --rbind "$1" "$2" && cd "$3" && shift 3 && exec "$@"'
# crun 1.8 wants one version of cgroups: where both are, it is shown the first.
ONE_VERSION = 'if [ -d /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi; exec "$@"'


class Runc(Runtime):
    """runc(8)."""

    name = "runc"
    programs = ("runc", "unshare")
    program = "runc"

    def argv(self, init: list[str]) -> list[str]:
        """Return what starts the container with ``init`` as its process 1."""
        self.call(self.program, "spec", "--bundle", str(self.directory))
        path = self.directory / "config.json"
        config = json.loads(path.read_text())
        self._configure(config, init)
        path.write_text(json.dumps(config))
        root = self.directory / "rootfs"
        root.mkdir()
        self._id = f"pyinit-{self.directory.name}"
        mount = [*PRIVATE, MOUNT, "sh", str(self.root), str(root), str(self.directory)]
        return [*mount, *self._program(), "run", self._id]

    def _configure(self, config: dict[str, Any], init: list[str]) -> None:
        wanted = self.wanted
        config["process"].update(terminal=wanted.terminal, args=init)
        config["root"]["readonly"] = wanted.read_only or self.root == HOST
        config["linux"]["cgroupsPath"] = f"/{self.directory.name}"
        resources = config["linux"]["resources"]
        if wanted.pids:
            resources["pids"] = {"limit": wanted.pids}
        if wanted.memory_bytes:
            resources["memory"] = {"limit": wanted.memory_bytes}
        if wanted.user:
            config["process"]["user"] = {"uid": USER, "gid": USER}
        if wanted.no_capabilities:
            config["process"]["capabilities"] = {}

    def _program(self) -> list[str]:
        return [self.program, "--root", str(self.directory / "state")]

    def stop(self) -> None:
        """Stop it as containerd does: by `runc kill`."""
        self.call(*self._program(), "kill", self._id, self.wanted.stop_signal)

    def execute(self, *command: str) -> int:
        """Run a command in it."""
        return self.call(*self._program(), "exec", self._id, *command)

    def pause(self) -> bool:
        """Freeze it, and let it go on."""
        assert self.call(*self._program(), "pause", self._id) == 0
        assert self.call(*self._program(), "resume", self._id) == 0
        return True

    def remove(self) -> None:
        """End it by force."""
        self.call(*self._program(), "delete", "--force", self._id)


class Crun(Runc):
    """crun(1)."""

    name = "crun"
    programs = ("crun", "unshare")
    program = "crun"

    def _program(self) -> list[str]:
        return [*PRIVATE, ONE_VERSION, "sh", *super()._program()]
