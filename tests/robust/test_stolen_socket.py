"""Whatever a command says in its init's place, the caller's wait(), kill() and close() work."""

from __future__ import annotations

import contextlib
import errno
import json
import marshal
import os
import resource
import signal
import socket
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis import strategies

from pyinit import Exit, NamespaceError, StartError
from pyinit.container import starter, wire
from pyinit.container.init_socket import InitSocket
from pyinit.container.process import Process
from tests.harness import DEADLINE_S, PYINIT, children, python
from tests.spawning import USER, line, spawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyinit import Container

pytestmark = pytest.mark.usefixtures("namespaces")

PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}

PACKETS = {
    "nothing": b"",
    "no-text": b"\xff\xfe",
    "marshal": marshal.dumps(("ended", 9)),
    "marshal-776-MiB": b"[\xf0\xff\xff\x05",
    "cut": b'["ended"',
    "deep": b"[" * 60000,
    "long-number": b'["ended",' + b"9" * 60000 + b"]",
    "another-type": b'["ended","9"]',
    "no-signal": b'["ended",-1]',
    "no-int": b'["ended",true]',
    "float": b'["ended",9.0]',
    "infinity": b'["ended",Infinity]',
    "too-few": b'["ended"]',
    "stop-too-large": b'["stopped",20,0,99999999999999]',
    "an-object": b'{"ended":9}',
    "of-the-start": b'["not started",1,"text",null]',
    "init": b'["init",1]',
    "unknown": b'["other"]',
    "a-lie": b'["ended",9]',
}


@contextlib.contextmanager
def stealing(*words: str) -> Iterator[Container]:
    """Give a container whose command has used its init's socket, after it was started."""
    with spawn(python("steals.py", *words), **PIPES) as container:
        assert container.stdin is not None
        container.stdin.write(b"\n")
        container.stdin.flush()
        assert line(container.stdout) == "done"
        yield container


@pytest.mark.parametrize("name", PACKETS)
def test_what_the_command_says(name: str) -> None:
    """The exit code is the kernel's; of the rest as much is believed as there is before."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with stealing("say", PACKETS[name].hex()) as container:
        assert container.poll() is None
        assert container.stdin is not None
        container.stdin.close()
        assert container.wait(DEADLINE_S) == Exit(3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < memory + 100 * 1024  # KiB


@pytest.mark.parametrize("word", ["fill", "shut"])
def test_no_way_to_say_anything(word: str) -> None:
    """The init waits for nobody when it tells of the end."""
    with stealing(word) as container:
        assert container.stdin is not None
        container.stdin.close()
        assert container.wait(DEADLINE_S) == Exit(3)


def test_a_kill_afterwards() -> None:
    """As without."""
    with stealing("say", "00") as container:
        assert container.kill() == Exit(128 + signal.SIGKILL, signal.SIGKILL)


def test_pyinitctl_run() -> None:
    """It reads what the init tells while the command runs."""
    kinds = ["--pid", "--mount", *("--userns" for _ in USER)]
    words = python("steals.py", "say", b'["stopped",20,0,-1]'.hex())
    done = subprocess.run(
        [f"{PYINIT[0]}ctl", "run", *kinds, "--", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, b"done\n", b"")


def says(monkeypatch: pytest.MonkeyPatch, *statements: str) -> None:
    """Have the stage execute statements before it begins."""
    main = "stage.main("
    program = starter._PROGRAM.replace(main, ";".join((*statements, main)))
    monkeypatch.setattr(starter, "_PROGRAM", program)


def test_no_init_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that is somebody else's: that process would be killed for the failure."""
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as other:
        try:
            # Its parent is not we.
            pid = os.getppid()
            says(monkeypatch, f"stage._fork=lambda order:{pid}")
            with pytest.raises(StartError, match="an unknown message"):
                spawn(["true"])
            os.kill(pid, 0)
        finally:
            other.kill()
    assert not children(os.getpid())


