"""A container is used as a `subprocess.Popen`: what it has in common, and what it says instead."""

from __future__ import annotations

import gc
import os
import pickle
import select
import signal
import subprocess
import threading
from typing import IO, TYPE_CHECKING, Any

import pytest

import pyinit
from pyinit import Container, TimeoutExpired
from tests.harness import DEADLINE_S, children, python, until
from tests.spawning import USER, line, spawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

PIPE = subprocess.PIPE
RECORD = python("record.py", "TERM", "USR1", "USR2")
# Waits for the end of its stdin.
WAITS: dict[str, Any] = {"stdin": PIPE}
# More than all pipes on the way have room for.
MUCH = b"0123456789abcde\n" * 100_000


# -- communicate() ---------------------------------------------------------------------------------


def test_more_is_written_and_read_than_pipes_hold() -> None:
    """At once: either alone would wait for ever."""
    script = "tee /dev/stderr"
    with spawn(["sh", "-c", script], stdin=PIPE, stderr=PIPE) as container:
        out, err = container.communicate(MUCH)
        assert (out == MUCH, err == MUCH) == (True, True)
        assert container.returncode == 0


def test_a_timeout_loses_nothing() -> None:
    """The next call goes on where the last one was, with what is still to be written too."""
    reader, writer = os.pipe()
    try:
        script = f"cat; cat /proc/self/fd/{reader}"
        with spawn(["sh", "-c", script], stdin=PIPE, pass_fds=[reader]) as container:
            with pytest.raises(TimeoutExpired) as caught:
                container.communicate(MUCH, timeout=1)
            assert MUCH.startswith(caught.value.output)
            assert container.returncode is None
            with pytest.raises(ValueError, match="input was given to the first call"):
                container.communicate(b"more")
            os.write(writer, b"end")
            os.close(writer)
            writer = -1
            out, _ = container.communicate(timeout=DEADLINE_S)
            assert out == MUCH + b"end"
    finally:
        for fd in (reader, writer):
            if fd >= 0:
                os.close(fd)


def test_nobody_reads_the_input() -> None:
    """Which is no error, as in subprocess."""
    with spawn(["true"], stdin=PIPE) as container:
        assert container.communicate(MUCH) == (b"", None)


def test_what_is_no_pipe_is_none() -> None:
    """As in subprocess."""
    with spawn(["true"], stdout=subprocess.DEVNULL) as container:
        assert container.communicate() == (None, None)
        assert container.returncode == 0


@pytest.mark.parametrize(
    ("how", "given", "error", "said"),
    [
        ({}, b"x", ValueError, "expected stdin=PIPE too"),
        ({"stdin": PIPE}, "x", TypeError, "expected bytes, or text=True, not str"),
        ({"stdin": PIPE, "text": True}, b"x", TypeError, "expected str, as text is asked for"),
    ],
)
def test_input_of_a_wrong_kind(
    how: dict[str, Any], given: str | bytes, error: type[Exception], said: str
) -> None:
    """Is said before anything is written."""
    with spawn(["cat"], **how) as container, pytest.raises(error, match=said):
        container.communicate(given)


# -- text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"text": True}, {"encoding": "latin-1"}, {"errors": "replace"}])
def test_text(how: dict[str, Any]) -> None:
    """Each of the three makes the files text, and lines end in one way."""
    with spawn(["cat"], stdin=PIPE, **how) as container:
        assert container.communicate("süß\r\nend")[0] == "süß\nend"
    with spawn(["cat"], stdin=PIPE, **how) as container:
        assert container.stdin is not None
        assert container.stdout is not None
        container.stdin.write("süß\n")
        container.stdin.close()
        assert container.stdout.readlines() == ["süß\n"]


def test_the_encoding_is_the_one_asked_for() -> None:
    """In both directions, with what is to be done about errors."""
    with spawn(["od", "-An", "-tx1"], stdin=PIPE, encoding="latin-1") as container:
        assert container.communicate("ß")[0].split() == ["df"]
    with spawn(["printf", r"\377"], encoding="ascii", errors="backslashreplace") as container:
        assert container.communicate()[0] == r"\xff"


def await_output(stream: IO[Any] | None) -> None:
    """Wait until there is something to read, and leave it."""
    assert stream is not None
    assert select.select([stream], [], [], DEADLINE_S)[0]


