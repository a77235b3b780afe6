"""Services start in their order, each when those before it are ready."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pyinit
from tests.harness import MODES, PYINIT, until
from tests.services.boxes import LOOP, box, shell, stays, supervisor, switches, told

NOTIFY = """
import os, socket, sys, time
name = os.environ['NOTIFY_SOCKET'].replace('@', chr(0), 1)
sys.stdin = open(sys.argv[1])
sys.stdin.read()
print('ready', flush=True)  # before it is: others may write at once then
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
    sock.sendto(b'STATUS=x', name)
    sock.sendto(b'READY=1\\nSTATUS=y', name)
time.sleep(1000)
"""

PORT = """
import socket, sys, time
sock = socket.socket()
sock.bind(('127.0.0.1', 0))
port = sock.getsockname()[1]
open(sys.argv[1] + '.port', 'w').write(str(port))
open(sys.argv[1]).read()
print('ready', flush=True)
sock.listen()
time.sleep(1000)
"""


def ready_by(kind: str, gate: str) -> str:
    """Return the table of a service that is ready once somebody has opened the FIFO ``gate``."""
    if kind == "notify":
        words = f"'{sys.executable}', '-IS', '-c', '''{NOTIFY}''', '{gate}'"
        return f"ready = 'notify'\ncommand = [{words}]\n"
    if kind == "fd":
        return "ready = {fd = 3}\n" + shell(f"cat {gate}; echo ready; echo >&3; exec sleep 1000")
    return f"ready = {{command = ['test', '-e', '{gate}.done']}}\n" + shell(
        f"cat {gate}; echo ready; touch {gate}.done; exec sleep 1000"
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["notify", "fd", "command"])
def test_who_comes_after_it_waits_until_it_is_ready(
    namespaces: None, tmp_path: Path, mode: str, kind: str
) -> None:
    """And who does not is started at once."""
    gate = str(tmp_path / "gate")
    os.mkfifo(gate)
    text = "[service.first]\n" + ready_by(kind, gate)
    text += "[service.last]\nafter = ['first']\n" + stays("last")
    text += "[service.beside]\n" + stays("beside")
    with box(tmp_path, text, options=("-v",), mode=mode) as container:
        container.expect("beside")
        with open(gate, "w"):
            pass
        assert [container.line(), container.line()] == ["ready", "last"]
        container.signal(signal.SIGTERM)
        assert container.wait() == 0


def test_a_port_is_ready_when_it_accepts(namespaces: None, tmp_path: Path) -> None:
    """It is bound before, and found out then which one it is."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    gate = str(tmp_path / "gate")
    os.mkfifo(gate)
    script = PORT.replace("('127.0.0.1', 0)", f"('127.0.0.1', {port})")
    text = (
        f"[service.first]\nready = {{port = {port}}}\n"
        f"command = ['{sys.executable}', '-IS', '-c', '''{script}''', '{gate}']\n"
        "[service.last]\nafter = ['first']\n" + stays("last")
    )
    with box(tmp_path, text) as container:
        until(lambda: os.path.exists(f"{gate}.port"), "it is bound")
        with open(gate, "w"):
            pass
        assert [container.line(), container.line()] == ["ready", "last"]
        container.signal(signal.SIGTERM)
        assert container.wait() == 0


@pytest.mark.parametrize("mode", MODES)
def test_tasks_are_done_before_who_comes_after_them(
    namespaces: None, tmp_path: Path, mode: str
) -> None:
    """One after the other, whatever their order in the file."""
    text = "[service.web]\nafter = ['second']\n" + stays("web")
    text += "[service.second]\ntype = 'task'\nafter = ['first']\n" + shell("echo second")
    text += "[service.first]\ntype = 'task'\n" + shell("sleep 0.1; echo first")
    with box(tmp_path, text, mode=mode) as container:
        assert [container.line() for _ in "123"] == ["first", "second", "web"]
        container.signal(signal.SIGTERM)
        assert container.wait() == 0, container.errors()


def test_nothing_is_started_of_a_wrong_file(namespaces: None, tmp_path: Path) -> None:
    """All that is wrong is said, and the code is 125."""
    text = "[service.web]\n" + shell("echo web") + "user = 'nobody-there'\n"
    with box(tmp_path, text + "[service.x]\nusr = 'y'\n") as container:
        assert (container.wait(), container.rest()) == (125, "")
        assert len(container.errors().splitlines()) == 2
    with box(tmp_path, text) as container:
        assert (container.wait(), container.rest()) == (125, "")
        assert "there is no user 'nobody-there'" in container.errors()


