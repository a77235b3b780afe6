"""``--metrics-file``: counts in the text format of Prometheus, for a collector of *.prom files."""

from __future__ import annotations

import glob
import os
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pyinit import __version__
from pyinit.report import files, metrics
from tests import harness
from tests.harness import Container, python, until
from tests.kept import facts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL})(?:,{LABEL})*)\}})? (\S+)")
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}

Labels = frozenset[tuple[str, str]]


class Family(NamedTuple):
    """A metric as the text format declares it, and its samples by their labels."""

    kind: str
    text: str
    samples: dict[Labels, float]


def parse(text: str) -> dict[str, Family]:
    """Return the metrics, and fail where the format does not allow it."""
    assert text.endswith("\n")
    found: dict[str, Family] = {}
    helps: dict[str, str] = {}
    for line in text.splitlines():
        if match := re.fullmatch(rf"# HELP ({NAME}) (.+)", line):
            assert match[1] not in helps, "each has one HELP"
            helps[match[1]] = match[2]
        elif match := re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge)", line):
            assert list(helps)[-1] == match[1], "its lines stand together"
            found[match[1]] = Family(match[2], helps[match[1]], {})
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert list(found)[-1] == sample[1], "a sample stands below its TYPE"
            pairs = re.findall(LABEL, sample[2] or "")
            labels = frozenset((name, unescaped(value)) for name, value in pairs)
            assert len({name for name, _ in labels}) == len(pairs)
            assert labels not in found[sample[1]].samples, "each is there once"
            found[sample[1]].samples[labels] = float(sample[sample.lastindex or 0])
    return found


def unescaped(value: str) -> str:
    """Return the value of a label."""
    return re.sub(r"\\[\\\"n]", lambda match: ESCAPES[match[0]], value)


def one(found: Mapping[str, Family], name: str, **labels: str) -> float:
    """Return a sample."""
    return found[f"pyinit_{name}"].samples[frozenset(labels.items())]


def read(path: Path) -> dict[str, Family]:
    """Return what stands in the file."""
    return parse(path.read_text())


def counted(path: Path, name: str) -> float:
    """Return how many signals of a name have come from outside."""
    samples = read(path)["pyinit_signals_received_total"].samples
    return samples.get(frozenset({("signal", name), ("origin", "outside")}), 0)


def test_what_has_happened_is_counted(mode: str, tmp_path: Path) -> None:
    """Signals by name and origin, orphans, the state, and at the end the exit code."""
    path = tmp_path / "pyinit.prom"
    command = python("orphans.py", "20", "3")
    before = time.time()
    options = ["--metrics-file", str(path)]
    with Container(command, options=options, mode=mode, stdin=subprocess.PIPE) as container:
        container.expect("ready")
        until(path.exists, "the file is there", container.pid)
        assert one(read(path), "state", state="running") == 1
        assert "pyinit_exit_code" not in read(path)
        for count in (1, 2):
            for name in ("SIGURG", "SIGWINCH"):  # which it does not heed
                container.signal(signal.Signals[name])
                until(lambda: counted(path, name) == count, f"{name} is counted", container.pid)  # noqa: B023
        container.close_stdin()
        container.expect("ended")
        until(lambda: one(read(path), "orphans_reaped_total") >= 20, "all reaped", container.pid)
        container.signal(signal.SIGTERM)
        assert container.wait() == 7
    found = read(path)
    role = "init" if mode == harness.PID1 else "subreaper"
    assert one(found, "info", version=__version__, role=role) == 1
    assert before - 1 < one(found, "start_time_seconds") < time.time() + 1
    assert one(found, "signals_received_total", signal="SIGTERM", origin="outside") == 1
    assert (counted(path, "SIGURG"), counted(path, "SIGWINCH")) == (2, 2)
    assert one(found, "signals_dropped_total") == 0
    assert one(found, "orphans_reaped_total") >= 20
    assert one(found, "oom_kills_total") == 0
    assert one(found, "exit_code") == 7
    states = found["pyinit_state"].samples
    assert len(states) == 9
    assert [dict(labels)["state"] for labels, value in states.items() if value] == ["done"]


def test_leftovers_are_counted(tmp_path: Path) -> None:
    """How many there were, and how many had to be killed."""
    path = tmp_path / "pyinit.prom"
    command = python("leave.py", "plain", "ignore", "3")
    options = ["--metrics-file", str(path), "--grace", "0"]
    with Container(command, options=options, stdin=subprocess.PIPE) as container:
        for _ in range(3):
            container.expect("ready")
        container.close_stdin()
        assert container.wait() == 7
    found = read(path)
    assert one(found, "leftovers") == 3
    assert one(found, "leftovers_killed") == 3
    assert one(found, "leftovers_blocked") == 0