def test_a_timeout_inside_a_character() -> None:
    """It is a time-out: the character is whole in what the next call returns."""
    reader, writer = os.pipe()
    try:
        script = rf"printf 'caf\303'; read -r _ </proc/self/fd/{reader}; printf '\251\n'"
        how: dict[str, Any] = {"pass_fds": [reader], "encoding": "utf-8"}
        with spawn(["sh", "-c", script], **how) as container:
            await_output(container.stdout)
            with pytest.raises(TimeoutExpired) as caught:
                container.communicate(timeout=0.1)
            assert caught.value.output == "caf"
            os.write(writer, b"\n")
            assert container.communicate(timeout=DEADLINE_S) == ("café\n", None)
    finally:
        os.close(reader)
        os.close(writer)


def test_a_timeout_after_what_is_no_text() -> None:
    """It is one all the same; that it cannot be decoded is said at the end, and no one is left."""
    script = r"printf 'a\377b'; printf 'c\303' >&2; read -r _"
    how: dict[str, Any] = {"stdin": PIPE, "stderr": PIPE, "encoding": "utf-8"}
    with spawn(["sh", "-c", script], **how) as container:
        for each in (container.stdout, container.stderr):
            await_output(each)
        assert container.stdin is not None
        stdin = os.dup(container.stdin.fileno())
        try:
            with pytest.raises(TimeoutExpired) as caught:
                container.communicate(timeout=0.1)
            told: tuple[Any, Any] = (caught.value.output, caught.value.stderr)
            assert told == (r"a\xffb", "c")
        finally:
            os.close(stdin)
        with pytest.raises(UnicodeDecodeError):
            container.communicate(timeout=DEADLINE_S)
        assert container.returncode == 1


# -- the end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "code", "how"),
    [
        ("exit 0", 0, {}),
        ("exit 255", 255, {}),
        ("kill -USR1 $$", -signal.SIGUSR1, {}),
        ("exit 138", 138, {}),
        ("kill -TERM $$", 0, {"remap_exit": {143: 0}}),
    ],
)
def test_returncode_is_that_of_popen(script: str, code: int, how: dict[str, Any]) -> None:
    """Negative after a signal, unless the code was mapped; None until it has been looked for."""
    with spawn(["sh", "-c", f"read -r _; {script}"], **WAITS, **how) as container:
        assert container.returncode is None
        assert container.stdin is not None
        container.stdin.close()
        end = container.wait(timeout=DEADLINE_S)
        assert container.returncode == end.returncode == code


def test_the_signal_is_one_of_signals() -> None:
    """With its name; a real-time signal has none in the module signal, and is a number."""
    with spawn(["sh", "-c", "kill -USR2 $$"]) as container:
        assert container.wait().signal is signal.SIGUSR2
    with spawn(["sh", "-c", f"kill -{signal.SIGRTMIN + 5} $$"]) as container:
        assert container.wait().signal == signal.SIGRTMIN + 5
    with spawn(["true"]) as container:
        assert container.wait().signal is None


def test_terminate_and_signals_by_name() -> None:
    """A number, a member of signal.Signals, a name with and without SIG."""
    with spawn(RECORD) as container:
        assert line(container.stdout) == "ready"
        for each in (signal.SIGUSR1, int(signal.SIGUSR1), "USR1", "SIGUSR1"):
            container.send_signal(each)
            assert line(container.stdout) == "USR1"
        with pytest.raises(ValueError, match="signal: 'USR3'"):
            container.send_signal("USR3")
        container.terminate()
        assert line(container.stdout) == "TERM"
        container.wait(timeout=DEADLINE_S)
        container.terminate()


def test_a_stop_by_another_signal() -> None:
    """By its name."""
    with spawn(["sleep", "1000"]) as container:
        assert container.stop(timeout=1000, signal="USR1").signal is signal.SIGUSR1


