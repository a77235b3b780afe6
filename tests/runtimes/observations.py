"""What is tried in a container of each runtime, said in a few words; matrix.py expects it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests import harness
from tests.container_runtimes.runtime import USER, Runtime, Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Room for the interpreters of pyinit and of the command, and not for what hog.py takes.
MEMORY_BYTES = 48 << 20
# pyinit, the command and eight more.
PIDS = 10


class Observer:
    """Starts containers of one runtime with one image."""

    def __init__(self, runtime: type[Runtime], root: Path) -> None:
        """Take them."""
        self._runtime = runtime
        self._root = root

    def container(self, command: Sequence[str], **wanted: object) -> Runtime:
        """Return a new one with ``command``."""
        return self._runtime(command, root=self._root, wanted=Wanted(**wanted))  # type: ignore[arg-type]

    def _program(self, name: str, *words: str) -> list[str]:
        return ["python3", "-IS", f"/programs/{name}", *words]

    def exit_codes(self) -> str:
        """Return those for an exit with 7, a command that is not there, and one that is killed."""
        codes = []
        for command in (["sh", "-c", "exit 7"], ["not-there"], ["sh", "-c", "kill -KILL $$"]):
            with self.container(command) as container:
                container.lines()
                codes.append(str(container.wait()))
        return ", ".join(codes)

    def term(self) -> str:
        """Return what the command gets of the runtime's stop, and the exit code."""
        return self._stopped(self.container(self._program("stopped.py")))

    def interrupt(self) -> str:
        """Return the same where the runtime is told to stop by INT."""
        return self._stopped(self.container(self._program("stopped.py"), stop_signal="INT"))

    def user(self) -> str:
        """Return whose the command and process 1 are, and the same."""
        container = self.container(self._program("stopped.py"), user=True)
        return self._stopped(container, f"ready {USER} {USER}", "not the user's")

    def no_capabilities(self) -> str:
        """Return whether there are none, and the same."""
        container = self.container(self._program("stopped.py"), no_capabilities=True)
        return self._stopped(container, "ready 0 0 0", "has capabilities")

    def pause(self) -> str:
        """Return the same after it was paused and went on."""
        with self.container(self._program("stopped.py")) as container:
            assert container.line().startswith("ready")
            assert container.pause(), "there is no way"
            container.stop()
            return f"{container.line()}, {container.wait()}"

    def _stopped(self, container: Runtime, ready: str = "ready", otherwise: str = "") -> str:
        with container:
            line = container.line()
            if not line.startswith(ready):
                return f"{otherwise}: {line}"
            container.stop()
            return f"{container.line()}, {container.wait()}"

    def orphans(self) -> str:
        """Return what becomes of two that an exec leaves: one ends, one is there at the stop."""
        with self.container(self._program("stopped.py")) as container:
            assert container.line().startswith("ready")
            code = container.execute(*self._program("orphan.py"))
            seen = [str(code), container.line()]
            init = container.init()
            harness.until(lambda: not _zombies(init), "the orphan is reaped", container.process.pid)
            seen.append("reaped")
            container.stop()
            assert container.line() == "TERM"
            return ", ".join([*seen, container.line(), str(container.wait())])

    def terminal(self) -> str:
        """Return whether the command has the foreground, and what ^C does."""
        with self.container(self._program("on_terminal.py"), terminal=True) as container:
            assert container.terminal is not None
            container.terminal.until("ground")
            container.terminal.type("\x03")
            container.terminal.until("interrupted")
            return f"^C, {container.wait()}"

    def out_of_memory(self) -> str:
        """Return the exit code of a command that the kernel kills, and whether pyinit says so."""
        command = self._program("hog.py")
        with self.container(command, memory_bytes=MEMORY_BYTES) as container:
            text = "\n".join(container.lines())
            told = "told" if re.search(r"oom_kill.*kills", text) else "not told"
            return f"{container.wait()}, {told}"

    def read_only(self) -> str:
        """Return whether a file can be made in the root, and the exit code."""
        script = "if touch /made 2>/dev/null; then echo writable; else echo read-only; fi; exit 7"
        with self.container(["sh", "-c", script], read_only=True) as container:
            return f"{container.line()}, {container.wait()}"

    def pids(self) -> str:
        """Return what becomes of the processes of a container that can have no more of them."""
        with self.container(self._program("fills_pids.py"), pids=PIDS) as container:
            children = int(container.line())
            assert 0 < children < PIDS
            container.stop()
            lines = sorted(container.lines())
            assert lines == ["TERM", *["saved"] * children], lines
            return f"all saved, {container.wait()}"


def _zombies(init: int) -> list[int]:
    found = []
    for pid in harness.children(init):
        try:
            if harness.status_field(pid, "State").startswith("Z"):
                found.append(pid)
        except (OSError, KeyError):
            continue
    return found
