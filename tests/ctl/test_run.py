"""``pyinitctl run``: what unshare(1) does, with a real init, and nobody left of it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyinit.ctl.start.words import WORDS
from pyinit.namespaces.kinds import KINDS
from tests import conftest, harness
from tests.harness import DEADLINE_S, PYINITCTL, UNSHARE_USER, children, python, unexplained, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.usefixtures("namespaces")

# As an ordinary user everything takes a user namespace, for unshare(1) too.
OWN_USER = ("--map-root-user",) if UNSHARE_USER else ()
RUN = (*PYINITCTL, "run", *OWN_USER)


def done(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@contextlib.contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command, and wait for its line `ready`; kill it in the end."""
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


def links(text: str) -> dict[str, str]:
    """Return the links of `ls -l /proc/self/ns`, by name."""
    words = [line.split() for line in text.splitlines() if " -> " in line]
    return {each[-3]: each[-1] for each in words}


def changed(inside: str) -> set[str]:
    """Return the files in which a listing of `ls -l /proc/self/ns` differs from our own."""
    return {
        name
        for name, link in links(inside).items()
        if not name.endswith("_for_children") and link != os.readlink(f"/proc/self/ns/{name}")
    }


LIST = ("ls", "-l", "/proc/self/ns")


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"pid"}))
def test_a_kind_that_is_named_is_new_as_with_unshare(kind: str) -> None:
    """And no other."""
    expected = changed(done("unshare", *UNSHARE_USER, f"--{kind}", *LIST).stdout)
    assert changed(done(*RUN, f"--{WORDS[kind]}", "--", *LIST).stdout) == expected
    assert KINDS[kind][1] in expected


def test_in_a_new_pid_namespace_the_init_is_1() -> None:
    """With unshare(1) the command itself is."""
    show = ("sh", "-c", "echo $PPID; cat /proc/1/comm")
    assert done(*RUN, "--pid", "--mount", "--", *show).stdout == "1\npyinit\n"
    assert done(*harness.UNSHARE, *show).stdout == "0\nsh\n"


def test_without_a_proc_of_its_own_it_shows_the_outer_numbers() -> None:
    """As with unshare(1): /proc is its mounter's view; --mount-proc gives a new one."""
    show = ("sh", "-c", "cat /proc/1/comm")
    outer = Path("/proc/1/comm").read_text()
    assert done(*RUN, "--pid", "--", *show).stdout == outer
    assert done(*RUN, "--pid", "--mount", "--no-proc", "--", *show).stdout == outer
    assert done(*RUN, "--pid", "--mount-proc", "--", *show).stdout == "pyinit\n"


def test_all_means_all_but_user() -> None:
    """An ordinary user adds --map-root-user."""
    others = {name for kind, (_, name) in KINDS.items() if kind != "user"}
    assert changed(done(*RUN, "--all", "--", *LIST).stdout) - {"user"} == others


def test_with_no_kind_named_it_is_a_container() -> None:
    """PID and mount, and user where it takes that."""
    wanted = {"pid", "mnt"} | ({"user"} if UNSHARE_USER else set())
    assert changed(done(*PYINITCTL, "run", "--", *LIST).stdout) == wanted


def test_the_root_of_a_new_user_namespace() -> None:
    """--map-root-user is whoever called, as unshare(1) has it."""
    result = done(*PYINITCTL, "run", "--map-root-user", "--", "cat", "/proc/self/uid_map")
    assert result.stdout.split() == ["0", str(os.geteuid()), "1"]


def test_what_is_asked_for_makes_the_namespace_that_it_needs() -> None:
    """A name, a clock, a working directory."""
    assert done(*RUN, "--hostname", "vessel", "--", "hostname").stdout == "vessel\n"
    assert done(*RUN, "--chdir", "/usr", "--", "pwd").stdout == "/usr\n"
    before = float(Path("/proc/uptime").read_text().split()[0])
    inside = done(*RUN, "--boottime", "1000000", "--", "cat", "/proc/uptime").stdout.split()[0]
    assert float(inside) >= before + 1000000