def test_a_timeout_is_both_errors() -> None:
    """That of subprocess and the built-in one; pickle knows it."""
    with spawn(["sleep", "1000"]) as container:
        with pytest.raises(subprocess.TimeoutExpired) as caught:
            container.wait(timeout=0.01)
        error = caught.value
        assert isinstance(error, TimeoutError)
        assert (error.cmd, error.timeout) == (["sleep", "1000"], 0.01)
        expected = f"container {container.pid} has not ended within 0.01 seconds"
        assert str(error) == expected
        assert str(pickle.loads(pickle.dumps(error))) == expected
        assert repr(error) == "TimeoutExpired(['sleep', '1000'], 0.01)"


# -- what it is ------------------------------------------------------------------------------------


def test_what_it_says_of_itself() -> None:
    """The public name, the number, the state, the command."""
    with spawn(["sleep", "1000"]) as container:
        who = f"<pyinit.Container pid={container.pid}"
        assert repr(container) == f"{who} running args=['sleep', '1000']>"
        assert container.args == ["sleep", "1000"]
        container.kill()
        assert repr(container).startswith(f"{who} Exit(code=137, signal=<Signals.SIGKILL: 9>)")


def test_the_environment_is_the_one_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of ours is left, in the init neither; add_env adds to it."""
    monkeypatch.setenv("SECRET", "1")
    script = "env; tr '\\0' '\\n' </proc/1/environ"
    path = os.environ["PATH"]
    with spawn(["sh", "-c", script], env={"A": "1", "PATH": path}, add_env={"B": "2"}) as container:
        words = {each.partition("=")[0] for each in container.communicate()[0].decode().split("\n")}
    assert words - {"", "PWD", "SHLVL", "_", "OLDPWD"} == {"A", "B", "PATH"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_the_environment_and_another_user() -> None:
    """What is given is what it gets; HOME and so on are the user's where they are not given."""
    script = "echo $HOME $USER"
    path = os.environ["PATH"]
    with spawn(["sh", "-c", script], user="nobody", env={"PATH": path, "HOME": "/x"}) as container:
        assert container.communicate()[0] == b"/x nobody\n"


def test_the_directory_is_the_one_given(tmp_path: Path) -> None:
    """For `exec` too."""
    with spawn(["sh", "-c", "pwd; read -r _"], cwd=tmp_path, **WAITS) as container:
        assert line(container.stdout) == str(tmp_path)
        with container.exec(["pwd"], cwd="/", stdout=PIPE, text=True) as process:
            assert process.communicate() == ("/\n", None)
            assert repr(process).startswith(f"<pyinit.Process pid={process.pid} Exit(code=0")


@pytest.mark.parametrize("env", [["A=1"], {"A": 1}, {"A=B": "1"}, {"A": "\0"}])
def test_no_environment(env: Any) -> None:
    """The message names the keyword."""
    with pytest.raises((TypeError, ValueError), match=r"^env"):
        spawn(["true"], env=env)


# -- what is forgotten -----------------------------------------------------------------------------


def test_one_that_is_dropped_is_warned_of() -> None:
    """It goes on, and is reaped when it has ended and another one is started."""
    container = spawn(["sh", "-c", "read -r _"], **WAITS)
    pid, stdin = container.pid, os.dup(container.stdin.fileno())  # type: ignore[union-attr]
    before = len(os.listdir("/proc/self/fd"))
    with pytest.warns(ResourceWarning, match=f"^container {pid} is still running$"):
        container = None  # type: ignore[assignment]
    gc.collect()
    assert pid in children(os.getpid())
    pidfd = os.pidfd_open(pid)
    os.close(stdin)
    os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
    os.close(pidfd)
    with spawn(["true"]):
        assert pid not in children(os.getpid())
    assert len(os.listdir("/proc/self/fd")) < before


@pytest.mark.parametrize("how", ["ended", "closed", "detached"])
def test_one_that_need_not_be_closed(how: str, recwarn: pytest.WarningsRecorder) -> None:
    """It has ended, or is meant to go on."""
    before = os.listdir("/proc/self/fd")
    container = spawn(["sleep", "1000" if how != "ended" else "0"], detach=how == "detached")
    pid = container.pid
    try:
        if how == "ended":
            container.wait(timeout=DEADLINE_S)
        elif how == "closed":
            container.close()
        container = None  # type: ignore[assignment]
        gc.collect()
        assert not [each for each in recwarn if str(pid) in str(each.message)]
    finally:
        if how != "ended":
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | (0 if how == "closed" else os.WNOWAIT))
    spawn(["true"]).wait(timeout=DEADLINE_S)
    assert pid not in children(os.getpid())
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= len(before)


