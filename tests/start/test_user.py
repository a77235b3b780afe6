"""`--user USER[:GROUP]`: the command, not pyinit, runs as a user of the container's own files."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import conftest
from tests.cases import in_turn
from tests.harness import (
    DEADLINE_S,
    SUBREAPER,
    Container,
    children,
    process_table,
    run,
    status_field,
    until,
)
from tests.users import GROUP, IDS, PASSWD, WITHOUT_KILL, container_files, need_root

if TYPE_CHECKING:
    from pathlib import Path

DENIED = "Operation not permitted"
ROOT_IDS = "0 0 0 0"
HOME = ["sh", "-c", 'echo "$HOME $USER $LOGNAME"']
# It takes USR1 and goes on, so that a trap shows who can signal it.
TRAPS = ["sh", "-c", "trap 'echo USR1' USR1; echo ready; while :; do sleep 1000 & wait $!; done"]


@in_turn(
    ("spec", "ids"),
    [
        ("app", (1234, 1235, "1235 1900 2000")),
        ("1234", (1234, 1235, "1235 1900 2000")),
        ("app:extra", (1234, 2000, "2000")),
        ("4000:4001", (4000, 4001, "4001")),
        ("4000:app", (4000, 1235, "1235")),
    ],
)
def test_all_ids_are_those_of_the_user(
    spec: str, ids: tuple[int, int, str], mode: str, tmp_path: Path
) -> None:
    """Real, effective, saved and file system ids: there is no way back to root."""
    need_root()
    before = ["setpriv", "--groups", "7,8,9", *container_files(tmp_path)]
    code, out, err = run(IDS, mode=mode, options=["--user", spec], before=before)
    assert (code, err) == (0, "")
    lines = [line.strip() for line in out.splitlines()]
    uid, gid, groups = ids
    assert lines == [" ".join([str(uid)] * 4), " ".join([str(gid)] * 4), groups]


@in_turn(
    ("options", "line"),
    [
        (["--user", "app"], "/srv/app app app"),
        (["-u1234:0"], "/srv/app app app"),
        (["--user=4000:0"], "/ 4000 4000"),
        (["--env", "HOME=/x", "--user", "app"], "/x app app"),
        (["--user", "app", "--env", "HOME=/x", "--unset-env", "USER"], "/x  app"),
        (["--env", "LOGNAME=", "--user", "app"], "/srv/app app "),
    ],
)
def test_home_user_and_logname(options: list[str], line: str, mode: str, tmp_path: Path) -> None:
    """What is said of one of them directly wins, wherever it stands."""
    need_root()
    before = container_files(tmp_path)
    env = {**os.environ, "HOME": "/root", "USER": "root", "LOGNAME": "root"}
    assert run(HOME, mode=mode, options=options, before=before, env=env) == (0, f"{line}\n", "")


def test_the_variable_does_the_same(namespaces: None, tmp_path: Path) -> None:
    """PYINIT_USER, of which the command hears like of any other."""
    need_root()
    env = {**os.environ, "PYINIT_USER": "app:extra"}
    code, out, _ = run(["id", "-u"], before=container_files(tmp_path), env=env)
    assert (code, out) == (0, "1234\n")


def test_pyinit_stays_who_it_is_and_relays(mode: str, tmp_path: Path) -> None:
    """It keeps its capabilities, and ends what is left of another user in good order."""
    need_root()
    with Container(
        TRAPS,
        mode=mode,
        options=["--user", "app", "--grace", "1000"],
        before=container_files(tmp_path),
    ) as container:
        container.expect("ready")
        assert status_field(container.pid, "Uid").split() == ["0"] * 4
        assert int(status_field(container.pid, "CapEff"), 16) >> 5 & 1
        assert status_field(container.main_child(), "Uid").split() == ["1234"] * 4
        container.signal(signal.SIGUSR1)
        container.expect("USR1")
        container.signal(signal.SIGTERM)
        assert container.wait() == 128 + signal.SIGTERM
        assert container.errors() == ""
        if mode == SUBREAPER:
            assert container.survivors == []


def test_a_killed_pyinit_takes_the_command_of_another_user_with_it(tmp_path: Path) -> None:
    """A change of user takes the parent-death signal away (prctl(2)): it is set after that."""
    need_root()
    lives_on = ["sh", "-c", '"$@"; echo $?; kill -STOP $$', "sh"]
    with Container(
        TRAPS,
        mode=SUBREAPER,
        options=["--user", "app"],
        before=[*container_files(tmp_path), *lives_on],
    ) as container:
        container.expect("ready")
        (pyinit,) = children(container.pid)
        pidfd = os.pidfd_open(children(pyinit)[0])
        try:
            os.kill(pyinit, signal.SIGKILL)
            container.expect(str(128 + signal.SIGKILL))
            ended, _, _ = select.select([pidfd], [], [], DEADLINE_S)
            assert ended, process_table(container.pid)
        finally:
            os.close(pidfd)
        until(lambda: status_field(container.pid, "State")[0] == "T", "the shell stops")
        container.signal(signal.SIGCONT)
        container.wait()


@pytest.mark.parametrize("capability", ["setuid", "setgid"])
def test_a_user_that_may_not_be_become_is_125(
    capability: str, namespaces: None, tmp_path: Path
) -> None:
    """Before anything ran, with the kernel's reason."""
    need_root()
    conftest.need("setpriv")
    before = container_files(tmp_path)
    before += ["setpriv", "--bounding-set", f"-{capability}", "--inh-caps", f"-{capability}"]
    result = run(["echo", "ran"], options=["--user", "app"], before=before)
    assert result == (125, "", f"pyinit: cannot become user 'app': {DENIED}\n")


