"""A file of services as data: keys, defaults, variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pyinit.services import config, envfile, expand, model
from pyinit.services.model import Ready, Service
from tests.cases import in_one_test

if TYPE_CHECKING:
    from pathlib import Path


def read(text: str, **environ: str) -> dict[str, Service]:
    """Return the services of a file of this content."""
    return config.parse(text, "f", environ).by_name


def test_every_key_has_its_attribute() -> None:
    """Of a file with all of them."""
    found = read("""
log = "prefix"
env = {LANG = "C"}
stop-timeout = 3

[service.db]
command = "postgres -D '/a b'"
ready = {fd = 3}
[service.migrate]
type = "task"
command = ["m"]
after = ["db"]
start-timeout = 300
[service."web.1"]
command = ["nginx", "-g", "daemon off;"]
main = true
after = ["migrate"]
stop-before = ["db"]
ready = {port = "8080"}
start-timeout = 5
on-success = "ignore"
on-failure = "restart"
success = [3, "TERM"]
restart-limit = {times = 2}
restart-delay = [0.1, 9]
give-up = "ignore"
stop-signal = "QUIT"
stop-timeout = 60
reload-signal = "HUP"
signals = ["HUP", "WINCH"]
user = "1:2"
chdir = "/"
umask = 0o027
env = {PORT = 80}
unset-env = ["SECRET"]
no-new-privs = true
nice = 5
oom-score-adj = 500
limits = {nofile = 65536, core = "unlimited", nproc = [1, 2]}
log = {stdout = "json", stderr = "stdout"}
[service.job]
type = "job"
command = ["j"]
every = 900
""")
    common: dict[str, Any] = {"env": (("LANG", "C"),), "stdout": "prefix", "stderr": "prefix"}
    db: dict[str, Any] = {"stop_timeout_s": 3.0, "ready": Ready("fd", 3), **common}
    assert found["db"] == Service("db", ("postgres", "-D", "/a b"), **db).settle()
    migrate: dict[str, Any] = {"type": "task", "after": ("db",), "stop_timeout_s": 3.0, **common}
    assert found["migrate"] == Service("migrate", ("m",), start_timeout_s=300.0, **migrate).settle()
    assert found["web.1"] == Service(
        "web.1",
        ("nginx", "-g", "daemon off;"),
        main=True,
        after=("migrate",),
        stop_before=("db",),
        ready=Ready("port", 8080),
        start_timeout_s=5.0,
        on_success="ignore",
        on_failure="restart",
        success=frozenset((3, 143)),
        restart_times=2,
        restart_within_s=60.0,
        restart_delay_s=(0.1, 9.0),
        give_up="ignore",
        stop_signal=3,
        stop_timeout_s=60.0,
        reload_signal=1,
        signals=frozenset((1, 28)),
        user="1:2",
        chdir="/",
        umask=0o027,
        env=(("LANG", "C"), ("SECRET", None), ("PORT", "80")),
        no_new_privs=True,
        nice=5,
        oom_score_adj=500,
        limits=(("nofile", 65536, 65536), ("core", -1, -1), ("nproc", 1, 2)),
        stdout="json",
        stderr="stdout",
    )
    assert (found["job"].every_s, found["job"].on_failure) == (900.0, "ignore")


def test_who_is_not_enabled_is_not_there_and_nobody_waits_for_it() -> None:
    """By a variable as well."""
    text = """
[service.a]
command = ["x"]
after = ["b"]
[service.b]
command = ["x"]
enabled = "${B:-yes}"
"""
    assert read(text)["a"].after == ("b",)
    found = read(text, B="no")
    assert set(found) == {"a"}
    assert found["a"].after == ()


def test_the_command_is_the_main_one_after_all_others_but_jobs() -> None:
    """A second main one is refused."""
    text = "[service.a]\ncommand = 'x'\n[service.j]\ntype = 'job'\nevery = 5\ncommand = 'x'\n"
    made = config.parse(text, "f", {}).with_command(["sh", "-c", "x"])
    main = made.main()
    assert main is not None
    assert (main.name, main.command, main.after) == ("main", ("sh", "-c", "x"), ("a",))
    with pytest.raises(ValueError, match="service 'main' is the main one"):
        made.with_command(["sh"])


EXPANSIONS = (
    ("a$b $$ $", "a$b $ $"),
    ("$${A}", "${A}"),
    ("${A}-${A:-x}", "1-1"),
    ("${EMPTY}${EMPTY:-x}${NONE:-}${NONE:-y$z}", "xy$z"),
)


@in_one_test(("text", "expanded"), EXPANSIONS)
def test_variables_are_put_in(text: str, expanded: str) -> None:
    """An empty one takes the default, as in a shell."""
    assert expand.expand(text, {"A": "1", "EMPTY": ""}) == expanded


def test_a_file_of_variables_comes_before_the_services_own(tmp_path: Path) -> None:
    """Its path is relative to the file of services, and nothing in it is expanded."""
    tmp_path.joinpath("e").write_text("# no\n\nexport\tA=1\nB = 'x y'\nC=$A\n")
    text = "[service.a]\ncommand = 'x'\nenv-file = 'e'\nenv = {A = '2'}\n"
    found = config.parse(text, f"{tmp_path}/f", {}).by_name["a"].env
    assert found == (("A", "1"), ("B", "x y"), ("C", "$A"), ("A", "2"))
    with pytest.raises(ValueError, match="line 2 is not a variable"):
        envfile.parse("A=1\nB\n")


def test_the_defaults_depend_on_the_type() -> None:
    """As the file's description has them."""
    found = {kind: Service("a", ("x",), type=kind).settle() for kind in (*model.TYPES,)}
    ends = {kind: (each.on_success, each.on_failure) for kind, each in found.items()}
    assert ends == {
        "service": ("stop", "stop"),
        "task": ("ignore", "stop"),
        "job": ("ignore", "ignore"),
    }
    assert [each.start_timeout_s for each in found.values()] == [60.0, 0.0, 0.0]
