"""The stop goes through the services in reverse order, and has an end whatever they do."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.harness import DEADLINE_S, MODES, PYINIT, children, until
from tests.services.boxes import LOOP, box, shell, stays, supervisor, told

if TYPE_CHECKING:
    from pathlib import Path

# Three in a row and one beside them.
CHAIN = (
    "[service.db]\n"
    + stays("db")
    + "[service.app]\nafter = ['db']\n"
    + stays("app")
    + "[service.web]\nafter = ['app']\n"
    + stays("web")
)


@pytest.mark.parametrize("mode", MODES)
def test_reverse_order(namespaces: None, tmp_path: Path, mode: str) -> None:
    """Each is told to stop when those after it are down."""
    with box(tmp_path, CHAIN, mode=mode) as container:
        assert [container.line() for _ in "123"] == ["db", "app", "web"]
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        assert container.rest().split("\n")[:3] == ["web stops", "app stops", "db stops"]


@pytest.mark.parametrize("mode", MODES)
def test_branches_stop_at_the_same_time(namespaces: None, tmp_path: Path, mode: str) -> None:
    """None of two ends before the other has been told to, and both before what they come after."""
    for name in "xy":
        os.mkfifo(tmp_path / name)
    mine, other = str(tmp_path / "x"), str(tmp_path / "y")
    text = "[service.db]\n" + stays("db")
    # Each opens its FIFO to write, which the other reads from: they meet or wait for ever.
    first = f"echo >{mine}; read x <{other}; echo first; exit 0"
    second = f"read x <{mine}; echo >{other}; echo second; exit 0"
    text += "[service.first]\nafter = ['db']\n" + stays("first", first)
    text += "[service.second]\nafter = ['db']\n" + stays("second", second)
    with box(tmp_path, text, mode=mode) as container:
        assert sorted(container.line() for _ in "123") == ["db", "first", "second"]
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        lines = container.rest().split("\n")[:-1]
        assert lines[-1] == "db stops"
        assert set(lines) == {"first stops", "second stops", "first", "second", "db stops"}


@pytest.mark.parametrize("mode", MODES)
def test_a_second_stop_signal_knows_no_order_and_a_third_one_kills(
    namespaces: None, tmp_path: Path, mode: str
) -> None:
    """Whoever holds the stop up is passed by, and does not hold up the end."""
    text = "stop-timeout = 1000\n" + CHAIN.replace("web stops; exit 0", "web stops")
    with box(tmp_path, text, mode=mode) as container:
        assert [container.line() for _ in "123"] == ["db", "app", "web"]
        container.signal(signal.SIGTERM)
        container.expect("web stops")
        container.signal(signal.SIGTERM)
        assert sorted([container.line(), container.line()]) == ["app stops", "db stops"]
        container.signal(signal.SIGTERM)
        assert container.wait() == 137


@pytest.mark.parametrize("mode", MODES)
def test_what_is_left_of_a_session_is_ended_with_its_service(
    namespaces: None, tmp_path: Path, mode: str
) -> None:
    """Other groups of it too, before those it comes after are stopped."""
    (tmp_path / "rest").write_text(f'trap "echo rest stops; exit" TERM; echo rest; {LOOP}')
    words = "import os, sys; os.setpgid(0, 0); os.execvp(sys.argv[1], sys.argv[1:])"
    rest = f'{sys.executable} -IS -c "{words}" sh {tmp_path}/rest &'
    script = f'{rest} trap "echo web stops; exit 0" TERM; echo web; echo >&3; {LOOP}'
    text = "[service.db]\n" + stays("db") + "[service.web]\nafter = ['db']\n" + shell(script)
    with box(tmp_path, text, mode=mode) as container:
        assert sorted(container.line() for _ in "123") == ["db", "rest", "web"]
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        assert container.rest().split("\n")[:3] == ["web stops", "rest stops", "db stops"]


@pytest.mark.parametrize("mode", MODES)
def test_a_supervisor_that_is_killed_leaves_its_services_the_grace(
    namespaces: None, tmp_path: Path, mode: str
) -> None:
    """The init ends them, without an order, and says by what."""
    with box(tmp_path, CHAIN, mode=mode, options=("-v",)) as container:
        assert [container.line() for _ in "123"] == ["db", "app", "web"]
        os.kill(supervisor(container), signal.SIGKILL)
        assert container.wait() == 137
        assert sorted(container.rest().split("\n")[:-1]) == ["app stops", "db stops", "web stops"]
        last = told(container)[-1]
        assert last["event"] == "exiting"
        assert "SIGKILL" in last["cause"]


@pytest.mark.parametrize("mode", MODES)
def test_a_supervisor_that_hangs_is_bounded_by_the_stop_timeout(
    namespaces: None, tmp_path: Path, mode: str
) -> None:
    """Of the init: it is killed, and the services get TERM and the grace."""
    options = ("--stop-timeout", "0.5", "--grace", "2")
    text = CHAIN.replace("web stops; exit 0", "web stops")
    with box(tmp_path, text, mode=mode, options=options) as container:
        assert [container.line() for _ in "123"] == ["db", "app", "web"]
        pid = supervisor(container)
        container.signal(signal.SIGTERM)
        container.expect("web stops")
        os.kill(pid, signal.SIGSTOP)
        # Web has got a second TERM, of the teardown, before KILL.
        assert container.wait() == 137
        lines = container.rest().split("\n")[:-1]
        assert sorted(lines) == ["app stops", "db stops", "web stops"]


def test_an_init_that_is_killed_has_its_services_stopped(tmp_path: Path) -> None:
    """Where it is not PID 1, whose end is everybody's: in order, by their supervisor."""
    path = tmp_path / "services.toml"
    path.write_text(CHAIN)
    argv = [*PYINIT, "--services", str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as init:
        assert init.stdout
        below = -1
        try:
            assert [init.stdout.readline() for _ in "123"] == ["db\n", "app\n", "web\n"]
            below = os.pidfd_open(children(init.pid)[0])
            init.kill()
            assert select.select([below], [], [], DEADLINE_S)[0], "the supervisor is still there"
            assert init.stdout.read() == "web stops\napp stops\ndb stops\n"
        finally:
            init.kill()
            if below >= 0:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(below, signal.SIGTERM)
                os.close(below)


def test_without_proc_the_order_holds(namespaces: None, tmp_path: Path) -> None:
    """What is left of a service's group is ended; other groups are the init's."""
    rest = f'(trap "echo rest stops; exit" TERM; echo rest; {LOOP}) &'
    web = f'{rest} trap "echo web stops; exit 0" TERM; echo web; echo >&3; {LOOP}'
    text = CHAIN.rpartition("command")[0] + shell(web)
    before = ("sh", "-c", 'umount -l /proc && exec "$@"', "sh")
    with box(tmp_path, text, before=before) as container:
        assert sorted(container.line() for _ in "1234") == ["app", "db", "rest", "web"]
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        lines = container.rest().split("\n")[:-1]
        assert set(lines[:2]) == {"web stops", "rest stops"}
        assert lines[2:] == ["app stops", "db stops"]


def test_nobody_stays_a_zombie(namespaces: None, tmp_path: Path) -> None:
    """A service that has ended and is ignored is reaped."""
    text = "[service.web]\non-success = 'ignore'\n" + shell("exit 0") + "[service.db]\n"
    with box(tmp_path, text + stays("db")) as container:
        container.expect("db")
        pid = supervisor(container)
        until(lambda: len(children(pid)) == 1, "the other one is reaped", container.pid)
        container.signal(signal.SIGTERM)
        assert container.wait() == 0


# Its main process is a child of what was started, in that one's group or in its own.  The stop
# signal is one of which the kernel keeps each that was sent, see signal(7); CONT comes after them.
MAIN = """
import os, signal, socket, sys
stop, after = signal.SIGRTMIN, signal.SIGCONT
signal.pthread_sigmask(signal.SIG_BLOCK, (stop, after))
name = os.environ['NOTIFY_SOCKET'].replace('@', chr(0), 1)
if pid := os.fork():
    os.waitpid(pid, 0)
    os._exit(0)
if sys.argv[1] == 'own':
    os.setpgid(0, 0)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
    sock.sendto(b'MAINPID=%d\\nREADY=1' % os.getpid(), name)
print('main', flush=True)
signal.sigwait((after,))
count = 0
while signal.sigtimedwait((stop,), 0):
    count += 1
print('stops', count, flush=True)
"""


@pytest.mark.parametrize("group", ["started", "own"])
def test_a_main_process_gets_each_signal_once(namespaces: None, tmp_path: Path, group: str) -> None:
    """Be it in the group of what was started, or in one of its own."""
    words = f"'{sys.executable}', '-IS', '-c', '''{MAIN}''', '{group}'"
    text = "[service.a]\nready = 'notify'\nstop-signal = 'RTMIN'\n"
    # After it, so that it has been told of when the container stops.
    text += f"command = [{words}]\n[service.b]\nafter = ['a']\n" + stays("b")
    with box(tmp_path, text) as container:
        assert sorted(container.line() for _ in "12") == ["b", "main"]
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        assert container.rest() == "b stops\nstops 1\n"


# It goes to the background, in a session of its own, and is ready when the one that was started has
# ended.
DAEMON = """
import os, select, signal, socket, sys, time
name = os.environ['NOTIFY_SOCKET'].replace('@', chr(0), 1)
reader, writer = os.pipe()
started = os.pidfd_open(os.getpid())
if os.fork():
    os.close(writer)
    os.read(reader, 1)
    os._exit(0)
os.setsid()
if sys.argv[1] == 'stays':
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
    sock.sendto(b'MAINPID=%d' % os.getpid(), name)
    os.close(writer)
    select.select([started], [], [])
    sock.sendto(b'READY=1', name)
time.sleep(1000)
"""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("does", "end"), [("ends", (0, "SIGTERM")), ("stays", (137, "SIGKILL"))])
def test_a_daemon_ends_as_it_was_asked_to(
    namespaces: None, tmp_path: Path, mode: str, does: str, end: tuple[int, str]
) -> None:
    """Nobody but the init has its status: it counts as ended by the last that was sent for it."""
    words = f"'{sys.executable}', '-IS', '-c', '''{DAEMON}''', '{does}'"
    text = f"[service.a]\nready = 'notify'\nstop-timeout = 0.2\ncommand = [{words}]\n"
    text += "[service.b]\nafter = ['a']\n" + stays("b")
    with box(tmp_path, text, mode=mode, options=("-v",)) as container:
        container.expect("b")
        container.signal(signal.SIGTERM)
        assert container.wait() == end[0]
        ends = [each for each in told(container) if each["event"] == "service_exited"]
    found = [(each["service"], each.get("signal")) for each in ends]
    assert found == [("b", None), ("a", end[1])]
