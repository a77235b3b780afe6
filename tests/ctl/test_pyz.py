"""``pyinitctl pyz OUT`` writes pyinit as one file that needs Python and nothing else."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pyinit
from pyinit.ctl.dist import pyz
from tests.cases import in_turn
from tests.harness import PYINIT, Container, logged, open_files, python, run
from tests.robust.test_quiet_imports import ALLOWED, LONG

VERSION = f"pyinit {pyinit.__version__}\n"
# That of a virtual environment is a link, and looks for its home first.
INTERPRETER = os.path.realpath(sys.executable)
MAGIC = importlib.util.MAGIC_NUMBER


def write(path: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "pyinit.ctl", "pyz", str(path), *options],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, **environ},
    )


@pytest.fixture
def original(single_file: Path) -> Path:
    """Return the file; tests change only copies."""
    return single_file


@pytest.fixture
def file(original: Path, tmp_path: Path) -> Path:
    """Return a copy to be changed."""
    return Path(shutil.copy(original, tmp_path / "pyinit.pyz"))


# Each way to start it, by its #! line and as an argument of the interpreter, and each mode.
each_way = in_turn("start", ["kernel", "python"])


@pytest.fixture
def init(start: str, original: Path) -> list[str]:
    """Return how it is started."""
    return [str(original)] if start == "kernel" else [INTERPRETER, str(original)]


def first_line(file: Path) -> bytes:
    """Return its #! line."""
    return file.read_bytes().partition(b"\n")[0]


def code_of(file: Path) -> str:
    """Return the program for ``-c`` in its #! line."""
    return first_line(file).partition(b" -ISc")[2].decode()


def start_of(file: Path) -> str:
    """Return the text that this program reads and runs."""
    return file.read_bytes()[pyz.START : pyz.BUNDLES].decode()


@each_way
def test_it_is_an_init(init: list[str], mode: str) -> None:
    """It starts, relays the status and tears down as the installed command does."""
    code, out, err = run(python("exercise.py"), mode=mode, init=init)
    assert (code, err) == (7, "")
    assert out.startswith("relayed\nreaped\n")


@each_way
def test_it_relays(init: list[str], mode: str) -> None:
    """Each signal that it gets."""
    with Container(python("record.py", "HUP", "TERM"), mode=mode, init=init) as container:
        container.expect("ready")
        container.signal(signal.SIGHUP)
        container.expect("HUP")
        container.signal(signal.SIGTERM)
        container.expect("TERM")
        assert container.wait() == 0


@each_way
def test_a_usage_error_is_that_of_the_command(init: list[str], mode: str) -> None:
    """With the same message and code."""
    installed = run(["true"], mode=mode, options=["--nonsense"])
    assert run(["true"], mode=mode, init=init, options=["--nonsense"]) == installed
    assert installed[0] == 125


@each_way
def test_a_command_that_is_not_there(init: list[str], mode: str) -> None:
    """What explains it is loaded from the file as well."""
    code, _, err = run(["/no/such/command"], mode=mode, init=init)
    assert code == 127
    assert "'/no/such/command': not found" in err


@in_turn(
    ("damage", "start"),
    [
        ("removed", "kernel"),
        ("overwritten", "kernel"),
        ("replaced", "kernel"),
        ("overwritten", "python"),
    ],
)
def test_it_does_not_need_its_file_any_more(file: Path, mode: str, damage: str, start: str) -> None:
    """Modules that are loaded late, those of teardown and log, are in memory: no file is open."""
    init = [str(file)] if start == "kernel" else [INTERPRETER, "-IS", str(file)]
    options = ["-vv", "--grace", "1000"]
    command = python("leave.py", "daemon", "slow")
    with Container(
        command, mode=mode, init=init, options=options, stdin=subprocess.PIPE
    ) as container:
        container.expect("ready")
        assert str(file) not in open_files(container.pid).values()
        if damage == "overwritten":
            file.write_bytes(b"\0" * file.stat().st_size)
        else:
            file.unlink()
        if damage == "replaced":
            file.write_text("#!/bin/false\n")
        container.close_stdin()
        container.expect("TERM")
        container.expect("done")
        assert container.wait() == 7
        errors = container.errors()
    (event,) = (event for event in logged(errors) if event["event"] == "teardown_started")
    assert event["leftovers"][0].startswith("python")
    assert "internal_error" not in errors


def bare_root(root: Path) -> str:
    """Return the words of a shell that mount an interpreter below ``root``, and nothing else.

    Its standard library and the shared libraries: no shell, no env(1), no site-packages.
    """
    library = Path(os.__file__).parent
    places = [Path(name) for name in ("/lib", "/lib64", "/usr/lib", INTERPRETER)]
    # What is at some other place than the system's own; a shared libpython is beside it.
    if not library.is_relative_to("/usr/lib"):
        places.append(library.parent)
    words = ""
    for place in filter(Path.exists, [*places, Path("/proc")]):
        below = root / place.relative_to("/")
        (below.parent if place.is_file() else below).mkdir(parents=True, exist_ok=True)
        if place.is_file():
            below.touch()
        words += f"mount --rbind '{place}' '{below}' && "
    site = library / "site-packages"
    if site.exists():
        words += f"mount -t tmpfs none '{root / site.relative_to('/')}' && "
    return words


