"""``pyinitctl manual``: the man page and docs/cli.md, made from the table of options.

What is about no single option stands here.  Backquotes stand around what is typed, and a blank
line ends a paragraph.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from pyinit import __version__
from pyinit.options import table
from pyinit.options.parser import USAGE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pyinit.options.table import Option

# Of the text, not of the build: the page is the same wherever it is rendered.
DATE = "2026-11-22"

_SUMMARY = "a PID 1 for containers"

_DESCRIPTION = """\
pyinit starts COMMAND, relays every signal to it, and reaps every orphan. When COMMAND ends, pyinit
ends the processes that are left (TERM, and KILL after the grace), and exits with COMMAND's status.
As the init of a PID namespace it ends all processes of the namespace; otherwise those that COMMAND
has started.

Parsing stops at the first word that is not an option: `pyinit ls -h` is `ls -h`. `--` ends the
options too. Short options can be bundled, and the value of the last one can be attached: `-gvv`,
`-r TERM:QUIT`, `-e143`. At a usage error pyinit names the word that is wrong, starts nothing, and
exits with 125.

A signal is given by its name (with or without SIG, in upper or lower case), by its number, or as
`RTMIN+n` or `RTMAX-n`; see signal(7). A time is a number of seconds, such as 5 or 0.5."""

_VARIABLES = """\
Each option has a variable, called PYINIT_ and the option's name, for places where the command line
cannot be changed. An option on the command line overrides its variable. A switch takes 1, yes,
true, on or 0, no, false, off; PYINIT_VERBOSE takes 2 as well. Several values of a repeatable option
are separated by commas. An empty variable has no effect. A variable PYINIT_... that belongs to no
option has no effect either; if its name is nearly that of an option's variable, pyinit logs a
warning with the right name. COMMAND inherits all of them."""

_STATUS = (
    ("0 to 255", "what COMMAND exited with"),
    ("128+n", "signal n killed COMMAND"),
    ("0", "with `--pause`"),
    ("125", "pyinit itself failed, or was used wrongly; nothing was started"),
    ("126", "COMMAND was found, but could not be started; the message says why"),
    ("127", "COMMAND was not found"),
)

_SIGNALS = """\
pyinit relays every signal each time it is sent, real-time signals too, from inside and from outside
of the namespace. The exceptions: KILL and STOP cannot be caught. CHLD tells pyinit itself of its
children. ILL, TRAP, ABRT, BUS, FPE, SEGV and SYS report a fault of the process that gets them; if
one is sent to pyinit, it has no effect. TTIN and TTOU from the kernel concern pyinit itself.
A signal from the terminal to a group that the command shares with pyinit has reached the command
already. TSTP is relayed as STOP where the kernel would discard it, because the command's process
group is orphaned (setpgid(2)).

A stop signal (`--stop-signals`) begins the stop. Before the command has ended, a second one ends
the drain early; after that, it ends the grace early."""

_ENVIRONMENT = (
    ("NOTIFY_SOCKET", "where `--notify` sends its messages; COMMAND inherits it"),
    (
        "LISTEN_PID, LISTEN_PIDFDID",
        "set to the PID (the pidfd's ID) of COMMAND if they named pyinit; sd_listen_fds(3)",
    ),
    (
        "WATCHDOG_PID",
        "set to the PID of COMMAND if it named pyinit; sd_watchdog_enabled(3)",
    ),
    (
        "PYTHONPATH and others of Python's",
        "for COMMAND; pyinit starts itself again without those that affect its own interpreter",
    ),
    (
        "LD_PRELOAD, LD_AUDIT",
        "the same if a loaded library has started a thread, which would receive signals",
    ),
)

_TIMES = """\
The program that stops a container waits for some time, and then kills all of it at once. The times
of pyinit have to fit into that time: the drain, the last step of the plan, the grace, and 2
seconds, after which pyinit stops waiting for a process that the kernel cannot end. With Kubernetes
the time of the pod's preStop hook has to fit in too."""


class Waiter(NamedTuple):
    """Who stops containers, what its time-out is called, its default in seconds; what fits."""

    name: str
    setting: str
    default_s: int
    fits: str