@pytest.mark.parametrize(
    "statement",
    [
        "stage._fork=lambda order:-1",
        "stage._prepare=lambda order,caller:(caller.say('started'),1/0)",
        "stage._furnish=lambda order,caller:caller.say('init',1)",
        "stage._furnish=lambda order,caller:caller.say('map')",
        "stage._furnish=lambda order,caller:caller._socket.send(bytes(9))",
    ],
)
def test_words_at_the_wrong_time(monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    """Each is for one moment of the start."""
    says(monkeypatch, statement)
    with pytest.raises(StartError, match="an unknown message"):
        spawn(["true"])
    assert not children(os.getpid())


def test_no_descriptor_for_the_init(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there already, and a child of ours."""
    opened: list[int] = []

    def open_process(pid: int) -> int:
        opened.append(pid)
        if len(opened) > 1:
            raise OSError(errno.EMFILE, "no descriptor")
        return os.pidfd_open(pid)

    monkeypatch.setattr(starter, "open_process", open_process)
    with pytest.raises(OSError, match="no descriptor"):
        spawn(["true"])
    assert not children(os.getpid())


def test_a_socket_that_is_shut(monkeypatch: pytest.MonkeyPatch) -> None:
    """The init lives, and nothing comes any more: it is not waited for."""
    monkeypatch.setattr(starter, "_END_BOUND_S", 0.1)
    says(monkeypatch, "stage._furnish=lambda order,caller:caller._socket.shutdown(2)")
    with pytest.raises(StartError, match="an unknown message"):
        spawn(["sleep", "1000"])
    assert not children(os.getpid())


@pytest.mark.parametrize("is_asked_for", [False, True])
def test_what_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch,
    is_asked_for: bool,  # noqa: FBT001
) -> None:
    """What is typed would be written to it."""
    says(monkeypatch, "stage._furnish=lambda order,caller:caller.give_terminal(0)")
    with pytest.raises(NamespaceError, match="not a terminal that we can use"):
        spawn(["true"], terminal=is_asked_for)
    assert not children(os.getpid())


@contextlib.contextmanager
def connected() -> Iterator[tuple[InitSocket, socket.socket]]:
    """Give a channel and the other end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        channel = InitSocket(ours)
        try:
            yield channel, theirs
        finally:
            channel.close()


def test_a_flood_has_an_end() -> None:
    """Whoever has taken the socket can outlive the init, where that is no PID 1."""
    stop = threading.Event()

    def flood(end: socket.socket) -> None:
        packet = wire.encode("stopped", 20, 0, 1)
        while not stop.is_set():
            with contextlib.suppress(BlockingIOError):
                end.send(packet, socket.MSG_DONTWAIT)

    with connected() as (channel, theirs):
        theirs.send(wire.encode("ended", 15))
        thread = threading.Thread(target=flood, args=(theirs,))
        thread.start()
        try:
            assert channel.last() == 15
        finally:
            stop.set()
            thread.join()


def test_an_end_that_others_hold_too() -> None:
    """There is no end of file then; that of the process is enough."""
    with connected() as (channel, _), subprocess.Popen(["true"]) as process:
        pidfd = os.pidfd_open(process.pid)
        try:
            assert starter._next(channel, pidfd) == ()
        finally:
            os.close(pidfd)


# Of strategies.text() hypothesis makes the tables of Unicode first, which takes seconds.
TEXT = strategies.binary(max_size=60).map(lambda each: each.decode(errors="replace"))
WORDS = strategies.one_of(
    strategies.none(),
    strategies.booleans(),
    strategies.integers(),
    strategies.floats(),
    TEXT,
    strategies.sampled_from([*wire._FORMS, 0, 9, 65, 2**31]),
)
VALUES = strategies.lists(strategies.one_of(WORDS, strategies.lists(WORDS)), max_size=5)
ANY_PACKET = strategies.one_of(
    strategies.binary(max_size=200), VALUES.map(lambda each: json.dumps(each).encode())
)


@hypothesis.given(packets=strategies.lists(ANY_PACKET, max_size=5), fds=strategies.booleans())
@hypothesis.settings(max_examples=80)
def test_any_packets(packets: list[bytes], fds: bool) -> None:  # noqa: FBT001
    """With descriptors and without; none stays open, which conftest.py looks for."""
    with connected() as (channel, theirs):
        for packet in packets:
            socket.send_fds(theirs, [packet], [0, 1] if fds else [])
        pid = os.fork()
        if pid == 0:
            os._exit(3)
        started = starter.StartedInit(pid, os.pidfd_open(pid), channel)
        with Process(started) as process:
            code, number = process.wait(DEADLINE_S)
            assert code == 3
            assert 0 <= (number or 0) <= 64
            assert process.kill() == (code, number)


@hypothesis.given(call=TEXT, number=strategies.integers(0, 2**31 - 1), reason=TEXT)
def test_what_is_said_is_heard(call: str, number: int, reason: str) -> None:
    """Each text as it is, up to its longest."""
    words = ("failed", call, number, reason)
    assert wire.decode(wire.encode(*words)) == words


@pytest.mark.parametrize("char", ["x", "\0", "\N{GRINNING FACE}", "\udc80", '"', "\x7f", "\u2028"])
def test_the_longest_packet(char: str) -> None:
    """It is received whole, whatever characters a path has."""
    packet = wire.encode("failed", char * 10000, 1, char * 10000)
    assert len(packet) <= wire.MOST
    assert wire.decode(packet)[1:3] == (char * 4093 + "...", 1)
