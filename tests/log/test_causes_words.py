"""The sentences of the exit report from facts alone: those that no short test could bring about."""

from __future__ import annotations

from typing import Any

from pyinit.report import cause
from tests.cases import in_one_test

SENDER = {"origin": "inside", "sender_pid": 9, "sender_uid": 5, "sender_name": "x"}
NOBODY = {"origin": "outside", "sender_pid": None, "sender_uid": 0, "sender_name": None}


def facts(**more: Any) -> dict[str, Any]:
    """Return the facts of a run of `app` that exited with 0 after three hours."""
    return {
        "role": "init",
        "command": ["app", "--serve"],
        "parent": {"pid": None, "ended": None, "death_signal": None},
        "uptime_s": 10920.4,
        "child": child(),
        "exit_code": 0,
        "cause": "exited with 0",
        "stop": None,
        "teardown": None,
        "signals": [],
        "signals_dropped": 0,
        "orphans": {"reaped": 0, "killed": 0, "failed": 0},
        "oom_kills": 0,
        "usage": {
            "cpu_user_s": 61.0,
            "cpu_system_s": 1.5,
            "peak_process_bytes": None,
            "peak_cgroup_bytes": None,
        },
    } | more


def child(signal: str | None = None, code: int = 0, **more: Any) -> dict[str, Any]:
    """Return the facts of a command."""
    ended = {"signal": signal, "exit_code": code, "core_dumped": False, "at_s": 10920.0}
    return {"pid": 2, **ended, **more}


def stop(signal: str = "SIGTERM", **more: Any) -> dict[str, Any]:
    """Return the facts of a stop from outside."""
    found = {"signal": signal, **NOBODY, "drain_s": 0.0, "relayed_as": signal}
    return {**found, "relayed_after_s": 0.0, "took_s": 12.0, "escalated": [], **more}


def relayed(signal: str, last_s: float, **more: Any) -> dict[str, Any]:
    """Return the entry of a signal that was relayed as it is."""
    return {"signal": signal, "count": 1, **SENDER, "last_s": last_s, "relayed_as": signal, **more}


OOM = "killed by SIGKILL: the kernel's OOM killer"
PERHAPS_OOM = (
    "killed by SIGKILL, perhaps by the kernel's OOM killer, "
    "which has killed since the cgroup was made"
)
STOPPED = "12 s after the stop by SIGTERM from outside the namespace"


@in_one_test(
    ("given", "words"),
    [
        ({"child": child("SIGKILL", oom_killed=True)}, OOM),
        ({"child": child("SIGKILL", oom_killed=True), "stop": stop()}, OOM),
        ({"child": child("SIGKILL", oom_killed=None)}, PERHAPS_OOM),
        ({"child": child("SIGKILL", oom_killed=None), "stop": stop()}, f"{PERHAPS_OOM}, {STOPPED}"),
        ({"child": child(code=125, status_lost=True)}, "ended, and its wait status was lost"),
        ({"child": child("SIGSEGV", core_dumped=True)}, "crashed by SIGSEGV, core dumped"),
        ({"child": child("SIGQUIT", core_dumped=True), "stop": stop("SIGQUIT")},
         "ended by SIGQUIT, core dumped, 12 s after the stop from outside the namespace"),
        ({"child": child("SIGABRT", core_dumped=True), "signals": [relayed("SIGABRT", 10919.0)]},
         "ended by SIGABRT, core dumped, which pyinit relayed 1.0 s before from x[9] of user 5"),
        # Two HUPs of different senders: the last one is whose it was.
        ({"child": child("SIGHUP"),
          "signals": [relayed("SIGHUP", 10.0, sender_name="first"), relayed("SIGHUP", 10919.5)]},
         "ended by SIGHUP, which pyinit relayed 0.5 s before from x[9] of user 5"),
        ({"child": child("SIGALRM")},
         "ended by SIGALRM, which pyinit did not send: its own timer, or a process did"),
        ({"child": child("SIGXCPU")}, ("ended by SIGXCPU, which pyinit did not send: "
         "its limit of CPU time, or a process did")),
        # It was planned, but another signal ended it.
        ({"child": child("SIGKILL"),
          "stop": stop(escalated=[{"signal": "SIGINT", "after_s": 5.0}])},
         f"killed by SIGKILL, which pyinit did not send, {STOPPED}"),
        ({"child": child(code=1), "stop": stop(drain_s=5.0, relayed_after_s=5.0)},
         f"exited with 1, {STOPPED}, of which 5.0 s drain"),
        ({"child": child(code=1), "stop": stop(took_s=None)}, "exited with 1"),
        ({"child": child("SIGHUP"), "stop": None, "signals": [
            relayed("SIGHUP", 10920.0, origin="kernel", sender_pid=0, sender_name=None)]},
         ("ended by SIGHUP, which pyinit relayed 0.0 s before "
         "from the kernel, as for the end of a terminal")),
        ({"child": child("SIGTERM"), "oom_kills": 1, "stop": stop(origin="self", sender_pid=1)},
         "ended by SIGTERM 12 s after the stop from pyinit itself, for an OOM kill"),
        ({"child": child(code=128 + 32)}, "exited with 160"),
        ({"child": child(code=128 + 15)},
         "exited with 143, as a shell does whose command was ended by SIGTERM"),
        ({"child": child(code=143), "stop": stop()}, f"exited with 143, {STOPPED}"),
        ({"child": None}, "ended"),
    ],
)  # fmt: skip
def test_the_cause(given: dict[str, Any], words: str) -> None:
    """Each is a whole answer to who and when."""
    assert cause.cause(facts(**given)) == words


