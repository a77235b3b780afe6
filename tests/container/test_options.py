"""Every option of `pyinit.spawn`: what the command finds in its container."""

from __future__ import annotations

import ast
import fcntl
import importlib.util
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import pyinit
from pyinit import Exit
from pyinit.namespaces import idmaps
from tests import conftest
from tests.harness import DEADLINE_S, logged, python, status_field, until
from tests.spawning import USER, line, output, own_namespaces, rest, small_root_in, spawn

pytestmark = pytest.mark.usefixtures("namespaces")

Small = tuple[Path, list[tuple[str, str, bool]]]

KINDS = ("user", "cgroup", "ipc", "uts", "net", "pid", "time", "mount")


@pytest.mark.parametrize("kind", KINDS)
def test_a_namespace_of_each_kind(kind: str) -> None:
    """It is new if asked for, and the caller's if not."""
    own = pyinit.namespaces_of()
    with spawn(["readlink", "/proc/self/ns/uts"], kinds={kind}, mount_proc=False) as container:
        made = {kind, *USER}
        assert {each for each in KINDS if container.namespaces[each] != own[each]} == made
        text = rest(container.stdout)
        assert container.wait(DEADLINE_S) == Exit(0)
    assert (text != own_namespaces()["uts"]) == (kind == "uts")


def test_in_no_new_namespace() -> None:
    """The init is a subreaper then."""
    with pyinit.spawn(["sh", "-c", "exit 3"], namespaces=()) as container:
        assert container.wait(DEADLINE_S) == Exit(3)
        assert container.namespaces == pyinit.namespaces_of()


def test_root_of_a_user_namespace() -> None:
    """Without maps its root is the user who asked, alone."""
    text = output(["sh", "-c", "id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map"], "user")
    uid, gid, *maps = text.splitlines()
    assert (uid, gid) == ("0", "0")
    assert [row.split() for row in maps] == [
        ["0", str(os.geteuid()), "1"],
        ["0", str(os.getegid()), "1"],
    ]


def test_maps_as_they_are_given() -> None:
    """Rows of inside, outside, how many; who has no root inside stays who it is."""
    text = output(
        ["sh", "-c", "id -u; id -g"],
        "user",
        uid_map=[(1234, os.geteuid(), 1)],
        gid_map=[(1235, os.getegid(), 1)],
    )
    assert text.split() == ["1234", "1235"]


def test_several_rows_of_a_map() -> None:
    """Only root may map whom it likes, without newuidmap(1)."""
    if os.geteuid() != 0:
        conftest.missing("root")
    rows = [(0, 100000, 10), (10, 0, 1)]
    text = output(["sh", "-c", "id -u; cat /proc/self/uid_map"], "user", uid_map=rows, gid_map=rows)
    assert text.split() == ["0", "0", "100000", "10", "10", "0", "1"]


def test_the_ranges_of_subuid() -> None:
    """An ordinary user gets them by newuidmap(1) and newgidmap(1), and has many users then."""
    conftest.need("newuidmap", "newgidmap")
    how: dict[str, Any] = {"uid_map": "auto", "gid_map": "auto"}
    if os.geteuid() == 0:
        how = {name: [(0, 0, 1), (1, 100000, 65536)] for name in how}
    elif f"{pwd.getpwuid(os.geteuid()).pw_name}:" not in Path("/etc/subuid").read_text():
        conftest.missing("root, to give this user ranges in subuid(5)")
    script = "id -u; cat /proc/self/gid_map; setpriv --reuid=7 --regid=8 --clear-groups id -u"
    words = output(["sh", "-c", script], "user", **how).split()
    assert (words[0], words[-1]) == ("0", "7")
    assert [words[1], words[3], words[4], words[6]] == ["0", "1", "1", "65536"]