def test_a_file_that_is_not_there_is_named(namespaces: None, tmp_path: Path) -> None:
    """Before anything else."""
    found = subprocess.run(
        [*PYINIT, "--services", "/no/such.toml"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 125
    assert found.stderr == "pyinit: /no/such.toml: cannot read it: No such file or directory\n"


@pytest.mark.parametrize("mode", MODES)
def test_a_job_runs_again_and_again_and_never_twice_at_once(
    namespaces: None, tmp_path: Path, mode: str
) -> None:
    """A failure of it is a warning."""
    lock = tmp_path / "lock"
    text = "[service.job]\ntype = 'job'\nevery = 0.05\n"
    text += shell(f"mkdir {lock} || echo twice; echo run; sleep 0.1; rmdir {lock}; exit 3")
    with box(tmp_path, text, mode=mode) as container:
        assert [container.line() for _ in range(4)] == ["run"] * 4
        container.signal(signal.SIGTERM)
        assert container.wait() in (0, 3)
        events = [each["event"] for each in told(container)]
        assert events.count("service_run_skipped") == 1
        assert events.count("service_exited") >= 3


@pytest.mark.parametrize("mode", MODES)
def test_all_are_ready_when_the_manager_is_told(
    namespaces: None, tmp_path: Path, mode: str
) -> None:
    """By the supervisor, and services do not see its socket."""
    import socket

    gate = str(tmp_path / "gate")
    os.mkfifo(gate)
    path = str(tmp_path / "notify")
    text = "[service.web]\n" + ready_by("fd", gate)
    text += "[service.other]\n" + shell("echo x${NOTIFY_SOCKET-none}; exec sleep 1000")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        env = {**os.environ, "NOTIFY_SOCKET": path}
        with box(tmp_path, text, options=("--notify",), env=env, mode=mode) as container:
            container.expect("xnone")
            manager.setblocking(False)
            with pytest.raises(BlockingIOError):
                manager.recv(100)
            manager.settimeout(60)
            with open(gate, "w"):
                pass
            assert manager.recv(100) == b"READY=1"
            container.signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
            container.wait()


def test_who_writes_to_the_descriptor_later_on_is_not_ended_for_it(
    namespaces: None, tmp_path: Path
) -> None:
    """Neither when it is ready already, nor when it is stopped while it starts."""
    text = "[service.a]\nready = {fd = 3}\n"
    text += shell(f'echo >&3; trap "echo again >&3; echo got; exit 0" TERM; echo a; {LOOP}')
    text += "[service.b]\nready = {fd = 3}\n"
    text += shell(f'trap "echo >&3; echo got; exit 0" TERM; echo b; {LOOP}')
    with box(tmp_path, text) as container:
        assert sorted(container.line() for _ in "12") == ["a", "b"]
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        assert container.rest() == "got\n" * 2


DAEMON = """
import os, socket, time
name = os.environ['NOTIFY_SOCKET'].replace('@', chr(0), 1)
reader, writer = os.pipe()
pid = os.fork()
if pid:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(b'MAINPID=%d\\nREADY=1' % pid, name)
    os._exit(0)
os.close(writer)
os.read(reader, 1)
print('alone', flush=True)
time.sleep(0.1)
print('ends', flush=True)
"""


@pytest.mark.parametrize("mode", MODES)
def test_a_program_that_names_its_main_process_is_watched_there(
    namespaces: None, tmp_path: Path, mode: str
) -> None:
    """The end of what was started is none; the main one's is, with a status nobody has: 1."""
    words = f"'{sys.executable}', '-IS', '-c', '''{DAEMON}'''"
    text = f"[service.a]\nready = 'notify'\ncommand = [{words}]\n"
    text += "[service.b]\nafter = ['a']\n" + stays("b")
    with box(tmp_path, text, mode=mode) as container:
        assert container.wait() == 1
        assert sorted(container.rest().splitlines()) == ["alone", "b", "b stops", "ends"]


# A supervisor that is busy from the start of a service until its process has ended.
BUSY = """
import os, signal, sys
sys.path.append(sys.argv[1])
from pyinit import events
from pyinit.log import lines
from pyinit.services import readers, supervisor
log = events.Log(events.INFO, lambda: lines.LineWriter(2), 2)
mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
made = supervisor.Supervisor(readers.read(sys.argv[2], []), log, mask=mask)
def wait():
    run = made.runs['a']
    if run.pid and not run.has_ended:
        made.on_change.clear()
        os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOWAIT)
made.on_change.append(wait)
print('code', made.run())
"""


def test_a_main_process_is_known_before_the_end_of_who_has_named_it(tmp_path: Path) -> None:
    """Also where the supervisor learns of both at once: a signal does not overtake a message."""
    words = f"'{sys.executable}', '-IS', '-c', '''{DAEMON}'''"
    path = tmp_path / "services.toml"
    path.write_text(
        f"[service.a]\nready = 'notify'\ncommand = [{words}]\n"
        "[service.b]\nafter = ['a']\n" + stays("b")
    )
    package = str(Path(pyinit.__file__).parents[1])
    command = [sys.executable, "-IS", "-c", BUSY, package, str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert sorted(done.stdout.splitlines()) == ["alone", "b", "b stops", "code 1", "ends"]


FLOOD = """
import os, socket, time
name = os.environ['NOTIFY_SOCKET'].replace('@', chr(0), 1)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
    try:
        while True: sock.sendto(b'STATUS=' + b'x' * 1000, name)
    except OSError:
        pass
time.sleep(1000)
"""


def test_a_flood_of_messages_costs_little(namespaces: None, tmp_path: Path) -> None:
    """Of CPU, as so many are read at once and then none for a while; the timeout comes in time."""
    text = "[service.a]\nready = 'notify'\nstart-timeout = 0.5\n"
    text += f"command = ['{sys.executable}', '-IS', '-c', '''{FLOOD}''']\n"
    text += "[service.b]\n" + stays("b")
    with box(tmp_path, text) as container:
        container.expect("b")
        pid = supervisor(container)
        before = switches(pid)
        until(lambda: switches(pid) >= before + 3, "some were read", container.pid)
        assert container.wait() == 124