@in_one_test(
    ("given", "words"),
    [
        ({}, "app --serve: exited with 0; ran 3 h 2 min; CPU 1 min 2 s"),
        ({"usage": {"cpu_user_s": 0.0, "cpu_system_s": 0.0, "peak_process_bytes": 3 << 30,
                    "peak_cgroup_bytes": None}},
         ("app --serve: exited with 0; ran 3 h 2 min; CPU 0.0 s; "
          "peak memory of a process 3.0 GiB")),
        ({"orphans": {"reaped": 1, "killed": 0, "failed": 0}, "oom_kills": 2, "signals_dropped": 1},
         ("app --serve: exited with 0; ran 3 h 2 min; 2 OOM kills; 1 signal could not be relayed; "
         "1 orphan reaped; CPU 1 min 2 s")),
        ({"child": None, "command": ["x"], "exit_code": 127, "cause": "could not be started: why"},
         "x: could not be started: why; exit code 127"),
        ({"child": None, "command": [], "stop": stop(), "cause": "stopped by SIGTERM from x"},
         "pause: stopped by SIGTERM from x; ran 3 h 2 min; CPU 1 min 2 s"),
        ({"command": ["x" * 300], "uptime_s": 5e5},
         f"{'x' * 197}...: exited with 0; ran 5 d 18 h; CPU 1 min 2 s"),
    ],
)  # fmt: skip
def test_the_line(given: dict[str, Any], words: str) -> None:
    """What is nothing is not said."""
    assert cause.summary(facts(**given)) == words


@in_one_test(
    ("teardown", "words"),
    [
        ({"leftovers": ["a[1]", "b[2]", "c[3]", "d[4]"], "count": 4},
         "4 leftovers (a[1], b[2], c[3], ...) ended in 0.3 s"),
        ({"leftovers": ["a[1]"], "count": 1, "kills": 1},
         "1 leftover (a[1]) ended in 0.3 s, 1 of them by SIGKILL"),
        ({"leftovers": ["a[1]", "b[2]"], "count": 2, "kills": 2, "blocked": ["b[2]: traced"]},
         "2 leftovers (a[1], b[2]), 1 still there after 0.3 s and SIGKILL"),
        ({"leftovers": [], "count": 0}, "leftovers ended in 0.3 s"),
        ({"leftovers": ["a\n\x1b[1]"], "count": 1}, "1 leftover (a\\x0a\\x1b[1]) ended in 0.3 s"),
    ],
)  # fmt: skip
def test_leftovers(teardown: dict[str, Any], words: str) -> None:
    """Who they were, and what became of them."""
    given = {"kills": 0, "reaped": 0, "blocked": [], "took_s": 0.3, **teardown}
    assert f"; {words}; " in cause.summary(facts(teardown=given))
