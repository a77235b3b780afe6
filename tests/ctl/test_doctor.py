"""``pyinitctl doctor``: what it looks at, how it says it, and its exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from pyinit import ctl
from pyinit.ctl import kinds, table, view
from pyinit.ctl.doctor import checks
from tests.ctl.doctors import examine, finding, named, namespace, runs, severities, use_cgroup
from tests.ctl.views import SOMEBODY_ELSE, entered, inode, nested, run, wait_for_state
from tests.harness import (
    PYINIT,
    PYINITCTL,
    ROOT,
    SUBREAPER,
    UNSHARE,
    UNSHARE_USER,
    Container,
    python,
    status_field,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

WAITING = python("record.py", "TERM")
ALL = {each for ids, _ in checks.CHECKS for each in ids}


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep what has happened on this machine before out of the way."""
    use_cgroup(monkeypatch, tmp_path, memory_events="oom_kill 0\n")


def test_a_healthy_container(capsys: pytest.CaptureFixture[str]) -> None:
    """Passes everything; nothing is found, and nothing is left unchecked."""
    with Container(WAITING) as container:
        container.expect("ready")
        found = examine(capsys, container.pid)
        assert (found["findings"], found["not_checked"]) == ([], [])
        assert set(found["passed"]) == ALL
        target = found["target"]
        assert target["inode"] == inode(container.pid, "pid")
        assert (target["own"], target["initial"], target["processes"]) == (False, False, 2)
        assert (target["stop_signal"], target["stop_timeout_s"]) == ("SIGTERM", 10)
        init = target["init"]
        assert (init["pid"], init["inner_pid"], init["kind"]) == (container.pid, 1, "pyinit")
        assert init["command"][-len(WAITING) :] == WAITING
        assert target["inits_beneath"] == []


def test_any_process_stands_for_its_container(capsys: pytest.CaptureFixture[str]) -> None:
    """And the ones in a namespace below are another container's."""
    with nested() as (container, inner):
        found = examine(capsys, container.main_child())
        assert found["target"]["init"]["pid"] == container.pid
        assert found["target"]["processes"] == 4
        found = examine(capsys, inner)
        assert (found["target"]["init"]["pid"], found["target"]["processes"]) == (inner, 1)


def test_this_container_is_looked_at_from_inside() -> None:
    """Without a PID, or with any of it; each number is one of ours then."""
    script = '"$@" doctor --json | tr "\\n" " "; echo; "$@" doctor $$ --json | tr "\\n" " "; true'
    command = [*PYINIT, "--", "sh", "-c", script, "sh", *PYINITCTL]
    done = _run([*UNSHARE, *command])
    found, same = (json.loads(line) for line in done.stdout.splitlines())
    assert done.stderr == ""
    assert found["target"] == {**same["target"], "processes": found["target"]["processes"]}
    assert (found["target"]["own"], found["target"]["initial"]) == (True, False)
    init = found["target"]["init"]
    assert (init["pid"], init["inner_pid"], init["kind"]) == (1, 1, "pyinit")
    # What the machine's cgroup has seen is not for this test.
    assert set(severities(found)) <= {"oom-kills"}