@pytest.mark.parametrize("spec", ["1234:1234", "0:1234", "root:1"])
def test_in_a_user_namespace_only_the_mapped_can_be_become(
    spec: str, namespaces: None, tmp_path: Path
) -> None:
    """With one mapping, as an ordinary user can have it, setgroups(2) is denied to all."""
    before = [*container_files(tmp_path), "unshare", "--user", "--map-root-user"]
    code, out, err = run(["echo", "ran"], options=["--user", spec], before=before)
    assert (code, out) == (125, "")
    assert err.startswith(f"pyinit: cannot become user '{spec}': ")


def test_to_become_who_one_is_needs_no_privilege(namespaces: None, tmp_path: Path) -> None:
    """As an image's `--user 1000` under a runtime that has made that user of pyinit already."""
    need_root()
    user = "setpriv --reuid 1234 --regid 1235 --groups 1235,1900,2000"
    reach = "--inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search"
    before = [*container_files(tmp_path), *user.split(), *reach.split()]
    code, out, err = run(IDS, options=["--user", "app"], before=before)
    assert (code, err) == (0, "")
    assert out.split() == ["1234"] * 4 + ["1235"] * 4 + ["1235", "1900", "2000"]


NO_FILES = ["/bin/sh", "-c", 'mount -t tmpfs none /etc && exec "$@"', "sh"]


def test_without_the_files_numbers_do(namespaces: None) -> None:
    """As in an image from scratch."""
    need_root()
    code, out, err = run(IDS, options=["--user", "5:6"], before=NO_FILES)
    assert (code, err) == (0, "")
    assert out.split() == ["5"] * 4 + ["6"] * 4 + ["6"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("app", "there is no user 'app' in /etc/passwd"),
        ("5:app", "there is no group 'app' in /etc/group"),
        (
            "5",
            (
                "user '5' is not in /etc/passwd, so its group is not known: "
                "expected USER:GROUP, such as 5:5"
            ),
        ),
    ],
)
def test_an_unknown_user_is_125(spec: str, message: str, namespaces: None) -> None:
    """Nothing has been started then."""
    result = run(["echo", "ran"], options=["--user", spec], before=NO_FILES)
    assert result == (125, "", f"pyinit: option '--user': {message}\n")


