"""The environment and the directories of the application bring no code into the init."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pyinit
from tests import foreign, users
from tests.harness import PYINIT, PYINITCTL, logged, run

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.usefixtures("namespaces")

# Whatever an init might import late, when it has something to say.
MODULES = ("psutil", "resource", "select", "structlog", "errno", "json", "re")
# It leaves an orphan, gets a signal, and leaves a leftover.
SCRIPT = "trap 'sleep 1000 & exit 7' USR1; (true &); kill -USR1 $PPID; while :; do sleep 0.01; done"
BUSY = ("sh", "-c", SCRIPT)
LOUD = ("-vv", "-w", "--log-format", "json")
COMMAND_LINE = ("cat", "/proc/1/cmdline")

# Of these Python makes fatal errors, or other code, where it heeds them.
BROKEN = (
    "PYTHONHASHSEED=x",
    "PYTHONUTF8=7",
    "PYTHONMALLOC=x",
    "PYTHONHOME=/nowhere",
    "PYTHONPLATLIBDIR=nowhere",
)
# Of these an init need not care.
HARMLESS = (
    "PYTHONUNBUFFERED=1",
    "PYTHONDONTWRITEBYTECODE=1",
    "PYTHONHASHSEED=0",
    "PYTHONPATH=",
    "PYTHON_VERSION=3.12.1",
)


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """Return a directory with modules that say it when they are imported."""
    return foreign.telltales(tmp_path / "modules", *MODULES, "sitecustomize", "usercustomize")


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Return a virtual environment in which pyinit alone is installed, and users' own count."""
    options = ("--without-pip", "--system-site-packages")
    path = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", *options, str(path)], check=True)
    (packages,) = path.glob("lib/*/site-packages")
    (packages / "pyinit").symlink_to(Path(pyinit.__file__).parent)
    script = path / "bin" / "pyinit"
    text = Path(PYINIT[0]).read_bytes().partition(b"\n")[2]
    script.write_bytes(b"#!%b/bin/python\n%b" % (os.fsencode(path), text))
    script.chmod(0o755)
    return path


def errors_of(init: Sequence[str] = PYINIT, before: Sequence[str] = ()) -> str:
    """Return all that an init has written which has done all that it can do."""
    code, _, errors = run(BUSY, options=LOUD, before=before, init=init)
    assert code == 7, errors
    lines = [line for line in errors.splitlines() if not line.startswith("foreign: ")]
    found = [each["event"] for each in logged("\n".join(lines))]
    assert {"signal_received", "signal_relayed", "teardown_finished"} <= set(found), errors
    assert "internal_error" not in found
    return errors


def test_modules_on_pythonpath(modules: Path) -> None:
    """Python itself runs sitecustomize; then pyinit starts once more, and no more comes in."""
    errors = errors_of(before=("env", f"PYTHONPATH={modules}"))
    assert errors.count("foreign: ") == 1
    assert '"restarted"' in errors


def test_modules_where_we_are(modules: Path) -> None:
    """``python -m`` puts the directory we are in first, which a Dockerfile's WORKDIR is."""
    before = ("env", f"--chdir={modules}")
    assert "foreign" not in errors_of((sys.executable, "-m", "pyinit"), before)


def test_modules_beside_the_script(modules: Path) -> None:
    """Python puts the directory of a script first, such as /usr/local/bin."""
    script = shutil.copy(PYINIT[0], modules / "pyinit")
    assert "foreign" not in errors_of((sys.executable, str(script)))


def test_modules_in_the_home_of_another_user(tmp_path: Path, environment: Path) -> None:
    """Root with the HOME of the application, whose site-packages come with it."""
    users.need_root()
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    place = tmp_path / "home" / ".local" / "lib" / version / "site-packages"
    foreign.telltales(place, *MODULES, "usercustomize")
    os.chown(place, 1234, 1234)
    init, before = (str(environment / "bin" / "pyinit"),), ("env", f"HOME={tmp_path / 'home'}")
    errors = errors_of(init, before)
    assert errors.count("foreign: ") == 1
    assert '"without": ["HOME"]' in errors
    os.chown(place, 0, 0)
    assert "restarted" not in errors_of(init, before)


def test_an_interpreter_that_does_not_work_without(tmp_path: Path) -> None:
    """It is tried before, for there is no way back: the container starts as it did."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.executable = '/bin/false'")
    code, out, errors = run(["echo", "runs"], before=("env", f"PYTHONPATH={tmp_path}"))
    (told,) = logged(errors)
    assert (code, out) == (0, "runs\n")
    assert (told["event"], told["without"]) == ("not_restarted", ["PYTHONPATH"])


def test_variables_that_say_nothing_to_an_init() -> None:
    """No second start: half of all images set some of them."""
    code, out, errors = run(COMMAND_LINE, before=("env", *HARMLESS))
    assert (code, errors) == (0, "")
    assert "-X" not in out.split("\0")


def test_where_pyinit_itself_is_on_pythonpath(environment: Path, tmp_path: Path) -> None:
    """The restart finds it there, and what a link to the command is called is not lost."""
    (packages,) = environment.glob("lib/*/site-packages")
    other = tmp_path / "other"
    shutil.move(packages, other)
    link = tmp_path / "tini"
    link.symlink_to(environment / "bin" / "pyinit")
    before = ("env", f"PYTHONPATH={other}")
    for init, words in (
        ((str(link),), ["-w"]),
        ((str(environment / "bin" / "python"), "-m", "pyinit"), []),
    ):
        code, out, _ = run(COMMAND_LINE, init=init, options=words, before=before)
        assert code == 0
        assert "-IS" in out.split("\0")


@pytest.fixture(scope="module")
def isolated(tmp_path_factory: pytest.TempPathFactory, single_file: Path) -> list[str]:
    """Return the launcher and the single file, which heed no variable of Python's."""
    launcher = str(tmp_path_factory.mktemp("isolated") / "pyinit")
    subprocess.run([*PYINITCTL, "install", launcher], check=True, capture_output=True)
    return [launcher, str(single_file)]


def test_the_launcher_and_the_single_file_heed_none(isolated: list[str], modules: Path) -> None:
    """Values that keep Python from starting do not, and no module is run, not even once."""
    before = ("env", *BROKEN, f"PYTHONPATH={modules}")
    for path in isolated:
        errors = errors_of((path,), before)
        assert "foreign" not in errors
        assert "restarted" not in errors
