"""Runtimes of one program and no daemon, that make no cgroups: unshare(1) and bwrap(1)."""

from __future__ import annotations

import json
import os
import signal

from tests.container_runtimes.runtime import HOST, USER, Runtime

READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
AS_USER = ("setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups")
WITHOUT_CAPABILITIES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")


class Unshare(Runtime):
    """unshare(1) as root; it ignores TERM itself while it waits, so its child is stopped."""

    name = "unshare"
    programs = ("unshare",)
    limits = False
    user_namespace: tuple[str, ...] = ()

    def argv(self, init: list[str]) -> list[str]:
        """Return what starts the container with ``init`` as its process 1."""
        root = [] if self.root == HOST else ["--root", str(self.root), "--wd", "/"]
        user = ["--setuid", str(USER), "--setgid", str(USER)] if self.wanted.user else []
        before = WITHOUT_CAPABILITIES if self.wanted.no_capabilities else ()
        words = ["--pid", "--fork", "--mount-proc", "--kill-child", *root, *user, *before, *init]
        if not self.wanted.read_only:
            return ["unshare", *self.user_namespace, *words]
        # No option of unshare(1) does it: mount(8) does.
        outer = ["unshare", *self.user_namespace, "--mount", "sh", "-c", READ_ONLY, "sh"]
        return [*outer, str(self.root), "unshare", *words]


class Unprivileged(Unshare):
    """unshare(1) in a user namespace, the way of an ordinary user; root can go it too."""

    name = "unshare --user"
    needs_root = False
    user_namespace = ("--user", "--map-root-user")
    nsenter = (*AS_USER, "nsenter", "--preserve-credentials", "-U", "-p", "-m", "--root", "--wd")

    def argv(self, init: list[str]) -> list[str]:
        """Return what starts the container; as an ordinary user where there is an image."""
        argv = super().argv(init)
        if self.root == HOST:
            return argv
        return [*AS_USER, *argv]

    def execute(self, *command: str) -> int:
        """Enter it as the user that it belongs to, who is root in it."""
        assert self.process.stdout is not None
        # Else the user may not open by a name what root has made.
        os.fchown(self.process.stdout.fileno(), USER, USER)
        return super().execute(*command)


class Bubblewrap(Runtime):
    """bwrap(1), whose own init relays nothing: with --as-pid-1 it leaves the place to ours."""

    name = "bubblewrap"
    programs = ("bwrap",)
    needs_root = False
    limits = False

    def argv(self, init: list[str]) -> list[str]:
        """Return what starts the container with ``init`` as its process 1."""
        reader, writer = os.pipe()
        self._info = self._resources.enter_context(os.fdopen(reader))
        self.pass_fds = (writer,)
        options = ["--info-fd", str(writer)]
        if self.wanted.user:
            options += ["--unshare-user", "--uid", str(USER), "--gid", str(USER)]
        if self.wanted.no_capabilities:
            options += ["--cap-drop", "ALL"]
        return [
            *("bwrap", "--ro-bind", str(self.root), "/", "--dev", "/dev", "--proc", "/proc"),
            *("--ro-bind", "/sys", "/sys"),
            *("--unshare-pid", "--as-pid-1", *options, *init),
        ]

    def stop(self) -> None:
        """Send the signal to the init, whose number bwrap tells by --info-fd."""
        text = ""
        while not text.rstrip().endswith("}"):
            text += self._info.readline()
        os.kill(json.loads(text)["child-pid"], getattr(signal, f"SIG{self.wanted.stop_signal}"))
