"""Who is in a container: `Container.processes` with the numbers of both sides."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import harness
from tests.harness import DEADLINE_S, python, until
from tests.spawning import line, spawn

pytestmark = pytest.mark.usefixtures("namespaces")


def test_each_has_an_inner_and_an_outer_number() -> None:
    """The init is 1; psutil's process is that of the outer number."""
    with spawn(
        ["sh", "-c", "sleep 1000 & echo $$ $!; read -r _"], stdin=subprocess.PIPE
    ) as container:
        command, child = map(int, line(container.stdout).split())
        until(lambda: len(container.processes()) == 3, "they are there")
        found = {each.inner_pid: each for each in container.processes()}
        assert set(found) == {1, command, child}
        assert found[1].pid == container.pid
        assert found[child].process.ppid() == found[command].pid
        for each in found.values():
            assert each.process.pid == each.pid
            assert harness.status_field(each.pid, "NSpid").split()[-1] == str(each.inner_pid)


def test_nested_namespaces_are_part_of_it() -> None:
    """Their processes with the number that they have in the container, not in their own."""
    nested = ["unshare", "--pid", "--fork", "--kill-child", *python("record.py", "TERM")]
    with spawn(nested) as container:
        assert line(container.stdout) == "ready"
        levels = {
            each.inner_pid: harness.status_field(each.pid, "NSpid").split()
            for each in container.processes()
        }
        innermost = [words for words in levels.values() if words[-1] == "1" and len(words) > 2]
        assert len(levels) == 3
        assert any(len(words) == len(levels[1]) + 1 for words in innermost)
        assert all(words[len(levels[1]) - 1] == str(inner) for inner, words in levels.items())


def test_other_containers_are_not_part_of_it() -> None:
    """Nor is the caller."""
    record = python("record.py", "TERM")
    with spawn(record) as first, spawn(record) as second:
        assert (line(first.stdout), line(second.stdout)) == ("ready", "ready")
        ours, others = ({each.pid for each in one.processes()} for one in (first, second))
        assert len(ours) == len(others) == 2
        assert not ours & others
        assert os.getpid() not in ours | others


def test_without_a_pid_namespace_of_its_own() -> None:
    """It is the init and its descendants then, not everybody on the system."""
    with spawn(["sh", "-c", "sleep 1000 & echo ready; read -r _"], kinds={"mount"},
               stdin=subprocess.PIPE) as container:  # fmt: skip
        assert line(container.stdout) == "ready"
        assert {each.pid for each in container.processes()} == {
            container.pid, *harness.descendants(container.pid)
        }  # fmt: skip
        assert len(container.processes()) == 3
        assert all(each.pid == each.inner_pid for each in container.processes())


def test_what_exec_started_is_part_of_it() -> None:
    """With an init of its own that is not PID 1."""
    argv = [sys.executable, "-IS", "-c", "print('ready', flush=True); input()"]
    with spawn(python("record.py", "TERM")) as container:
        assert line(container.stdout) == "ready"
        with container.exec(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert line(process.stdout) == "ready"
            assert {process.pid, container.pid} < {each.pid for each in container.processes()}
            assert len(container.processes()) == 4
            assert process.stdin is not None
            process.stdin.close()
            process.wait(DEADLINE_S)
        assert len(container.processes()) == 2
