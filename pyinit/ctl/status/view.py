"""What `pyinitctl status` shows: an init, what its status file tells, and its processes."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from pyinit.ctl import common, table
from pyinit.ctl.status import file, sample, services
from pyinit.report import cause

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyinit.ctl.kinds import FoundInit
    from pyinit.ctl.status.file import Found
    from pyinit.ctl.status.sample import Use

# In the line of the signals.
_MOST_SENDERS = 8

# Lines; on a lower screen each fact has one.
_LEAST_TO_WRAP = 20

# Columns; others are left out for them.
_LEAST_COMMAND = 24


# What processes are sorted by, and how.
SORTS: dict[str, Callable[[Use], Any]] = {
    "cpu": lambda each: (-each.cpu_percent, -each.cpu_s, each.pid),
    "memory": lambda each: (-each.rss_bytes, each.pid),
    "start": lambda each: (-each.age_s, each.pid),
    "pid": lambda each: each.pid,
}


class View:
    """An init at the time of the last `look`; ``ended`` is set by who knows that it has.

    Processes are sorted by ``sort``, one of `SORTS`; ``offset`` of them are scrolled away, and
    ``shift`` characters of their commands.
    """

    def __init__(self, init: FoundInit, path: str) -> None:
        self.init = init
        self.ended = False
        self._file = file.StatusFile(init, path)
        self._sampler = sample.Sampler(init.pid)
        self._uses: list[Use] = []
        self._uptime_s: float | None = None
        self._found: Found = self._file.read()
        self.sort = next(iter(SORTS))
        self.offset = 0
        self.shift = 0

    def close(self) -> None:
        """Let go of what is open."""
        self._file.close()

    def look(self) -> None:
        """Look at it now."""
        self._found = self._file.read()
        if self.ended:
            self._uses = []
            return
        try:
            self._uptime_s = file.proc_start(self.init.pid)[1]
            self._uses = self._sampler.look()
        except OSError:
            self._uses = []  # it has ended

    def as_data(self) -> dict[str, Any]:
        """Return it for programs."""
        found = self._found
        return {
            "init": {
                "pid": self.init.pid,
                "inner_pid": self.init.inner_pid,
                "command": self.init.process.command,
                "name": self.init.process.name,
                "kind": self.init.kind.name,
            },
            "ended": self.ended,
            "uptime_s": None if self._uptime_s is None else round(self._uptime_s, 2),
            "status_file": {
                "path": found.path or None,
                "age_s": found.age_s,
                "problem": found.problem or None,
            },
            "facts": found.facts,
            "cpu_over_s": None if self._sampler.over_s is None else round(self._sampler.over_s, 3),
            "processes": [each._asdict() for each in sorted(self._uses, key=SORTS[self.sort])],
        }

    def as_line(self) -> str:
        """Return it for programs, in one line."""
        return json.dumps(self.as_data())

    def as_text(self, on: table.Screen, height: int | None = None) -> list[str]:
        """Return it for people, in at most ``height`` lines."""
        lines = self._heading(on, wraps=height is None or height >= _LEAST_TO_WRAP)
        if self.ended:
            return lines if height is None else lines[:height]
        lines.append("")
        uses = sorted(self._uses, key=SORTS[self.sort])
        room = len(uses) if height is None else max(height - len(lines) - 1, 0)
        if len(uses) > room:
            room = max(room - 1, 0)
        self.offset = max(0, min(self.offset, len(uses) - room))
        longest = max((len(" ".join(each.command)) for each in uses), default=1)
        self.shift = max(0, min(self.shift, longest - 1))
        shown = uses[self.offset : self.offset + room]
        lines += table.render(self._columns(), [self._row(each) for each in shown], on)
        left = len(uses) - self.offset - len(shown)
        if left or self.offset:
            above = f"{self.offset} above, " if self.offset else ""
            lines.append(_held(f"{above}{left} more, sorted by {self.sort}", on))
        return lines if height is None else lines[:height]

    def sort_by_next(self) -> None:
        """Sort the processes by what comes after that by which they are sorted now."""
        names = list(SORTS)
        self.sort = names[(names.index(self.sort) + 1) % len(names)]

    def _heading(self, on: table.Screen, *, wraps: bool) -> list[str]:
        pairs = self._pairs()
        width = max(len(name) for name, _ in pairs)
        lines = []
        for name, text in pairs:
            said = table.plain(text)
            first, *rest = _wrapped(said, on, width + 2) if wraps else [said]
            lines.append(_held(f"{name:<{width}}  {first}", on))
            lines += [_held(" " * (width + 2) + each, on) for each in rest]
        return lines

    def _pairs(self) -> list[tuple[str, str]]:
        """Return what is said above the table: what it is, and the text."""
        facts = self._found.facts
        pairs = [("init", self._says_who())]
        if self._uptime_s is not None:
            pairs.append(("uptime", cause.duration(self._uptime_s)))
        if facts is not None:
            pairs += _told(facts, self._uptime_s, self._child(facts))
        pairs.append(("status file", self._says_where()))
        if self.ended:
            pairs.append(("end", self._says_how()))
        else:
            pairs.append(("processes", self._says_how_many()))
        return pairs

    def _says_who(self) -> str:
        init, facts = self.init, self._found.facts
        if not init.is_pyinit:
            title = "" if init.process.name == init.kind.title else f", {init.kind.title}"
            who = init.process.name + title
        else:
            who = "pyinit" + (f" {facts['pyinit']}" if facts else "")
        here = f", process {init.pid} here" if init.pid != init.inner_pid else ""
        role = f", {facts['role']}" if facts and facts["role"] != "init" else ""
        return f"{who}, PID {init.inner_pid}{here}{role}"

    def _says_where(self) -> str:
        found = self._found
        if found.problem:
            return f"{found.path} is not used: {found.problem}" if found.path else found.problem
        if found.age_s is None:
            return "none; 'pyinit --status-file PATH' would tell state, signals and orphans"
        return f"{found.path}, written {cause.duration(max(found.age_s, 0.0))} ago"

    def _says_how(self) -> str:
        facts = self._found.facts
        if facts is None:
            return "the init has ended"
        if facts["exit_code"] is None:
            return "the init was killed: its status file says nothing of an end"
        return f"exit code {facts['exit_code']}: {facts['cause'] or 'ended'}"

    def _says_how_many(self) -> str:
        uses = self._uses
        words = [str(len(uses))]
        zombies = sum(each.zombie for each in uses)
        if zombies:
            words.append(cause.plural(zombies, "zombie"))
        words.append(cause.plural(sum(each.threads for each in uses), "thread"))
        over = self._sampler.over_s
        share = sum(each.cpu_percent for each in uses)
        period = "since each began" if over is None else f"over the last {cause.duration(over)}"
        words.append(f"CPU {share:.1f} % {period}")
        return ", ".join(words)

    def _child(self, facts: dict[str, Any]) -> str:
        """Return who the command is, by its number in the namespace of the init and here."""
        child = facts["child"]
        if child is None:
            return ""
        outer = next((each.pid for each in self._uses if each.inner_pid == child["pid"]), None)
        here = f", process {outer} here" if outer not in (None, child["pid"]) else ""
        return f"PID {child['pid']}{here}, {child['state']}"

    def _columns(self) -> list[table.Column]:
        return [
            table.Column("PID", right=True),
            *([table.Column("INNER", right=True)] if self._is_elsewhere else []),
            table.Column("USER", rank=4),
            table.Column("S", rank=5),
            table.Column("CPU%", right=True),
            table.Column("TIME", right=True, rank=2),
            table.Column("RSS", right=True),
            table.Column("THR", right=True, rank=1),
            table.Column("AGE", right=True, rank=3),
            table.Column("COMMAND", flexible=True, least=_LEAST_COMMAND),
        ]

    @property
    def _is_elsewhere(self) -> bool:
        return any(each.pid != each.inner_pid for each in self._uses)

    def _row(self, each: Use) -> table.Row:
        style = "red" if each.zombie else "yellow" if each.state in "Tt" else ""
        name = f"[{each.name}] (zombie)" if each.zombie else f"[{each.name}]"
        if self.shift:
            command = table.Cell(" ".join(each.command or [name])[self.shift :], style)
        elif each.command:
            command = table.command(each.command, style)
        else:
            command = table.Cell(name, style)
        return (
            str(each.pid),
            *([str(each.inner_pid)] if self._is_elsewhere else []),
            each.user or "?",
            table.Cell(each.state, style),
            f"{each.cpu_percent:.1f}",
            _clock(each.cpu_s, hundredths=True),
            cause.size(each.rss_bytes),
            str(each.threads),
            _clock(each.age_s),
            command,
        )


def _wrapped(text: str, on: table.Screen, indent: int) -> list[str]:
    """Return a text in the lines that it takes beside something ``indent`` columns wide."""
    if on.width is None or len(text) + indent <= on.width:
        return [text]
    return textwrap.wrap(text, max(on.width - indent, 8), break_on_hyphens=False) or [""]


def _held(line: str, on: table.Screen) -> str:
    return line if on.width is None else table.cut(line, on.width)


def _told(facts: dict[str, Any], uptime_s: float | None, child: str) -> list[tuple[str, str]]:
    """Return what the status file tells."""
    command = " ".join(str(word) for word in facts["command"]) or "none: it reaps only"
    pairs = [("state", facts["state"]), ("command", f"{command} ({child})" if child else command)]
    now_s = facts["uptime_s"] if uptime_s is None else uptime_s
    if facts["stop"]:
        pairs.append(("stop", _stop(facts, now_s)))
    if facts.get("services"):
        pairs.append(("services", services.summary(facts)))
    if facts["awaited"]:
        pairs.append(("awaited", _awaited(facts["awaited"])))
    if facts["teardown"]:
        pairs.append(("teardown", _teardown(facts["teardown"])))
    pairs.append(("signals", _signals(facts)))
    pairs.append(("orphans", _orphans(facts["orphans"])))
    if facts["oom_kills"]:
        pairs.append(("OOM kills", str(facts["oom_kills"])))
    return pairs


def _stop(facts: dict[str, Any], now_s: float) -> str:
    stop = facts["stop"]
    ago = cause.duration(max(now_s - stop["at_s"], 0.0))
    return f"{stop['signal']} {cause.sender(stop, facts)}, {ago} ago"


def _awaited(awaited: dict[str, Any]) -> str:
    names = ", ".join(str(each) for each in awaited["leftovers"])
    return f"{common.count(awaited['count'])} when the command ended: {names}"


def _teardown(teardown: dict[str, Any]) -> str:
    names = ", ".join(str(each) for each in teardown["leftovers"])
    grace = cause.duration(teardown["grace_s"])
    return f"{cause.plural(teardown['count'], 'leftover')} with a grace of {grace}: {names}"


def _orphans(orphans: dict[str, Any]) -> str:
    words = [f"{orphans['reaped']} reaped"]
    if orphans["killed"]:
        words.append(f"{orphans['killed']} killed by a signal")
    if orphans["failed"]:
        words.append(f"{orphans['failed']} with an exit code other than 0")
    return ", ".join(words)


def _signals(facts: dict[str, Any]) -> str:
    signals = sorted(facts["signals"], key=lambda each: -int(each["count"]))
    words = [
        f"{each['count']} {each['signal']} {cause.sender(each, facts)}"
        for each in signals[:_MOST_SENDERS]
    ]
    if len(signals) > _MOST_SENDERS:
        words.append("...")
    if facts["signals_dropped"]:
        words.append(f"{facts['signals_dropped']} could not be relayed")
    return "; ".join(words) or "none"


def _clock(seconds: float, *, hundredths: bool = False) -> str:
    """Return a time in the ways of ps(1), [[DD-]HH:]MM:SS, and of top(1), M:SS.hh."""
    if hundredths and seconds < 3600:
        return f"{int(seconds) // 60}:{seconds % 60:05.2f}"
    whole = int(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    text = f"{minutes:02}:{whole % 60:02}"
    if days or hours:
        text = f"{hours:02}:{text}"
    return f"{days}-{text}" if days else text
