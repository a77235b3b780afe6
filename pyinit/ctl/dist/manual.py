"""``pyinitctl manual``: the man page and docs/cli.md, made from the table of options.

What the table has no room for stands here, in a markup of two signs: what is in
backquotes is typed as it stands, and a blank line ends a paragraph.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from pyinit import __version__
from pyinit.options import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pyinit.options.table import Option

DESCRIPTION = "Print the manual page of pyinit, for 'pyinitctl manual | man -l -'."

# Of the text, not of the build: the page is the same wherever it is rendered.
DATE = "2026-11-22"

_SUMMARY = "a PID 1 for containers"

_DESCRIPTION = """\
pyinit starts COMMAND, relays every signal to it, and reaps every orphan. When COMMAND ends, it ends
what is left (TERM, and KILL after the grace) and exits with COMMAND's status. As the init of a PID
namespace that is all of the namespace; otherwise all that COMMAND has started.

Parsing stops at the first word that is no option: `pyinit ls -h` is `ls -h`. `--` ends the options
as well. Short options can be bundled, and the value of the last one may be attached: `-gvv`,
`-r TERM:QUIT`, `-e143`. A usage error names the word that is wrong, starts nothing, and exits with
125.

A signal is given by its name, with or without SIG, in any case, by its number, or as `RTMIN+n` or
`RTMAX-n`; see signal(7). A time is given in seconds, with a fraction perhaps."""

_VARIABLES = """\
Each option has a variable, called PYINIT_ and the option's name, for where the command line cannot
be changed. The command line wins: what it sets is not read from any variable. A switch takes 1,
yes, true, on or 0, no, false, off, and PYINIT_VERBOSE also 2. What may be repeated takes commas. An
empty variable counts as none, and one that is no option's is left alone. They are handed on to
COMMAND."""

# What there is to know of an option beyond a line.
_NOTES = {
    "group": """\
For a command that does not pass signals on to its own children, such as a shell script that waits
for a program. A child that has moved to a process group of its own is not reached.""",
    "rewrite": """\
Rules do not follow one another: `TERM:INT,INT:TERM` swaps the two. A signal that is rewritten is
still a stop signal if it was one: with `TERM:QUIT` a TERM begins the stop, and QUIT is relayed. So
it is with `TERM:ignore`, where only the plan of `--escalate` is left to end the command. FROM
cannot be KILL or STOP, which no process can catch; CHLD, which tells of children; or ILL, TRAP,
ABRT, BUS, FPE, SEGV or SYS, which report a fault of their receiver.

Apache httpd takes WINCH for a graceful stop, and a terminal sends WINCH whenever its window is
resized: `WINCH:ignore` keeps a container with a terminal from ending then. Where the image stops it
with WINCH (`STOPSIGNAL`), use `--rewrite WINCH:ignore,TERM:WINCH` and have it stopped with TERM:
that one is then what ends Apache gracefully.

A terminal sends INT, QUIT, TSTP and WINCH to its foreground process group. A rule for one of these
keeps the command out of the foreground, so that they come to pyinit, until the command reads from
the terminal: then it is given the foreground, and gets them directly.""",
    "stop-signals": """\
A stop signal is relayed as any other. It also begins the stop: the drain, the plan of `--escalate`,
STOPPING=1 of `--notify`; and a second one cuts the drain or the grace short. A signal that is left
out is only relayed: `--stop-signals TERM` lets an interactive program have INT as often as it
likes. systemd as the command wants `RTMIN+3`. With `--pause` the default is TERM and INT.""",
    "drain": """\
