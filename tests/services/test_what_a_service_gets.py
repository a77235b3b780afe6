"""What a service's process has: what its keys say, and nothing of the supervisor's."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import python, until
from tests.services.boxes import LOOP, box, shell, stays, supervisor

if TYPE_CHECKING:
    from pathlib import Path

GETS = f"command = {json.dumps(python('gets.py'))}\n"


def gets(tmp_path: Path, keys: str, **env: str) -> dict[str, Any]:
    """Return what a service with these keys gets, beside others of all kinds."""
    others = "[service.beside]\nlog = 'prefix'\nready = 'notify'\n" + shell("exec sleep 1000")
    others += "[service.before]\nready = {fd = 3}\n" + shell("echo >&3; exec sleep 1000")
    text = f"{others}[service.it]\nafter = ['before']\n{keys}\n{GETS}"
    with box(tmp_path, text, env={**os.environ, **env}) as container:
        found: dict[str, Any] = json.loads(container.line())
        assert container.wait() == 0
    return found


def test_by_default_it_gets_what_the_init_was_given(namespaces: None, tmp_path: Path) -> None:
    """In a session of its own, with no descriptor but the three, all signals as they were."""
    found = gets(tmp_path, "", A="1", NOTIFY_SOCKET="/nowhere")
    assert found["fds"] == [0, 1, 2]
    assert found["leads"] == [True, True]
    assert found["blocked"] == "0" * 16
    # Python's own; what the C library keeps to itself is as it was given.
    own = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)
    assert int(found["ignored"], 16) & ~(3 << 31) == own
    assert found["environ"]["A"] == "1"
    assert found["environ"]["NOTIFY_SOCKET"] == "/nowhere"
    assert found["cwd"] == os.getcwd()


def test_what_its_keys_say(namespaces: None, tmp_path: Path) -> None:
    """Each of them; variables in their order."""
    keys = """
chdir = '/'
umask = 0o027
env = {A = 'x${A}', B = 2}
unset-env = ['C']
no-new-privs = true
nice = 3
oom-score-adj = 500
limits = {nofile = [100, 200]}
"""
    found = gets(tmp_path, keys, A="1", C="3")
    assert (found["cwd"], found["umask"], found["nice"]) == ("/", 0o027, os.nice(0) + 3)
    assert (found["oom"], found["nofile"], found["privileges"]) == (500, [100, 200], "1")
    assert (found["environ"]["A"], found["environ"]["B"]) == ("x1", "2")
    assert "C" not in found["environ"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_a_user_has_its_variables_and_groups(namespaces: None, tmp_path: Path) -> None:
    """HOME, USER and LOGNAME follow the user."""
    script = "id -u; id -g; echo $USER $LOGNAME $HOME"
    text = "[service.it]\nuser = 'daemon'\nchdir = '/'\n" + shell(script)
    with box(tmp_path, text) as container:
        assert container.wait() == 0
        uid, gid, names = container.rest().splitlines()
    assert (uid, gid) == ("1", "1")
    assert names.startswith("daemon daemon /usr")


CATCHES = 'trap "echo {0} usr1" USR1; trap "echo {0} hup" HUP; '


def test_signals_go_to_the_main_service_and_to_who_asks(namespaces: None, tmp_path: Path) -> None:
    """Others get none: one that was sent would end them."""
    other = "[service.other]\n" + stays("other")
    some = "[service.some]\nsignals = ['HUP']\n" + stays("some").replace(
        "trap", CATCHES.format("some") + "trap", 1
    )
    main = "[service.web]\nmain = true\nafter = ['other', 'some']\n" + stays("web").replace(
        "trap", CATCHES.format("web") + "trap", 1
    )
    with box(tmp_path, other + some + main) as container:
        assert sorted(container.line() for _ in "123") == ["other", "some", "web"]
        container.signal(signal.SIGHUP)
        assert sorted(container.line() for _ in "12") == ["some hup", "web hup"]
        container.signal(signal.SIGUSR1)
        assert container.line() == "web usr1"
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        assert container.rest().split("\n")[0] == "web stops"


def test_the_supervisor_is_named_and_holds_no_pipe_of_one_who_inherits(
    namespaces: None, tmp_path: Path
) -> None:
    """Its descriptors: the three, the two of its own wake-up."""
    with box(tmp_path, "[service.web]\n" + shell(f"echo web; {LOOP}")) as container:
        container.expect("web")
        fds = f"/proc/{supervisor(container)}/fd"
        until(lambda: len(os.listdir(fds)) == 5, "it has five descriptors", container.pid)
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