# Says what there is, and leaves one behind that ends with TERM.
LOOK_AND_LEAVE = """
import posix, _signal
posix.write(1, ' '.join(posix.listdir('/')).encode())
if posix.fork():
    posix._exit(7)
_signal.pause()
"""


@pytest.mark.parametrize("options", [[], ["-vv"]])
def test_python_alone_is_enough(original: Path, tmp_path: Path, options: list[str]) -> None:
    """In a root without a shell or env(1), where only the standard library can be imported."""
    shutil.copy(original, tmp_path / "init")
    script = f"""{bare_root(tmp_path)} exec unshare --root '{tmp_path}' "$@" """
    code, out, err = run(
        [INTERPRETER, "-ISc", LOOK_AND_LEAVE],
        init=["/init"],
        before=["sh", "-c", script, "sh"],
        options=[*options, "--grace", "1000"],
    )
    assert code == 7, err
    assert not {"bin", "etc", "sbin"} & set(out.split())
    for event in ("child_started", "teardown_started", "exiting"):
        assert (event in err) == bool(options)


@each_way
def test_a_log_without_structlog_says_so_once(init: list[str], mode: str) -> None:
    """With -v before its first line; its lines have the event all the same."""
    _, _, err = run(["true"], mode=mode, init=[*init, "-v", "--log-format", "console"])
    lines = err.splitlines()
    assert lines[0] == "pyinit: info: structlog_missing effect=lines have no time and no color"
    assert "pyinit: info: init_started " in lines[1]
    assert "pyinit: info: child_started pid=" in lines[2]
    assert err.count("structlog") == 1


@each_way
def test_json_needs_no_structlog(init: list[str], mode: str) -> None:
    """The lines have all that they have with it."""
    _, _, err = run(["true"], mode=mode, init=[*init, "-v"])
    found = logged(err)
    assert [event["event"] for event in found][:2] == ["init_started", "child_started"]
    assert all(event["timestamp"].endswith("Z") for event in found)


def test_a_warning_is_only_a_warning(original: Path, namespaces: None) -> None:
    """Who has asked for no log is not told what is missing for one."""
    _, _, err = run(["sh", "-c", "(true &) ; sleep 1000 &"], init=[str(original), "-w"])
    assert "orphan_reaped" in err
    assert "missing" not in err