def test_what_subuid_says(tmp_path: Path) -> None:
    """All ranges of the user, by name or number, one after the other behind root."""
    file = tmp_path / "subuid"
    uid = os.geteuid()
    name = pwd.getpwuid(uid).pw_name
    file.write_text(f"{name}:1000:5\nsomebody:7:7\n{uid}:3000:2\n{name}:bad\n\n")
    rows = idmaps._rows("uid_map", "auto", uid, str(file))
    assert rows == [(0, uid, 1), (1, 1000, 5), (6, 3000, 2)]


@pytest.mark.parametrize("offset", [0, 3.5, 1e6, -1e-20])
def test_time_offsets(offset: float) -> None:
    """They are added to the clocks; see time_namespaces(7)."""
    script = "import time; print(time.clock_gettime(time.CLOCK_%s))"
    offsets = {"monotonic": offset, "boottime": offset}
    for clock, ours in (("MONOTONIC", time.CLOCK_MONOTONIC), ("BOOTTIME", time.CLOCK_BOOTTIME)):
        before = time.clock_gettime(ours)
        argv = [sys.executable, "-IS", "-c", script % clock]
        told = float(output(argv, "time", time_offsets=offsets))
        assert before + offset - 0.1 <= told <= time.clock_gettime(ours) + offset + 0.1


def test_a_clock_can_be_put_back() -> None:
    """With an offset below zero, of a fraction as well."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    script = "import time; print(time.clock_gettime(time.CLOCK_BOOTTIME))"
    argv = [sys.executable, "-IS", "-c", script]
    told = float(output(argv, "time", time_offsets={"boottime": 0.25 - int(now)}))
    assert 0 < told < now


def test_the_hostname() -> None:
    """It is the container's alone."""
    own = socket.gethostname()
    assert output(["uname", "-n"], "uts", hostname="inside") == "inside"
    assert socket.gethostname() == own


def test_proc_is_that_of_the_pid_namespace() -> None:
    """By default where both pid and mount are new, else the caller's stays."""
    assert output(["readlink", "/proc/self"]) != str(os.getpid())
    assert output(["sh", "-c", "echo /proc/[0-9]*"]) != ""
    listed = output(["sh", "-c", "cd /proc; echo [0-9]*; echo $$"]).splitlines()
    assert set(listed[0].split()) == {"1", listed[1]}


def test_proc_of_the_caller() -> None:
    """Without mount_proc it shows other numbers than getpid(2)."""
    text = output(["sh", "-c", "read -r pid _ </proc/self/stat; echo $pid $$"], mount_proc=False)
    shown, own = map(int, text.split())
    assert (shown > own, own < 10) == (True, True)


def test_mounts_stay_inside() -> None:
    """What the command mounts nobody else sees."""

    def mounts() -> set[str]:
        return set(Path("/proc/self/mountinfo").read_text().splitlines())

    before = mounts()
    home = str(Path(pyinit.__file__).parent)  # covered as well, it does not miss anything
    output(["sh", "-c", "mount -t tmpfs none /mnt; exec mount -t tmpfs none $0", home])
    # Others mount as well, and unmount again: what came from there would stay.
    until(lambda: mounts() <= before, "there is no new mount")


def test_a_network_of_its_own_has_a_loopback() -> None:
    """And nothing else; a server on it can be reached."""
    program = "import socket; a = socket.create_server(('127.0.0.1', 0)); print("
    program += "[name for _, name in socket.if_nameindex() if name == 'lo'], "
    program += "socket.create_connection(a.getsockname(), 5).getpeername() == a.getsockname())"
    argv = [sys.executable, "-IS", "-c", program]
    assert output(argv, "net") == "['lo'] True"


def test_a_network_that_is_off() -> None:
    """Without loopback not even 127.0.0.1 can be reached."""
    program = "import socket\ntry: socket.create_connection(('127.0.0.1', 9), 5)\n"
    program += "except OSError as error: print(error.errno == 101)"
    argv = [sys.executable, "-IS", "-c", program]
    assert output(argv, "net", loopback=False) == "True"