def test_another_root(tmp_path: Path) -> None:
    """The old one is gone, what was bound is there, and read-only where that was asked for."""
    root = tmp_path / "root"
    names = [name for name in ("bin", "lib", "lib64", "usr", "proc") if Path("/", name).exists()]
    for name in names:
        (root / name).mkdir(parents=True)
    binds = [f"--bind=/{name}:/{name}:ro" for name in names if name != "proc"]
    script = "echo /*; touch /bin/x 2>/dev/null || echo read-only; readlink /proc/self/exe"
    result = done(*RUN, "--pid", f"--root={root}", *binds, "--", "/bin/sh", "-c", script)
    lines = result.stdout.splitlines()
    assert lines[:1] == [" ".join(f"/{name}" for name in sorted(names))], result
    assert lines[1] == "read-only"


def test_exit_codes_are_the_commands() -> None:
    """Small ones, large ones, and those that mean something: all come from the command."""
    calls = (
        "import sys\nfrom pyinit.ctl import main\n"
        "for n in (*range(3), *range(124, 131), 137, 254, 255):\n"
        f" assert main(['run', *{OWN_USER!r}, '--', 'sh', '-c', f'exit {{n}}']) == n, n\n"
    )
    result = done(sys.executable, "-c", calls)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--", "sh", "-c", "kill -USR1 $$"), 128 + signal.SIGUSR1, ""),
        (("--", "sh", "-c", "kill -KILL $$"), 137, ""),
        (("--", "/nonexistent"), 127, "not found"),
        (("--", "/etc/passwd"), 126, "Permission denied"),
        ((), 125, "no command given"),
        (("--bogus", "--", "true"), 125, "unknown option '--bogus'"),
        (("--bind", "x", "--", "true"), 125, "expected SOURCE:TARGET"),
        (("--init=--bogus", "--", "true"), 125, "--bogus"),
        (("--monotonic", "nan", "--", "true"), 125, "--monotonic: 'nan' is not a number of s"),
        (("--boottime=-inf", "--", "true"), 125, "--boottime: '-inf' is not a number of seconds"),
        (("--boottime", "1e19", "--", "true"), 125, "--boottime: '1e19' is not a number of"),
        (("--boottime", "soon", "--", "true"), 125, "--boottime: 'soon' is not a number of"),
        (("--root", "/nonexistent", "--", "true"), 125, "mount(/nonexistent"),
    ],
)
def test_other_exit_codes(words: Sequence[str], code: int, said: str) -> None:
    """Those of a shell and of env(1); what was not reached is said in one line."""
    result = done(*RUN, *words)
    assert result.returncode == code, result
    assert said in result.stderr
    assert bool(unexplained(result.stderr)) == bool(said)
    assert "Traceback" not in result.stderr


def test_a_command_without_two_dashes() -> None:
    """From its first word on the options are its own."""
    assert done(*RUN, "sh", "-c", "exit 9").returncode == 9
    assert done(*RUN, "--", "sh", "-c", 'exit "$2"', "--", "--", "9").returncode == 9


def test_options_of_the_init() -> None:
    """--init hands them on."""
    assert done(*RUN, "--init=--remap-exit 7:0 -v", "--", "sh", "-c", "exit 7").returncode == 0


SIGNALS = ("HUP", "INT", "QUIT", "USR1", "USR2", "WINCH", "CONT", "RTMIN+1", "RTMIN+5")


def number(name: str) -> int:
    """Return the number of a signal."""
    _, plus, rest = name.partition("+")
    return signal.SIGRTMIN + int(rest) if plus else int(signal.Signals[f"SIG{name}"])


def test_signals_are_passed_on() -> None:
    """Each of them, TERM as well, which unshare(1) ignores."""
    with started(*RUN, "--", *python("record.py")) as process:
        assert process.stdout is not None
        for name in SIGNALS:
            process.send_signal(number(name))
            assert process.stdout.readline() == f"{name}\n".encode()
        process.terminate()
        assert process.stdout.read() == b"TERM\n"
        assert process.wait() == 0


def test_real_time_signals_are_not_lost() -> None:
    """Equal ones are queued; see signal(7)."""
    with started(*RUN, "--", *python("record.py")) as process:
        assert process.stdout is not None
        for _ in range(20):
            process.send_signal(signal.SIGRTMIN + 1)
        for _ in range(20):
            assert process.stdout.readline() == b"RTMIN+1\n"


def test_a_signal_to_unshare_does_not_reach_its_command() -> None:
    """Unshare(1) ignores TERM while it waits: its child's end alone is seen."""
    with started(*harness.UNSHARE, *python("record.py")) as process:
        assert process.stdout is not None
        (command,) = children(process.pid)
        process.terminate()
        os.kill(command, signal.SIGUSR1)
        assert process.stdout.readline() == b"USR1\n"