So that a load balancer can let go: Kubernetes sends TERM while others have yet to learn that the
pod is leaving, and new connections go on coming in for some seconds. Other signals are relayed
meanwhile. A second stop signal, or the command's end, ends the drain.""",
    "pre-stop": """\
It is given to `/bin/sh -c`, and runs beside the command, as the same user, in the same directory
and with the same variables. When the drain is over, it and its process group get KILL; the drain
does not end earlier for it. If it fails or is cut short, pyinit says so, and goes on.""",
    "escalate": """\
The seconds count from the moment at which the stop signal was relayed, so the drain comes before
them. Each step is sent once, if the command still lives, and with `--group` to its process group.
Without a plan pyinit waits for the command as long as it takes. How to choose the times is said
below.""",
    "stop-timeout": """\
It may be given beside `--escalate`: the two make one plan.""",
    "grace": """\
It begins when the command has ended and others are left, and it ends early when all are gone. With
0 they are killed at once.""",
    "remap-exit": """\
For those who take 143, the usual end by TERM, for an error: `-e TERM` makes it 0, whether TERM
killed the command or the command exited with 143 by itself, as Java does. pyinit's own failures
(125, 126, 127) are not remapped.""",
    "user": """\
Names and numbers are looked up in the container's own /etc/passwd and /etc/group. A number need not
stand there, but then the group has to be given. With GROUP the command has that group alone.
pyinit itself stays who it is, so it takes CAP_KILL to relay signals to another user, and pyinit
warns when it has not got it.""",
    "chdir": """\
As the user of `--user`: the directory may be closed to others.""",
    "env": """\
In the order in which they are given, together with `--unset-env`, and after what `--user` sets. A
PATH that is set here is the one in which COMMAND is looked for.""",
    "unset-env": """\
A variable that is not there is no error.""",
    "umask": """\
As umask(1) takes it, but not in its symbolic form. pyinit's own is left as it is.""",
    "no-new-privs": """\
PR_SET_NO_NEW_PRIVS of prctl(2): set-user-ID programs and file capabilities change nothing for the
command and its descendants, and that cannot be undone.""",
    "session": """\
setsid(2). Without it the command leads a process group in pyinit's session, and has the foreground
of the terminal if pyinit had it. With it the command takes over the controlling terminal if
pyinit leads the session of that, as it does in a container that was started with a terminal.""",
    "parent-death-signal": """\
PR_SET_PDEATHSIG of prctl(2), for a pyinit whose parent may end without stopping it. What comes is a
signal like any other that is sent to pyinit, so TERM is a stop; KILL ends pyinit itself.""",
    "pause": """\
It holds namespaces open and reaps in them, as the pause container of a Kubernetes pod does. What
other options say of a command has no effect.""",
    "notify": """\
READY=1 when the command has been started, STOPPING=1 when the stop begins; see sd_notify(3). For
commands that do not do so themselves: NOTIFY_SOCKET is handed on to the command in any case. A
message that cannot be sent is a warning.""",
    "subreaper": """\
When it is not PID 1, pyinit makes itself a child subreaper (prctl(2)): orphans below it become its
children, and nothing that it started survives it.""",
    "no-subreaper": """\
Orphans go to the init outside, and live on when pyinit ends.""",
    "as": """\
The same happens when pyinit is called by that name, through a link. Its options, variables, exit
codes and messages are then those of that program, without its faults; docs/drop-in.md has the
differences.""",
    "warn-on-reap": """\
It says what the orphan was called and how it ended. For finding out who starts processes and does
not wait for them.""",
    "verbose": """\
Once: when the command starts and ends, who stopped it, and what was left; the last line has the
whole run in a sentence. Twice: every signal with its sender, and every orphan. docs/events.md has
all events and their fields.""",
    "log-level": """\
The last one of `--verbose` and `--log-level` counts, and `-v` adds to it.""",
    "log-format": """\
`console` is for people, `json` and `logfmt` are for pipelines: one line an event, with the time in
UTC and of the monotonic clock. What nobody reads is dropped and counted in the next line, for it
must not stop PID 1.""",
    "log-fd": """\
The command does not inherit it, unless it is 0, 1 or 2.""",
    "log-file": """\
It stays open, so a rotation has to copy and truncate it. A symbolic link is followed only where
others may not write to its directory; docs/report.md has more of this.""",
    "report": """\
Command, status and cause in words, times, signals by sender, orphans, leftovers and what became of
them, CPU time and memory: docs/report.md has the fields. A file is replaced at once, so nobody
reads half of it; `fd:3` is a descriptor, which the command does not inherit. It is also written
when the command could not be started. A symbolic link is followed only where others may not write
to its directory.""",
    "termination-log": """\
Where there is no such file, as outside of Kubernetes, nothing is written.""",
    "status-file": """\
It is replaced whenever something has happened, costs nothing in between, and keeps the last state
after the end. A file system in memory, such as /run, is the place for it.""",
    "metrics-file": """\
For the textfile collector of node_exporter: the name has to end in `.prom`. It is replaced
whenever something has happened.""",
    "on-oom": """\
The kernel kills one process, often not the command itself, and the rest goes on as a torso. With
`stop` the container is stopped then, by SIGTERM or what else counts as a stop signal, with drain,
plan and all. docs/oom.md says what is seen where, and what is said of OOM kills without the
option.""",
    "quiet": """\
The one of `--quiet` and `--verbose` that stands on the command line switches off the variable of
the other.""",
}

# Where "off" and "none" are not the whole truth.
_DEFAULTS = {
    "subreaper": "on",
    "user": "the user that pyinit runs as",
    "chdir": "the directory that pyinit was started in",
    "umask": "that of pyinit",
}
_OTHER_VARIABLES = {"no-subreaper": "`PYINIT_SUBREAPER=0`"}

