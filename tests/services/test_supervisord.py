"""A supervisord.conf: what its programs become, what is different, what is wrong."""
# ruff: noqa: E501 - the messages as they stand

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from pyinit.services import config, model, readers, supervisord, toml
from pyinit.services.problems import ServicesError
from tests.cases import in_one_test
from tests.harness import Container
from tests.services.boxes import told

if TYPE_CHECKING:
    from pathlib import Path

    from pyinit.services.model import Services

ENVIRON = {"PORT": "80", "PCT": "a%b"}
PROGRAM = "[program:a]\ncommand=x\n"


def read(text: str) -> Services:
    """Return the services of a file of this content."""
    return supervisord.parse(text, "/etc/f.conf", ENVIRON)


def test_a_program_becomes_a_service() -> None:
    """With all that a container needs of it."""
    services = read("""
[supervisord]
environment=BASE="x y"
[program:a]
command=nginx -g 'daemon off;' -p %(ENV_PORT)s %(here)s %(ENV_PCT)s 100%% ; a comment
directory=/srv
user=www-data
umask=027
environment=A="1,2",HOME=/h,USER='u',B=%(program_name)s
stopsignal=quit
stopwaitsecs=55
stdout_logfile=/dev/stdout
stderr_logfile=/dev/null
""")
    made = services.by_name["a"]
    # A semicolon after a space begins a comment, another one does not.
    assert made.command == (*("nginx", "-g", "daemon off;", "-p", "80", "/etc", "a%b", "100%"),)
    assert (made.chdir, made.user, made.umask) == ("/srv", "www-data", 0o027)
    assert dict(made.env) == {"BASE": "x y", "A": "1,2", "HOME": "/h", "USER": "u", "B": "a"}
    assert (made.stop_signal, made.stop_timeout_s) == (signal.SIGQUIT, 55)
    assert (made.stdout, made.stderr) == (model.INHERIT, model.NULL)


# What a program says, and what the service has of it.
KEYS = {
    "autorestart=true": {"on_success": "restart", "on_failure": "restart"},
    "autorestart=false": {"on_success": "ignore", "on_failure": "stop"},
    "exitcodes=0,3": {"on_success": "ignore", "on_failure": "restart", "success": {3}},
    "startsecs=10": {"restart_times": 3, "restart_within_s": 46, "restart_delay_s": (1, 3)},
    "startretries=1": {"restart_times": 1, "restart_within_s": 3, "restart_delay_s": (1, 1)},
    "startsecs=0": {"restart_times": 0, "give_up": "stop"},
    "redirect_stderr=true": {"stderr": "stdout"},
    "stderr_logfile=/dev/fd/1": {"stderr": "stdout"},
    "stdout_logfile=/var/log/a": {"stdout": "/var/log/a", "stderr": "inherit"},
    "stdout_logfile=NONE": {"stdout": "null"},
    "user=root": {"user": ""},
    "autostart=false": {"autostart": False, "on_failure": "restart"},
    "autostart=false\nautorestart=false": {"autostart": False, "on_failure": "ignore"},
}


@in_one_test(("line", "expected"), KEYS.items())
def test_a_key_becomes_attributes(line: str, expected: dict[str, object]) -> None:
    """Of the service."""
    made = read(PROGRAM + line).by_name["a"]
    assert {key: getattr(made, key) for key in expected} == expected


# Files, and what is said of them.
NOTES = {
    PROGRAM + "startretires=3": "line 3: unknown key 'startretires': did you mean 'startretries'? (a)",
    PROGRAM + "depends_on=b": "line 3: 'depends_on' is none of supervisord's: 'after' in TOML is (a)",
    PROGRAM + "autorestart=false": "'autorestart' is false: it may end with 0; a failure ends the container (a)",
    PROGRAM + "startsecs=0": "it is restarted without limit ('startsecs' is 0), but 1 s later or more (a)",
    PROGRAM + "user=nobody": "HOME, USER and LOGNAME are its user's, where supervisord leaves root's (a)",
    PROGRAM + "stdout_logfile=/a.log": "'stdout_logfile': the file is appended to, without rotation (a)",
    PROGRAM + "stdout_capture_maxbytes=1MB": "'stdout_capture_maxbytes' is left out: there are no events (a)",
    PROGRAM + "killasgroup=false": "'killasgroup' is false: signals go to the whole group all the same (a)",
    PROGRAM + "[unix_http_server]\nfile=/x": "there is no server: with --control 'pyinitctl --as supervisorctl' is its client",
    PROGRAM + "[programs:b]": "line 3: unknown section [programs:b]: did you mean 'program:x'?",
    PROGRAM + "[include]\nfiles=/nowhere/*.conf": "[include] files: no file matches '/nowhere/*.conf'",
    PROGRAM + "[eventlistener:l]\ncommand=x\nevents=TICK_60": "[eventlistener:l] is not run: there are no events",
}  # fmt: skip


