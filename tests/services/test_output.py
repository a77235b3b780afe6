"""Outputs through the supervisor: names in front, objects, and nobody who is waited for."""

from __future__ import annotations

import array
import fcntl
import json
import os
import signal
import sys
import termios
from typing import TYPE_CHECKING

from tests.harness import children, until
from tests.services.boxes import box, shell, supervisor, told

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Container

# Bytes in a pipe, and those of a write for which poll(2) waits; see pipe(7).
PIPE = 65536
ROOM = 4096


def program(script: str) -> str:
    """Return a line of TOML for a command of Python."""
    return f"command = ['{sys.executable}', '-IS', '-c', '''{script}''']\n"


def waiting(container: Container) -> int:
    """Return how many bytes of its stdout nobody has read; see FIONREAD in pipe(7)."""
    assert container.process.stdout
    found = array.array("i", (0,))
    fcntl.ioctl(container.process.stdout, termios.FIONREAD, found)
    return found[0]


def refuse(word: str) -> None:
    """Take no number that is none in JSON."""
    raise ValueError(word)


def test_names_stand_in_front_and_streams_stay_apart(namespaces: None, tmp_path: Path) -> None:
    """An incomplete last line gets its end; a service that inherits its output has no name."""
    text = "[service.a]\nlog = 'prefix'\n" + shell("echo one; echo two >&2; printf three")
    text += "on-success = 'ignore'\n"
    text += "[service.longer]\nafter = ['a']\non-success = 'ignore'\n" + shell("echo plain")
    with box(tmp_path, text) as container:
        assert container.wait() == 0
        out = container.rest().splitlines()
        assert sorted(out) == ["a      | one", "a      | three", "plain"]
        assert out.index("a      | one") < out.index("a      | three")
        assert "a      | two\n" in container.errors()


def test_lines_of_any_length_and_order(namespaces: None, tmp_path: Path) -> None:
    """None is lost, and those of more than 16 KiB come in pieces."""
    script = "import sys\nfor n in range(20000): print(n)\nprint('x' * 100000 + 'end', flush=True)"
    with box(tmp_path, "[service.a]\nlog = 'prefix'\n" + program(script)) as container:
        lines = container.rest().splitlines()
        assert container.wait() == 0
    assert all(line.startswith("a | ") for line in lines)
    found = [line[4:] for line in lines]
    assert found[:20000] == [str(n) for n in range(20000)]
    assert "".join(found[20000:]) == "x" * 100000 + "end"
    assert max(map(len, found)) == 16384


def test_a_reader_that_does_not_read_holds_up_the_service_and_nobody_else(
    namespaces: None, tmp_path: Path
) -> None:
    """Nothing is lost: once it is read, all comes, in its order."""
    script = "import sys\nfor n in range(50000): print('line', n)\nsys.stdout.flush()\n"
    script += f"open('{tmp_path}/written', 'w')"
    reader, writer = os.pipe()
    text = "[service.flood]\nlog = 'prefix'\non-success = 'ignore'\n" + program(script)
    text += "[service.other]\n" + shell(f"echo x >{tmp_path}/other; exec sleep 1000")
    with os.fdopen(reader) as stream:
        try:
            with box(tmp_path, text, stdout=writer) as container:
                os.close(writer)
                until((tmp_path / "other").exists, "the other one runs")
                assert not (tmp_path / "written").exists()
                lines = [stream.readline() for _ in range(50000)]
                assert lines == [f"flood | line {n}\n" for n in range(50000)]
                until((tmp_path / "written").exists, "the service has written all")
                container.signal(signal.SIGTERM)
                assert container.wait() == 0
        finally:
            if not stream.closed:
                stream.close()


def test_a_full_pipe_at_the_end_is_written_when_there_is_room(
    namespaces: None, tmp_path: Path
) -> None:
    """Nothing is told of a pipe that is empty then: all has come, as has a line without its end."""
    script = "import os\nos.write(1, (b'x' * 63 + bytes([10])) * 1023 + b'y' * 64)\n"
    script += f"open('{tmp_path}/written', 'w')"
    with box(tmp_path, "[service.a]\nlog = 'prefix'\n" + program(script)) as container:
        until((tmp_path / "written").exists, "the service has written all")
        parent = supervisor(container)
        until(lambda: not children(parent), "the service has been reaped")
        until(lambda: waiting(container) > PIPE - ROOM, "what is left waits for room")
        lines = container.rest().splitlines()
        assert container.wait() == 0
        assert lines == [f"a | {'x' * 63}"] * 1023 + [f"a | {'y' * 64}"]
        assert "service_output_lost" not in container.errors()


