"""Images built from Dockerfiles, and their services, asked from within their network."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests import harness
from tests.container_runtimes import podman
from tests.container_runtimes.runtime import unmount_below
from tests.runtimes import image

if TYPE_CHECKING:
    from collections.abc import Iterator

# What the Dockerfiles of the pages begin with, and what stands for it here: Debian's Python.
PYTHON, DEBIAN = "docker.io/library/python:3.12-slim", "docker.io/library/debian:12-slim"
DISTROLESS = "gcr.io/distroless/python3-debian12"
STORE = image.PLACE / "store"
# pip and uv have what they install from a directory.
OFFLINE = (
    "PIP_NO_INDEX=1",
    "PIP_FIND_LINKS=/wheels",
    "UV_NO_INDEX=1",
    "UV_FIND_LINKS=/wheels",
    "UV_OFFLINE=1",
)
# Longer than the load takes; the second TERM ends it.
DRAIN = "PYINIT_DRAIN=1000"


class Store:
    """A place for images and containers of podman; use it in a ``with`` statement."""

    def __init__(self, root: Path | None = None) -> None:
        """Take a directory for the images; a new one has those of `STORE`."""
        self._resources = contextlib.ExitStack()
        # podman takes no long path.
        place = self._resources.enter_context(tempfile.TemporaryDirectory())
        self._directory = Path(place)
        config = self._directory / "containers.conf"
        config.write_text(podman.CONFIGURATION)
        self._environ = {**os.environ, "CONTAINERS_CONF": str(config)}
        options = [f"--root={root or self._directory / 'storage'}", "--storage-driver=overlay"]
        options += [f"--runroot={place}/run", f"--tmpdir={place}/tmp"]
        if root is None:
            options += [f"--storage-opt=overlay.imagestore={STORE}"]
        self._podman = ["podman", *options]
        for directory in filter(None, (root, self._directory)):
            self._resources.callback(unmount_below, directory)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was made."""
        self._resources.close()

    def call(self, *words: str, stdin: int | None = subprocess.DEVNULL) -> None:
        """Run podman(1)."""
        subprocess.run([*self._podman, *words], env=self._environ, stdin=stdin, check=True)

    def load(self, root: Path, name: str) -> None:
        """Make an image of a directory."""
        changes = [f"--change=ENV {each}" for each in OFFLINE]
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
            assert tar.stdout is not None
            self.call("import", "--quiet", *changes, "-", name, stdin=tar.stdout.fileno())

    def build(self, context: Path, file: Path) -> None:
        """Build a Dockerfile to an image called `service`, without a network."""
        wheels = f"--volume={image.WHEELS}:/wheels:ro"
        words = ["--network=none", wheels, "--tag=service", f"--file={file}"]
        self.call("build", *words, str(context))

    def run(self, directory: Path, *command: str) -> None:
        """Run a command in the first image, with a directory at its own path."""
        volumes = [f"--volume={directory}:{directory}", f"--volume={image.WHEELS}:/wheels:ro"]
        self.call("run", "--rm", *volumes, f"--workdir={directory}", PYTHON, *command)

    @contextlib.contextmanager
    def serve(self, *options: str) -> Iterator[Service]:
        """Run the service; it has its own loopback and no other network."""
        pidfile = self._directory / "init.pid"
        words = ["run", "--name=service", f"--pidfile={pidfile}", "--env", DRAIN, *options]
        argv = [*self._podman, *words, "service"]
        with subprocess.Popen(argv, env=self._environ, stdin=subprocess.DEVNULL) as process:
            try:
                harness.until(lambda: pidfile.exists() and pidfile.read_text(), "it is started")
                yield Service(self, process, int(pidfile.read_text()))
            finally:
                self.call("rm", "--force", "--time=0", "service")


class Service:
    """A container with a service at port 8000."""

    def __init__(self, store: Store, process: subprocess.Popen[bytes], init: int) -> None:
        """Take it."""
        self._store = store
        self._process = process
        self.init = init

    def stopped_under_load(self, *slow: str) -> tuple[list[str], int]:
        """Stop it while it is asked; return what load.py says, and the exit code.

        As in Kubernetes requests still come when TERM does, which pyinit holds back (`--drain`).
        Then `podman stop` sends the second TERM, while the ``slow`` requests are under way.
        """
        command = [sys.executable, "-IS", str(harness.PROGRAMS / "load.py"), *slow]
        argv = ["nsenter", "--target", str(self.init), "--net", *command]
        with subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        ) as load:
            assert load.stdin is not None
            assert load.stdout is not None
            try:
                lines = [load.stdout.readline()]
                self._store.call("kill", "--signal=TERM", "service")
                load.stdin.write("go\n")
                lines += [load.stdout.readline() for _ in range(2)]
                self._store.call("stop", "--time=10", "service")
                lines += load.stdout.readlines()
            finally:
                load.kill()
        code = self._process.wait(harness.DEADLINE_S)
        return [line.strip() for line in lines], code


def context(directory: Path) -> Path:
    """Make the context of Dockerfile.example: this tree, whose package may be the wheel's."""
    place = directory / "context"
    place.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "examples", "Dockerfile.example"):
        _copy(harness.ROOT / name, place / name)
    if (harness.ROOT / "pyinit").exists():
        for name in ("pyinit", "bin"):
            _copy(harness.ROOT / name, place / name)
        return place
    (wheel,) = image.WHEELS.glob("pyinit_pid1-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    (scripts,) = place.glob("*.data/scripts")
    scripts.rename(place / "bin")
    return place


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def prepare() -> None:
    """Make the store with what the Dockerfiles begin with, once."""
    complete = STORE.with_suffix(".complete")
    if complete.exists():
        return
    shutil.rmtree(STORE, ignore_errors=True)
    with Store(STORE) as store:
        store.load(image.BASE, PYTHON)
        store.call("tag", PYTHON, DEBIAN)
        store.load(image.DISTROLESS, DISTROLESS)
    complete.touch()
