"""``pyinitctl install PATH`` writes a launcher that starts pyinit without site, anywhere."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import pyinit
from pyinit.ctl.dist import executable
from pyinit.ctl.dist.install import LATE
from tests.conftest import missing
from tests.harness import DEADLINE_S, MODES, Container, once, python, run, status_field, until
from tests.terminals import until_settled

VERSION = f"pyinit {pyinit.__version__}\n"
PACKAGE = Path(pyinit.__file__).parent


def install(
    path: Path, *options: str, python: str = sys.executable, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(
        [python, "-m", "pyinit.ctl", "install", str(path), *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
        cwd="/",
    )


def version(launcher: Path) -> str:
    """Return what the launcher says of itself, with nothing in its environment."""
    return subprocess.run(
        [launcher, "--version"], env={}, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def launcher(tmp_path: Path) -> Path:
    """Return a launcher that has just been written."""
    path = tmp_path / "init"
    result = install(path)
    assert result.returncode == 0, result.stderr
    return path


def copy_package(directory: Path) -> Path:
    """Copy the package below ``directory``, to break or to move it; return ``directory``."""
    shutil.copytree(PACKAGE, directory / "pyinit", ignore=shutil.ignore_patterns("__pycache__"))
    return directory


@pytest.fixture(scope="module")
def compiled_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory that holds a copy of the package, compiled once for all tests."""

    def make(directory: Path) -> None:
        copy_package(directory)
        compileall.compile_dir(directory / "pyinit", quiet=2)

    return once(tmp_path_factory, "compiled-package", make)


def copy_beside(directory: Path, name: str, package: Path) -> Path:
    """Copy a package beside a directory that gets its name only at the end: launchers know it."""
    place = directory.with_name(name)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(package, place)
    return place


class Installed(NamedTuple):
    """Launchers of a copy of the package, which no test changes."""

    package: Path
    launcher: Path
    with_own_libraries: Path


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, compiled_package: Path) -> Installed:
    """Return the two launchers, written once for all tests."""

    def make(directory: Path) -> None:
        place = copy_beside(directory, "its package", compiled_package)
        for name, *options in ("init",), ("own/init", "--ignore-library-path"):
            (directory / name).parent.mkdir(exist_ok=True)
            done = install(directory / name, *options, PYTHONPATH=str(place))
            assert done.returncode == 0, done.stderr

    made = once(tmp_path_factory, "launchers", make)
    return Installed(made.with_name("its package"), made / "init", made / "own" / "init")


@pytest.fixture
def other_package(tmp_path: Path, compiled_package: Path) -> Path:
    """Return a directory that holds a copy of the package."""
    return Path(shutil.copytree(compiled_package, tmp_path / "other place"))


def test_it_says_what_it_wrote(tmp_path: Path) -> None:
    """One line with the path, the version and the interpreter."""
    result = install(tmp_path / "init")
    assert result.stdout.startswith(
        f"{tmp_path / 'init'}: starts pyinit {pyinit.__version__} with /"
    )


def test_the_launcher_is_an_init(launcher: Path, mode: str) -> None:
    """It starts, relays the status and tears down as the installed command does."""
    command = ["sh", "-c", "sleep 1000 & setsid sleep 1000 & exit 7"]
    assert run(command, mode=mode, init=[str(launcher)])[0] == 7


def test_no_shell_is_needed(launcher: Path, namespaces: None) -> None:
    """In an image without sh, bash or env it starts a command as elsewhere."""
    if os.geteuid() != 0:
        missing("root, to mount over /bin/sh")
    hide = "".join(
        f"mount --bind /dev/null {Path(shutil.which(name) or '').resolve()}; "
        for name in ("env", "bash", "dash", "sh")
        if shutil.which(name)
    )
    before = ["unshare", "--mount", "sh", "-c", f'{hide} exec "$@"', "sh"]
    with Container(["cat", "/proc/1/comm"], init=[str(launcher)], before=before) as container:
        container.expect("init")
        assert container.wait() == 0
    code, _, errors = run(["sh", "-c", ":"], init=[str(launcher)], before=before)
    assert code == 126, errors


def test_it_works_through_a_symbolic_link(launcher: Path, tmp_path: Path) -> None:
    """The kernel hands the link's name to the interpreter."""
    link = tmp_path / "link to it"
    link.symlink_to(launcher.name)
    assert version(link) == VERSION


