"""The facts of a run in the text format of Prometheus, for node_exporter's textfile collector."""

from __future__ import annotations

from datetime import datetime

from pyinit import lifecycle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    Labels = Mapping[str, str]


class Metric:
    """A family of samples; see the exposition formats in the documentation of Prometheus."""

    def __init__(
        self, name: str, kind: str, text: str, samples: list[tuple[Labels, float]]
    ) -> None:
        self.name = name
        self.kind = kind
        self.text = text
        self.samples = samples


def render(facts: Mapping[str, Any]) -> str:
    """Return all metrics."""
    lines = []
    for metric in _metrics(facts):
        lines += [f"# HELP {metric.name} {metric.text}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [f"{metric.name}{_labels(labels)} {value!r}" for labels, value in metric.samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    words = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{words}}}" if words else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _one(name: str, kind: str, text: str, value: float) -> Metric:
    return Metric(f"pyinit_{name}", kind, text, [({}, value)])


def _metrics(facts: Mapping[str, Any]) -> Iterator[Metric]:
    started = datetime.fromisoformat(facts["started"]).timestamp()
    yield Metric(
        "pyinit_info", "gauge", "Version and role of this init.",
        [({"version": facts["pyinit"], "role": facts["role"]}, 1)],
    )  # fmt: skip
    yield _one("start_time_seconds", "gauge", "When it started, since the epoch.", started)
    states = (
        lifecycle.RUNNING, lifecycle.WAITING, lifecycle.DRAINING, lifecycle.STOPPING,
        lifecycle.DESCENDING, lifecycle.BYPASSING, lifecycle.TEARDOWN, lifecycle.KILLING,
        lifecycle.DONE,
    )  # fmt: skip
    yield Metric(
        "pyinit_state", "gauge", "1 for the state that it is in.",
        [({"state": state}, int(state == facts["state"])) for state in states],
    )  # fmt: skip
    yield Metric(
        "pyinit_signals_received_total", "counter", "Signals received, by where they came from.",
        _signals(facts["signals"]),
    )  # fmt: skip
    dropped = facts["signals_dropped"]
    yield _one("signals_dropped_total", "counter", "Signals that could not be relayed.", dropped)
    orphans = facts["orphans"]["reaped"]
    yield _one("orphans_reaped_total", "counter", "Orphans that were reaped.", orphans)
    oom = facts["oom_kills"]
    yield _one("oom_kills_total", "counter", "OOM kills in the container since the start.", oom)
    yield from _of_services(facts.get("services") or [])
    teardown = facts["teardown"] or {"count": 0, "kills": 0, "blocked": []}
    for key, value, text in (
        ("", teardown["count"], "Processes that outlived the command."),
        ("_killed", teardown["kills"], "Those of them that had to be killed."),
        ("_blocked", len(teardown["blocked"]), "Those of them that did not end even then."),
    ):
        yield _one(f"leftovers{key}", "gauge", text, value)
    if facts["exit_code"] is not None:
        code = facts["exit_code"]
        yield _one("exit_code", "gauge", "The exit code, once all has ended.", code)


def _of_services(services: list[dict[str, Any]]) -> Iterator[Metric]:
    """Yield a sample for each service, where there are some."""
    for name, kind, text, key in (
        ("ready", "gauge", "1 for a service that is ready, 0 for one that is not.", "ready"),
        ("starts_total", "counter", "Starts of a service.", "starts"),
        ("restarts_total", "counter", "Starts of a service after an end of its own.", "restarts"),
        ("exit_code", "gauge", "Exit code of the last end of a service.", "exit_code"),
    ):
        samples: list[tuple[Labels, float]] = [
            ({"service": each["name"]}, int(each[key]))
            for each in services
            if each[key] is not None
        ]
        if samples:
            yield Metric(f"pyinit_service_{name}", kind, text, samples)


def _signals(signals: list[dict[str, Any]]) -> list[tuple[Labels, float]]:
    counts: dict[tuple[str, str], int] = {}
    for each in signals:
        key = (each["signal"], each["origin"])
        counts[key] = counts.get(key, 0) + each["count"]
    return [
        ({"signal": signal, "origin": origin}, count) for (signal, origin), count in counts.items()
    ]