@pytest.mark.parametrize("name", ["tini", "docker-init", "dumb-init", "catatonit"])
def test_its_name_is_the_program_that_it_is(original: Path, tmp_path: Path, name: str) -> None:
    """As with the installed command: a copy or a link called so is what ``--as`` makes of it."""
    shutil.copy(original, tmp_path / name)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / name).symlink_to(original)

    def answer(*argv: str) -> tuple[int, str, str]:
        done = subprocess.run([*argv, "--version"], check=False, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    expected = answer(*PYINIT, "--as", name)
    assert expected[1] != VERSION
    assert answer(str(tmp_path / name)) == expected
    assert answer(str(tmp_path / "links" / name)) == expected
    assert answer(INTERPRETER, str(tmp_path / name)) == expected


def other_version(file: Path) -> Path:
    """Make it a file that has no bytecode for this interpreter."""
    data = file.read_bytes()
    ours, other = repr(MAGIC).encode(), repr(MAGIC[::-1]).encode()
    assert len(ours) == len(other)
    assert ours in data[: pyz.BUNDLES]
    file.write_bytes(data.replace(ours, other))
    return file


def test_a_version_without_bytecode_compiles_the_sources(file: Path, mode: str) -> None:
    """Slower, and otherwise the same, with nothing written; the file is not needed later."""
    other_version(file)
    command = python("leave.py", "daemon", "slow")
    with Container(command, mode=mode, init=[str(file)], stdin=subprocess.PIPE) as container:
        container.expect("ready")
        file.unlink()
        container.close_stdin()
        container.expect("TERM")
        container.expect("done")
        assert container.wait() == 7
        assert container.errors() == ""
    assert os.listdir(file.parent) == []


def test_bytecode_is_used(file: Path) -> None:
    """Sources that are broken do not matter to who has bytecode, and do to who has none."""
    data = file.read_bytes()
    name = b"pyinit/cli.py"
    at = data.index(name) + len(name)  # where its compressed text begins
    file.write_bytes(data[:at] + b"\xff\xff\xff" + data[at + 3 :])
    argv = [str(file), "--version"]
    assert subprocess.run(argv, check=True, capture_output=True, text=True).stdout == VERSION
    other_version(file)
    done = subprocess.run(argv, check=False, capture_output=True)
    assert (done.returncode != 0, b"zlib" in done.stderr) == (True, True)


def test_it_can_be_imported_from(original: Path) -> None:
    """It is an archive for sys.path as well, and for `python -m pyinit`."""
    script = "import sys; sys.path.insert(0, sys.argv[1]); import pyinit; print(pyinit.__file__)"
    argv = [INTERPRETER, "-ISc", script, str(original)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    assert done.stdout == f"{original}/pyinit/__init__.py\n"
    done = subprocess.run(
        [INTERPRETER, "-Sm", "pyinit", "--version"],
        env={"PYTHONPATH": str(original)},
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.stdout == VERSION


def test_a_quiet_run_loads_no_more_than_the_launcher(original: Path, namespaces: None) -> None:
    """Nothing of the standard library, and not the modules of what was not asked for."""
    spy = (
        "import sys,posix;b={*sys.modules};e=posix._exit;"
        "posix._exit=lambda c:(posix.write(1,' '.join({*sys.modules}-b).encode()),e(c));"
    )
    init = [INTERPRETER, "-ISc", spy + code_of(original), str(original)]
    code, out, err = run(LONG, init=init)
    assert (code, err) == (0, "")
    assert set(out.split()) == ALLOWED


def test_signals_are_blocked_before_anything_is_loaded(original: Path) -> None:
    """As in bin/pyinit: one that comes while modules are loaded waits for the loop."""
    statements = ast.parse(start_of(original)).body
    assert ast.unparse(statements[0]) == "import _signal"
    assert "pthread_sigmask" in ast.unparse(statements[1])


def test_an_interpreter_that_is_too_old_is_told_so(original: Path) -> None:
    """Code 125 and one line; all that it has to read until then is of older syntax."""
    old = f"import sys;sys.version_info=(3,9,18);{code_of(original)}"
    argv = [INTERPRETER, "-ISc", old, str(original), "--", "true"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 125
    assert done.stderr == (
        f"pyinit: needs Python 3.11 or later, and this is Python 3.9: {INTERPRETER}\n"
    )
    ast.parse(start_of(original), feature_version=(3, 4))


@pytest.mark.parametrize(
    "python_path", ["/usr/bin/python3", "/usr/local/bin/python3.13", "python3"]
)
def test_the_line_is_short_enough_for_old_kernels(python_path: str) -> None:
    """127 bytes before Linux 5.1, for the usual places of an interpreter; see execve(2)."""
    line = pyz._first_line(python_path)
    assert len(line) < 127
    assert python_path.encode() in line


def test_a_name_is_searched_for_by_env(file: Path) -> None:
    """Where nobody knows the place of the interpreter, but its name."""
    line = pyz._first_line(Path(INTERPRETER).name)
    # The rest of the file is the same, at the same places.
    file.write_bytes(line.ljust(pyz.START, b"\n") + file.read_bytes()[pyz.START :])
    variables = {"PATH": str(Path(INTERPRETER).parent)}
    done = subprocess.run([file, "--version"], env=variables, check=True, capture_output=True)
    assert done.stdout.decode() == VERSION


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("/opt/my python/bin/python3", "a #! line cannot hold"),
        ("", "a #! line cannot hold"),
        ("bin/python3", "neither a name nor an absolute path"),
        (f"/{'x' * 200}", "too long for a #! line (255 bytes)"),
    ],
)
def test_an_interpreter_that_cannot_be_named(tmp_path: Path, place: str, said: str) -> None:
    """The kernel ends the path at the first blank, and the line at 255 bytes."""
    result = write(tmp_path / "out", "--python", place)
    assert result.returncode == 1
    assert said in result.stderr
    assert os.listdir(tmp_path) == []


def test_bytecode_that_was_asked_for_and_cannot_be_had(tmp_path: Path) -> None:
    """An interpreter that is not there, or is none."""
    for python_path in ("/no/python", "/bin/false"):
        # Nothing but what was asked for is looked for.
        result = write(tmp_path / "out", "--bytecode", python_path, PATH=str(tmp_path))
        assert result.returncode == 1
        assert f"{python_path} makes no bytecode" in result.stderr
    assert os.listdir(tmp_path) == []


def test_another_file_is_not_overwritten(tmp_path: Path) -> None:
    """Unless --force says so."""
    path = tmp_path / "tini"
    path.write_text("ELF")
    # Where no interpreters are found there is no bytecode to be made.
    nowhere = str(tmp_path)
    result = write(path, PATH=nowhere)
    assert result.returncode == 1
    assert f"{path} was not written by pyinitctl pyz" in result.stderr
    assert path.read_text() == "ELF"
    assert write(path, "--force", PATH=nowhere).returncode == 0
    assert path.read_text(errors="replace").startswith("#!")


def test_its_own_file_is_written_again_and_the_archive_is_the_same(
    original: Path, file: Path
) -> None:
    """No dates in it: who builds it again can compare.

    It says what it wrote: the path, the version, and which interpreters find bytecode in it.
    """
    result = write(file)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert result.stdout.startswith(
        f"{file}: pyinit {pyinit.__version__} for /usr/bin/python3, with bytecode of "
    )
    assert version in result.stdout.partition("bytecode")[2]
    assert first_line(file) != first_line(original)
    places = re.search(r"in \{.*\}:", start_of(original))
    assert places is not None
    archives = [part.partition(b"PK\3\4")[2] for part in (original.read_bytes(), file.read_bytes())]
    assert archives[0] == archives[1]