def test_a_grandchild_that_keeps_the_pipe_holds_up_nothing(
    namespaces: None, tmp_path: Path
) -> None:
    """The end of a service is what wait(2) says; here one escapes to a session of its own."""
    escaped = "import os, time\nif os.fork() == 0: os.setsid(); time.sleep(1000)\n"
    text = "[service.a]\nlog = 'prefix'\n" + program(
        escaped + "print('end', flush=True)\nraise SystemExit(7)"
    )
    with box(tmp_path, text, options=("--grace", "0")) as container:
        assert container.wait() == 7
        assert container.rest() == "a | end\n"


def test_objects_stay_objects(namespaces: None, tmp_path: Path) -> None:
    """They get the fields that they lack; a line that is none becomes the event of one."""
    lines = ['{"event": "own", "service": "theirs"}', "plain {", '{"broken"', "[1]"]
    text = "[service.a]\nlog = 'json'\n" + program(f"print({json.dumps(chr(10).join(lines))!s})")
    with box(tmp_path, text) as container:
        assert container.wait() == 0
        found = [json.loads(line) for line in container.rest().splitlines()]
    assert {each.pop("stream") for each in found} == {"stdout"}
    assert all(each.pop("timestamp").endswith("Z") for each in found)
    assert [each["service"] for each in found] == ["theirs", "a", "a", "a"]
    assert [each["event"] for each in found] == ["own", *lines[1:]]


def test_what_only_python_reads_is_no_object(namespaces: None, tmp_path: Path) -> None:
    """Each line that is written is JSON for all: no Infinity, NaN, or number without a bound."""
    lines = [
        *('{"a": 1e999}', '{"a": [-1e999]}', '{"a": NaN}', '{"a": Infinity}', '{"a": -Infinity}'),
        *('{"a": ' + "9" * 5000 + "}", '{"a": 1e300, "b": "NaN"}'),
    ]
    (tmp_path / "lines").write_text("\n".join(lines))
    text = "[service.a]\nlog = 'json'\n" + shell(f"cat {tmp_path}/lines")
    with box(tmp_path, text) as container:
        assert container.wait() == 0
        out = container.rest().splitlines()
    found = [json.loads(line, parse_constant=refuse) for line in out]
    assert [each.get("event") for each in found] == [*lines[:-1], None]
    assert (found[-1]["a"], found[-1]["b"]) == (1e300, "NaN")


def test_a_reader_that_has_gone_is_the_services_matter(namespaces: None, tmp_path: Path) -> None:
    """It gets what it would without us: SIGPIPE."""
    reader, writer = os.pipe()
    os.close(reader)
    text = "[service.a]\nlog = 'prefix'\n" + shell("while :; do echo x || exit 1; done")
    try:
        with box(tmp_path, text, stdout=writer) as container:
            assert container.wait() == 141
    finally:
        os.close(writer)


def test_a_reader_that_has_gone_is_so_after_each_restart(namespaces: None, tmp_path: Path) -> None:
    """Each start gets a pipe that nobody reads, and nothing of the supervisor's."""
    reader, writer = os.pipe()
    os.close(reader)
    text = "[service.a]\nlog = 'prefix'\non-failure = 'restart'\nrestart-delay = [0, 0]\n"
    text += "restart-limit = {times = 3}\n" + shell("while :; do echo x || exit 1; done")
    try:
        with box(tmp_path, text, options=("-v",), stdout=writer) as container:
            assert container.wait() == 141
            found = told(container)
    finally:
        os.close(writer)
    assert "service_not_started" not in [each["event"] for each in found]
    ends = [each["signal"] for each in found if each["event"] == "service_exited"]
    assert ends == ["SIGPIPE"] * 4


def test_outputs_to_nowhere_and_to_a_file(namespaces: None, tmp_path: Path) -> None:
    """A file is appended to."""
    path = tmp_path / "log"
    path.write_text("before\n")
    script = "echo out; echo err >&2"
    text = f"[service.a]\nlog = {{stdout = '{path}', stderr = 'stdout'}}\n" + shell(script)
    text += "[service.b]\nlog = 'null'\n" + shell(script)
    text = text.replace("command", "on-success = 'ignore'\ncommand")
    with box(tmp_path, text, options=("-q",)) as container:
        assert (container.wait(), container.rest(), container.errors()) == (0, "", "")
    assert path.read_text() == "before\nout\nerr\n"
