"""What programs that many containers run lose when they are leftovers of a stopped entry script.

``python -m tests.stopping.real_programs`` measures it.  The table in docs/lifecycle.md is drawn
from `PROGRAMS`, and a test holds it against the programs.  A program has begun some pieces of
work when the script gets TERM; lost is what does not come to its end.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tests.harness import PROGRAMS as HERE
from tests.harness import PYINIT, ROOT, Container, python, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# `make programs` installs there what is no part of Debian's Python.
INSTALLED = ROOT / "build" / "programs" / "bin"

# A shell that starts a command without exec, as many entry scripts do.
ENTRY_SCRIPT = ["sh", "-c", '"$@"; echo over', "sh"]

ALL = "pyinit --leftovers all"
TREE = "pyinit"
INITS = {
    "tini": (("tini",), ()),
    "dumb-init": (("dumb-init",), ()),
    ALL: (PYINIT, ("--leftovers", "all")),
    TREE: (PYINIT, ()),
}


def installed(name: str) -> str:
    """Return the path of a program that `make programs` installs."""
    return str(INSTALLED / name)


@dataclasses.dataclass(frozen=True)
class Program:
    """A program, the work that it has begun, and how many pieces of that are lost.

    ``command`` gets a directory for its files; ``lost`` counts for each of `INITS`.  The work says
    `began` and `done`, on the container's stdout or, of a server, in what ``request`` gives.
    """

    name: str
    work: str
    command: Callable[[Path], list[str]]
    lost: Mapping[str, int]
    begun: int = 2
    needs: tuple[str, ...] = ()
    request: Callable[[Path], contextlib.AbstractContextManager[IO[bytes]]] | None = None


def _pool(kind: str) -> Callable[[Path], list[str]]:
    return lambda _: python("pools.py", kind)


def _celery(directory: Path) -> list[str]:
    broker = directory / "broker"
    words = ["--app", "celery_app", "--workdir", str(HERE), "worker", "--concurrency", "2"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"]
    with contextlib.suppress(OSError):
        broker.mkdir()
    return [installed("celery"), "--quiet", *words, *quiet]


def _gunicorn(directory: Path) -> list[str]:
    words = ["--workers", "2", "--no-control-socket", "--log-level", "error"]
    where = ["--bind", f"unix:{directory}/socket", "--chdir", str(HERE)]
    return [installed("gunicorn"), *words, *where, "web_apps:wsgi"]


def _uvicorn(directory: Path) -> list[str]:
    words = ["--workers", "2", "--log-level", "error", "--app-dir", str(HERE)]
    return [installed("uvicorn"), *words, "--uds", f"{directory}/socket", "web_apps:asgi"]


def _supervisord(directory: Path) -> list[str]:
    config = directory / "supervisord.conf"
    with contextlib.suppress(OSError):
        config.write_text(f"""\
[supervisord]
nodaemon = true
user = root
logfile = /dev/null
logfile_maxbytes = 0
pidfile = {directory}/pid

[program:pipeline]
command = sh {HERE}/pipeline.sh {directory}/output.gz
stdout_logfile = /dev/stdout
stdout_logfile_maxbytes = 0
startsecs = 0
autorestart = false
""")
    return [installed("supervisord"), "--silent", "--configuration", str(config)]


def nginx(directory: Path) -> list[str]:
    """Return the command of an nginx that listens in ``directory``."""
    # 1 KiB comes at once, the rest 1 s later.
    (directory / "index.html").write_text("began\n" + "x" * 1500 + "done\n")
    (directory / "nginx.conf").write_text(f"""\
daemon off;
user root;
worker_processes 2;
pid {directory}/pid;
error_log /dev/null;
events {{}}
http {{
    access_log off;
    server {{
        listen unix:{directory}/socket;
        root {directory};
        limit_rate 1k;
    }}
}}
""")
    return ["nginx", "-c", f"{directory}/nginx.conf"]


def _nginx_quit(directory: Path) -> list[str]:
    script = """trap 'kill -QUIT "$!"' TERM; "$@" & until wait; do :; done"""
    return ["sh", "-c", script, "sh", *nginx(directory)]


def _postgres(directory: Path) -> list[str]:
    """Make a cluster as well.  PostgreSQL refuses to run as root."""
    become = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    shutil.chown(directory, "postgres", "postgres")
    programs = postgres_programs()
    data = directory / "data"
    words = f"--no-sync --auth trust --username app --pgdata {data}".split()
    initdb = [*become, str(programs / "initdb"), *words]
    subprocess.run(initdb, check=True, capture_output=True, cwd="/")
    words = ["-D", str(data), "-k", str(directory), "-h", ""]
    return [*become, str(programs / "postgres"), *words]


def postgres_programs() -> Path:
    """Return the directory of PostgreSQL's programs: Debian has one for each version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else Path("/usr/bin")


