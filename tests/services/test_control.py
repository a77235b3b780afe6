"""The control socket: an operator asks, and the supervisor answers."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests import users
from tests.harness import DEADLINE_S, MODES, PYINITCTL, children, status_field, until
from tests.services.boxes import box, comm, shell, stays, supervisor, switches

if TYPE_CHECKING:
    from pathlib import Path


LEFT_OUT = b"(lines are left out: they came faster than they were read)\n"


class Operator:
    """Calls pyinitctl with the socket of a container."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "sock"
        self.options = ("--control", str(self.path))

    def command(self, *words: str) -> list[str]:
        """Return the command line."""
        return [*PYINITCTL, "service", *words, *self.options]

    def ask(self, *words: str) -> tuple[int, str, str]:
        """Return the exit code, and what is written to stdout and stderr."""
        done = subprocess.run(self.command(*words), capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def states(self) -> dict[str, str]:
        """Return the state of each service."""
        return {row["name"]: row["state"] for row in json.loads(self.ask("status", "--json")[1])}

    def raw(self, data: bytes) -> bytes:
        """Return the answer to bytes."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.path))
            sock.sendall(data)
            found = b""
            while block := sock.recv(65536):
                found += block
            return found


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """Return one for a container of this test."""
    return Operator(tmp_path)


def test_states_are_told_with_a_code_for_health_checks(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """0 when all are ready, 1 when not all, 3 for a name that there is not."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    text = "[service.web]\n" + stays("web") + "[service.late]\nready = {fd = 3}\n"
    text += shell(f"echo late; cat {gate}; echo >&3; exec sleep 1000")
    with box(tmp_path, text, options=operator.options) as container:
        assert {container.line(), container.line()} == {"web", "late"}
        assert operator.ask("wait", "web")[0] == 0
        code, out, _ = operator.ask("status")
        web, late = out.splitlines()
        assert code == 1
        assert web.startswith("web   up, pid ")
        assert late.startswith("late  starting, pid ")
        assert operator.ask("status", "web")[0] == 0
        waits = subprocess.Popen(operator.command("wait"), stdout=subprocess.PIPE)
        gate.write_text("")
        waits.communicate()
        assert waits.returncode == 0
        for words in ("status --json web", "--json status web", "status web --json late"):
            found = json.loads(operator.ask(*words.split())[1])
            assert [row["name"] for row in found] == [x for x in words.split() if x in "web late"]
        code, _, errors = operator.ask("status", "wbe")
        assert (code, errors) == (3, "pyinitctl service: there is no service 'wbe'\n")
        container.signal(signal.SIGTERM)
        container.wait()
    assert not operator.path.exists()
    assert operator.ask("status")[0] == 1


@pytest.mark.parametrize("seconds", ["4294968", "1000000000"])
def test_a_wait_of_weeks(
    seconds: str, namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """In milliseconds it takes more than 32 bits: what is left of the first is 0.7 s."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    text = "[service.late]\nready = {fd = 3}\n"
    text += shell(f"echo late; cat {gate}; sleep 2; echo >&3; exec sleep 1000")
    with box(tmp_path, text, options=operator.options) as container:
        assert container.line() == "late"
        waits = subprocess.Popen(operator.command("wait", "--timeout", seconds))
        gate.write_text("")
        assert waits.wait() == 0
        container.signal(signal.SIGTERM)
        container.wait()


def test_who_waits_is_answered_when_the_last_service_ends(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """With which the supervisor ends."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    text = "[service.a]\nready = {fd = 9}\n" + shell(f"echo a; read _ <{gate}; exit 3")
    with (
        box(tmp_path, text, options=operator.options) as container,
        socket.socket(socket.AF_UNIX) as sock,
    ):
        container.expect("a")
        sock.connect(str(operator.path))
        sock.sendall(b'{"verb": "wait", "names": []}\n')
        assert operator.states() == {"a": "starting"}  # asked after the other
        gate.write_text("\n")
        (row,) = json.loads(sock.makefile().read())["services"]
        assert (row["name"], row["exit_code"]) == ("a", 3)
        assert container.wait() == 3


def test_a_wait_of_no_time_is_a_look(namespaces: None, tmp_path: Path, operator: Operator) -> None:
    """At what is ready by now."""
    text = "[service.web]\n" + stays("web") + "[service.late]\nready = {fd = 9}\n"
    text += shell("echo late; exec sleep 1000")
    with box(tmp_path, text, options=operator.options) as container:
        assert {container.line(), container.line()} == {"web", "late"}
        assert operator.ask("wait", "web")[0] == 0
        code, out, _ = operator.ask("wait", "--timeout", "0", "web")
        assert (code, out.split()[:2]) == (0, ["web", "up,"])
        assert operator.ask("wait", "--timeout", "0")[0] == 1


def test_many_can_ask_while_the_supervisor_is_busy(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """Health checks, for one: they are answered when it has time."""
    with contextlib.ExitStack() as stack:
        container = stack.enter_context(
            box(tmp_path, "[service.web]\n" + stays("web"), options=operator.options)
        )
        container.expect("web")
        pid = supervisor(container)
        os.kill(pid, signal.SIGSTOP)
        try:
            until(lambda: status_field(pid, "State")[0] == "T", "it has stopped", pid)
            asking = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(50)]
            for sock in asking:
                sock.setblocking(False)
                sock.connect(str(operator.path))
                sock.send(b'{"verb": "status", "names": []}\n')
        finally:
            os.kill(pid, signal.SIGCONT)
        for sock in asking:
            sock.setblocking(True)
            assert b'"web"' in sock.makefile("rb").read()


def test_a_full_queue_is_waited_for(tmp_path: Path, operator: Operator) -> None:
    """As long as for the answer."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_UNIX))
        server.bind(str(operator.path))
        server.settimeout(DEADLINE_S)
        server.listen(0)
        first = stack.enter_context(socket.socket(socket.AF_UNIX))
        first.connect(str(operator.path))
        asks = stack.enter_context(
            subprocess.Popen(operator.command("wait", "--timeout", "60"), stdout=subprocess.PIPE)
        )
        stack.callback(asks.kill)

        def waits() -> bool:
            with open(f"/proc/{asks.pid}/wchan") as file:
                return file.read() == "unix_wait_for_peer" or asks.poll() is not None

        until(waits, "it waits for the queue", asks.pid)
        server.accept()[0].close()
        peer = stack.enter_context(server.accept()[0])
        assert b'"wait"' in peer.recv(4096)
        peer.sendall(b'{"services": [{"name": "a", "state": "up"}], "code": 0}\n')
        peer.close()
        assert asks.communicate()[0] == b"a  up\n"


@pytest.mark.parametrize("mode", MODES)
def test_an_operator_changes_what_runs(
    namespaces: None, tmp_path: Path, mode: str, operator: Operator
) -> None:
    """What was stopped by one is no end of the container."""
    text = "[service.web]\nreload-signal = 'USR1'\nready = {fd = 3}\n" + shell(
        "trap 'echo reloads' USR1; trap 'echo hangs up' HUP; trap 'echo stops; exit 0' TERM; "
        "echo web; echo >&3; while :; do sleep 0.05; done"
    )
    text += "[service.db]\n" + stays("db")
    with box(tmp_path, text, options=operator.options, mode=mode) as container:
        assert {container.line(), container.line()} == {"web", "db"}
        assert operator.ask("wait")[0] == 0
        for words, said in (
            (("reload", "web"), "reloads"),
            (("signal", "HUP", "web"), "hangs up"),
            (("restart", "web"), "stops"),
        ):
            assert operator.ask(*words)[::2] == (0, "")
            container.expect(said)
        container.expect("web")
        assert operator.ask("wait", "--timeout", "20")[0] == 0
        assert operator.ask("stop", "web")[0] == 0
        container.expect("stops")
        until(lambda: operator.states() == {"web": "down", "db": "up"}, "it is down")
        assert operator.ask("status")[0] == operator.ask("wait")[0] == 1
        assert "does not run" in operator.ask("reload", "web")[2]
        assert "has no 'reload-signal'" in operator.ask("reload", "db")[2]
        assert operator.ask("start", "web")[0] == 0
        container.expect("web")
        assert operator.ask("wait")[0] == 0
        container.signal(signal.SIGTERM)
        assert container.wait() == 0


@pytest.mark.parametrize("mode", MODES)
def test_one_that_is_off_is_started_by_an_operator(
    namespaces: None, tmp_path: Path, operator: Operator, mode: str
) -> None:
    """Nobody waits for it before that; as soon as it was asked for it is one like the others."""
    text = "[service.tool]\nautostart = false\n" + stays("tool") + "[service.db]\n" + stays("db")
    main = ("sh", "-c", "echo main; exec sleep 1000")
    with box(tmp_path, text, *main, options=operator.options, mode=mode) as held:
        assert [held.line(), held.line()] == ["db", "main"]
        assert operator.ask("wait")[0] == operator.ask("status")[0] == 0
        assert operator.states()["tool"] == "off"
        assert operator.ask("wait", "tool")[0] == operator.ask("status", "tool")[0] == 1
        assert operator.ask("start", "tool")[0] == 0
        held.expect("tool")
        assert operator.ask("wait", "tool")[0] == 0
        assert operator.ask("stop", "tool")[0] == 0
        held.expect("tool stops")
        until(lambda: operator.states()["tool"] == "down", "it is down")
        assert operator.ask("status")[0] == 1
        held.signal(signal.SIGTERM)
        held.wait()


def test_last_lines_are_shown(namespaces: None, tmp_path: Path, operator: Operator) -> None:
    """Of services whose output goes through the supervisor."""
    text = "[service.web]\nlog = 'prefix'\n" + shell("echo one; echo two; exec sleep 1000")
    with box(tmp_path, text, options=operator.options) as container:
        container.expect("web | one")
        container.expect("web | two")
        assert operator.ask("logs") == (0, "one\ntwo\n", "")


def test_who_follows_and_does_not_read_holds_nobody_up(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """They miss lines, and are told so."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    script = f"exec 4<>{gate}; echo web; read x <&4; seq 200000; while read x; do echo $x; done <&4"
    text = "[service.web]\nlog = 'prefix'\n" + shell(script)
    with box(tmp_path, text, options=operator.options) as container:
        container.expect("web | web")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(operator.path))
            sock.sendall(b'{"verb": "follow"}\n')
            found = b""
            while found != b"{}\nweb\n":
                found += sock.recv(65536)
            gate.write_text("\n")
            while container.line() != "web | 200000":
                pass

            def look() -> bool:
                """Have another line written, and read what there is."""
                nonlocal found
                gate.write_text("more\n")
                with contextlib.suppress(BlockingIOError):
                    found += sock.recv(1 << 20, socket.MSG_DONTWAIT)
                return LEFT_OUT in found

            until(look, "it is told", container.pid)
            before, after = found.split(LEFT_OUT)
            lines = [b"{}", b"web", *(b"%d" % number for number in range(1, 200001)), b""]
            assert before == b"\n".join(lines)[: len(before)]
            assert b"\n200000\n" not in before
            assert set(after.split()) <= {b"more"}
            gate.write_text("last\n")
            found = b""
            while not found.endswith(b"last\n"):
                found += sock.recv(65536)
            assert LEFT_OUT not in found  # once


def test_whoever_asks_has_five_seconds_and_who_waits_or_follows_has_no_end(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """Who follows several gets their names as well."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    text = "[service.web]\nlog = 'prefix'\n"
    text += shell(f"echo one; read x <{gate}; echo two; exec sleep 1000")
    text += "[service.late]\nlog = 'prefix'\nready = {fd = 3}\n" + shell("exec sleep 1000")
    with box(tmp_path, text, options=operator.options) as container, contextlib.ExitStack() as kept:
        container.expect("web  | one")

        def connected(data: bytes) -> socket.socket:
            sock = kept.enter_context(socket.socket(socket.AF_UNIX))
            sock.connect(str(operator.path))
            sock.sendall(data)
            return sock

        follows = connected(b'{"verb": "follow"}\n')
        assert follows.recv(65536) == b"{}\nweb  | one\n"
        assert operator.raw(b'{"verb": "clear", "names": ["late"]}\n')
        assert operator.ask("logs")[1] == "web | one\n"
        waits = connected(b'{"verb": "wait"}\n')
        asks = connected(b'{"verb": ')
        assert asks.recv(1) == b""
        with pytest.raises(BlockingIOError):
            waits.recv(1, socket.MSG_DONTWAIT)
        gate.write_text("\n")
        assert follows.recv(65536) == b"web  | two\n"


def test_nothing_is_begun_once_the_container_stops(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """Those who ask for it are told so, and those who wait are answered."""
    text = "[service.web]\nready = {fd = 3}\n"
    text += shell("trap 'echo stops' TERM; echo web; while :; do sleep 0.05; done")
    with box(tmp_path, text, options=operator.options) as container:
        container.expect("web")
        waits = subprocess.Popen(operator.command("wait"), stdout=subprocess.PIPE)
        container.signal(signal.SIGTERM)
        container.expect("stops")
        assert waits.communicate()[0].startswith(b"web")
        assert waits.returncode == 1
        for verb in ("start", "stop", "restart"):
            assert operator.ask(verb, "web") == (
                *(1, ""),
                "pyinitctl service: the container is stopping\n",
            )


def test_a_follower_that_hangs_up_takes_no_lines_from_the_next(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """The supervisor learns of the end when it sends."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    text = "[service.web]\nlog = 'prefix'\n"
    text += shell(f"echo web; read x <{gate}; echo more; echo written >&2; exec sleep 1000")
    with box(tmp_path, text, options=operator.options) as container:
        container.expect("web | web")
        pid = supervisor(container)
        with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
            for sock in (first, second):
                sock.connect(str(operator.path))
                sock.sendall(b'{"verb": "follow", "stream": 1}\n')
                assert sock.recv(65536) == b"{}\nweb\n"
            os.kill(pid, signal.SIGSTOP)
            until(lambda: status_field(pid, "State")[0] == "T", "it is stopped", pid)
            gate.write_text("\n")
            first.close()
            service = next(iter(children(pid)))
            until(lambda: comm(service) == "sleep", "it has written", pid)
            os.kill(pid, signal.SIGCONT)
            assert second.recv(65536) == b"more\n"


@pytest.mark.parametrize("dropped", [("TERM",), ("TERM", "INT", "QUIT")])
def test_a_shutdown_is_by_a_signal_that_the_init_takes(
    namespaces: None, tmp_path: Path, operator: Operator, dropped: tuple[str, ...]
) -> None:
    """Or by the supervisor alone, where it takes none."""
    options = ["--drain", "0.5", *[word for name in dropped for word in ("-r", f"{name}:0")]]
    text = "[service.web]\n" + stays("web")
    with box(tmp_path, text, options=(*operator.options, *options)) as container:
        container.expect("web")
        assert operator.raw(b'{"verb": "shutdown"}\n') == b'{"code": 0}\n'
        if "INT" not in dropped:
            # A second signal would cut the drain short.
            refused = b'{"error": "the container is stopping", "code": 1}\n'
            assert operator.raw(b'{"verb": "shutdown"}\n') == refused
        assert container.wait() == 0
        assert container.rest() == "web stops\n"


def test_one_that_is_off_holds_no_container_up(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """It ends when all others are done, and was ready before."""
    text = "[service.tool]\nautostart = false\n" + stays("tool")
    text += "[service.once]\ntype = 'task'\n" + shell("echo once")
    with box(tmp_path, text, options=operator.options) as container:
        assert container.wait() == 0
        assert container.rest() == "once\n"


def test_followers_that_have_hung_up_leave_nothing(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """No descriptor, no lines that are held for them, and nothing that wakes the supervisor up."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    text = "[service.web]\nlog = 'prefix'\n"
    text += shell(f"echo web; read x <{gate}; seq 100000; exec sleep 1000")
    with box(tmp_path, text, options=operator.options) as container:
        container.expect("web | web")
        pid = supervisor(container)

        def follow(sock: socket.socket) -> None:
            sock.connect(str(operator.path))
            sock.sendall(b'{"verb": "follow"}\n')
            assert sock.recv(65536) == b"{}\nweb\n"

        def opened() -> int:
            return len(os.listdir(f"/proc/{pid}/fd"))

        assert operator.ask("status")[0] == 0
        before = opened()
        for _ in range(64):
            with socket.socket(socket.AF_UNIX) as sock:
                follow(sock)
        until(lambda: opened() == before, "they are closed", pid)
        held_kb = int(status_field(pid, "RssAnon").split()[0])
        with socket.socket(socket.AF_UNIX) as sock:
            follow(sock)
            gate.write_text("\n")
            while container.line() != "web | 100000":
                pass
        # One for whom something is held as well.
        until(lambda: opened() == before, "it is closed", pid)
        more_kb = int(status_field(pid, "RssAnon").split()[0]) - held_kb
        assert more_kb < 4096  # 64 times 256 KiB, if they were held for each
        until(lambda: status_field(pid, "State")[0] == "S", "it sleeps", pid)


def test_those_who_wait_or_follow_leave_room_for_a_request(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """There are 24 of them at most, and one who asks for the same twice gets it once."""
    text = "[service.web]\nlog = 'prefix'\n" + shell("echo web; exec sleep 1000")
    text += "[service.api]\nready = {fd = 3}\n" + shell("exec sleep 1000")
    waits = b'{"verb": "wait"}\n'
    follows = b'{"verb": "follow", "names": ["web", "web"]}\n'
    with box(tmp_path, text, options=operator.options) as container, contextlib.ExitStack() as kept:
        container.expect("web | web")

        def connected(data: bytes) -> socket.socket:
            sock = kept.enter_context(socket.socket(socket.AF_UNIX))
            sock.connect(str(operator.path))
            sock.sendall(data)
            return sock

        def answer(data: bytes) -> bytes:
            return connected(data).recv(65536)

        lasting = [connected(waits) for _ in range(12)]
        for _ in range(12):
            assert answer(follows) == b"{}\nweb\n"
        refused = b'{"error": "24 wait or follow already", "code": 1}\n'
        assert answer(follows) == answer(waits) == refused
        assert operator.ask("status", "web")[0] == operator.ask("wait", "web")[0] == 0
        lasting[0].close()
        until(lambda: answer(follows) != refused, "there is room again", container.pid)


def test_a_follower_of_whom_no_pipe_can_be_made_is_refused(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """The supervisor has no descriptor left for a service that has not been started yet."""
    text = "[service.web]\n" + stays("web")
    text += "[service.tool]\nautostart = false\nlog = 'prefix'\n" + shell("exec sleep 1000")
    with box(tmp_path, text, options=operator.options) as container:
        container.expect("web")
        assert operator.ask("wait")[0] == 0
        pid = supervisor(container)
        with socket.socket(socket.AF_UNIX) as sock:
            before = len(os.listdir(f"/proc/{pid}/fd"))
            sock.connect(str(operator.path))
            until(lambda: len(os.listdir(f"/proc/{pid}/fd")) > before, "it is accepted", pid)
            limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
            sock.sendall(b'{"verb": "follow", "names": ["tool"]}\n')
            found = sock.recv(65536)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        assert found == b'{"error": "service \'tool\': Too many open files", "code": 1}\n'
        assert operator.states() == {"web": "up", "tool": "off"}


def test_only_its_user_and_root_are_answered(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """The file's mode refuses others; where it was changed, the kernel's word on them does."""
    users.need_root()
    with box(tmp_path, "[service.web]\n" + stays("web"), options=operator.options) as container:
        container.expect("web")
        assert stat.S_IMODE(operator.path.stat().st_mode) == 0o600
        operator.path.chmod(0o777)
        for each in (tmp_path, *tmp_path.parents[:3]):
            each.chmod(0o755)  # nobody but us writes there: other tests are about that
        program = """
import os, socket, sys
os.setuid(12345)
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
try:
    peer.sendall(b'{"verb": "status"}\\n')
    print(peer.recv(9))
except OSError:
    print(b"")  # it was hung up on before it had asked
"""
        command = [sys.executable, "-c", program, str(operator.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == ("b''\n", "")
        assert operator.ask("wait")[0] == 0


def test_what_is_no_request_is_refused(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """And one that sends nothing costs nothing while it is there."""
    with box(tmp_path, "[service.web]\n" + stays("web"), options=operator.options) as container:
        container.expect("web")
        refused = b'{"error": "this is not a request", "code": 1}\n'
        deep = b"[" * 3000
        odd = (b'{"verb": "stop", "names": 3}\n', b'{"verb": "logs", "stream": 3}\n')
        for data in (b"x\n", b"[]\n", b"{}\n", *odd, deep + b"\n"):
            assert operator.raw(data) == refused
        for number in (b"9999", b"9" * 30):
            answer = operator.raw(b'{"verb": "signal", "names": ["web"], "signal": %b}\n' % number)
            assert answer == b'{"error": "%b is not a signal", "code": 1}\n' % number
        assert "no lines are kept" in operator.ask("logs", "--follow")[2]
        assert operator.raw(b'{"verb": "explode"}\n') == (
            b'{"error": "\'explode\' is not known", "code": 1}\n'
        )
        with socket.socket(socket.AF_UNIX) as idle:
            idle.connect(str(operator.path))
            assert operator.ask("wait")[0] == 0
            pid = supervisor(container)
            before = switches(pid)
            assert operator.ask("status")[0] == 0
            assert switches(pid) - before <= 8
        assert operator.states() == {"web": "up"}


def test_a_socket_that_is_in_use_is_left_alone(
    namespaces: None, tmp_path: Path, operator: Operator
) -> None:
    """Nothing is started then; one that nobody listens on is replaced."""
    text = "[service.web]\n" + stays("web")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(operator.path))
        other.listen()
        with box(tmp_path, text, options=operator.options) as container:
            assert container.wait() == 125
            assert "another process listens there" in container.errors()
    with box(tmp_path, text, options=operator.options) as container:
        container.expect("web")
        assert operator.ask("wait")[0] == 0
