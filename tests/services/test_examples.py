"""examples/services with the real programs: each does what it is there for, and stops."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import missing, need
from tests.harness import ROOT, Container, python, until
from tests.stopping.real_programs import INSTALLED, installed, postgres_programs

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("namespaces")]

EXAMPLES = ROOT / "examples" / "services"
# Each has the ports to itself.
BEFORE = ("unshare", "--net", *python("loopback.py"))
READ = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=30).read().decode())"


@pytest.fixture
def app() -> Iterator[Path]:
    """Give a directory that any user may enter, with the examples in it."""
    if os.geteuid() != 0:
        missing("root")  # programs that are started as root become another user
    # Not pytest's own, which every other pytest closes to others as it starts.
    with tempfile.TemporaryDirectory(prefix="pyinit-test-") as name:
        Path(name).chmod(0o755)
        yield Path(shutil.copytree(EXAMPLES, Path(name, "app")))


def runs(app: Path, name: str, *options: str, **env: str) -> Container:
    """Start an example."""
    path = f"{INSTALLED}:{postgres_programs()}:{os.environ['PATH']}"
    options = ("--chdir", str(app), "--services", str(app / name), *options)
    here = os.environ | {"PATH": path, "APP": str(app), "PYTHONUNBUFFERED": "1"} | env
    return Container((), options=options, before=BEFORE, env=here)


def request(container: Container, port: int) -> str:
    """Return the answer of a web server in the container's network."""
    command = ["nsenter", "-t", str(container.pid), "-n", sys.executable, "-c", READ]
    command.append(f"http://127.0.0.1:{port}/")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def until_ready(container: Container, control: Path) -> None:
    """Wait until all services are ready, as an operator does."""
    until(control.exists, "the socket is there", container.pid)
    words = ("service", "wait", "--control", str(control), "--timeout", "60")
    command = [sys.executable, "-m", "pyinit.ctl", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)


def test_nginx_gunicorn_and_a_migration(app: Path) -> None:
    """The answer comes through both, from what the migration has made; the stop is in order."""
    need("nginx", installed("gunicorn"))
    control = app / "sock"
    with runs(app, "nginx.toml", "--control", str(control), "-v") as container:
        until_ready(container, control)
        assert request(container, 8080) == "hello"
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        log = container.errors()
    ends = [
        line.partition('"service": "')[2].partition('"')[0]
        for line in log.splitlines()
        if '"service_exited"' in line
    ]
    assert ends == ["migrate", "nginx", "app"]


def test_a_migration_that_fails_ends_the_container(app: Path) -> None:
    """With its code, and neither of the others has been started."""
    need("nginx", installed("gunicorn"))
    with runs(app, "nginx.toml", "-v", DATABASE="/no/such/place") as container:
        assert container.wait() == 1
        assert container.errors().count('"service_started"') == 1


def test_celery_and_redis(app: Path) -> None:
    """A request becomes a task that the worker does; all of them stop in time."""
    need("redis-server", installed("celery"), installed("gunicorn"))
    control = app / "sock"
    with runs(app, "celery.toml", "--control", str(control)) as container:
        until_ready(container, control)
        assert request(container, 8080) == "5"
        container.signal(signal.SIGTERM)
        assert container.wait() == 0, container.errors()
        assert "worker  | " in container.rest()


def test_a_procfile(app: Path) -> None:
    """Each line with its name in front."""
    need(installed("gunicorn"))
    subprocess.run([sys.executable, "migrate.py"], cwd=app, check=True, capture_output=True)
    with runs(app, "Procfile", PORT="5000") as container:
        while (line := container.line()) != "clock | tick":
            assert line
        until(lambda: "hello" in _maybe(container), "the server answers", container.pid)
        container.signal(signal.SIGTERM)
        assert container.wait() == 0, container.errors()


def _maybe(container: Container) -> str:
    try:
        return request(container, 5000)
    except AssertionError:
        return ""


def test_postgresql(app: Path) -> None:
    """The schema is loaded before who reads it; the server stops after it, in good order."""
    need("psql", str(postgres_programs() / "initdb"))
    data = app / "data"
    data.mkdir()
    shutil.chown(data, "postgres", "postgres")
    become = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    words = f"--no-sync --auth trust --pgdata {data}".split()
    initdb = [*become, str(postgres_programs() / "initdb"), *words]
    done = subprocess.run(initdb, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    text = (app / "postgresql.toml").read_text().replace('"/tmp"', f'"{data}"')
    (app / "postgresql.toml").write_text(text)
    with runs(app, "postgresql.toml", PGDATA=str(data)) as container:
        assert container.wait() == 0, container.errors()
        assert container.rest() == "hello\n"
        assert "database system is shut down" in container.errors()