def test_the_callers_network() -> None:
    """Where no new one is asked for: the container can connect to us."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        program = "import socket; socket.create_connection(('127.0.0.1', {}), 5)"
        argv = [sys.executable, "-IS", "-c", program.format(server.getsockname()[1])]
        assert not output(argv)
        server.settimeout(DEADLINE_S)
        server.accept()[0].close()


def test_the_environment() -> None:
    """As given, and ours by default; the init's own start leaves no trace in it."""
    given = {"PATH": os.environ["PATH"], "WORD": "a b", "EMPTY": ""}
    assert sorted(output(["env"], env=given).splitlines()) == sorted(
        f"{name}={value}" for name, value in given.items()
    )
    assert output(["sh", "-c", "echo $PATH"]) == os.environ["PATH"]
    assert output(["env"], env={"PATH": os.environ["PATH"]}, add_env={"A": "1"}).endswith("A=1")


def test_the_working_directory(tmp_path: Path) -> None:
    """Of the command: that of the caller, `cwd`, or `chdir`; the init goes to the root's."""
    assert output(["pwd"], cwd=tmp_path) == str(tmp_path)
    assert output(["pwd"]) == str(Path.cwd())
    assert output(["pwd"], cwd=tmp_path, chdir="/") == "/"


def test_files_as_in_subprocess(tmp_path: Path) -> None:
    """Numbers, file objects, DEVNULL, and STDOUT for stderr."""
    script = "cat; echo error >&2; echo end"
    (tmp_path / "in").write_text("given\n")
    with (
        (tmp_path / "in").open("rb") as stdin,
        (tmp_path / "out").open("wb") as stdout,
        spawn(["sh", "-c", script], stdin=stdin.fileno(), stdout=stdout, stderr=subprocess.STDOUT)
        as container,
    ):  # fmt: skip
        assert container.wait(DEADLINE_S) == Exit(0)
        assert (container.stdin, container.stdout, container.stderr) == (None, None, None)
    assert (tmp_path / "out").read_text() == "given\nerror\nend\n"


def test_three_pipes() -> None:
    """As binary files without a buffer."""
    pipe = subprocess.PIPE
    with spawn(["sh", "-c", "cat; cat >&2 /dev/null; echo 2 >&2"], stdin=pipe, stderr=pipe) as each:
        assert each.stdin is not None
        each.stdin.write(b"one\n")
        assert line(each.stdout) == "one"
        each.stdin.close()
        assert line(each.stderr) == "2"
        assert each.wait(DEADLINE_S) == Exit(0)


def test_descriptors_that_are_passed_on() -> None:
    """Those named, under their numbers, and no others: none of what the start takes is left."""
    listing = [
        sys.executable,
        "-IS",
        "-c",
        "import os; print(*map(int, os.listdir('/proc/self/fd')))",
    ]
    reader, writer = os.pipe()
    try:
        high = fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, 50)
        os.close(writer)
        writer = high
        # One more is the directory's, which is listed.
        assert set(map(int, output(listing).split())) == {0, 1, 2, 3}
        assert set(map(int, output(listing, pass_fds=[high]).split())) == {0, 1, 2, 3, high}
        output(
            [sys.executable, "-IS", "-c", f"import os; os.write({high}, b'told')"], pass_fds=[high]
        )
        assert os.read(reader, 10) == b"told"
    finally:
        os.close(reader)
        os.close(writer)


def test_the_signal_mask_is_the_callers() -> None:
    """And what Python ignores is not ignored; make(1) leaves 32 ignored for what it starts."""
    fields = ["sed", "-nE", "s/^Sig(Blk|Ign):\\s*//p", "/proc/self/status"]
    blocked, ignored = (int(status_field(os.getpid(), name), 16) for name in ("SigBlk", "SigIgn"))
    # 33 is the C library's own from the first thread on, and spawn() has one; see nptl(7).
    ignored &= ~(1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1 | 1 << 33 - 1)
    assert [int(word, 16) for word in output(fields).split()] == [blocked, ignored]
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        assert int(output(fields).split()[0], 16) == 1 << signal.SIGUSR1 - 1
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def test_the_options_of_the_init() -> None:
    """Rewriting, exit codes, the umask, the session: as on the command line."""
    argv = python("record.py", "TERM", "USR2")
    with spawn(argv, rewrite={"USR1": "USR2"}, remap_exit={0: 9}) as container:
        assert line(container.stdout) == "ready"
        container.send_signal(signal.SIGUSR1)
        assert line(container.stdout) == "USR2"
        assert container.stop(1000).code == 9
    assert output(["sh", "-c", "umask"], umask=0o27) == "0027"
    assert output(["sh", "-c", "ps -o sid= -p $$; echo $$"], session=True).split()[0] != "0"