NEEDS_IT: dict[str, Callable[[Container], object]] = {
    "wait": lambda each: each.wait(),
    "poll": lambda each: each.poll(),
    "communicate": lambda each: each.communicate(),
    "send_signal": lambda each: each.send_signal("TERM"),
    "terminate": lambda each: each.terminate(),
    "stop": lambda each: each.stop(),
    "kill": lambda each: each.kill(),
    "exec": lambda each: each.exec(["true"]),
    "processes": lambda each: each.processes(),
    "freeze": lambda each: each.freeze(),
    "thaw": lambda each: each.thaw(),
    "resize": lambda each: each.resize(80, 24),
}


def test_after_close() -> None:
    """One sentence and one type, whatever is asked for."""
    container = spawn(["sleep", "1000"])
    container.close()
    try:
        for each in NEEDS_IT.values():
            with pytest.raises(ValueError, match=f"^container {container.pid} is closed$"):
                each(container)
        who = f"<pyinit.Container pid={container.pid}"
        assert repr(container) == f"{who} closed args=['sleep', '1000']>"
    finally:
        os.kill(container.pid, signal.SIGKILL)
        os.waitpid(container.pid, 0)


@pytest.mark.parametrize("name", ["send_signal", "exec", "processes", "freeze", "thaw"])
def test_after_its_end(name: str) -> None:
    """What takes a process says how it has ended."""
    with spawn(["sh", "-c", "exit 3"]) as container:
        container.wait(timeout=DEADLINE_S)
        said = rf"container {container.pid} has ended: Exit\(code=3"
        with pytest.raises(ProcessLookupError, match=said):
            NEEDS_IT[name](container)


def test_exec_while_another_thread_waits() -> None:
    """The container cannot end before a process of `exec` that has ended is waited for."""
    with spawn(["sh", "-c", "read -r _"], **WAITS) as container:
        ends: list[object] = []
        waiting = threading.Thread(target=lambda: ends.append(container.wait()))
        waiting.start()
        until(lambda: len(container.on_inside) == 1, "it waits")
        with container.exec(["sleep", "1000"]):
            assert container.stdin is not None
            container.stdin.close()
            waiting.join(DEADLINE_S)
            assert ends == [pyinit.Exit(1)]


# -- old names -------------------------------------------------------------------------------------


def late(wait: Callable[[], object]) -> bool:
    """Return whether a wait is timed out."""
    try:
        wait()
    except TimeoutError:
        return True
    return False


def test_old_names_work_and_say_the_new_ones(tmp_path: Path) -> None:
    """Each of them."""
    argv = ["sh", "-c", "echo $PWD $A; read -r _"]
    variables = {"A": "1", "PATH": os.environ["PATH"]}
    kinds = {"pid", "mount", *USER}
    with pytest.warns(DeprecationWarning, match="write (cwd|env)= ") as told:
        container = pyinit.spawn(
            argv,
            namespaces=kinds,
            directory=tmp_path,  # type: ignore[call-arg]
            environment=variables,
            stdin=PIPE,
            stdout=PIPE,
        )
    words = {str(each.message) for each in told}
    assert words == {
        "spawn(): write cwd= instead of directory=",
        "spawn(): write env= instead of environment=",
    }
    assert {each.filename for each in told} == {__file__}
    with container:
        assert line(container.stdout) == f"{tmp_path} 1"
        with (
            pytest.warns(DeprecationWarning, match="write env= instead of environment="),
            container.exec(["true"], environment=variables) as process,  # type: ignore[call-arg]
        ):
            process.wait(timeout=DEADLINE_S)
        with pytest.warns(DeprecationWarning, match=r"^Process.wait\(\): write timeout= "):
            assert late(lambda: container.wait(timeout_s=0.01))  # type: ignore[call-arg]
        with pytest.warns(DeprecationWarning, match=r"^Process.stop\(\): write (timeout|signal)= "):
            container.stop(timeout_s=1000, number=9)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="directory is the old name of cwd: expected one of them"):
        pyinit.spawn(argv, cwd="/", directory="/")  # type: ignore[call-arg]
