"""pyinit.supervise: services below a program in Python."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pyinit
from tests.harness import children, status_field, until
from tests.services.boxes import shell, stays
from tests.stopping.test_teardown_blocked import WALL, seize

PROGRAM = """
import os, signal, sys
sys.path.append(sys.argv[1])
import pyinit
signal.signal(signal.SIGTERM, lambda *_: print('own'))
try:
    print('code', pyinit.supervise(sys.argv[2], command=sys.argv[3:]), flush=True)
except ValueError as error:
    print(error)
    sys.exit()
assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])
try:
    print('a child', os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    pass
signal.raise_signal(signal.SIGTERM)
"""


OPEN = """
import os, sys
sys.path.append(sys.argv[1])
import pyinit
with open(sys.argv[3], 'w') as file:
    os.close(0)
    for name in ('', *[sys.argv[2]] * 3, sys.argv[4]):
        try:
            if name:
                pyinit.supervise(name)
        except ValueError:
            pass
        print(sorted(os.listdir('/proc/self/fd')), file=file)
"""

WRONG = """
import sys
sys.path.append(sys.argv[1])
import pyinit
for more in ({'command': ['echo', chr(0xd800)]}, {'command': 'echo'}, {'services': chr(0xd800)}):
    try:
        pyinit.supervise(**{'services': sys.argv[2], **more})
    except (TypeError, ValueError) as error:
        print(error)
"""


def run(path: Path, *command: str) -> subprocess.Popen[str]:
    """Start a program that supervises the services of ``path``."""
    package = str(Path(pyinit.__file__).parents[1])
    argv = [sys.executable, "-IS", "-c", PROGRAM, package, str(path), *command]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def has_none_but(probe: int, pid: int) -> bool:
    """Return whether process ``pid`` has ended, or sleeps with no child but the probe."""
    return children(pid) in ([], [probe]) and status_field(pid, "State")[0] in "SZ"


def test_a_program_supervises_and_goes_on(tmp_path: Path) -> None:
    """It gets the exit code, its signal mask and its handlers back."""
    path = tmp_path / "s.toml"
    path.write_text("[service.db]\n" + stays("db"))
    with run(path, "sh", "-c", "echo main; exit 3") as program:
        assert program.stdout
        assert program.stdout.read() == "db\nmain\ndb stops\ncode 3\nown\n"
    with run(path) as program:
        assert program.stdout
        assert program.stdout.readline() == "db\n"
        program.send_signal(signal.SIGTERM)
        assert program.stdout.read() == "db stops\ncode 0\nown\n"


def test_a_wrong_file_is_an_error(tmp_path: Path) -> None:
    """All of it in one text, before anything was started."""
    path = tmp_path / "s.toml"
    path.write_text("[service.db]\nusr = 'x'\n" + shell("echo no") + "nice = 99\n")
    with run(path) as program:
        assert program.stdout
        assert [line.partition(" ")[0] for line in program.stdout] == [f"{path}:2:", f"{path}:4:"]


def test_words_that_no_program_can_be_given_are_named(tmp_path: Path) -> None:
    """Before anything is started, as `run` does; a string is no list of words."""
    path = tmp_path / "s.toml"
    path.write_text("[service.db]\n" + shell("echo started"))
    package = str(Path(pyinit.__file__).parents[1])
    argv = [sys.executable, "-IS", "-c", WRONG, package, str(path)]
    said = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert said.splitlines() == [
        r"command: '\ud800' has no bytes in utf-8: surrogates not allowed",
        "command: expected a sequence of words, not one word: 'echo'",
        r"services: '\ud800' has no bytes in utf-8: surrogates not allowed",
    ]


def test_no_probe_stays_behind(tmp_path: Path) -> None:
    """One that looks when the last service ends is killed, and reaped before the return."""
    looks, ends = tmp_path / "looks", tmp_path / "ends"
    os.mkfifo(ends)
    probe = f"echo $$$$ >{looks}.new; mv {looks}.new {looks}; exec sleep 1000"
    path = tmp_path / "s.toml"
    text = f"[service.a]\nready = {{command = ['sh', '-c', '{probe}']}}\n"
    path.write_text(text + shell(f"read x <{ends}; exit 3"))
    with run(path) as program:
        until(looks.exists, "the probe looks")
        pid = int(looks.read_text())
        seize(pid)  # its tracer has to reap it first, and its parent waits for that
        try:
            ends.write_text("\n")
            until(lambda: has_none_but(pid, program.pid), "the service has been reaped")
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, WALL)
        assert program.stdout
        assert program.stdout.read() == "code 3\nown\n"


def test_each_call_closes_what_it_has_opened(tmp_path: Path) -> None:
    """Pipes, what is reserved for services, what is opened of a terminal; also after an error."""
    path, found = tmp_path / "s.toml", tmp_path / "found"
    text = "log = 'prefix'\n[service.a]\non-failure = 'ignore'\n" + shell("echo a; exit 3")
    text += "[service.b]\nready = {fd = 9}\non-success = 'ignore'\n" + shell("echo >&9")
    path.write_text(text)
    (tmp_path / "wrong.toml").write_text(text + "user = 'nobody-there'\n")
    package = str(Path(pyinit.__file__).parents[1])
    command = [sys.executable, "-IS", "-c", OPEN, package, str(path), str(found)]
    command.append(str(tmp_path / "wrong.toml"))
    terminal, slave = os.openpty()
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, check=True)
        shown = os.read(terminal, 65536)
    finally:
        os.close(terminal)
        os.close(slave)
    assert b"a | \x1b[0ma" in shown
    assert b"service_failed" in shown
    before, *after = found.read_text().splitlines()
    assert after == [before] * 4


def test_not_as_pid_1_and_not_beside_threads(tmp_path: Path) -> None:
    """Both are said before the file is read."""
    import threading

    event = threading.Event()
    thread = threading.Thread(target=event.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="other threads"):
            pyinit.supervise("/no/such/file")
    finally:
        event.set()
        thread.join()
    assert os.getpid() != 1