_STATUS = (
    ("0 to 255", "what COMMAND exited with"),
    ("128+n", "signal n killed COMMAND"),
    ("0", "with `--pause`"),
    ("125", "pyinit itself failed, or was used wrongly; nothing was started"),
    ("126", "COMMAND was found, but could not be started; the message says why"),
    ("127", "COMMAND was not found"),
)

_SIGNALS = """\
All are relayed, as often as they were sent, real-time signals as well, from inside and from outside
of the namespace. KILL and STOP cannot be. CHLD is pyinit's own. ILL, TRAP, ABRT, BUS, FPE, SEGV and
SYS report a fault of the process that gets them; sent to pyinit they change nothing. TTIN and TTOU
that the kernel made concern pyinit itself. What the terminal sent to a group that the command
shares with pyinit is not sent once more. TSTP becomes STOP where the kernel would discard it,
because the command's process group is orphaned (setpgid(2)).

A stop signal (`--stop-signals`) begins the stop. Up to the command's end a second one cuts the
drain short, after that the grace."""

_ENVIRONMENT = (
    ("NOTIFY_SOCKET", "where the messages of `--notify` go; it is handed on to COMMAND"),
    (
        "LISTEN_PID, LISTEN_PIDFDID",
        "made to name COMMAND where they named pyinit, for LISTEN_FDS is its; see sd_listen_fds(3)",
    ),
    (
        "PYTHONPATH and others of Python's",
        "for COMMAND: where one matters to the interpreter, pyinit starts itself anew without it",
    ),
    (
        "LD_PRELOAD, LD_AUDIT",
        "the same where what they have loaded has started a thread, which would take signals",
    ),
)

_TIMES = """\
Whoever stops a container waits for a time of its own, and then kills all of it at once. What
pyinit is told to wait for has to fit into that: the drain, the last step of the plan, the grace,
and 2 seconds, after which pyinit no longer waits for a process that the kernel cannot end. With
Kubernetes the time of the pod's own preStop hook has to fit in as well."""


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
        "Apache httpd with a terminal, as one that TERM stops gracefully",
        "pyinit --rewrite WINCH:ignore,TERM:WINCH -- httpd -DFOREGROUND",
    ),
    (
        "As an ordinary user, an end by TERM being no error",
        "pyinit --user app --no-new-privs -e TERM -- java -jar app.jar",
    ),
    ("An init without a command", "pyinit --pause"),
)

_SEE_ALSO = (
    "pid_namespaces(7), signal(7), prctl(2), unshare(1), sd_notify(3), sd_listen_fds(3), "
    "`pyinitctl --help`"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument(
        "--markdown", action="store_true", help="print it as Markdown, which is docs/cli.md"
    )


def run(asked: argparse.Namespace) -> None:
    """Print what is asked for."""
    print(markdown() if asked.markdown else man_page(), end="")


def markdown() -> str:
    """Return docs/cli.md."""
    parts = [
        "# The command line",
        "<!-- Made by `pyinitctl manual --markdown`. -->",
        f"```\n{table.USAGE}\n```",
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
    return f"--{option.name} {option.kind}" if option.takes_value else f"--{option.name}"


def _option_in_markdown(option: Option) -> Iterator[str]:
    yield f"### {_heading(option)}"
    yield _sentence(option)
    command = "" if option.name in {"pause", "help", "version"} else " COMMAND"
    yield "\n".join(
        (
            f"- default: {_default(option)}",
            f"- variable: {_variable(option)}",
            f"- example: `pyinit {option.example}{command}`",
        )
    )
    yield from _filled(_NOTES.get(option.name, ""))


def _sentence(option: Option) -> str:
    return option.text[0].upper() + option.text[1:] + "."


def _default(option: Option) -> str:
    if option.default:
        return f"`{option.default}`"
    return _DEFAULTS.get(option.name, "none" if option.takes_value else "off")


def _variable(option: Option) -> str:
    if option.variable:
        return f"`{option.variable}`"
    return _OTHER_VARIABLES.get(option.name, "none")


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
    yield label + (rf" \fI{_literal(option.kind)}\fR" if option.takes_value else "")
    yield from _roff_lines(_sentence(option))
    facts = [f"Default: {_default(option)}."] if option.takes_value else []
    if _variable(option) != "none":
        facts.append(f"Variable: {_variable(option)}.")
    facts.append(f"Example: `{option.example}`")
    yield from _roff_lines(" ".join(facts))
    for paragraph in _NOTES.get(option.name, "").split("\n\n"):
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
