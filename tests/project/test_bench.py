"""`python -m bench` takes every figure it is asked for, and reports them in full.

With few and small rounds: what the figures are is not a matter of tests.
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from bench import budgets, contestants, procedures, processes, report, services
from tests import harness
from tests.conftest import missing

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
PLAN = procedures.procedures(procedures.QUICK)
INITS = {*contestants.C_INITS, *contestants.PYINIT}
WITH_A_PROGRAM = {
    contestants.NO_INIT,
    contestants.TINI,
    contestants.LAUNCHER,
    contestants.FORK_INIT,
}
# Who has to be in which figure.
ROWS = {
    "start": INITS
    | {contestants.NO_INIT, contestants.BARE, contestants.BARE_OUTSIDE}
    | {*contestants.ONLY_STARTED},
    "first-write": INITS | {contestants.NO_INIT, contestants.BARE, *contestants.SUPERVISORS},
    "program": WITH_A_PROGRAM,
    "program-pss": WITH_A_PROGRAM,
    "namespaces": {*contestants.WITH_NAMESPACES},
    "resident": INITS | {contestants.BARE, *contestants.SUPERVISORS},
    "private": INITS | {contestants.BARE, *contestants.SUPERVISORS},
    "switches": INITS | {contestants.BARE, *contestants.SUPERVISORS},
    "reap-one-by-one": INITS,
    "reap-at-once": INITS,
    "relay": INITS,
    "teardown": INITS,
}
ASKED = (
    contestants.NO_INIT,
    contestants.BARE,
    contestants.TINI,
    contestants.LAUNCHER,
    contestants.PYZ,
    contestants.INSTALLED_V,
    contestants.FORK_INIT,
    contestants.UNSHARE,
    contestants.SPAWN,
    contestants.BARE_OUTSIDE,
    contestants.LAUNCHER_OUTSIDE,
)
# The references, a C init, pyinit, and one for the figure of containers.
FEW = (
    contestants.NO_INIT,
    contestants.BARE,
    contestants.TINI,
    contestants.LAUNCHER,
    contestants.UNSHARE,
)


def bench(
    *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the bench to its end."""
    argv = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(
        argv, check=False, capture_output=True, text=True, cwd=ROOT, env=env, timeout=300
    )


def only(*names: str) -> list[str]:
    """Return the arguments that ask for ``names``."""
    return [word for name in names for word in ("--only", name)]