WAITERS = (
    Waiter("docker stop", "-t SECONDS", 10, "--stop-timeout 5 --grace 2"),
    Waiter("docker compose", "stop_grace_period", 10, "--stop-timeout 5 --grace 2"),
    Waiter("podman stop", "-t SECONDS", 10, "--stop-timeout 5 --grace 2"),
    Waiter(
        "Kubernetes", "terminationGracePeriodSeconds", 30, "--drain 5 --stop-timeout 15 --grace 5"
    ),
    Waiter("systemd", "TimeoutStopSec", 90, "--drain 10 --stop-timeout 60 --grace 10"),
)

_EXAMPLES = (
    ("A container's entry point, in a Dockerfile", 'ENTRYPOINT ["pyinit", "--"]'),
    (
        "A namespace of its own, in a shell",
        "unshare --pid --fork --mount-proc pyinit -v -- sh",
    ),
    (
        "A service of Kubernetes, which waits 30 seconds",
        "pyinit --drain 5 --stop-timeout 15 --grace 5 -- gunicorn app:app",
    ),
    (
        "Apache httpd with a terminal, stopped by TERM without dropping requests",
        "pyinit --rewrite WINCH:ignore,TERM:WINCH -- httpd -DFOREGROUND",
    ),
    (
        "As an ordinary user; an end by TERM is a success",
        "pyinit --user app --no-new-privs -e TERM -- java -jar app.jar",
    ),
    ("An init without a command", "pyinit --pause"),
)

_SEE_ALSO = (
    "pid_namespaces(7), signal(7), prctl(2), unshare(1), sd_notify(3), sd_listen_fds(3), "
    "`pyinitctl --help`"
)


def markdown() -> str:
    """Return docs/cli.md."""
    parts = [
        "# The command line",
        "<!-- Made by `pyinitctl manual --markdown`. -->",
        f"```\n{USAGE}\n```",
        *_filled(_DESCRIPTION),
        *_filled(_VARIABLES),
        _contents(),
    ]
    for title, rows in table.GROUPS:
        parts.append(f"## {title}")
        for option in rows:
            parts += _option_in_markdown(option)
    parts += ["## How to choose the times", *_filled(_TIMES)]
    parts.append(
        _table(
            ("who", "its setting", "default", "what fits"),
            [(w.name, f"`{w.setting}`", f"{w.default_s} s", f"`{w.fits}`") for w in WAITERS],
        )
    )
    parts += ["## Exit status", _table(("code", "when"), _STATUS)]
    parts += ["## What is relayed", *_filled(_SIGNALS)]
    parts += ["## Environment", _table(("variable", "what"), _ENVIRONMENT)]
    parts.append("## Examples")
    for what, example in _EXAMPLES:
        parts += [f"{what}:", f"```\n{example}\n```"]
    return "\n\n".join(parts) + "\n"


def _contents() -> str:
    lines = []
    for title, rows in table.GROUPS:
        links = (f"[`--{option.name}`](#{_anchor(option)})" for option in rows)
        lines.append((f"[{title}](#{title.lower().replace(' ', '-')})", ", ".join(links)))
    return _table(("group", "options"), lines)


def _anchor(option: Option) -> str:
    """Return what a heading is reached by: its letters, digits, hyphens, and spaces as hyphens."""
    return re.sub(r"[^a-z0-9 _-]", "", _heading(option).lower()).replace(" ", "-")


def _heading(option: Option) -> str:
    short = f"`-{option.short}`, " if option.short else ""
    return f"{short}`{_long(option)}`"


def _long(option: Option) -> str:
    return f"--{option.name} {option.kind.name}" if option.takes_value else f"--{option.name}"


def _option_in_markdown(option: Option) -> Iterator[str]:
    yield f"### {_heading(option)}"
    yield _sentence(option)
    command = "" if option.name in {"pause", "help", "version"} else " COMMAND"
    yield "\n".join(
        (
            f"- default: {_default(option)}",
            f"- variable: {_variable(option)}",
            f"- keyword: {_keyword(option)}",
            f"- example: `pyinit {option.example}{command}`",
        )
    )
    yield from _filled(option.manual)


def _sentence(option: Option) -> str:
    return option.text[0].upper() + option.text[1:] + "."


def _default(option: Option) -> str:
    if option.default:
        return option.default if option.kind is table.SWITCH else f"`{option.default}`"
    return option.without or ("none" if option.takes_value else "off")