@contextlib.contextmanager
def _transaction(directory: Path) -> Iterator[IO[bytes]]:
    """Give the answers to a transaction, once the server has begun it."""
    ready = [str(postgres_programs() / "pg_isready"), "-q", "-h", str(directory)]
    until(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL is ready")
    psql = [str(postgres_programs() / "psql"), "-h", str(directory), "-U", "app", "-At", "postgres"]
    queries = ["begin", "select 'began'", "select pg_sleep(1)", "commit", "select 'done'"]
    each = [word for query in queries for word in ("-c", query)]
    with subprocess.Popen(
        [*psql, *each], bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as client:
        assert client.stdout is not None
        yield client.stdout


def http(directory: Path) -> IO[bytes]:
    """Return the answer of a server to a request, once it is there."""
    with socket.socket(socket.AF_UNIX) as client:
        path = f"{directory}/socket"
        until(lambda: client.connect_ex(path) == 0, f"a server listens at {path}")
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        return client.makefile("rb")


def _each(*lost: int) -> dict[str, int]:
    return dict(zip(INITS, lost, strict=True))


PROGRAMS = (
    Program("`multiprocessing.Pool`", "jobs of 1 s", _pool("multiprocessing"), _each(2, 2, 2, 0)),
    Program("`ProcessPoolExecutor`", "jobs of 1 s", _pool("futures"), _each(2, 2, 2, 0)),
    Program(
        "a shell that waits for its pipeline",
        "pipeline of 1 s",
        lambda directory: ["sh", str(HERE / "pipeline.sh"), f"{directory}/output.gz"],
        _each(1, 1, 1, 0),
        begun=1,
    ),
    Program(
        "a shell that waits for its jobs",
        "jobs of 1 s",
        lambda _: ["sh", str(HERE / "jobs.sh")],
        _each(2, 2, 2, 0),
    ),
    Program(
        "supervisord with such a shell",
        "pipeline of 1 s",
        _supervisord,
        _each(1, 1, 1, 0),
        begun=1,
        needs=(installed("supervisord"),),
    ),
    Program("Celery", "tasks of 3 s", _celery, _each(2, 2, 2, 0), needs=(installed("celery"),)),
    Program(
        "gunicorn, 2 workers",
        "request of 1 s",
        _gunicorn,
        _each(1, 1, 0, 0),
        begun=1,
        needs=(installed("gunicorn"),),
        request=http,
    ),
    Program(
        "uvicorn, 2 workers",
        "request of 1 s",
        _uvicorn,
        _each(1, 1, 0, 0),
        begun=1,
        needs=(installed("uvicorn"),),
        request=http,
    ),
    Program(
        "PostgreSQL",
        "transaction of 1 s",
        _postgres,
        _each(1, 1, 1, 0),
        begun=1,
        needs=(str(postgres_programs() / "initdb"), "setpriv"),
        request=_transaction,
    ),
    Program(
        "nginx",
        "request of 1 s",
        nginx,
        _each(1, 1, 1, 1),
        begun=1,
        needs=("nginx",),
        request=http,
    ),
    Program(
        "nginx, sent QUIT by a shell",
        "request of 1 s",
        _nginx_quit,
        _each(1, 1, 1, 0),
        begun=1,
        needs=("nginx",),
        request=http,
    ),
)


@contextlib.contextmanager
def directory_for_sockets() -> Iterator[Path]:
    """Give a directory whose name is short enough for a socket in it; see unix(7)."""
    with tempfile.TemporaryDirectory(prefix="pyinit-") as name:
        yield Path(name)


def lost(program: Program, init: str, directory: Path) -> int:
    """Return how many pieces of work a program loses that has begun them.

    Raises AssertionError if it does not begin them.
    """
    words, options = INITS[init]
    environ = {**os.environ, "BROKER": str(directory / "broker")}
    script = [*ENTRY_SCRIPT, *program.command(directory)]
    with Container(script, init=words, options=options, env=environ) as container:
        if program.request is None:
            for _ in range(program.begun):
                container.expect("began")
            container.signal(signal.SIGTERM)
            said = container.rest()
        else:
            with program.request(directory) as answer:
                while (line := answer.readline()) != b"began\n":
                    assert line, container.errors()
                container.signal(signal.SIGTERM)
                said = _rest(answer)
            container.rest()
        container.wait()
    return program.begun - said.count("done\n")


def _rest(answer: IO[bytes]) -> str:
    """Return what comes before a connection ends, in whatever way."""
    read = b""
    with contextlib.suppress(ConnectionError):
        while line := answer.readline():
            read += line
    return read.decode()


def table() -> str:
    """Return the table of docs/lifecycle.md."""
    inits = [f"`{init}`" for init in INITS]
    lines = [f"| program | work | {' | '.join(inits)} |", "| --- | --- |" + " --- |" * len(inits)]
    for each in PROGRAMS:
        counts = " | ".join(f"{each.lost[init] or 'nothing'}" for init in INITS)
        lines.append(f"| {each.name} | {each.begun} {each.work} | {counts} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure it, and show it beside what the table says."""
    for program in PROGRAMS:
        for init, expected in program.lost.items():
            with directory_for_sockets() as directory:
                found = lost(program, init, directory)
            print(f"{program.name}, {init}: {found} of {program.begun}; table: {expected}")


if __name__ == "__main__":
    main()