def test_too_many_groups_are_125(namespaces: None, tmp_path: Path) -> None:
    """The limit is NGROUPS_MAX, 65536; see setgroups(2)."""
    need_root()
    lines = "".join(f"g{number}:x:{number}:app\n" for number in range(65_600))
    before = container_files(tmp_path, group=lines)
    result = run(["echo", "ran"], options=["--user", "app"], before=before)
    assert result == (125, "", "pyinit: cannot become user 'app': Invalid argument\n")


def test_a_home_that_no_variable_can_hold_is_125(namespaces: None, tmp_path: Path) -> None:
    """A NUL in the file."""
    need_root()
    before = container_files(tmp_path, passwd="app:x:1:2::/srv\0/app:/bin/sh\n")
    result = run(["echo", "ran"], options=["--user", "app"], before=before)
    assert result == (125, "", "pyinit: cannot change its environment: Invalid argument\n")


def test_without_cap_kill_the_missing_relay_is_announced(namespaces: None, tmp_path: Path) -> None:
    """Kill(2) says EPERM: one warning at the start, one for each signal, and the end as ever."""
    need_root()
    conftest.need("setpriv")
    reader, writer = os.pipe()
    try:
        with Container(
            ["sh", "-c", "echo ready; read -r line; exit 7"],
            options=["--user", "app"],
            before=[*container_files(tmp_path), *WITHOUT_KILL],
            stdin=reader,
        ) as container:
            container.expect("ready")
            warning = container.line(2)
            assert "cannot_relay" in warning
            assert '"user": "app"' in warning
            assert "CAP_KILL" in warning
            for number in (signal.SIGUSR1, signal.SIGTERM):
                container.signal(number)
                warning = container.line(2)
                assert "signal_dropped" in warning
                assert number.name in warning
            os.write(writer, b"end\n")
            assert container.wait() == 7
            assert container.errors() == ""
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("options", [["--user", "root"], []])
def test_where_signals_arrive_nothing_is_announced(
    options: list[str], mode: str, tmp_path: Path
) -> None:
    """The same user may be signalled without CAP_KILL; and nobody asked for another."""
    need_root()
    before = [*container_files(tmp_path), "setpriv", "--groups", "0", *WITHOUT_KILL]
    assert run(["true"], mode=mode, options=options, before=before) == (0, "", "")


def test_leftovers_that_may_not_be_signalled_do_not_hold_up_the_end(
    namespaces: None, tmp_path: Path
) -> None:
    """After the grace and the bound the init exits; the kernel ends the rest of its namespace."""
    need_root()
    with Container(
        ["sh", "-c", "sleep 1000 & exit 7"],
        options=["--user", "app", "--grace", "0"],
        before=[*container_files(tmp_path), *WITHOUT_KILL],
        stdout=subprocess.DEVNULL,
    ) as container:
        assert container.wait() == 7
        assert "leftovers_blocked" in container.errors()


def test_the_files_are_those_of_the_container(namespaces: None, tmp_path: Path) -> None:
    """Not the host's, and not those of a server that nsswitch.conf(5) names."""
    need_root()
    before = container_files(tmp_path, PASSWD.replace("app", "root2"), GROUP)
    code, out, _ = run(["id", "-u"], options=["--user", "root2"], before=before)
    assert (code, out) == (0, "1234\n")
    result = run(["echo", "ran"], options=["--user", "nobody"], before=before)
    message = "pyinit: option '--user': there is no user 'nobody' in /etc/passwd\n"
    assert result == (125, "", message)


def test_it_can_open_its_standard_streams(namespaces: None, tmp_path: Path) -> None:
    """They are its own then, pipes of root's too; /dev/null stays whose it is."""
    need_root()
    script = "echo out >/dev/stdout; echo err >/dev/stderr; stat -L -c %u /dev/stdin /dev/stdout"
    result = run(
        ["sh", "-c", script],
        options=["--user", "app"],
        before=container_files(tmp_path),
    )
    assert result == (0, "out\n0\n1234\n", "err\n")
