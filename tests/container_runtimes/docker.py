"""docker(1) with a dockerd(8) of the tests' own, and a dockerd whose init is pyinit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests import harness
from tests.container_runtimes.runtime import STOP_TIMEOUT_S, Runtime, unmount_below

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IMAGE = "pyinit-base"


@contextlib.contextmanager
def daemon(init: Path) -> Iterator[str]:
    """Run dockerd with ``init`` in the place of its own, and yield what DOCKER_HOST has to be.

    It has no network but the containers' own loopback.
    """
    # A short path: those of sockets below it may have 107 bytes.
    with tempfile.TemporaryDirectory() as directory, _daemon(directory, init) as host:
        yield host


@contextlib.contextmanager
def _daemon(directory: str, init: Path) -> Iterator[str]:
    host = f"unix://{directory}/docker.sock"
    argv = [
        *("dockerd", "--host", host, "--data-root", f"{directory}/data"),
        *("--exec-root", f"{directory}/exec", "--pidfile", f"{directory}/pid"),
        *("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
        *("--bridge=none", "--storage-driver=overlay2"),
        *("--exec-opt", "native.cgroupdriver=cgroupfs", "--init-path", str(init)),
    ]
    with (
        open(f"{directory}/log", "w+b") as log,
        subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL) as process,
    ):
        try:
            harness.until(lambda: _answers(process, host), "dockerd answers", process.pid)
            yield host
        except BaseException:
            log.seek(0)
            print(log.read().decode())
            raise
        finally:
            process.terminate()
            process.wait(harness.DEADLINE_S)
            unmount_below(Path(directory))


def _answers(process: subprocess.Popen[bytes], host: str) -> bool:
    assert process.poll() is None, "dockerd has ended"
    done = subprocess.run(
        ["docker", "version"],
        env={**os.environ, "DOCKER_HOST": host},
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def load(host: str, root: Path) -> None:
    """Make an image of a directory, with pyinit as its ENTRYPOINT."""
    entrypoint = 'ENTRYPOINT ["/usr/local/bin/pyinit", "--grace", "1000", "--"]'
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
        subprocess.run(
            ["docker", "import", "--change", entrypoint, "-", IMAGE],
            env={**os.environ, "DOCKER_HOST": host},
            stdin=tar.stdout,
            stdout=subprocess.DEVNULL,
            check=True,
        )


class Docker(Runtime):
    """docker(1); pyinit is the ENTRYPOINT of the image."""

    name = "docker"
    programs = ("docker", "dockerd", "runc")
    host = ""  # what the fixture sets: one daemon serves all

    def pyinit(self) -> Sequence[str]:
        """Return nothing: the image says it."""
        return ()

    def argv(self, init: list[str]) -> list[str]:
        """Return what starts the container; the image has the init."""
        self.environ = {"DOCKER_HOST": self.host}
        self.label = f"pyinit-{self.directory.name}"
        command = init[init.index("--") + 1 :]
        run = ["docker", "run", "--rm", "--name", self.label, "--network=none"]
        return [*run, *self._options(), IMAGE, *command]

    def _options(self) -> list[str]:
        return self.wanted.docker_options()

    def init(self) -> int:
        """Return the number of its process 1, as it is here."""
        return int(self.docker("inspect", "--format", "{{.State.Pid}}", self.label))

    def docker(self, *words: str) -> str:
        """Return what docker(1) says."""
        return subprocess.run(
            ["docker", *words],
            env={**os.environ, **self.environ},
            capture_output=True,
            text=True,
            timeout=harness.DEADLINE_S,
            check=True,
        ).stdout

    def stop(self) -> None:
        """Stop it with `docker stop`, which waits for the end."""
        self.start("docker", "stop", "--time", str(STOP_TIMEOUT_S), self.label)

    def execute(self, *command: str) -> int:
        """Run a command in it."""
        return self.call("docker", "exec", self.label, *command)

    def pause(self) -> bool:
        """Freeze it, and let it go on."""
        assert self.call("docker", "pause", self.label) == 0
        assert self.call("docker", "unpause", self.label) == 0
        return True

    def remove(self) -> None:
        """End it by force."""
        with contextlib.suppress(subprocess.CalledProcessError, ProcessLookupError):
            os.kill(self.init(), signal.SIGKILL)


class DockerInit(Docker):
    """`docker run --init`, where the daemon's own init is replaced by the single file."""

    name = "docker --init"

    def _options(self) -> list[str]:
        init = ["--init", "--entrypoint=", "--env=PYINIT_GRACE=1000"]
        return [*init, *super()._options()]