def test_what_the_init_says() -> None:
    """It goes to its stderr, from a root directory without Python too."""
    with spawn(["true"], verbose=1, stderr=subprocess.PIPE) as container:
        assert "true" in rest(container.stderr)


def test_a_pause() -> None:
    """An init without a command, in namespaces that others enter; TERM ends it."""
    with spawn([], pause=True) as container:
        with container.exec(["sh", "-c", "echo $$"], stdout=subprocess.PIPE) as process:
            assert int(line(process.stdout)) < 10
            assert process.wait(DEADLINE_S) == Exit(0)
        assert container.stop(1000) == Exit(0)


@pytest.fixture
def small_root(tmp_path: Path) -> Small:
    """Make a root directory with mount points, and give the binds that fill it."""
    return small_root_in(tmp_path)


def test_a_root_directory(small_root: Small) -> None:
    """The command sees nothing else, and there is no way back to the old one."""
    root, binds = small_root
    script = "ls -d /etc; cd /../..; ls; pwd; readlink /proc/1/root; wc -l </proc/self/mountinfo"
    argv = ["sh", "-c", script]
    with spawn(argv, root=root, binds=binds, stderr=subprocess.DEVNULL) as container:
        text = rest(container.stdout)
        assert container.wait(DEADLINE_S) == Exit(0)
    *names, directory, link, mounts = text.split()
    assert sorted(names) == sorted(os.listdir(root))
    assert (directory, link) == ("/", "/")
    # The root, /proc, and the binds with what is mounted below them.
    assert int(mounts) < 2 + len(Path("/proc/self/mountinfo").read_text().splitlines())
    assert not os.listdir(root / "usr" if not (root / "usr").is_symlink() else root / "data")


def test_an_init_in_a_root_without_python(small_root: Small) -> None:
    """All that it can need it has loaded before: leftovers are ended, and it says so."""
    root, binds = small_root
    # A shell opens it for what is to run in the background.
    (root / "dev").mkdir()
    (root / "dev/null").touch()
    # What is substituted has ended, and the shell goes on, when nobody has its output open.
    script = "trap '' TERM; : $( (trap 'exit' TERM; sleep 1000 >&- & exec >&-; wait) & ); exit 5"
    how: dict[str, Any] = {"root": root, "binds": binds, "verbose": 1, "stderr": subprocess.PIPE}
    with spawn(["sh", "-c", script], grace_s=1000, **how) as container:
        text = rest(container.stderr)
        assert container.wait(DEADLINE_S) == Exit(5)
    (end,) = (each for each in logged(text) if each["event"] == "teardown_finished")
    assert (end["count"], end["killed"]) == (2, 0)


def test_bind_mounts(small_root: Small, tmp_path: Path) -> None:
    """Directories and files, to be written to or not."""
    root, binds = small_root
    (tmp_path / "shared").mkdir()
    (tmp_path / "plain").write_text("content\n")
    more = [(tmp_path / "shared", "/data"), (tmp_path / "plain", "/file", True)]
    script = "echo written >/data/new; cat /file; echo no >/file; echo no >/usr/no"
    argv = ["sh", "-c", script]
    with spawn(argv, root=root, binds=[*binds, *more], stderr=subprocess.PIPE) as container:
        assert rest(container.stdout) == "content"
        assert rest(container.stderr).count("Read-only") == 2
    assert (tmp_path / "shared/new").read_text() == "written\n"
    assert (tmp_path / "plain").read_text() == "content\n"
    assert (root / "file").read_text() == ""


