"""``pyinitctl ps``: all containers that can be seen, and what they are called by."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pyinit import ctl
from pyinit.ctl import containers
from tests.ctl.views import run, view
from tests.harness import Container, python

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("namespaces")

ID = "0123456789abcdef" * 4
HOST = f"pyinit-test-{os.getpid()}"


@pytest.fixture
def container() -> Iterator[Container]:
    """Run a container whose init was started with a hostname."""
    with Container(python("record.py", "TERM"), before=("env", f"HOSTNAME={HOST}")) as each:
        each.expect("ready")
        yield each


def test_it_is_listed_with_its_init(
    container: Container, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the number here, whatever its number inside, and with what it was started as."""
    (found,) = [each for each in view(capsys, "ps")["containers"] if each["pid"] == container.pid]
    assert (found["kind"], found["state"], found["hostname"]) == ("pyinit", "running", HOST)
    assert found["inode"] == os.stat(f"/proc/{container.pid}/ns/pid").st_ino
    assert 0 <= found["uptime_s"] < 1000
    assert "record.py" in " ".join(found["command"])
    out, _ = run("ps", str(container.pid))
    titles, line = out.splitlines()
    assert titles.split() == [
        "PID",
        "NAME",
        "RUNTIME",
        "HOST",
        "INIT",
        "STATE",
        "UPTIME",
        "COMMAND",
    ]
    assert line.split()[0] == str(container.pid)


def test_other_commands_take_its_name(
    container: Container, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the place of a PID: here the hostname."""
    assert view(capsys, "status", HOST)["init"]["pid"] == container.pid
    assert [each["pid"] for each in view(capsys, "ps", HOST)["containers"]] == [container.pid]
    assert ctl.main(["stop", HOST]) == 0
    assert container.wait() == 0


def test_a_name_that_nobody_has(capsys: pytest.CaptureFixture[str]) -> None:
    """Is told, with where those that there are can be found."""
    assert ctl.main(["ps", "nobody-has-this"]) == 1
    assert capsys.readouterr().err == "pyinitctl ps: there is no container 'nobody-has-this'\n"
    with pytest.raises(SystemExit) as ended:
        ctl.main(["stop", "nobody-has-this"])
    assert ended.value.code == 2
    assert "nor what a container is called" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "runtime", "name"),
    [
        (f"/system.slice/docker-{ID}.scope", "docker", ID),
        (f"/docker/{ID}", "docker", ID),
        (f"/machine.slice/libpod-{ID}.scope/container", "podman", ID),
        (f"/libpod_parent/libpod-{ID}", "podman", ID),
        (f"/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope", "containerd", ID),
        (f"/kubepods.slice/kubepods-pod1.slice/crio-{ID}.scope", "CRI-O", ID),
        (f"/kubepods/burstable/pod1/{ID}", "kubernetes", ID),
        ("/default/web", "containerd", "web"),
        ("/machine.slice/machine-web\\x2d1.scope/payload", "machined", "web-1"),
        ("/machine.slice/systemd-nspawn@web.service", "nspawn", "web"),
        ("/lxc.payload.web", "lxc", "web"),
        ("/user.slice/user-0.slice/session-1.scope", "", ""),
        ("/", "", ""),
    ],
)
def test_the_name_in_the_path_of_a_cgroup(path: str, runtime: str, name: str) -> None:
    """As each runtime writes it, with systemd's driver or its own."""
    assert containers.called(path) == (runtime, name)


def test_the_beginning_of_an_id_is_enough() -> None:
    """Of four characters at least; a name has to be whole."""
    by_id = containers.Found(1, 1, "docker", ID, "")
    assert by_id.is_called(ID[:4])
    assert not by_id.is_called(ID[:3])
    assert by_id.short_name == ID[:12]
    assert not containers.Found(1, 1, "lxc", "webserver", "").is_called("webs")
