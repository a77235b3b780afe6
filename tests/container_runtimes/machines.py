"""systemd-nspawn(1) and lxc(7), which run whole machines as well."""

from __future__ import annotations

import os
import signal

from tests.container_runtimes.runtime import USER, Runtime


class Nspawn(Runtime):
    """systemd-nspawn(1), without a systemd around it; TERM to it is its stop."""

    name = "systemd-nspawn"
    programs = ("systemd-nspawn",)
    limits = False

    def argv(self, init: list[str]) -> list[str]:
        """Return what starts the container with ``init`` as its process 1."""
        wanted = self.wanted
        options = [f"--kill-signal=SIG{wanted.stop_signal}"]
        options += [f"--console={'interactive' if wanted.terminal else 'pipe'}"]
        if wanted.read_only:
            options += ["--read-only"]
        if wanted.user:
            options += ["--user=app"]
        if wanted.no_capabilities:
            options += ["--drop-capability=all"]
        return [
            *("systemd-nspawn", "-q", "-D", str(self.root), "--register=no", "--keep-unit"),
            *(*options, *init),
        ]

    def stop(self) -> None:
        """Send it TERM, on which it sends the init the signal that it was told."""
        os.kill(self.process.pid, signal.SIGTERM)


CONFIGURATION = """
lxc.rootfs.path = dir:{root}
lxc.rootfs.mount = {mount}
lxc.uts.name = n
lxc.net.0.type = empty
lxc.apparmor.profile = unconfined
lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed:force
lxc.signal.halt = SIG{stop_signal}
"""


class Lxc(Runtime):
    """lxc-start(1) in the foreground."""

    name = "lxc"
    # The terminal of its process 1 is no session's, and pyinit takes none that is nobody's.
    before_terminal = ("setsid", "--wait", "--ctty")
    programs = ("lxc-start", "lxc-stop", "lxc-attach", "lxc-freeze")

    def argv(self, init: list[str]) -> list[str]:
        """Return what starts the container with ``init`` as its process 1."""
        wanted = self.wanted
        mount = self.directory / "mount"
        mount.mkdir()
        text = CONFIGURATION.format(root=self.root, mount=mount, stop_signal=wanted.stop_signal)
        # Without a console the init has what lxc-start has for its standard streams.
        text += "lxc.pty.max = 8\n" if wanted.terminal else "lxc.console.path = none\n"
        if wanted.read_only:
            text += "lxc.rootfs.options = ro\n"
        if wanted.user:
            text += f"lxc.init.uid = {USER}\nlxc.init.gid = {USER}\n"
        if wanted.no_capabilities:
            text += "lxc.cap.keep = none\n"
        if wanted.pids:
            text += f"lxc.cgroup.pids.max = {wanted.pids}\n"
        if wanted.memory_bytes:
            text += f"lxc.cgroup.memory.limit_in_bytes = {wanted.memory_bytes}\n"
        self._id = f"pyinit-{self.directory.name}"
        place = self.directory / "containers" / self._id
        place.mkdir(parents=True)
        (place / "config").write_text(text)
        return self._lxc("start", "-F", "--", *init)

    def _lxc(self, what: str, *words: str) -> list[str]:
        return [f"lxc-{what}", "-P", str(self.directory / "containers"), "-n", self._id, *words]

    def stop(self) -> None:
        """Stop it with lxc-stop, which waits for the end."""
        self.start(*self._lxc("stop", "--timeout", "1000"))

    def execute(self, *command: str) -> int:
        """Run a command in it."""
        return self.call(*self._lxc("attach", "--", *command))

    def pause(self) -> bool:
        """Freeze it, and let it go on."""
        assert self.call(*self._lxc("freeze")) == 0
        assert self.call(*self._lxc("unfreeze")) == 0
        return True