def test_bind_mounts_without_a_root(tmp_path: Path) -> None:
    """They lie over what is there, for the container alone."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "one/file").touch()
    binds = [(tmp_path / "one", tmp_path / "two")]
    assert output(["ls", str(tmp_path / "two")], binds=binds) == "file"
    assert not os.listdir(tmp_path / "two")


def test_read_only_is_what_is_mounted_below_as_well(tmp_path: Path) -> None:
    """A container in a container: the outer one mounts, the inner one gets it read-only."""
    (tmp_path / "all/below").mkdir(parents=True)
    (tmp_path / "target").mkdir()
    program = f"""if True:
        import pyinit, subprocess
        from pyinit import linux
        linux.mount(b"none", b"{tmp_path}/all/below", b"tmpfs")
        end = pyinit.spawn(["touch", "{tmp_path}/target/below/file"], stderr=-1,
            binds=[("{tmp_path}/all", "{tmp_path}/target", True)])
        with end:
            print(end.stderr.read().count(b"Read-only"), end.wait().code)
    """
    assert output([sys.executable, "-c", program]) == "1 1"


@pytest.mark.parametrize("read_only", [False, True])
def test_the_flags_of_a_mount_are_kept(tmp_path: Path, read_only: bool) -> None:  # noqa: FBT001
    """nosuid, nodev, noexec and noatime of the source hold for the bind mount, read-only or not.

    In a user namespace the kernel would refuse to take them away; mount_namespaces(7).
    """
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    program = f"""if True:
        import pyinit, subprocess, sys
        from pyinit import linux
        linux.mount(b"none", b"{tmp_path}/source", b"tmpfs", 2 | 4 | 8 | 0x400)
        argv = ["sh", "-c", "grep ' {tmp_path}/target ' /proc/self/mountinfo"]
        bind = ("{tmp_path}/source", "{tmp_path}/target", {read_only})
        with pyinit.spawn(argv, namespaces=["user", "mount"], binds=[bind]) as each:
            each.wait()
    """
    options = output([sys.executable, "-c", program]).split()[5].split(",")
    assert {"nosuid", "nodev", "noexec", "noatime"} <= set(options)
    assert ("ro" in options) == read_only


class _Imports(ast.NodeVisitor):
    """Collects what a module imports at any time, but for the types of its annotations."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found.update(alias.name for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = str(node.module)
        names = {f"{module}.{alias.name}" for alias in node.names}
        modules = (
            {name for name in names if importlib.util.find_spec(name)}
            if (getattr(importlib.import_module(module), "__path__", None))
            else set()
        )
        self.found |= modules or {module}


# For other names, the command line and the caller, and what there is another way without.
NOT_NEEDED = {
    *("pyinit.compat.log", "pyinit.options.parser", "pyinit.compat.peers", "pyinit.log.rendering"),
    *("ctypes", "json", "psutil", "structlog", "pyinit.services.entry"),
}


def test_all_that_the_init_may_need_is_loaded_before_another_root() -> None:
    """Each import in each of its modules, also those that a function does when it is called."""
    program = (
        "from pyinit.settings import Settings; from pyinit.container import preload, stage; "
        "settings = Settings([]); settings.wait_all = True; settings.services = 'x'; "
        "vars(settings).update(pause=True, notify=True, user='app', report='report'); "
        "preload.load_all(settings, {'enter': 1, 'namespaces': ['mount'], 'terminal': True}); "
        "import sys; print(*sys.modules)"
    )
    home = Path(pyinit.__file__).parent
    argv = [
        sys.executable,
        "-IS",
        "-c",
        f"import sys; sys.path.append({str(home.parent)!r}); {program}",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "pyinit.supervisor" in loaded
    imports = _Imports()
    for name in loaded:
        if name.startswith("pyinit."):
            place = importlib.import_module(name).__file__
            imports.visit(ast.parse(Path(str(place)).read_text()))
    assert imports.found - loaded - NOT_NEEDED == set()