@in_one_test(("text", "said"), NOTES.items())
def test_a_difference_is_said(text: str, said: str) -> None:
    """Once, with the programs that it concerns, and so is the one that all have."""
    *notes, last = read(text).notes
    assert notes == [said]
    assert last.startswith("a program that cannot be kept up ends the container")


# Files, and what is wrong with them.
WRONG = {
    "[program:a]\n": "/etc/f.conf:1: [program:a]: it has no 'command': expected what to start",
    PROGRAM + "user=%(ENV_NONE)s": "/etc/f.conf:3: variable NONE is not set: expected it in the environment",
    PROGRAM + "user=%(none)s": "/etc/f.conf:3: '%(none)s' is not known: expected %(ENV_NAME)s, %(here)s, %(program_name)s, ...",
    PROGRAM + "directory=100%": "/etc/f.conf:3: '100%' cannot be expanded: incomplete format: expected %(NAME)s, or %% for %",
    PROGRAM + "stopsignal=TREM": "/etc/f.conf:3: 'stopsignal': 'TREM' is not a signal: expected a name such as TERM or RTMIN+3, or a number from 1 to 64",
    PROGRAM + "autorestart=maybe": "/etc/f.conf:3: 'autorestart': 'maybe' is neither: expected true or false",
    PROGRAM + "startsecs=soon": "/etc/f.conf:3: 'startsecs': 'soon' is out of place: expected 0 to 1000000",
    PROGRAM + "numprocs=2": "/etc/f.conf:1: [program:a]: there are two processes 'a': expected %(process_num)d in 'process_name'",
    PROGRAM + "environment=A": "/etc/f.conf:3: 'A' is not a list of variables: expected A=\"b\",C=\"d\"",
    PROGRAM + "nonsense": "/etc/f.conf:3: this is not a setting: expected KEY=VALUE",
    "x=y": "/etc/f.conf:1: there is no section: expected [program:NAME] before it",
    "[supervisord]": "/etc/f.conf: it has no program: expected [program:x]",
    "[fcgi-program:a]\n": "/etc/f.conf:1: [fcgi-program:a]: no socket is held for a program: expected [program:x], which binds it itself",
}  # fmt: skip


@in_one_test(("text", "said"), WRONG.items())
def test_what_is_wrong_is_said_with_its_line(text: str, said: str) -> None:
    """And nothing is read."""
    with pytest.raises(ServicesError) as found:
        read(text)
    assert found.value.lines[0] == said


def test_a_number_of_processes_becomes_as_many_services() -> None:
    """Each with its number."""
    found = read(
        PROGRAM.replace("x", "x %(process_num)d of %(numprocs)d")
        + "numprocs=2\nnumprocs_start=5\nprocess_name=%(program_name)s_%(process_num)02d\n"
    ).by_name
    assert {name: each.command for name, each in found.items()} == {
        "a_05": ("x", "5", "of", "2"),
        "a_06": ("x", "6", "of", "2"),
    }


def test_priorities_are_the_order_of_the_stop() -> None:
    """The highest stops first; that of a group comes before those in it."""
    text = "".join(
        f"[program:{name}]\ncommand=x\npriority={number}\n"
        for name, number in (("a", 10), ("b", 20), ("c", 5), ("d", 20))
    )
    found = read(text + "[group:g]\nprograms=c\npriority=50\n").by_name
    assert {name: each.stop_before for name, each in found.items()} == {
        "a": (),
        "b": ("a",),
        "c": ("a", "b", "d"),
        "d": ("a",),
    }
    assert not any(each.after for each in found.values())


# Of [eventlistener:l] the command and events, and what all programs have of it.
LISTENERS = {
    ("/die", "PROCESS_STATE_FATAL"): ("restart", "inherit"),
    ("/die", "PROCESS_STATE_FATAL,PROCESS_STATE_EXITED"): ("stop", "inherit"),
    ("supervisor_stdout", "PROCESS_LOG"): ("restart", "prefix"),
}