def test_when_pyinitctl_is_killed_nobody_is_left() -> None:
    """Of the namespace, also those in sessions of their own; the pipe that all have open ends."""
    script = "setsid sleep 1000 & echo ready; exec sleep 1000"
    with started(*RUN, "--", "sh", "-c", script) as process:
        assert process.stdout is not None
        process.kill()
        assert select.select([process.stdout], [], [], DEADLINE_S)[0]
        assert process.stdout.read() == b""
        assert process.wait() == -signal.SIGKILL


def test_when_the_init_is_killed_nobody_is_left() -> None:
    """The exit code says by what it ended."""
    with started(*RUN, "--", *python("record.py", "USR1", "TERM")) as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == b"USR1\n"  # so it knows that it has started
        (init,) = children(process.pid)
        os.kill(init, signal.SIGKILL)
        assert process.stdout.read() == b""
        assert process.wait() == 128 + signal.SIGKILL


def test_leftovers_are_ended_in_good_order() -> None:
    """With TERM, which they act on; unshare(1) has the kernel kill them."""
    leave = python("leave.py", "daemon", "slow")
    assert done(*RUN, "--", *leave).stdout.splitlines()[-2:] == ["TERM", "done"]
    assert "TERM" not in done(*harness.UNSHARE, *leave).stdout


def test_without_a_pid_namespace_leftovers_are_ended_too() -> None:
    """The init is a subreaper then."""
    assert "TERM" in done(*RUN, "--uts", "--", *python("leave.py", "daemon", "end")).stdout


def test_mask_and_dispositions_are_those_of_the_caller() -> None:
    """Nothing that is blocked here for a while reaches the command.

    But for 32 and 33, which posix_spawn(3) of glibc leaves ignored: who uses it differs.
    """
    show = ("sed", "-nE", r"s/^Sig(Blk|Ign):\s*//p", "/proc/self/status")
    ours, theirs = (
        [int(word, 16) & ~(3 << 31) for word in done(*words).stdout.split()]
        for words in ((*RUN, "--", *show), show)
    )
    assert ours == theirs


def test_it_waits_without_waking_up() -> None:
    """It sleeps in poll(2) until something happens."""
    with started(*RUN, "--", *python("record.py", "USR1", "TERM")) as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == b"USR1\n"  # so it knows that it has started
        until(lambda: harness.status_field(process.pid, "State")[0] == "S", "it waits")
        before = harness.status_field(process.pid, "voluntary_ctxt_switches")
        # The round trip of a signal from outside takes longer than any tick of a bad loop.
        (init,) = children(process.pid)
        for _ in range(50):
            os.kill(init, signal.SIGUSR1)
            assert process.stdout.readline() == b"USR1\n"
        assert int(harness.status_field(process.pid, "voluntary_ctxt_switches")) - int(before) < 10


def test_namespaces_that_cannot_be_made() -> None:
    """The system call, and what to do about it."""
    if os.geteuid() == 0:
        conftest.need("setpriv")
        without = ("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin")
        result = done(*without, *PYINITCTL, "run", "--pid", "--", "true")
    else:
        result = done(*PYINITCTL, "run", "--pid", "--", "true")
    assert result.returncode == 125
    assert "unshare(CLONE_NEWPID): EPERM" in result.stderr
    assert "add 'user'" in result.stderr


def test_user_is_a_user() -> None:
    """As everywhere; the kind of namespace is --userns."""
    if UNSHARE_USER:
        return  # only root may become another
    result = done(*PYINITCTL, "run", "--user", "nobody", "--", "id", "-un")
    assert (result.returncode, result.stdout) == (0, "nobody\n")
    result = done(*PYINITCTL, "run", "--user", "nosuch", "--", "true")
    assert result.returncode == 125
    assert result.stderr == (
        "usage: pyinitctl run [OPTION]... -- CMD [ARG]...\n"
        "pyinitctl run: --user: there is no user 'nosuch' here; a new user namespace is --userns\n"
    )


def test_user_without_a_name_is_the_namespace_for_one_release_more() -> None:
    """And says what is to be written."""
    result = done(*PYINITCTL, "run", "--user", "--", *LIST)
    assert result.returncode == 0
    assert "user" in changed(result.stdout)
    assert result.stderr == (
        "pyinitctl run: --user without a name is --userns, and will be an error in 2.0\n"
    )
