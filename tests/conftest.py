"""Fixtures of all tests; what a test needs and the machine lacks is a skip, in CI a failure."""

from __future__ import annotations

import compileall
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import hypothesis
import pytest

import pyinit
from tests import container_runtimes, freezers, harness, memory, subsets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The machines are shared: that an example took its time says nothing about the code.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")

pytest_plugins = ["tests.failures", "tests.parallel"]

collect_ignore = []
if os.geteuid() == 0 and not memory.can_be_had():
    collect_ignore += [
        "reap/test_oom_kernel.py",
        "reap/test_oom_kill.py",
        "reap/test_oom_score.py",
        "reap/test_on_oom.py",
        "services/test_oom.py",
    ]
if os.geteuid() == 0 and not freezers.hierarchies():
    collect_ignore.append("container/test_freeze_cgroup.py")


def pytest_configure() -> None:
    """Have all inits start alike: with bytecode at hand, and heeding the same signals."""
    # Where PYTHONDONTWRITEBYTECODE is set each start would take twice the processor time.
    compileall.compile_dir(os.path.dirname(pyinit.__file__), quiet=2)
    # The programs of the tests heed what nohup(1) or a shell's & has pytest ignore.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            # Unlike what is ignored, what is caught is the default again in another program.
            signal.signal(number, lambda *_: None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that are run again elsewhere, before any are left out by their marks."""
    subsets.mark(items)


def pytest_report_header() -> str:
    """Say what the drawn samples depend on."""
    return f"samples: {harness.SEED_NAME}={harness.SEED}"


def missing(what: str) -> None:
    """Skip the test for want of ``what``; where CI is set, fail it instead."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must have {what}")
    pytest.skip(f"needs {what}")


def need(*programs: str) -> None:
    """Skip, or in CI fail, unless all ``programs`` are on PATH."""
    for program in programs:
        if shutil.which(program) is None:
            missing(program)


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Skip, or in CI fail, where no PID namespace can be made."""
    need("unshare")
    try:
        subprocess.run([*harness.UNSHARE, "true"], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        missing(f"PID namespaces: {error.stderr.decode()}")


@pytest.fixture(scope="session")
def single_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of ``pyinitctl pyz``, written once for all tests; they change only copies."""

    def make(directory: Path) -> None:
        # The interpreter of a virtual environment is a link, and looks for its home first.
        python = os.path.realpath(sys.executable)
        command = [*harness.PYINITCTL, "pyz", str(directory / "pyinit.pyz"), "--python", python]
        subprocess.run(command, check=True, capture_output=True)

    return harness.once(tmp_path_factory, "pyz", make) / "pyinit.pyz"


@pytest.fixture(autouse=True)
def nothing_stays_behind() -> Iterator[None]:
    """Fail a test that leaves a child process or an open descriptor behind."""
    fds = set(os.listdir("/proc/self/fd"))
    yield
    left = harness.children(os.getpid())
    table = "\n".join(harness.process_table(pid) for pid in left)
    for pid in left:
        # The next tests are not to be blamed for them.
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    assert not left, f"processes stayed behind:\n{table}"
    extra = set(os.listdir("/proc/self/fd")) - fds
    names = {
        fd: os.readlink(f"/proc/self/fd/{fd}")
        for fd in extra
        if os.path.exists(f"/proc/self/fd/{fd}")
    }
    assert not names, f"descriptors stayed behind: {names}"


@pytest.fixture(params=harness.MODES)
def mode(request: pytest.FixtureRequest, namespaces: None) -> str:
    """Run the test twice: with pyinit as PID 1, and as a subreaper that is not PID 1."""
    return str(request.param)


@pytest.fixture(params=container_runtimes.QUICK, ids=lambda each: each.name)
def runtime(request: pytest.FixtureRequest, namespaces: None) -> type[container_runtimes.Runtime]:
    """Run the test once under each container runtime that needs no image and no daemon."""
    each: type[container_runtimes.Runtime] = request.param
    if each.needs_root and os.geteuid() != 0:
        missing("root")
    need(*each.programs)
    return each
