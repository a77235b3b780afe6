"""An init that is killed while its command starts: it is told like any other that was killed."""

from __future__ import annotations

import os
import select
import signal
import subprocess

import pytest

import pyinit
from pyinit import StartError
from pyinit.container import starter
from pyinit.container.init_socket import InitSocket
from pyinit.namespaces import idmaps
from tests.harness import DEADLINE_S, PYINIT, children
from tests.spawning import USER, spawn

pytestmark = pytest.mark.usefixtures("namespaces")

PYINITCTL = f"{PYINIT[0]}ctl"
CODE = 128 + signal.SIGKILL
MESSAGE = "the init was killed by SIGKILL while the command started"


def test_by_its_command() -> None:
    """Which comes about before the init can tell that the command runs, or just after."""
    script = "kill -KILL $PPID; exec sleep 1000"
    kinds = ["--uts", *("--userns" for _ in USER)]
    argv = [PYINITCTL, "run", *kinds, "--", "sh", "-c", script]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == CODE
    assert done.stderr in ("", f"pyinitctl run: {MESSAGE}\n")


@pytest.mark.parametrize("is_late", [False, True], ids=["before-our-word", "after-our-word"])
def test_before_the_command(is_late: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    """Whether it has read what we sent to it or not: the socket fails in another way each time."""
    allow, started = InitSocket.allow, starter.StartedInit.__init__

    def start(self: starter.StartedInit, pid: int, pidfd: int, channel: InitSocket) -> None:
        started(self, pid, pidfd, channel)
        if not is_late:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            poll = select.poll()
            poll.register(channel._socket, 0)
            poll.poll(DEADLINE_S * 1000)  # until nobody has the other end
        else:
            # A stopped one cannot read it.
            signal.pidfd_send_signal(pidfd, signal.SIGSTOP)
            allow(channel)
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    monkeypatch.setattr(starter.StartedInit, "__init__", start)
    with pytest.raises(StartError, match=MESSAGE) as caught:
        spawn(["true"])
    assert caught.value.code == CODE
    assert not children(os.getpid())


def test_before_there_is_an_init(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that makes the namespaces is no other to who asked for them."""
    monkeypatch.setattr(idmaps.Maps, "write", lambda _, pid: os.kill(pid, signal.SIGKILL))
    with pytest.raises(StartError, match=MESSAGE) as caught:
        pyinit.spawn(["true"], namespaces={"user"})
    assert caught.value.code == CODE