def test_names_and_kinds_are_as_prometheus_wants_them(tmp_path: Path) -> None:
    """What only rises is a counter, ends in _total and in nothing else; units stand in the name."""
    harness.run(["true"], options=["--metrics-file", str(tmp_path / "a.prom")])
    found = read(tmp_path / "a.prom")
    assert all(name.startswith("pyinit_") for name in found)
    assert all((each.kind == "counter") == name.endswith("_total") for name, each in found.items())
    assert all(each.text.endswith(".") for each in found.values())
    # There is no sample of signals before there is one to count.
    assert [name for name, each in found.items() if not each.samples] == [
        "pyinit_signals_received_total"
    ]


def test_each_is_documented(tmp_path: Path) -> None:
    """With its kind and its labels, in docs/metrics.md, and nothing else is."""
    harness.run(["true"], options=["--status-file", str(tmp_path / "status")])
    signals = [{"signal": "SIGTERM", "origin": "inside", "count": 5}]
    services = [{"name": "web", "ready": True, "starts": 2, "restarts": 1, "exit_code": 3}]
    told = facts(tmp_path / "status") | {"signals": signals, "services": services}
    found = parse(metrics.render(told))
    rows = re.findall(
        r"^\| `(pyinit_\w+)` \| (\w+) \| [^|]* \| ([^|]*)\|$",
        (harness.ROOT / "docs" / "metrics.md").read_text(),
        re.MULTILINE,
    )
    assert {name: kind for name, kind, _ in rows} == {
        name: each.kind for name, each in found.items()
    }
    for name, _, text in rows:
        labels = {label for labels in found[name].samples for label, _ in labels}
        assert all(f"`{label}`" in text for label in labels), name
        assert bool(labels) == bool(text)


def test_labels_are_escaped(tmp_path: Path) -> None:
    """Backslash, quote and newline."""
    harness.run(["true"], options=["--status-file", str(tmp_path / "status")])
    bad = 'a"b\\c\nd\\n'
    signals = [{"signal": bad, "origin": "inside", "count": 5}]
    told = facts(tmp_path / "status") | {"pyinit": bad, "signals": signals * 2}
    found = parse(metrics.render(told))
    assert one(found, "info", version=bad, role="init") == 1
    assert one(found, "signals_received_total", signal=bad, origin="inside") == 10


def test_a_collector_of_prom_files_sees_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither does `ls`: the name begins with a dot, and *.prom matches none of these."""
    path = tmp_path / "pyinit.prom"
    seen = []
    replace = os.replace

    def look(draft: str, target: str, **directories: int) -> None:
        seen.append((os.listdir(tmp_path), glob.glob(str(tmp_path / "*.prom"))))
        replace(draft, target, **directories)

    monkeypatch.setattr("os.replace", look)
    file = files.find(str(path))
    file.write("first\n")
    file.write("second\n")
    file.close()
    (first, none), (second, old) = seen
    assert (len(first), none) == (1, [])
    assert first[0].startswith(".")
    assert (len(second), old) == (2, [str(path)])
    assert path.read_text() == "second\n"
    assert os.listdir(tmp_path) == ["pyinit.prom"]


def test_it_is_written_when_something_happens(tmp_path: Path) -> None:
    """And at no other time: a new file for each of these, by a rename that strace(1) sees."""
    path = tmp_path / "pyinit.prom"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    data = b""

    def written() -> int:
        nonlocal data
        try:
            while block := os.read(reader, 65536):
                data += block
        except BlockingIOError:
            pass
        return data.count(b"# HELP pyinit_info ")

    try:
        command = python("record.py", "USR1", "TERM")
        with Container(command, options=["--metrics-file", str(path)]) as container:
            container.expect("ready")
            until(written, "it is written", container.pid)
            begun = written()
            for count in (1, 2, 3):
                container.signal(signal.SIGUSR1)
                container.expect("USR1")
                until(lambda: written() >= begun + count, "it is written", container.pid)  # noqa: B023
                assert written() == begun + count
    finally:
        os.close(reader)


def test_it_ends_with_the_last_state(namespaces: None, tmp_path: Path) -> None:
    """Also where the command could not be started."""
    path = tmp_path / "pyinit.prom"
    code, _, _ = harness.run(["./nowhere"], options=["--metrics-file", str(path)])
    assert code == 127
    assert one(read(path), "exit_code") == 127
    assert one(read(path), "state", state="done") == 1
    assert os.listdir(tmp_path) == ["pyinit.prom"]