def test_a_link_is_followed_when_it_is_written(launcher: Path, tmp_path: Path) -> None:
    """PATH stays a link; what it points to is written."""
    link = tmp_path / "link"
    link.symlink_to(launcher)
    launcher.write_bytes(launcher.read_bytes() + b"# old\n")
    assert install(link).returncode == 0
    assert link.is_symlink()
    assert b"# old" not in launcher.read_bytes()


def test_blanks_in_every_path(tmp_path: Path, other_package: Path) -> None:
    """In that of the launcher, of the package, and of a virtual environment's interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "a b"], check=True)
    python = str(tmp_path / "a b" / "bin" / "python")
    path = tmp_path / "a b" / "my init"
    result = install(path, python=python, PYTHONPATH=str(other_package))
    assert result.returncode == 0, result.stderr
    assert version(path) == VERSION
    assert str(other_package) in path.read_text()


def test_a_blank_in_the_interpreter_itself(tmp_path: Path, other_package: Path) -> None:
    """A #! line ends it at the blank, so env(1) is asked to split the line."""
    home = Path(os.path.realpath(sys.executable)).parents[1]
    (tmp_path / "c d").symlink_to(home)
    python = tmp_path / "c d" / "bin" / Path(os.path.realpath(sys.executable)).name
    # The link stands for a real directory, so it must not be looked through.
    script = (
        "import sys; from pyinit.ctl import main; from pyinit.ctl.dist import install; "
        "install.interpreter = lambda: sys.executable; "
        f"sys.exit(main(['install', {str(tmp_path / 'init')!r}]))"
    )
    result = subprocess.run(
        [python, "-c", script],
        env={"PYTHONPATH": str(other_package), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert b"env -S" in (tmp_path / "init").read_bytes()
    assert version(tmp_path / "init") == VERSION


def test_the_layout_of_a_user_install(tmp_path: Path) -> None:
    """The base interpreter, with the package in the user's site directory.

    All bytecode is compiled: an image that is read-only afterwards starts as fast.
    """
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    site = tmp_path / "lib" / name / "site-packages"
    copy_package(site)
    base = os.path.realpath(sys.executable)
    result = install(tmp_path / "init", python=base, PYTHONUSERBASE=str(tmp_path), PYTHONPATH="")
    assert result.returncode == 0, result.stderr
    assert str(site) in (tmp_path / "init").read_text()
    assert version(tmp_path / "init") == VERSION
    for source in (site / "pyinit").rglob("*.py"):
        tag = sys.implementation.cache_tag
        assert (source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc").exists()


def test_libraries_of_the_application(tmp_path: Path, installed: Installed, mode: str) -> None:
    """LD_LIBRARY_PATH keeps Python from being loaded, unless it is asked to be ignored.

    The command gets it all the same, and the process is called as the launcher is, which has a
    bundle.
    """
    libraries = broken_libraries(tmp_path / "libraries")
    before = ["env", f"LD_LIBRARY_PATH={libraries}"]
    command = ["/bin/sh", "-c", "cat /proc/$PPID/comm; echo $LD_LIBRARY_PATH"]
    init = [str(installed.launcher)]
    assert run(command, mode=mode, init=init, before=before)[0] == 127
    init = [str(installed.with_own_libraries)]
    expected = (0, f"init\n{libraries}\n", "")
    assert run(command, mode=mode, init=init, before=before) == expected


@pytest.mark.parametrize("locale", [[], ["LC_CTYPE=C"], ["LC_CTYPE=POSIX", "B=2"]])
def test_an_environment_that_python_changes(
    tmp_path: Path, locale: list[str], namespaces: None
) -> None:
    """Also where the loader is what execve(2) has started, and nobody tells what was given."""
    path = tmp_path / "init"
    assert install(path, "--ignore-library-path").returncode == 0
    hide = 'mount -t tmpfs none /proc; exec env -i "$@"'
    before = ["unshare", "--mount", "sh", "-c", hide, "sh", "A=1", *locale]
    code, out, _ = run(["/usr/bin/env"], init=[str(path)], before=before)
    assert (code, out.split()) == (0, ["A=1", *locale])


def broken_libraries(directory: Path) -> Path:
    """Return a directory with an empty file for each library of the interpreter but libc's own."""
    directory.mkdir()
    text = subprocess.run(
        ["ldd", os.path.realpath(sys.executable)], check=True, capture_output=True, text=True
    ).stdout
    names = {line.split()[0] for line in text.splitlines() if "=> /" in line}
    for name in names - {"libc.so.6"}:
        (directory / name).touch()
    return directory


def test_another_file_is_not_overwritten(tmp_path: Path) -> None:
    """Unless --force says so; the message names the file."""
    path = tmp_path / "init"
    path.write_text("#!/bin/sh\n")
    result = install(path)
    assert result.returncode == 1
    assert f"{path} was not written by pyinitctl install" in result.stderr
    assert path.read_text() == "#!/bin/sh\n"
    assert install(path, "--force").returncode == 0
    assert version(path) == VERSION


def test_what_is_no_file_is_not_overwritten(tmp_path: Path) -> None:
    """Not even by force: a FIFO, or a device such as /dev/null, is missed by others."""
    path = tmp_path / "init"
    os.mkfifo(path)
    (tmp_path / "link").symlink_to(path)
    for place in (path, tmp_path / "link"):
        result = install(place, "--force")
        assert result.returncode == 1
        assert f"{path} is neither a file nor a link" in result.stderr
    assert path.is_fifo()
    assert sorted(os.listdir(tmp_path)) == ["init", "link"]


def test_a_draft_goes_through_no_link(tmp_path: Path) -> None:
    """Its name can be foreseen, in a directory that others may write to as well."""
    other, draft = tmp_path / "other", tmp_path / "draft"
    other.write_text("other")
    draft.symlink_to(other)
    executable.create(draft, b"new", 0o755)
    assert other.read_text() == "other"
    assert (draft.read_bytes(), draft.lstat().st_mode & 0o777) == (b"new", 0o755)


def test_its_own_file_is_overwritten(launcher: Path) -> None:
    """As after an upgrade; the old one is replaced in one step, so that a running init keeps it."""
    inode = launcher.stat().st_ino
    assert install(launcher).returncode == 0
    assert launcher.stat().st_ino != inode


@pytest.mark.parametrize(
    ("place", "said"), [("", "is a directory"), ("no/init", "is not a directory")]
)
def test_a_place_that_cannot_be(tmp_path: Path, place: str, said: str) -> None:
    """A directory, or a file in a directory that does not exist."""
    result = install(tmp_path / place)
    assert result.returncode == 1
    assert said in result.stderr


def test_a_launcher_that_does_not_work_is_not_put_in_place(
    tmp_path: Path, other_package: Path
) -> None:
    """It is run before; what was there stays, no draft is left, and nothing leads to it."""
    (other_package / "pyinit" / "cli.py").write_text("raise SystemExit('broken')\n")
    directory = tmp_path / "bin"
    directory.mkdir()
    result = install(directory / "init", "--name", "tini", PYTHONPATH=str(other_package))
    assert result.returncode == 1
    assert "does not work" in result.stderr
    assert "broken" in result.stderr
    assert list(directory.iterdir()) == []


def test_an_upgraded_package_is_not_run_from_the_old_bundle(
    tmp_path: Path, other_package: Path
) -> None:
    """The bundle is believed only as long as the package is the one it was made of."""
    path = tmp_path / "init"
    assert install(path, PYTHONPATH=str(other_package)).returncode == 0
    init = other_package / "pyinit" / "__init__.py"
    init.write_text(init.read_text().replace(pyinit.__version__, "999.0.1"))
    assert version(path) == "pyinit 999.0.1\n"


def test_a_source_tree_has_no_bundle(tmp_path: Path, other_package: Path) -> None:
    """Where one file is edited and the rest is not, the launcher runs what stands there."""
    path = tmp_path / "init"
    (other_package / "pyproject.toml").touch()
    assert install(path, PYTHONPATH=str(other_package)).returncode == 0
    cli = other_package / "pyinit" / "cli.py"
    cli.write_text(cli.read_text() + "\n\ndef main(_):\n    print('edited')\n")
    assert version(path) == "edited\n"


def test_a_damaged_bundle_does_no_harm(tmp_path: Path, other_package: Path) -> None:
    """The modules are loaded one by one instead: it was cut early or late, or is not there."""
    path = tmp_path / "init"
    assert install(path, PYTHONPATH=str(other_package)).returncode == 0
    bundles = list((other_package / "pyinit" / "__pycache__").glob("*.bundle"))
    assert len(bundles) == len(MODES) + len(LATE)
    whole = [each.read_bytes() for each in bundles]
    for damage in (1000, -1, None):
        for bundle, data in zip(bundles, whole, strict=True):
            if damage:
                bundle.write_bytes(data[:damage])
            else:
                bundle.unlink()
        assert version(path) == VERSION, damage
        words = [str(path), "--", "true"]
        quiet = subprocess.run(words, capture_output=True, timeout=DEADLINE_S, check=True)
        assert quiet.stdout + quiet.stderr == b"", damage
        words = [str(path), "-v", "--", "true"]
        told = subprocess.run(words, capture_output=True, timeout=DEADLINE_S, check=True, text=True)
        assert "exiting" in told.stderr.splitlines()[-1], damage
        assert "internal_error" not in told.stderr, damage


@pytest.fixture(scope="module")
def stripped(tmp_path_factory: pytest.TempPathFactory, compiled_package: Path) -> Path:
    """Return a launcher whose package has lost all that one file of bytecode has."""

    def make(directory: Path) -> None:
        place = copy_beside(directory, "its stripped package", compiled_package)
        done = install(directory / "init", PYTHONPATH=str(place))
        assert done.returncode == 0, done.stderr
        for folder in ("kernel", "log", "report", "stopping"):
            shutil.rmtree(place / "pyinit" / folder)
        # But for what the init loads before it forks.
        for each in (place / "pyinit" / "services").rglob("*.py*"):
            if each.name.partition(".")[0] not in ("__init__", "entry"):
                each.unlink()

    return once(tmp_path_factory, "stripped", make) / "init"


def test_a_log_is_loaded_from_one_file(stripped: Path) -> None:
    """None of its modules is looked for in the package, where others are by now."""
    words = [str(stripped), "-v", "--", "true"]
    told = subprocess.run(words, capture_output=True, timeout=DEADLINE_S, check=True, text=True)
    names = [json.loads(line)["event"] for line in told.stderr.splitlines()]
    assert names == ["init_started", "child_started", "child_exited", "exiting"]


def test_a_teardown_is_loaded_from_one_file(stripped: Path) -> None:
    """Its order too, in which nobody is asked before the parent that waits for it has ended."""
    command = python("leave.py", "deep", "slow")
    with Container(command, init=[str(stripped)], stdin=subprocess.PIPE) as container:
        container.expect("ready")
        container.close_stdin()
        assert container.wait() == 7
        assert container.errors() == ""


def test_the_supervisor_of_services_is_loaded_from_one_file(tmp_path: Path, stripped: Path) -> None:
    """But for what the init loads of them before it forks."""
    file = tmp_path / "services.toml"
    file.write_text("[service.web]\ncommand = ['echo', 'done']\n")
    words = [str(stripped), "--services", str(file)]
    done = subprocess.run(words, capture_output=True, timeout=DEADLINE_S, check=True, text=True)
    assert (done.stdout, done.stderr) == ("done\n", "")


def run_in_launcher(path: Path, installed: Installed, program: str) -> None:
    """Run ``program`` in a launcher, written to ``path``, instead of the init."""
    text = installed.launcher.read_text()
    assert "\nmain(inherited_mask)\n" in text
    path.write_text(text.replace("\nmain(inherited_mask)\n", program))
    path.chmod(0o755)
    subprocess.run([str(path)], timeout=DEADLINE_S, check=True)


def test_a_module_of_the_file_is_executed_once(tmp_path: Path, installed: Installed) -> None:
    """Also where it is asked for by what is asked before, as by a signal that comes then."""
    program = """
sys.modules["pyinit"]._serve("log")
from pyinit.log import senders

class Taking:
    found = None
    def find_spec(self, name, *_):
        if name == "pyinit.log.senders" and self.found is None:
            self.found = ()
            self.found = senders.describe_sender

taking = Taking()
sys.meta_path.insert(0, taking)
assert senders.describe_sender is taking.found is not None
assert senders.__spec__ is None
"""
    run_in_launcher(tmp_path / "init", installed, program)


def test_a_module_of_the_file_that_is_being_executed_is_known(
    tmp_path: Path, installed: Installed
) -> None:
    """By what tells a half-loaded one of an import: a signal that comes then waits."""
    program = """
sys.modules["pyinit"]._serve("log")
from pyinit import events
from pyinit.kernel import oom

seen = {}
class Taking:
    def find_spec(self, name, *_):
        seen[name] = events._is_half_loaded("pyinit.kernel.oom")

sys.meta_path.insert(0, Taking())
assert oom.Counter
assert seen == {"pyinit.kernel.oom": False, "pyinit.kernel.cgroups": True}, seen
assert not events._is_half_loaded("pyinit.kernel.oom")
"""
    run_in_launcher(tmp_path / "init", installed, program)


def test_a_module_of_the_file_that_failed_is_tried_again(
    tmp_path: Path, installed: Installed
) -> None:
    """As an import is: the next signal may find memory."""
    program = """
sys.modules["pyinit"]._serve("log")
from pyinit.log import senders

loads = marshal.loads
def fail(data):
    marshal.loads = loads
    raise MemoryError
marshal.loads = fail
try:
    senders.describe_sender
except MemoryError:
    pass
else:
    raise AssertionError
assert callable(senders.describe_sender)
"""
    run_in_launcher(tmp_path / "init", installed, program)


def test_the_other_names_of_encodings_are_there_when_they_are_asked_for(
    tmp_path: Path, installed: Installed
) -> None:
    """Until then they take no memory."""
    program = """
import codecs
from pyinit import events  # with all that comes after the start
assert not sys.modules["encodings.aliases"].aliases
assert codecs.lookup("utf8").name == "utf-8"
assert codecs.lookup("windows-1252").name == codecs.lookup("1252").name == "cp1252"
assert sys.modules["encodings.aliases"].aliases["utf8"] == "utf_8"
"""
    run_in_launcher(tmp_path / "init", installed, program)


def test_a_stream_that_is_closed_stays_so(installed: Installed, namespaces: None) -> None:
    """What the launcher reads does not take its number: nothing could be written there.

    As PID 1: elsewhere libffi may keep a file of its own open, at the lowest number.
    """
    init = [str(installed.launcher)]
    before = ("sh", "-c", 'exec "$@" <&-', "sh")
    code, _, err = run(["true"], options=["--log-fd", "0"], init=init, before=before)
    assert code == 125
    assert "descriptor 0 is not open" in err


def test_a_quiet_run_writes_nothing(installed: Installed) -> None:
    """Not even bytecode: with the package on a read-only mount all is as before."""
    if os.geteuid() != 0:
        missing("root, to mount read-only")
    mount = f"mount --bind -o ro '{installed.package}' '{installed.package}'"
    before = ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    assert run(["true"], init=[str(installed.launcher)], before=before)[0] == 0


def test_a_launcher_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed with its process group when its time is over, and not put in place."""
    monkeypatch.setattr(executable, "TRY_S", 0.5)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)

    def nobody_writes() -> bool:
        try:
            return os.read(reader, 1) == b""
        except BlockingIOError:
            return False

    try:
        with pytest.raises(executable.InstallError, match=r"not said its version within 0\.5 s"):
            executable.put(tmp_path / "init", f"#!/bin/sh\nsleep 100 >{fifo}; :\n".encode())
        until(nobody_writes, "what the launcher has started has ended too")
    finally:
        os.close(reader)
    assert os.listdir(tmp_path) == ["fifo"]


def test_a_launcher_whose_package_is_gone_says_so(tmp_path: Path, other_package: Path) -> None:
    """In one line, and where it was."""
    path = tmp_path / "init"
    assert install(path, PYTHONPATH=str(other_package)).returncode == 0
    shutil.rmtree(other_package / "pyinit")
    done = subprocess.run([path, "true"], capture_output=True, text=True, check=False)
    assert done.returncode == 125
    expected = f"is gone from {other_package}: 'pyinitctl install' writes this launcher again"
    assert done.stderr == f"pyinit: {expected}\n"


def test_the_package_can_go_while_the_command_runs(
    tmp_path: Path, other_package: Path, mode: str
) -> None:
    """What is kept as bytecode asks leftovers to end, and waits for them."""
    path = tmp_path / "init"
    assert install(path, PYTHONPATH=str(other_package)).returncode == 0
    script = f'read line; rm -r "{other_package}"; exec "$@"'
    words = ["sh", "-c", script, "sh", *python("exercise.py")]
    with Container(words, mode=mode, init=[str(path)], stdin=subprocess.PIPE) as container:
        # The handlers are the last that it does before its loop.
        until(lambda: catches_term(container.pid), "it is in its loop", container.pid)
        until_settled(container.pid)
        assert container.process.stdin is not None
        container.process.stdin.write(b"\n")
        container.process.stdin.flush()
        assert container.rest() == "relayed\nreaped\nTERM\n"
        assert "internal_error" in container.errors()
        assert container.wait() == 7


def catches_term(pid: int) -> bool:
    """Return whether the process has a handler for SIGTERM."""
    return bool(int(status_field(pid, "SigCgt"), 16) >> (signal.SIGTERM - 1) & 1)


def test_one_that_others_cannot_start_is_warned_of(tmp_path: Path) -> None:
    """With the first place that they cannot pass."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    done = install(closed / "init")
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("pyinitctl install: other users cannot start it: ")
