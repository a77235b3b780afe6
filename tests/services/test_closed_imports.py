"""Services below an init that can load no module any more, and below a pyinit in a service."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyinit
from tests.harness import PYINIT, PYINITCTL
from tests.services.boxes import shell

# What only pyinitctl needs.
NOT_NEEDED = {"graph", "toml"}

TEXT = """
env = {A = "1"}
[service.web]
env-file = "FILE"
log = "json"
limits = {nofile = 100}
ready = {command = ["true"]}
on-failure = "restart"
restart-limit = {times = 1}
restart-delay = [0, 0]
COMMAND
[service.says]
user = "nobody"
ready = "notify"
start-timeout = 0.2
on-failure = "ignore"
log = "prefix"
command = ["sleep", "1000"]
[service.port]
ready = {port = 1}
command = ["sleep", "1000"]
"""


def _run(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run services by `pyinitctl run`, whose init is closed once it is in its namespaces."""
    init = f"--services {path} --control {path.parent / 'sock'}"
    command = [*PYINITCTL, "run", "--init", init, "--", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_all_formats_below_an_init_of_pyinitctl_run(namespaces: None, tmp_path: Path) -> None:
    """Nothing is loaded from the files that are there now: neither what runs nor what complains."""
    (tmp_path / "env").write_text("B=2\n")
    text = TEXT.replace("FILE", str(tmp_path / "env"))
    path = tmp_path / "services.toml"
    path.write_text(text.replace("COMMAND", shell("echo $A$B; exit 3")))
    done = _run(path, "sleep", "1000")
    assert (done.returncode, done.stdout.count('"event": "12"')) == (3, 2), done.stderr
    path.write_text("[service.a]\ncmmand = 'x'\n")
    done = _run(path, "true")
    assert done.returncode == 125
    assert "did you mean 'command'?" in done.stderr
    path = tmp_path / "s.conf"
    path.write_text(
        "[include]\nfiles = *.more\n[program:a]\nautorestart=false\ncommand=sh -c 'exit 4'\n"
    )
    done = _run(path, "sleep", "1000")
    assert done.returncode == 4, done.stderr
    path = tmp_path / "Procfile"
    path.write_text("a: exit 5\n")
    done = _run(path, "sleep", "1000")
    assert done.returncode == 5, done.stderr


def test_what_is_loaded_before_is_the_whole_folder() -> None:
    """A module that comes later to the supervisor is in the list as well."""
    package = Path(pyinit.__file__).parent
    program = f"""
import sys
sys.path.append({str(package.parent)!r})
from pyinit import settings
from pyinit.container import preload
asked = settings.Settings(["true"])
asked.services = "x"
preload.load_all(asked, {{"enter": False, "namespaces": ("pid",), "terminal": False}})
print(*(name for name in sys.modules if name.startswith("pyinit.services.")))
"""
    command = [sys.executable, "-IS", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = {name.rpartition(".")[2] for name in done.stdout.split()}
    modules = {path.stem for path in (package / "services").glob("*.py")}
    assert modules - found == NOT_NEEDED | {"__init__"}


def test_a_pyinit_in_a_service_starts_none_of_them(tmp_path: Path) -> None:
    """The variable is not for it; others are, as for a command."""
    path = tmp_path / "Procfile"
    init = " ".join(PYINIT)
    path.write_text(f"web: {init} -- sh -c 'echo inner; env | grep PYINIT_; exit 7'\n")
    env = {"PATH": "/usr/bin:/bin", "PYINIT_SERVICES": str(path), "PYINIT_GRACE": "3"}
    done = subprocess.run(PYINIT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert done.stdout == "web | inner\nweb | PYINIT_GRACE=3\n"
