"""A container with services: the file, and what they print."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from tests.harness import Container, children, logged, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What a service that stays does.  No sleep is long: a shell's child that has yet to become its
# program has the shell's trap, and takes the TERM for the group without ending.
LOOP = "while :; do sleep 0.05; done"


def shell(script: str) -> str:
    """Return a line of TOML for a command of the shell, which gets its dollars."""
    script = script.replace("$", "$$")
    return f"command = ['sh', '-c', '''{script}''']\n"


def stays(name: str, at_stop: str = "exit 0") -> str:
    """Return lines for a service that stays until TERM and says both; it is ready when it has."""
    trap = f'trap "echo {name} stops; {at_stop}" TERM'
    # In a subshell, which SIGPIPE ends instead: the supervisor may be killed in between.
    return "ready = {fd = 3}\n" + shell(f"{trap}; echo {name}; (echo >&3); {LOOP}")


@contextlib.contextmanager
def box(
    tmp_path: Path, text: str, *command: str, options: tuple[str, ...] = (), **more: Any
) -> Iterator[Container]:
    """Return a container with the services of ``text``."""
    path = tmp_path / "services.toml"
    path.write_text(text)
    with Container(command, options=("--services", str(path), *options), **more) as container:
        yield container


def supervisor(container: Container) -> int:
    """Return the PID of the supervisor, once it has its name."""
    found: list[int] = []

    def look() -> bool:
        found[:] = [pid for pid in children(container.pid) if comm(pid) == "pyinit-services"]
        return bool(found)

    until(look, "the supervisor is there", container.process.pid)
    return found[0]


def comm(pid: int) -> str:
    """Return the name of a process, or nothing once it is gone."""
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def told(container: Container) -> list[dict[str, Any]]:
    """Return the events of the log up to its end; shells write to stderr as well."""
    return logged("\n".join(x for x in container.errors().splitlines() if x.startswith("{")))


def switches(pid: int) -> int:
    """Return how often a process has gone to sleep."""
    with open(f"/proc/{pid}/status") as file:
        line = next(each for each in file if each.startswith("voluntary_ctxt_switches"))
    return int(line.split()[1])