class Report:
    """What one run of the bench has written to ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.text = (directory / "stdout").read_text()
        self.json = (directory / "latest.json").read_text()
        self.result: dict[str, Any] = json.loads(self.json)
        self.picture = (directory / "latest.svg").read_text()
        self.asked = (directory / "asked").read_text().split("\n")


@pytest.fixture(
    params=["a few", pytest.param("all", marks=pytest.mark.long)],
    scope="module",
)
def written(
    request: pytest.FixtureRequest, namespaces: None, tmp_path_factory: pytest.TempPathFactory
) -> Report:
    """One run, for all tests that look at what it has written: of a few contestants, or of all."""
    asked = FEW if request.param == "a few" else ASKED

    def make(directory: Path) -> None:
        done = bench("--quick", *only(*asked), "--output", str(directory))
        assert done.returncode == 0, done.stderr
        (directory / "stdout").write_text(done.stdout)
        (directory / "asked").write_text("\n".join(asked))

    return Report(harness.once(tmp_path_factory, f"bench of {request.param}", make))


# The six of one run come first, so that one worker takes them (tests/parallel.py).
def test_every_figure_of_every_contestant_is_there(written: Report) -> None:
    """Each is a finite number, and its quartiles enclose the median; who is missing is named.

    The ratio of the reference is 1.
    """
    assert not written.result["failed"]
    for figure in written.result["figures"].values():
        if figure["reference"] in figure["rows"]:
            assert figure["rows"][figure["reference"]]["ratio"] == 1
    left_out = written.result["left_out"]
    assert set(left_out) <= {contestants.TINI}
    for procedure in PLAN:
        expected = {key for key in procedure.who if key in written.asked and key not in left_out}
        for each in procedure.figures:
            rows = written.result["figures"][each.key]["rows"]
            assert set(rows) == expected, each.key
            for row in rows.values():
                numbers = row["low_quartile"], row["median"], row["high_quartile"]
                assert all(math.isfinite(number) and number >= 0 for number in numbers)
                assert list(numbers) == sorted(numbers)


def test_figures_that_cannot_be_nothing_are_not(written: Report) -> None:
    """Only context switches may be 0, and what clock ticks are too coarse for."""
    coarse = ("switches",) if processes.HAS_SCHEDSTAT else ("switches", "reap", "growth-reap")
    for key, figure in written.result["figures"].items():
        if not key.startswith(coarse):
            assert all(row["median"] > 0 for row in figure["rows"].values()), key


def test_the_result_says_on_what_it_was_measured_and_not_where(written: Report) -> None:
    """Kernel, interpreter and date are there; no path and no host name."""
    machine = written.result["machine"]
    assert machine["kernel"].endswith(platform.release())
    assert machine["python"].endswith(platform.python_version())
    assert len(machine["date"]) == len("2000-01-01")
    for text in (written.json, written.text, written.picture):
        assert not re.search(rf"\b{re.escape(platform.node())}\b", text)
        assert not any(path in text for path in (sys.prefix, str(ROOT), "/tmp"))


def test_the_picture_is_well_formed_and_names_everybody(written: Report) -> None:
    """It has a bar or a line with the name of each who took part, inside of its borders."""
    root = ET.fromstring(written.picture)
    words = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    for about in written.result["contestants"].values():
        assert about["label"] in words
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for element in root.iter():
        assert 0 <= float(element.get("x", "0")) <= width
        assert 0 <= float(element.get("y", "0")) <= height


def test_the_tables_fit_and_each_budget_is_judged(written: Report) -> None:
    """In 120 columns; what was not measured is neither kept nor broken."""
    lines = written.text.splitlines()
    assert max(map(len, lines)) <= 120
    for verdict in budgets.judge(written.result["figures"]):
        line = next(row for row in lines if row.startswith(f"| {verdict.budget.text} "))
        word = "not measured" if verdict.figure is None else "yes" if verdict.holds else "NO"
        assert f"| {word} " in line


def test_each_table_has_its_place_in_the_document(written: Report) -> None:
    """Filling it in once or twice makes no difference, and leaves what is around as it is."""
    document = report.DOCUMENT.read_text()
    once = report.fill_in(document, written.result)
    assert report.fill_in(once, written.result) == once
    for part in report.sections(written.result).values():
        assert part in once
    prose = [line for line in document.splitlines() if not line.startswith("|")]
    assert [line for line in prose if line.startswith("#")] == [
        line for line in once.splitlines() if line.startswith("#")
    ]


def test_the_plan_has_everybody_in_every_figure() -> None:
    """And growth, from 10 to 10,000 processes, of the launcher and the inits in C."""
    plan = {f.key: set(each.who) for each in PLAN for f in each.figures}
    limited = {key: plan.pop(key) for key in [*plan] if key.startswith("limited")}
    assert {key: who for key, who in plan.items() if not key.startswith("growth")} == ROWS
    who = {contestants.NO_INIT, contestants.BARE, contestants.TINI, contestants.LAUNCHER}
    who |= {contestants.LAUNCHER_V, contestants.INSTALLED}
    for key in ("limited-100-cpu", "limited-100", "limited-10-cpu", "limited-10"):
        assert limited.get(key, who) == who  # not where the cgroup is not ours to write to
    scale = procedures.Scale()
    grown = {f.key: set(p.who) for p in procedures.procedures(scale) for f in p.figures}
    for count in (10, 100, 1000, 10_000):
        for what in ("reap", "relay", "memory", "teardown"):
            who = grown[f"growth-{what}-{count}"]
            assert who == {contestants.LAUNCHER, *contestants.C_INITS}


def test_who_is_not_installed_is_left_out_and_named(namespaces: None, tmp_path: Path) -> None:
    """The others are measured all the same, and the exit code is 0."""
    for name in ("sh", "sleep", "true", "unshare"):
        path = shutil.which(name)
        if path is None:
            missing(name)
        else:
            (tmp_path / name).symlink_to(path)
    asked = only("start", contestants.TINI, contestants.BARE, contestants.SUPERVISORD)
    nowhere = ["--peers", str(tmp_path), "--output", str(tmp_path)]
    done = bench("--quick", *asked, *nowhere, env={"PATH": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "Left out: tini (not installed)." in done.stdout
    assert "Left out: supervisord (not installed)." in done.stdout
    assert "| python -IS " in done.stdout


def test_check_fails_unless_every_budget_holds(namespaces: None, tmp_path: Path) -> None:
    """One that was not measured does not hold."""
    asked = only("start", contestants.NO_INIT)
    done = bench("--quick", "--check", *asked, "--output", str(tmp_path))
    assert done.returncode == 1
    assert "| no init |" in done.stdout


def test_a_budget_holds_up_to_its_bound() -> None:
    """The ratio is that of the medians; without a reference the figure itself is bounded."""
    for budget in budgets.BUDGETS:
        for excess, holds in ((0.0, True), (0.01, False)):
            rows = {budget.contestant: {"median": budget.bound * 4 + excess * 4}}
            if budget.reference:
                rows[budget.reference] = {"median": 4.0}
            verdicts = budgets.judge({budget.figure: {"rows": rows}})
            verdict = next(each for each in verdicts if each.budget == budget)
            assert verdict.holds == holds


@pytest.mark.parametrize(("theirs", "word"), [(1.0, "holds"), (0.9, "broken"), (None, "measured")])
def test_a_named_line_is_judged_by_who_does_the_same(theirs: float | None, word: str) -> None:
    """A figure that is missing is no bound that holds."""
    (figure,) = (each for each in services.FIGURES if each.bound)
    medians = {(figure.title, services.PYINIT): 1.0}
    if theirs is not None:
        medians[figure.title, figure.bound] = theirs
    (line,), all_hold = services.verdicts(medians, services.FIGURES)
    assert line.endswith(word)
    assert all_hold == (word == "holds")


def test_a_killed_bench_leaves_nobody_behind(namespaces: None, tmp_path: Path) -> None:
    """The kernel ends each init with the bench (PR_SET_PDEATHSIG), and with it its namespace."""
    arguments = ["--rounds", "100000", *only("start", contestants.NO_INIT, contestants.LAUNCHER)]
    argv = [sys.executable, "-m", "bench", *arguments, "--output", str(tmp_path)]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(argv, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert "start to end" in process.stderr.readline()
            found: list[int] = []

            def look() -> bool:
                found[:] = [p for p in harness.descendants(process.pid) if inits_in(p)]
                return bool(found)

            harness.until(look, "the bench has started an init", process.pid)
        finally:
            process.kill()
    harness.until(lambda: not any(map(inits_in, found)), "all have ended")


def inits_in(pid: int) -> bool:
    """Return whether ``pid`` is the init of a namespace below that of the bench."""
    try:
        numbers = harness.status_field(pid, "NSpid").split()
        state = harness.status_field(pid, "State")
    except OSError:
        return False
    depth = 2 if os.geteuid() == 0 else 3
    return len(numbers) >= depth and numbers[-1] == "1" and state[0] not in "ZX"
