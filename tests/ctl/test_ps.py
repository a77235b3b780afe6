"""``pyinitctl ps``: all containers that can be seen, and what they are called by."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyinit import ctl
from pyinit.ctl import containers
from tests.cases import in_one_test
from tests.ctl.views import run, view
from tests.harness import Container, python

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("namespaces")

ID = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4
USER = "/user.slice/user-1000.slice/user@1000.service"
POD = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podx.slice"
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


def test_they_can_be_sorted(container: Container, capsys: pytest.CaptureFixture[str]) -> None:
    """By number, age (the oldest first) and name; `tree` by number and age."""
    keys = {
        "pid": lambda each: each["pid"],
        "start": lambda each: -each["uptime_s"],
        "name": lambda each: (each["name"] or "", each["hostname"] or ""),
    }
    for sort, key in keys.items():
        found = view(capsys, "ps", "--sort", sort)["containers"]
        assert found == sorted(found, key=key), sort
    for sort, number in (("pid", 0), ("start", 21)):
        (place,) = view(capsys, "tree", "--sort", sort, str(container.pid))["namespaces"]
        pids = [each["pid"] for each in place["processes"]]
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")") for pid in pids]
        told = [
            int((f"{pid} x" + end).split()[number])
            for pid, (_, _, end) in zip(pids, stats, strict=True)
        ]
        assert told == sorted(told), sort


def test_a_name_that_nobody_has(capsys: pytest.CaptureFixture[str]) -> None:
    """Is told, with where those that there are can be found."""
    assert ctl.main(["ps", "nobody-has-this"]) == 1
    assert capsys.readouterr().err == "pyinitctl ps: there is no container 'nobody-has-this'\n"
    with pytest.raises(SystemExit) as ended:
        ctl.main(["stop", "nobody-has-this"])
    assert ended.value.code == 2
    assert "neither a PID nor the name of a container" in capsys.readouterr().err


@in_one_test(
    ("path", "runtime", "name"),
    [
        # docker: by systemd, by itself, rootless, in a parent of one's own, in another's container
        (f"/system.slice/docker-{ID}.scope", "docker", ID),
        (f"/docker/{ID}", "docker", ID),
        (f"{USER}/user.slice/docker-{ID}.scope", "docker", ID),
        (f"/batch/{ID}", "", ID),
        (f"/docker/{OTHER}/docker/{ID}", "docker", ID),
        (f"/system.slice:docker:{ID}", "docker", ID),
        # podman: by systemd, with crun, by itself, rootless, in a pod, in a unit
        (f"/machine.slice/libpod-{ID}.scope", "podman", ID),
        (f"/machine.slice/libpod-{ID}.scope/container", "podman", ID),
        (f"/libpod_parent/libpod-{ID}", "podman", ID),
        (f"{USER}/user.slice/libpod-{ID}.scope/container", "podman", ID),
        (f"/machine.slice/machine-libpod_pod_{OTHER}.slice/libpod-{ID}.scope", "podman", ID),
        (f"/system.slice/web.service/libpod-payload-{ID}", "podman", ID),
        # containerd: ctr has names, nerdctl ids; below Kubernetes with both of its drivers
        ("/default/web", "containerd", "web"),
        (f"/default/{ID}", "containerd", ID),
        (f"/system.slice/nerdctl-{ID}.scope", "containerd", ID),
        (f"{POD}/cri-containerd-{ID}.scope", "containerd", ID),
        (f"/containerd.service/kubepods-podx.slice:cri-containerd:{ID}", "containerd", ID),
        (f"/k8s.io/{ID}", "containerd", ID),
        # CRI-O
        (f"{POD}/crio-{ID}.scope", "CRI-O", ID),
        (f"{POD}/crio-{ID}.scope/container", "CRI-O", ID),
        (f"/kubepods/burstable/pod1/crio-{ID}", "CRI-O", ID),
        # whichever of them it is
        (f"/kubepods/burstable/pod1/{ID}", "kubernetes", ID),
        # those with names
        ("/machine.slice/machine-web\\x2d1.scope/payload", "machined", "web-1"),
        ("/machine.slice/systemd-nspawn@web.service/payload", "nspawn", "web"),
        ("/lxc.payload.web", "lxc", "web"),
        ("/lxc/web", "lxc", "web"),
        # none
        ("/libpod_parent/conmon", "", ""),
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
