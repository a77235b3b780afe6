"""What docker has beside a container: images that it builds, compose, a shared PID namespace."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import conftest, harness
from tests.container_runtimes import docker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.runtimes

DOCKERFILE = f"""
FROM {docker.IMAGE}
ENTRYPOINT ["pyinit", "--grace", "1000", "--"]
CMD ["python3", "-IS", "/programs/stopped.py"]
STOPSIGNAL SIGINT
"""
COMPOSE = """
version: "2.4"
services:
  built:
    build: .
    network_mode: none
    stop_grace_period: 1000s
  with_init:
    image: {image}
    network_mode: none
    init: true
    entrypoint: ["python3", "-IS", "/programs/stopped.py"]
    stop_grace_period: 1000s
"""


@pytest.fixture
def host(root: Path) -> Iterator[str]:
    """Return what DOCKER_HOST has to be."""
    conftest.need(*docker.Docker.programs, "docker-compose")
    with docker.daemon(root.parent / "pyinit.pyz") as host:
        docker.load(host, root)
        yield host


def call(host: str, *words: str, cwd: Path | None = None) -> str:
    """Return what docker(1) or docker-compose(1) says."""
    done = subprocess.run(
        words,
        env={**os.environ, "DOCKER_HOST": host, "DOCKER_BUILDKIT": "0"},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=10 * harness.DEADLINE_S,  # it builds, too
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_compose(host: str, tmp_path: Path) -> None:
    """It builds the image, and stops the services: by STOPSIGNAL, and where it puts the init in."""
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "docker-compose.yml").write_text(COMPOSE.format(image=docker.IMAGE))

    def compose(*words: str) -> str:
        return call(host, "docker-compose", "--project-name", "project", *words, cwd=tmp_path)

    compose("up", "--detach")
    harness.until(lambda: compose("logs").count("ready 0 0") == 2, "both are ready")
    first = {
        name: compose("exec", "-T", name, "cat", "/proc/1/comm").strip()
        for name in ("built", "with_init")
    }
    assert first == {"built": "pyinit", "with_init": "docker-init"}
    compose("stop")
    lines = [line.partition("|")[2].strip() for line in compose("logs", "--no-color").splitlines()]
    assert {"INT", "TERM"} <= set(lines)
    ids = compose("ps", "--quiet").split()
    codes = [call(host, "docker", "inspect", "--format={{.State.ExitCode}}", each) for each in ids]
    assert [each.strip() for each in codes] == ["0", "0"]


def test_a_shared_pid_namespace(host: str) -> None:
    """`--pid=container:` makes the second pyinit a subreaper: it ends its own alone."""
    runtime = docker.Docker
    runtime.host = host
    with runtime(["python3", "-IS", "/programs/stopped.py"]) as container:
        assert container.line().startswith("ready")
        init = container.init()
        before = harness.descendants(init)
        words = ["run", "--rm", "--network=none", f"--pid=container:{container.label}"]
        script = "setsid sleep 1000 & sleep 1000 & exit 7"
        argv = ["docker", *words, docker.IMAGE, "sh", "-c", script]
        done = subprocess.run(
            argv, env={**os.environ, "DOCKER_HOST": host}, timeout=harness.DEADLINE_S, check=False
        )
        assert done.returncode == 7
        assert harness.descendants(init) == before
        # By `docker kill`, as the matrix stops.
        call(host, "docker", "kill", "--signal=INT", container.label)
        container.expect("INT")
        assert container.wait() == 0
