"""A Procfile: its processes become services."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyinit.services import config, model, procfile, toml
from pyinit.services.problems import ServicesError
from tests.cases import in_one_test
from tests.harness import Container

if TYPE_CHECKING:
    from pathlib import Path

# Commands, and whether the shell becomes the program.
COMMANDS = {
    "gunicorn -b :$PORT app": True,
    "a 'b; c'": True,
    "a > log 2>&1": True,
    "a && b": False,
    "a | b": False,
    "a & wait": False,
    "cd app": False,
    "exec a": False,
    "X=1 a": False,
    "(a)": False,
    "a `b`": False,
    "a 'b": False,
}


@in_one_test(("command", "replaces"), COMMANDS.items())
def test_a_shell_becomes_the_program(command: str, *, replaces: bool) -> None:
    """Where it is one program alone."""
    assert procfile.with_exec(command) == ("exec " + command if replaces else command)


def test_processes_become_services() -> None:
    """In the order of the file, with names in front of their lines and ports as honcho has them."""
    text = "# all\nweb: gunicorn app\n\nworker:a && b\nnonsense\n"
    services = procfile.parse(text, "f", {"PORT": "5000"})
    web, worker = services.by_name.values()
    assert web.command == ("/bin/sh", "-c", "exec gunicorn app")
    assert worker.command == ("/bin/sh", "-c", "a && b")
    assert (dict(web.env), dict(worker.env)) == ({"PORT": "5000"}, {"PORT": "5100"})
    assert web.stdout == web.stderr == model.PREFIX
    assert services.notes == ["line 5 is left out: expected NAME: COMMAND"]
    assert config.parse(toml.write(services), "f", {}).by_name == services.by_name


def test_what_is_wrong_is_said() -> None:
    """A name that comes twice; a file without any."""
    for text, said in {
        "a: x\na: y\n": "f:2: 'a' is here a second time: expected another name",
        "x\n": "f: it has no process: expected a line such as 'web: gunicorn app:app'",
    }.items():
        with pytest.raises(ServicesError) as found:
            procfile.parse(text, "f", {})
        assert found.value.lines == (said,)


def test_a_container_runs_it(namespaces: None, tmp_path: Path) -> None:
    """The first process that ends stops the others, and its code is the container's."""
    path = tmp_path / "Procfile"
    up = tmp_path / "up"
    path.write_text(
        f"web: trap 'echo bye; exit 0' TERM; echo $PORT > {up}; while :; do sleep 0.05; done\n"
        f"worker: until test -s {up}; do sleep 0.05; done; cat {up}; echo ends >&2; exit 3\n"
    )
    environ = {"PORT": "5000", "PATH": "/usr/bin:/bin"}
    with Container((), options=("--services", str(path)), env=environ) as container:
        assert container.wait() == 3
        assert sorted(container.rest().splitlines()) == ["web    | bye", "worker | 5000"]
        assert "worker | ends\n" in container.errors()