def test_the_system_itself_is_no_container(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the namespace is the one above all others, which its inode tells."""
    target = examine(capsys)["target"]
    assert (target["own"], target["inode"]) == (True, inode("self", "pid"))
    assert target["initial"] == (inode("self", "pid") == 0xEFFFFFFC)
    ctl.main(["doctor"])
    said = capsys.readouterr().out
    assert said.startswith(
        "the system itself, in no container" if target["initial"] else "this container"
    )


def test_pyinit_beneath_another_init_is_looked_at_too(capsys: pytest.CaptureFixture[str]) -> None:
    """A subreaper is one of the inits there; its trouble is told as that of a PID 1 would be."""
    with Container(WAITING, mode=SUBREAPER, options=["--grace", "60"]) as container:
        container.expect("ready")
        found = examine(capsys, container.pid)
        (beneath,) = found["target"]["inits_beneath"]
        assert (beneath["pid"], beneath["kind"]) == (container.pid, "pyinit")
        assert found["target"]["init"]["kind"] == "python"
        assert "not-a-subreaper" in found["passed"]
        assert named(finding(found, "stop-timeout")) == [beneath["inner_pid"]]


def test_what_people_read(capsys: pytest.CaptureFixture[str]) -> None:
    """What was looked at; each finding with why it matters and what to do; the sum."""
    with namespace("sh", "-c", "sleep 1000; true", lines=0) as pid:
        until(lambda: runs(pid, "sleep"), "the shell waits for sleep")
        assert ctl.main(["doctor", str(pid)]) == 1
        lines = capsys.readouterr().out.splitlines()
        number = inode(pid, "pid")
    assert lines[0] == f"the container, pid:[{number}], 2 processes"
    assert lines[1] == f"PID 1: sh (1, {pid} here), a shell: sh -c 'sleep 1000; true'"
    titles = [line for line in lines if line.startswith(("problem: ", "hint: "))]
    assert titles == ["problem: stop-ignored", "problem: shell-between", "hint: init-kind"]
    place = lines.index("problem: stop-ignored")
    assert lines[place + 1] == f"  PID 1, sh (1, {pid} here), has no handler for TERM"
    assert lines[place + 2].startswith("  why: ")
    assert lines[place + 3].startswith("  do:  the exec form")
    assert lines[-1].startswith("2 problems, 1 hint, passed: ")


def test_on_a_terminal_lines_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrapped between words; coloured by how bad it is."""
    monkeypatch.setattr(table, "screen", lambda: table.Screen(60, colour=True))
    with namespace("sh", "-c", "sleep 1000; true", lines=0) as pid:
        until(lambda: runs(pid, "sleep"), "the shell waits for sleep")
        assert ctl.main(["doctor", str(pid)]) == 1
    out = capsys.readouterr().out
    assert "\x1b[31mproblem: stop-ignored\x1b[0m\n" in out
    assert "\x1b[33mhint: init-kind\x1b[0m\n" in out
    plain = out.replace("\x1b[31m", "").replace("\x1b[33m", "").replace("\x1b[0m", "")
    assert max(map(len, plain.splitlines())) <= 60


def test_names_command_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A process calls itself what it likes, and is named in findings."""
    code = (
        "import os, time\n"
        "if os.fork() == 0: open('/proc/self/comm', 'wb').write(b'\\x1b[31m\\n'); os._exit(0)\n"
        "os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT); print('ready', flush=True)\n"
        "time.sleep(1000)"
    )
    with namespace(*python("record.py")[:2], "-c", code) as pid:
        assert ctl.main(["doctor", str(pid)]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "a zombie (\\x1b[31m\\n) of PID 1" in out


def test_who_may_not_be_looked_at_is_said() -> None:
    """Nothing that could not be checked is taken for well: exit code 2 where that is all."""
    with Container(WAITING) as container:
        container.expect("ready")
        out, err = run("doctor", str(container.pid), before=SOMEBODY_ELSE, code=2)
        assert out == ""
        assert f"the namespaces of process {container.pid} cannot be seen" in err


def test_without_the_right_to_look_the_rest_is_told() -> None:
    """Numbers, states and signals are open to everybody; an environment is not."""
    command = [*PYINIT, "--", *SOMEBODY_ELSE, *PYINITCTL, "doctor", "--json"]
    done = _run([*UNSHARE, *command])
    found = json.loads(done.stdout)
    reasons = {each["id"]: each["reason"] for each in found["not_checked"]}
    assert "its environment may not be read" in reasons["stop-timeout"]
    assert {"stop-ignored", "zombies"} <= set(found["passed"])
    assert not set(found["passed"]) & reasons.keys()


def test_whose_children_they_are_tells_where_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the right to look at a process: its parent is in the same namespace, or above it."""
    namespace_of = view._namespace
    with Container(WAITING) as container:
        container.expect("ready")
        with entered(container) as (inside, _):
            hidden = {str(container.main_child()), str(inside)}

            def refused(who: str) -> int | None:
                if who in hidden:
                    raise PermissionError
                return namespace_of(who)

            monkeypatch.setattr(view, "_namespace", refused)
            seen = view.ContainerView(container.pid)
            assert set(seen.processes) == {container.pid, container.main_child()}
            assert seen.unseen >= 1
            ctl.main(["doctor", str(container.pid)])
            said = capsys.readouterr().out
            assert "may be here, or in other containers: no right to look" in said


def test_what_could_not_be_checked_is_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its reason, and not among what passed."""
    monkeypatch.setattr("pyinit.kernel.cgroups.by_controller", lambda *_: {})
    with Container(WAITING) as container:
        container.expect("ready")
        found = examine(capsys, container.pid)
        reasons = {each["id"]: each["reason"] for each in found["not_checked"]}
        assert reasons == {
            "oom-kills": "there is no memory cgroup here that counts them",
            "pids-limit": "no cgroup can be seen here",
        }
        assert set(found["passed"]) == ALL - reasons.keys()
        assert ctl.main(["doctor", str(container.pid)]) == 0
        # Before it there may be one about processes of others that run meanwhile.
        text = capsys.readouterr().out.partition("\nnot checked:\n")[2]
        assert "  oom-kills: there is no" in text


def test_a_process_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was looked at, and that is no problem of a container: 2."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert ctl.main(["doctor", str(gone.pid)]) == 2
    assert capsys.readouterr() == ("", f"pyinitctl doctor: there is no process {gone.pid}\n")


@pytest.mark.parametrize(
    "words", [("0",), ("x",), ("--stop-signal=KILLED",), ("--stop-timeout=-1",), ("1", "2")]
)
def test_a_usage_error(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    """Exits with 2."""
    with pytest.raises(SystemExit) as end:
        ctl.main(["doctor", *words])
    assert end.value.code == 2
    assert "usage: pyinitctl " in capsys.readouterr().err


def test_stale_proc_is_found_and_looked_through() -> None:
    """Of the namespace above: our processes are there under other numbers, with ours in NSpid."""
    without = [word for word in UNSHARE if word != "--mount-proc"]
    command = [*PYINIT, "--", *PYINITCTL, "doctor", "--json"]
    done = _run([*without, *command])
    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    assert finding(found, "proc-of-another-namespace")["severity"] == "problem"
    init = found["target"]["init"]
    assert (init["inner_pid"], init["kind"]) == (1, "pyinit")
    assert init["pid"] > 1
    assert {"stop-ignored", "zombies", "stop-timeout"} <= set(found["passed"])


def test_without_any_proc() -> None:
    """The rest cannot be checked, and is listed; with a PID there is nothing to be said."""
    hide = ["sh", "-c", 'umount -l /proc 2>/dev/null || mount -t tmpfs none /proc; exec "$@"', "sh"]
    enter = [*_without_proc(), *hide]
    done = _run([*enter, *PYINITCTL, "doctor", "--json"])
    found = json.loads(done.stdout)
    assert (done.returncode, list(severities(found))) == (1, ["proc-missing"])
    left = {each["id"] for each in found["not_checked"]}
    assert left == ALL - {"proc-missing", "proc-of-another-namespace"}
    assert found["target"]["init"] is None
    done = _run([*enter, *PYINITCTL, "doctor", "1"])
    assert (done.returncode, done.stdout) == (2, "")
    assert "/proc is missing" in done.stderr


def _without_proc() -> list[str]:
    return [*("unshare", *UNSHARE_USER), "--pid", "--fork", "--mount", "--kill-child"]


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_proc_of_a_container_from_outside(capsys: pytest.CaptureFixture[str]) -> None:
    """Its own mount of it is looked at, by the root directory of its PID 1."""
    stale = [word for word in UNSHARE if word != "--mount-proc"]
    with namespace(*WAITING, before=stale) as pid:
        assert finding(examine(capsys, pid), "proc-of-another-namespace")
    hide = ["sh", "-c", 'mount -t tmpfs none /proc; exec "$@"', "sh"]
    with namespace(*hide, *WAITING, before=[*UNSHARE, "--mount"]) as pid:
        assert finding(examine(capsys, pid), "proc-missing")


def test_hidden_processes(capsys: pytest.CaptureFixture[str]) -> None:
    """A hint: hidepid has its reasons."""
    hide = ["sh", "-c", 'mount -t proc -o hidepid=2 proc /proc; exec "$@"', "sh"]
    with namespace(*hide, *PYINIT, "--", *WAITING, before=UNSHARE) as pid:
        found = examine(capsys, pid)
        assert severities(found) == {"proc-hidepid": "hint"}
        assert "hidepid=" in finding(found, "proc-hidepid")["what"]


def test_an_init_that_nobody_reaps(capsys: pytest.CaptureFixture[str]) -> None:
    """The container is over, and stays: that is said of whoever does not wait for it."""
    with namespace(*PYINIT, "--", *WAITING) as pid:
        parent = int(status_field(pid, "PPid"))
        os.kill(parent, signal.SIGSTOP)
        os.waitid(os.P_PID, parent, os.WSTOPPED | os.WNOWAIT)
        os.kill(pid, signal.SIGTERM)
        wait_for_state(pid, "Z")
        found = examine(capsys, pid)
        assert named(finding(found, "ended")) == [1]
        assert f"unshare ({parent} here)" in finding(found, "ended")["what"]


def test_the_document_has_every_finding() -> None:
    """In its table, with the severities that there are."""
    text = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    told = {word for row in rows for word in row.split("|")[1].replace("`", "").split(", ")}
    assert {each.strip() for each in told} >= ALL
    for kind in kinds.KINDS:
        assert f"`{kind}`" in text