def _variable(option: Option) -> str:
    if option.variable:
        return f"`{option.variable}`"
    positive = f"PYINIT_{option.attribute.upper()}"
    return f"`{positive}=0`" if option.value is False else "none"


def _keyword(option: Option) -> str:
    if option.keyword:
        return f"`{option.keyword}={option.kind.python}`"
    return f"`{option.attribute}=False`" if option.value is False else "none"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _filled(text: str, width: int = 120) -> list[str]:
    return [
        textwrap.fill(part, width, break_long_words=False, break_on_hyphens=False)
        for part in text.split("\n\n")
        if part
    ]


def man_page() -> str:
    """Return pyinit(1); see man(7)."""
    lines = [
        f'.TH PYINIT 1 {DATE} "pyinit {__version__}" "User Commands"',
        # What is typed must not be hyphenated, nor be spread over the line.
        ".nh",
        ".ad l",
        ".SH NAME",
        rf"pyinit \- {_SUMMARY}",
        ".SH SYNOPSIS",
        r".B pyinit",
        r"[\fIOPTION\fR...] [\fB\-\-\fR] \fICOMMAND\fR [\fIARG\fR...]",
        ".SH DESCRIPTION",
        *_paragraphs(_DESCRIPTION),
        ".SH OPTIONS",
    ]
    for title, rows in table.GROUPS:
        lines.append(f".SS {title}")
        for option in rows:
            lines += _option_in_roff(option)
    lines += [".SH ENVIRONMENT", *_paragraphs(_VARIABLES)]
    lines += _definitions([(o.variable, f"`--{o.name}`") for o in table.TABLE if o.variable])
    lines += _definitions(_ENVIRONMENT)
    lines += [".SH EXIT STATUS", *_definitions(_STATUS)]
    lines += [".SH SIGNALS", *_paragraphs(_SIGNALS)]
    lines += [".SH NOTES", ".SS How to choose the times", *_paragraphs(_TIMES)]
    lines += _definitions(
        [
            (f"{w.name}: {w.setting}", f"{w.default_s} s, into which fits `{w.fits}`")
            for w in WAITERS
        ]
    )
    lines.append(".SH EXAMPLES")
    for what, example in _EXAMPLES:
        lines += [".TP", f"{_roff(what)}:", rf"\fB{_literal(example)}\fR"]
    lines += [".SH SEE ALSO", *_roff_lines(_SEE_ALSO)]
    return "\n".join(lines) + "\n"


def _option_in_roff(option: Option) -> Iterator[str]:
    names = [f"-{option.short}"] if option.short else []
    names.append(f"--{option.name}")
    label = ", ".join(rf"\fB{_literal(name)}\fR" for name in names)
    yield ".TP"
    yield label + (rf" \fI{_literal(option.kind.name)}\fR" if option.takes_value else "")
    yield from _roff_lines(_sentence(option))
    facts = [f"Default: {_default(option)}."] if option.takes_value else []
    if _variable(option) != "none":
        facts.append(f"Variable: {_variable(option)}.")
    facts.append(f"Example: `{option.example}`")
    yield from _roff_lines(" ".join(facts))
    for paragraph in option.manual.split("\n\n"):
        if paragraph:
            yield ".IP"
            yield from _roff_lines(paragraph)


def _paragraphs(text: str) -> Iterator[str]:
    first, *others = text.split("\n\n")
    yield from _roff_lines(first)
    for part in others:
        yield ".PP"
        yield from _roff_lines(part)


def _definitions(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    for term, text in rows:
        yield ".TP"
        yield rf"\fB{_literal(term)}\fR"
        yield from _roff_lines(text)


def _roff_lines(text: str) -> list[str]:
    """Return lines of ``text``: one that begins with a dot or a quote would be a request."""
    lines = textwrap.wrap(_roff(text), 78, break_long_words=False, break_on_hyphens=False)
    return [rf"\&{line}" if line[0] in ".'" else line for line in lines]


def _roff(text: str) -> str:
    """Return ``text`` with what is in backquotes in bold."""
    pieces = text.replace("\\", r"\e").split("`")
    pieces[1::2] = [rf"\fB{_literal(piece)}\fR" for piece in pieces[1::2]]
    return "".join(pieces)


def _literal(text: str) -> str:
    """Return what is typed as it stands, with signs that are not made typographical ones."""
    return text.replace("-", r"\-").replace("'", r"\(aq").replace("^", r"\(ha")
