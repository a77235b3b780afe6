"""``pyinitctl --as supervisorctl``, beside the real one."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness import MODES, PYINITCTL, ROOT, Container, until
from tests.services.boxes import LOOP, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ask = Callable[[str], tuple[int, str]]

REAL = ROOT / "build" / "programs" / "bin"

CONF = """
[unix_http_server]
file=DIR/real.sock
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile=DIR/pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://DIR/real.sock
[program:web]
command=sleep 1000
startsecs=0
[program:worker]
command=sleep 1000
numprocs=2
process_name=%(program_name)s_%(process_num)02d
startsecs=0
[program:once]
command=sh -c "echo that is it; exec sleep 2"
startsecs=0
autorestart=false
[program:tool]
command=sleep 1000
autostart=false
startsecs=0
[program:fails]
command=sh -c "sleep 1; exit 3"
startsecs=0
autostart=false
autorestart=false
[program:api]
command=sleep 1000
startsecs=0
[group:all-of-it]
programs=api
"""

# In this order: what one leaves is what the next one finds.
WORDS = (
    *("status tool", "start tool", "status tool", "stop tool", "status tool", "status fails"),
    *("status", "status web", "status worker:worker_01", "status worker:*", "status all-of-it:api"),
    *("status api", "status none", "status none:*", "status web none"),
    *("start web", "stop web", "stop web", "status web", "start web none", "stop none:*"),
    *("start", "stop", "restart", "restart web", "restart worker:*", "start none:*"),
    *("signal CONT web", "signal CONT none", "signal NONE web", "signal CONT", "signal"),
    *("stop worker:worker_00 worker:worker_01", "signal CONT worker:worker_00", "status"),
    *("start all-of-it:*", "start all", "restart all-of-it:api", "reread", "reread web", "update"),
    *(
        "pid web",
        "pid none",
        "pid worker:worker_00",
        "nonsense",
        "tail",
        "tail none",
        "tail -x web",
        "tail web other",
        "tail a b c",
    ),
    *("pid", "avail", "avail web", "clear", "clear web none", "clear all"),
    *("add", "add web none", "remove", "remove web none", "update web", "update none all"),
    *("update none worker", "shutdown now", "reload now", "version now", "quit", "exit", ""),
    "shutdown",
)


def plain(text: str) -> list[str]:
    """Return the lines without numbers, times, the help that follows an error, and an order."""
    if text.startswith("Error:"):
        return text.splitlines()[:1]
    text = re.sub(r"pid \d+, uptime \d+:\d\d:\d\d", "pid, uptime", text)
    text = re.sub(r"[A-Z][a-z]{2} \d\d \d\d:\d\d [AP]M", "then", text)
    text = re.sub(r"^[1-9]\d*$", "number", text, flags=re.MULTILINE)
    return sorted(text.splitlines())


def asks(command: list[str], env: dict[str, str]) -> Ask:
    """Return what runs the program with words, and returns its code and its output."""

    def ask(words: str) -> tuple[int, str]:
        done = subprocess.run(
            [*command, *words.split()],
            env=os.environ | env,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    return ask


@contextlib.contextmanager
def ours(tmp_path: Path, text: str) -> Iterator[Ask]:
    """Run the conf by pyinit; return what asks it under the name of the other program."""
    path, sock = tmp_path / "ours.conf", tmp_path / "ours.sock"
    path.write_text(text)
    link = tmp_path / "supervisorctl"
    link.symlink_to(Path(sys.executable).parent / "pyinitctl")
    options = ("--services", str(path), "--control", str(sock))
    with Container((), options=options) as container:
        until(sock.exists, "the socket is there", container.pid)
        yield asks([str(link), "-c", str(path)], {"PYINIT_CONTROL": str(sock)})


@contextlib.contextmanager
def real(tmp_path: Path, text: str) -> Iterator[Ask]:
    """Run the conf by supervisord; return what asks it."""
    path = tmp_path / "real.conf"
    path.write_text(text)
    with subprocess.Popen(
        [str(REAL / "supervisord"), "-c", str(path)], stdout=subprocess.DEVNULL
    ) as process:
        try:
            until((tmp_path / "real.sock").exists, "the socket is there", process.pid)
            yield asks([str(REAL / "supervisorctl"), "-c", str(path)], {})
        finally:
            process.terminate()


@pytest.mark.long
def test_it_says_what_the_real_one_says(namespaces: None, tmp_path: Path) -> None:
    """Line by line, and with the same exit codes."""
    if not REAL.exists():
        pytest.skip("needs make programs")
    text = CONF.replace("DIR", str(tmp_path))
    with real(tmp_path, text) as theirs, ours(tmp_path, text) as mine:
        for ask in (theirs, mine):
            until(lambda: ask("status")[1].count("RUNNING") == 4, "all run")  # noqa: B023
            until(lambda: "EXITED" in ask("status once")[1], "it has ended")  # noqa: B023
        differences = []
        for words in WORDS:
            wanted, found = theirs(words), mine(words)
            if (found[0], plain(found[1])) != (wanted[0], plain(wanted[1])):
                differences.append(f"{words}: {wanted} and not {found}")
        assert not differences, "\n".join(differences)


def test_the_name_and_the_option(namespaces: None, tmp_path: Path) -> None:
    """Both are the same; what the real one is told of a server says nothing."""
    script = f'trap "sleep 0.3; exit 0" TERM; echo one; {LOOP}'
    text = f"[program:web]\ncommand=sh -c '{script}'\n"
    text += "[eventlistener:x]\ncommand=supervisor_stdout\nevents=PROCESS_LOG\n"
    text = text.replace("[event", "stdout_events_enabled=true\n[event")
    with ours(tmp_path, text) as ask:
        until(lambda: ask("status web")[0] == 0, "it runs")
        code, out = ask("status")
        assert code == 0
        assert re.fullmatch(r"web {30}RUNNING   pid \d+, uptime 0:00:0\d\n", out)
        until(lambda: ask("tail web") == (0, "one\n\n"), "it has written")
        assert ask("tail -2 web") == (0, "e\n\n")
        assert ask("tail -0 web") == (0, "\n")
        assert ask("tail -x web") == (1, "Error: bad argument -x\n")
        assert ask("tail web stderr") == (1, "web: ERROR (no log file)\n")
        assert ask("clear web") == (0, "web: cleared\n")
        assert ask("tail web") == (1, "web: ERROR (no log file)\n")
        assert ask("stop web") == (0, "web: stopped\n")
        assert ask("status")[0] == 3
        assert ask("start web") == (0, "web: started\n")
        env = os.environ | {"PYINIT_CONTROL": str(tmp_path / "ours.sock")}
        command = [*PYINITCTL, "--as", "supervisorctl", "-s", "unix:///x", "status", "web"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout[:3]) == (0, "web")
    assert ask("status")[0] == 4
    assert ask("stop web")[0] == 7


# What there is not, and a word of what is right instead.
INSTEAD = {
    "reload": "restart the container",
    "fg web": "tail -f",
    "open unix:///x": "PYINIT_CONTROL",
    "remove web": "stays",
}


def test_what_there_is_not_is_said_with_what_is_right(namespaces: None, tmp_path: Path) -> None:
    """A version and a help are there, for scripts that look whether it answers."""
    with ours(tmp_path, "[program:web]\ncommand=sleep 1000\nstartsecs=0\n") as ask:
        assert ask("version") == (0, "4.3.0\n")
        assert ask("maintail") == (1, "supervisord: ERROR (no log file)\n")
        assert "shutdown" in ask("help")[1]
        assert ask("stop web")[0] == 0
        for words, word in INSTEAD.items():
            code, out = ask(words)
            assert (code, word in out) == (1, True), out


def test_lines_are_followed_until_the_end(namespaces: None, tmp_path: Path) -> None:
    """Those that were there, those that come, and then whoever follows is let go."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    # Both ends are open: whoever writes to it waits for nobody.
    script = f"echo one >&2; exec 4<>{gate}; while read line; do echo $line; done <&4"
    text = f"[program:web]\ncommand=sh -c '{script}'\n"
    text += "[eventlistener:x]\ncommand=supervisor_stdout\nevents=PROCESS_LOG\n"
    text = text.replace("[event", "stdout_events_enabled=true\nstderr_events_enabled=true\n[event")
    with ours(tmp_path, text) as ask:
        until(lambda: ask("tail web stderr") == (0, "one\n\n"), "it has written")
        env = os.environ | {"PYINIT_CONTROL": str(tmp_path / "ours.sock")}
        tail = [*PYINITCTL, "--as", "supervisorctl", "tail", "-f", "web"]
        logs = [*PYINITCTL, "service", "logs", "--follow", "web"]
        with (
            subprocess.Popen(tail, env=env, stdout=subprocess.PIPE, text=True) as first,
            subprocess.Popen(logs, env=env, stdout=subprocess.PIPE, text=True) as second,
        ):
            assert first.stdout
            assert second.stdout
            assert second.stdout.readline() == "one\n"
            assert first.stdout.readline() == "==> Press Ctrl-C to exit <==\n"
            gate.write_text("two\nthree\n")
            for each in (first, second):
                assert each.stdout
                assert [each.stdout.readline() for _ in "12"] == ["two\n", "three\n"]
            assert ask("shutdown") == (0, "Shut down\n")
            assert first.communicate()[0] == second.communicate()[0] == ""
            assert (first.returncode, second.returncode) == (0, 0)


@pytest.mark.parametrize("mode", MODES)
def test_a_shutdown_is_a_stop_of_the_container(namespaces: None, tmp_path: Path, mode: str) -> None:
    """By the init, with its drain: services get TERM after it, and the code is 0."""
    path, sock = tmp_path / "ours.conf", tmp_path / "ours.sock"
    path.write_text("[program:web]\ncommand=sleep 1000\n")
    options = ("--services", str(path), "--control", str(sock), "-v")
    drain = ("--drain", "0.1", "--pre-stop", "echo pre-stop")
    env = {"PYINIT_CONTROL": str(sock)}
    with Container((), options=(*options, *drain), mode=mode) as container:
        until(sock.exists, "the socket is there", container.pid)
        ask = asks([*PYINITCTL, "--as", "supervisorctl"], env)
        until(lambda: ask("status web")[0] == 0, "it runs")
        assert ask("shutdown") == (0, "Shut down\n")
        assert container.wait() == 0
        assert container.rest() == "pre-stop\n"
        assert "SIGTERM" in told(container)[-1]["cause"]