@in_one_test(("listener", "expected"), LISTENERS.items())
def test_a_listener_is_understood(listener: tuple[str, str], expected: tuple[str, str]) -> None:
    """By what it is for, and not run."""
    command, events = listener
    services = read(
        PROGRAM
        + "stdout_events_enabled=true\n"
        + f"[eventlistener:l]\ncommand={command}\nevents={events}\n"
    )
    made = services.by_name["a"]
    assert (made.on_failure, made.stdout) == expected
    assert list(services.by_name) == ["a"]
    assert services.notes[0].startswith("[eventlistener:l] is not run: ")


def test_a_listener_is_for_the_programs_that_ask_for_it() -> None:
    """Also where the name of another begins alike, or where a section has several processes."""
    services = read(
        PROGRAM
        + "stdout_events_enabled=true\n[program:a2]\ncommand=x\n"
        + "[program:b]\ncommand=x\nnumprocs=2\nprocess_name=p%(process_num)d\n"
        + "stderr_events_enabled=true\n"
        + "[eventlistener:l]\ncommand=supervisor_stdout\nevents=PROCESS_LOG\n"
    )
    found = {each.name: (each.stdout, each.stderr) for each in services.by_name.values()}
    assert found == {
        "a": ("prefix", "inherit"),
        "a2": ("inherit", "inherit"),
        "p0": ("inherit", "prefix"),
        "p1": ("inherit", "prefix"),
    }


def test_variables_are_put_in_outside_of_programs() -> None:
    """In the user of all, and in a group."""
    services = read(
        "[supervisord]\nuser=u%(ENV_PORT)s\n"
        "[group:g]\nprograms=p%(ENV_PORT)s\npriority=%(ENV_PORT)s\n"
        "[program:p80]\ncommand=x\n"
    )
    made = services.by_name["p80"]
    assert (made.user, made.group, made.priority) == ("u80", "g", (80, 999))
    for text in ("[group:g]\nprograms=%(ENV_NO)s\n", "[supervisord]\nuser=%(ENV_NO)s\n"):
        with pytest.raises(ServicesError, match=r"^/etc/f.conf:2: variable NO is not set"):
            read(text + PROGRAM)


def test_files_are_included(tmp_path: Path) -> None:
    """Each knows the folder that it is in, and is named where something in it is wrong."""
    more = tmp_path / "conf.d"
    more.mkdir()
    (more / "b.conf").write_text("[program:b]\ncommand=%(here)s/run\n")
    path = tmp_path / "supervisord.conf"
    path.write_text("[include]\nfiles = conf.d/*.conf\n[program:a]\ncommand=x\n")
    assert readers.read(str(path)).by_name["b"].command == (f"{more}/run",)
    (more / "b.conf").write_text("[program:b]\n")
    with pytest.raises(ServicesError, match=rf"^{more}/b.conf:1: \[program:b\]"):
        readers.read(str(path))


def test_what_is_converted_is_the_same() -> None:
    """The TOML has the same services."""
    made = read(
        PROGRAM
        + 'environment=A="$b"\nstdout_logfile=/a b\nstartsecs=0\npriority=3\n[program:b]\ncommand=y z\n'
    )
    assert made.by_name["a"].priority == (3, 3)
    for service in made.by_name.values():
        service.priority = model.Service.priority  # of supervisorctl's words alone
    assert config.parse(toml.write(made), "f", {}).by_name == made.by_name


def test_a_container_runs_it(namespaces: None, tmp_path: Path) -> None:
    """What is different is said first; a program that fails again and again ends the container."""
    path = tmp_path / "supervisord.conf"
    path.write_text("""
[supervisord]
nodaemon=true
[program:web]
command=sh -c "trap 'echo web stops; exit 0' TERM; echo up; while :; do sleep 0.05; done"
[program:bad]
command=sh -c "echo %(program_name)s; exit 7"
startretries=1
""")
    with Container((), options=("--services", str(path))) as container:
        code = container.wait()
        events = told(container)
        assert sorted(container.rest().split("\n")) == ["", "bad", "bad", "up", "web stops"]
        assert code == 7
    assert events[0]["event"] == "services_note"
    assert events[0]["note"].startswith("a program that cannot be kept up ends the container")
    assert "service_given_up" in [each["event"] for each in events]
