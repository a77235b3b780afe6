"""The table of options: one row has all that is to be known of an option.

The attributes of `pyinit.settings.Settings` and their defaults, the parser, the keywords of the
API, ``--help``, the man page, docs/cli.md and the completions come from it; what is kept as a
file is made by ``make manual``.  A run without options and variables does not load it.
"""

from pyinit.options import values
from pyinit.settings import LEFTOVERS, LOG_FORMATS, NAMES, ON_OOM, SESSION, TREE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyinit.settings import Settings


class Completion:
    """What a shell completes for a value.

    ``what`` is the words themselves, or one of "signals", "relayed" (those that pyinit relays),
    "files", "directories", "users", "groups", "variables" and "command line".  With ``is_list``
    commas stand between several.  ``mark`` follows each, and ``after`` is completed behind it.
    """

    __slots__ = ("after", "is_list", "mark", "what")

    def __init__(
        self,
        what: "str | tuple[str, ...]",
        *,
        is_list: bool = False,
        mark: str = "",
        after: str = "",
    ) -> None:
        self.what = what
        self.is_list = is_list
        self.mark = mark
        self.after = after


class Kind:
    """What a value is.

    ``name`` stands for it in the help.  ``parse`` makes a setting of its text, and ``adds_up``
    says whether an option of this kind adds to what was given before.  ``initial`` is the setting
    where nothing is given and ``holds`` its type; ``keyword`` is the type of the API's keyword,
    ``python`` an example of its value.
    """

    __slots__ = ("adds_up", "completion", "holds", "initial", "keyword", "name", "parse", "python")

    def __init__(  # noqa: PLR0917 - the columns of a table
        self,
        name: str,
        parse: "Callable[[str, str], Any]",
        initial: object,
        holds: str,
        keyword: str,
        python: str,
        completion: Completion | None = None,
        *,
        adds_up: bool = False,
    ) -> None:
        self.name = name
        self.parse = parse
        self.initial = initial
        self.holds = holds
        self.keyword = keyword
        self.python = python
        self.completion = completion
        self.adds_up = adds_up


_PATHS = "str | os.PathLike[str]"
_PLAN = "tuple[tuple[float, int], ...]"
_CHANGES = "tuple[tuple[str, str | None], ...]"

# These two have no value on the command line; `parse` is for their variables.
SWITCH = Kind("", values.boolean, False, "bool", "bool", "True")  # noqa: FBT003 - the value
COUNT = Kind("", values.count, 0, "int", "int", "2")

SECONDS = Kind("SECONDS", values.seconds, 0.0, "float", "float", "5")
SIGNAL = Kind("SIGNAL", values.received, 0, "int", "Signal", '"TERM"', Completion("signals"))
SIGNALS = Kind(
    "SIGNAL,...", values.signals, None, "frozenset[int] | None", "Iterable[Signal]",
    '["TERM", "INT"]', Completion("relayed", is_list=True),
)  # fmt: skip
STEPS = Kind(
    "SIGNAL@SECONDS,...", values.plan, (), _PLAN, "Sequence[tuple[Signal, float]]",
    '[("QUIT", 10), ("KILL", 28)]', Completion("signals", is_list=True, mark="@"), adds_up=True,
)  # fmt: skip
TIMEOUT = Kind("TIMEOUT", values.kill_at, (), _PLAN, "float", "28", adds_up=True)
RULES = Kind(
    "FROM:TO,...", values.rewrite, {}, "dict[int, int]", "Mapping[Signal, Signal]",
    '{"TERM": "QUIT", "WINCH": "ignore"}',
    Completion("relayed", is_list=True, mark=":", after="signals"), adds_up=True,
)  # fmt: skip
CODES = Kind(
    "CODE[:TO],...", values.exit_codes, {}, "dict[int, int]", "Mapping[int | str, int]",
    '{143: 0, "KILL": 1}', Completion("signals", is_list=True), adds_up=True,
)  # fmt: skip
MASK = Kind("MASK", values.mask, None, "int | None", "int", "0o027")
ADJUSTMENT = Kind("N", values.adjustment, None, "int | None", "int", "500")
COMMAND_LINE = Kind(
    "SHELL-COMMAND", values.shell_command, "", "str", "str", '"touch /run/draining"',
    Completion("command line"),
)  # fmt: skip
DIRECTORY = Kind("DIR", values.directory, "", "str", _PATHS, '"/srv"', Completion("directories"))
USER = Kind(
    "USER[:GROUP]", values.user, "", "str", "str", '"app"',
    Completion("users", mark=":", after="groups"),
)  # fmt: skip
ASSIGNMENT = Kind(
    "NAME=VALUE", values.assignment, (), _CHANGES, "Mapping[str, str]", '{"TZ": "UTC"}',
    Completion("variables", mark="="), adds_up=True,
)  # fmt: skip
NAME = Kind(
    "NAME", values.variable, (), _CHANGES, "Iterable[str]", '["DEBUG"]', Completion("variables"),
    adds_up=True,
)  # fmt: skip
ANSWER = Kind("ANSWER", values.on_oom, "", "str", "str", '"stop"', Completion(ON_OOM))
ORDER = Kind("ORDER", values.leftovers, TREE, "str", "str", '"all"', Completion(LEFTOVERS))
LEVEL = Kind("LEVEL", values.log_level, 0, "int", "str", '"info"', Completion(values.LOG_LEVELS))
FORMAT = Kind("FORMAT", values.log_format, "", "str", "str", '"json"', Completion(LOG_FORMATS))
DESCRIPTOR = Kind("N", values.descriptor, 2, "int", "int", "3")
DESCRIPTION = Kind("FILE", values.path, "", "str", _PATHS, '"services.toml"', Completion("files"))
FILE = Kind("PATH", values.path, "", "str", _PATHS, '"/run/pyinit.json"', Completion("files"))
PROM = Kind(
    "PATH.prom", values.metrics_path, "", "str", _PATHS, '"/metrics/pyinit.prom"',
    Completion("files"),
)  # fmt: skip
PLACE = Kind(
    "PATH|fd:N", values.place, "", "int | str", f"int | {_PATHS}", '"/var/log/last-run.json"',
    Completion("files"),
)  # fmt: skip
# Taken by `parser.alias` before all others.
PROGRAM = Kind("PROGRAM", values.never, "", "str", "str", '"tini"', Completion(NAMES))


class Option:
    """A row of the table.

    ``names`` are the long and the short one.  ``text`` is the line of the help, ``example`` what
    may stand before the command, ``manual`` what there is to know beyond a line: paragraphs, in
    which backquotes stand around what is typed.

    ``attribute`` of Settings and ``keyword`` of the API are called as the option unless they are
    named; ``keyword`` and ``variable`` are "" where there is none.  ``default`` is the value that
    holds where none is given, ``without`` the same in words.  A switch sets ``value``, and
    ``off`` where a variable or a keyword switches it off.
    """

    __slots__ = (
        "attribute", "default", "example", "keyword", "kind", "manual", "name", "off", "short",
        "text", "value", "variable", "without",
    )  # fmt: skip

    def __init__(
        self,
        names: str,
        kind: Kind,
        text: str,
        example: str,
        manual: str = "",
        *,
        attribute: str = "",
        keyword: str | None = None,
        variable: str | None = None,
        default: str = "",
        without: str = "",
        value: object = True,
        off: object = False,
    ) -> None:
        self.name, _, self.short = names.partition(" ")
        word = self.name.replace("-", "_")
        self.kind = kind
        self.text = text
        self.example = example
        self.manual = manual
        self.attribute = attribute or word
        self.keyword = word if keyword is None else keyword
        self.variable = f"PYINIT_{word.upper()}" if variable is None else variable
        self.default = default
        self.without = without
        self.value = value
        self.off = off

    @property
    def takes_value(self) -> bool:
        """Whether a word follows."""
        return bool(self.kind.name)

    @property
    def initial(self) -> object:
        """What Settings has where nothing is given."""
        if self.kind is SWITCH:
            return self.value if self.default == "on" else self.off
        if self.default and self.kind.initial is not None:
            return self.kind.parse(self.default, "")
        return self.kind.initial

    def switched(self, *, on: bool) -> object:
        """Return the setting of a switch."""
        return self.value if on else self.off

    def put(self, settings: "Settings", value: "Any", given: set[str]) -> None:
        """Set the attribute: the last one wins, except of those that add up.

        ``given`` are the attributes that were set before.
        """
        if self.kind.adds_up and self.attribute in given:
            value = _add(getattr(settings, self.attribute), value)
        setattr(settings, self.attribute, value)
        given.add(self.attribute)


def _add(old: "Any", new: "Any") -> "Any":
    """Return both: maps with the newer rule first, plans by time, variables in order."""
    if isinstance(old, dict):
        return old | new
    both = old + new
    return values.by_time(both) if isinstance(both[0][0], float) else both


# The group of those that change what the command gets.
OF_THE_COMMAND = "What the command gets"

GROUPS: tuple[tuple[str, tuple[Option, ...]], ...] = (
    (
        "Signals",
        (
            Option(
                "group g", SWITCH,
                "relay signals to the command's process group, not to the command alone",
                "-g",
                """\
For a command that does not pass signals on to its own children, such as a shell script that waits
for a program. A child that has moved to another process group does not get the signals.""",
            ),
            Option(
                "rewrite r", RULES,
                "relay signal TO instead of FROM; if TO is 'ignore', relay none; repeatable",
                "--rewrite WINCH:ignore",
                """\
Rules are not chained: `TERM:INT,INT:TERM` swaps the two signals. A stop signal that is rewritten
still begins the stop: with `TERM:QUIT`, TERM begins the stop and the command gets QUIT; with
`TERM:ignore` the command gets nothing, and only the plan of `--escalate` ends it. FROM cannot be
KILL or STOP, which no process can catch, nor CHLD, which pyinit needs itself, nor ILL, TRAP, ABRT,
BUS, FPE, SEGV or SYS, which report a fault of the process that receives them.

Apache httpd takes WINCH for a stop, and a terminal sends WINCH whenever its window is resized.
With `WINCH:ignore` a resized window does not stop Apache. If the image names WINCH as its stop
signal (`STOPSIGNAL`), stop the container with TERM and use `--rewrite WINCH:ignore,TERM:WINCH`.

A terminal sends INT, QUIT, TSTP and WINCH to its foreground process group. A rule for one of these
keeps the command in the background, so that pyinit gets them. When the command reads from the
terminal, it gets the foreground, and from then on these signals directly.""",
            ),
            Option(
                "stop-signals", SIGNALS,
                "begin the stop at these signals",
                "--stop-signals TERM,RTMIN+3",
                """\
A stop signal is relayed like any other. It also begins the stop: the drain, the plan of
`--escalate`, and STOPPING=1 of `--notify`. A second stop signal ends the drain or the grace early.
A signal that is not in the list is only relayed: with `--stop-signals TERM` an interactive program
can get INT any number of times. systemd as the command stops at `RTMIN+3`. With `--pause` the
default is TERM and INT.""",
                default="TERM,INT,QUIT",
            ),
        ),
    ),
    (
        "Stopping",
        (
            Option(
                "drain", SECONDS,
                "relay a stop signal after SECONDS only; a second one ends the wait",
                "--drain 5",
                """\
Gives load balancers time to stop sending requests. Kubernetes sends TERM at the same time as it
tells them that the pod ends, so new connections arrive for some seconds more. Other signals are
relayed during the drain. It ends early at a second stop signal, or when the command ends.""",
                attribute="drain_s", keyword="drain_s", default="0",
            ),
            Option(
                "pre-stop", COMMAND_LINE,
                "run a shell command when the drain begins, and end it with the drain",
                "--drain 5 --pre-stop 'touch /run/draining'",
                """\
`/bin/sh -c` runs it, with the user, directory and variables of the command. The drain lasts its
full time even if the shell command ends earlier. If it still runs at the end of the drain, its
process group gets KILL; if it has ended, what it left behind is one of the leftovers. If it fails
or is killed, pyinit logs a warning and goes on.""",
            ),
            Option(
                "escalate", STEPS,
                "send SIGNAL if the command still runs SECONDS after a stop signal; repeatable",
                "--escalate INT@20,KILL@28",
                """\
The seconds count from the relay of the stop signal, which is after the drain. Each signal is sent
once, if the command still runs, and with `--group` to its process group. Without a plan pyinit
waits for the command without a limit. See below for how to choose the times.""",
                attribute="escalation",
            ),
            Option(
                "stop-timeout", TIMEOUT,
                "short for --escalate KILL@TIMEOUT, in seconds",
                "--stop-timeout 28",
                "It can be given together with `--escalate`: both make one plan.",
                attribute="escalation", keyword="stop_timeout_s",
            ),
        ),
    ),
    (
        "The end",
        (
            Option(
                "grace", SECONDS,
                "send TERM to processes that outlive the command, and KILL SECONDS later",
                "--grace 10",
                """\
The grace begins when the command has ended and other processes are left. It ends early when all of
them have ended. With 0 they get KILL at once.""",
                attribute="grace_s", keyword="grace_s", default="5",
            ),
            Option(
                "leftovers", ORDER,
                "'tree': send TERM to parents before their children; 'all': to all at once",
                "--leftovers all",
                """\
With `tree`, a process gets TERM when it is a child of pyinit, or as soon as it becomes one because
its parent has ended. So a master can end its workers in its own way. When half of the grace is
over, TERM also goes to processes whose parent ignores TERM or has not taken it; 1 s before the end
of the grace it goes to all others. With `all`, all processes get TERM at once. `tree` works like
`all` where /proc is missing or hides processes.""",
                default="tree",
            ),
            Option(
                "wait-all", SWITCH,
                "when the command has ended, wait until all other processes have, or a stop",
                "--wait-all",
                """\
For a command that starts a daemon and ends, such as `service nginx start`. The exit code is that of
the command. A stop signal ends the wait; the processes that are left get TERM and the grace then,
as with `--leftovers`. Other signals go to those children of pyinit that handle them, so HUP makes
nginx read its configuration again. pyinit waits for its children and their descendants, but not for
processes that entered from outside.""",
            ),
            Option(
                "remap-exit e", CODES,
                "exit with TO, or 0, instead of CODE; a signal's name is 128+n; repeatable",
                "--remap-exit TERM",
                """\
Some tools take 143, the usual exit code after TERM, for an error. `-e TERM` makes it 0, both when
TERM killed the command and when the command itself exited with 143, as Java does. The codes of
pyinit's own failures (125, 126, 127) are never changed.""",
            ),
        ),
    ),
    (
        OF_THE_COMMAND,
        (
            Option(
                "user u", USER,
                "run the command as this user, with the user's groups, HOME, USER and LOGNAME",
                "--user app",
                """\
Names and numbers are looked up in /etc/passwd and /etc/group of the container. A number that is not
in /etc/passwd needs a GROUP. With GROUP the command is in that group only. pyinit itself keeps its
user. It needs CAP_KILL to send signals to another user, and logs a warning if it lacks it.""",
                without="the user that pyinit runs as",
            ),
            Option(
                "chdir", DIRECTORY,
                "run the command in this directory",
                "--chdir /srv",
                "The user of `--user` needs access to the directory; pyinit itself does not.",
                without="the directory that pyinit was started in",
            ),
            Option(
                "env", ASSIGNMENT,
                "set a variable for the command; repeatable",
                "--env TZ=UTC",
                """\
`--env` and `--unset-env` take effect in the order in which they are given, and after what `--user`
sets. The command is searched in the PATH that is set here.""",
                keyword="add_env", variable="",
            ),
            Option(
                "unset-env", NAME,
                "remove a variable for the command; repeatable",
                "--unset-env DEBUG",
                "A variable that does not exist is ignored.",
                attribute="env", variable="",
            ),
            Option(
                "umask", MASK,
                "set the command's file mode creation mask, in octal",
                "--umask 027",
                "The symbolic form of umask(1) is refused. pyinit's own mask does not change.",
                without="that of pyinit",
            ),
            Option(
                "no-new-privs", SWITCH,
                "let no program that the command starts gain privileges",
                "--no-new-privs --user app",
                """\
PR_SET_NO_NEW_PRIVS of prctl(2): set-user-ID programs and file capabilities have no effect for the
command and its descendants. This cannot be undone.""",
            ),
            Option(
                "oom-score-adj", ADJUSTMENT,
                "have the OOM killer choose the command before (1000) or after (-1000) others",
                "--oom-score-adj 500",
                """\
The kernel adds it to the size of a process, in thousandths of the memory limit, and kills the
process with the highest sum; see proc_pid_oom_score_adj(5). The command's descendants inherit it.
It keeps the OOM killer from choosing pyinit where many small processes use up the memory. A value
below that of pyinit needs CAP_SYS_RESOURCE. With this capability pyinit also takes -1000 for
itself. docs/oom.md says when that matters.""",
                without="that of pyinit",
            ),
            Option(
                "session", SWITCH,
                "run the command in a new session, with pyinit's controlling terminal",
                "--session",
                """\
setsid(2). Without it the command leads a process group in the session of pyinit, and gets the
foreground of the terminal if pyinit had it. With it the command gets the controlling terminal if
pyinit leads the session of that terminal, as it does in a container with a terminal.""",
                attribute="place", value=SESSION, off="group",
            ),
        ),
    ),
    (
        "The init",
        (
            Option(
                "parent-death-signal p", SIGNAL,
                "send pyinit this signal when its parent ends",
                "-p TERM",
                """\
PR_SET_PDEATHSIG of prctl(2), for a pyinit whose parent may end without stopping it. pyinit treats
the signal like any other that it gets: TERM begins the stop. KILL ends pyinit itself.""",
            ),
            Option(
                "pause P", SWITCH,
                "run no command: reap until TERM or INT, then end all and exit with 0",
                "--pause",
                """\
It holds namespaces open and reaps in them, as the pause container of a Kubernetes pod does. Options
that concern a command have no effect.""",
            ),
            Option(
                "services", DESCRIPTION,
                "start the services that FILE describes, and COMMAND, if any, when all are ready",
                "--services services.toml",
                """\
A supervisor runs below pyinit. It starts the services in their order, restarts them if the file
says so, and stops them in reverse order at a stop signal. Options that concern the command apply to
the supervisor. With COMMAND, the container ends when COMMAND ends. docs/services.md describes the
file.""",
                keyword="",
            ),
            Option(
                "control", FILE,
                "with --services: take requests of 'pyinitctl service' on this socket",
                "--control /run/pyinit.sock",
                """\
A Unix socket of mode 0600. The supervisor answers root and its own user. `pyinitctl service` looks
for the socket at the path in PYINIT_CONTROL, or else at /run/pyinit.sock.""",
                keyword="",
            ),
            Option(
                "notify", SWITCH,
                "send READY=1 and STOPPING=1 to NOTIFY_SOCKET",
                "--notify",
                """\
READY=1 is sent when the command has been started, STOPPING=1 when the stop begins; see
sd_notify(3). It is for commands that send neither: they get NOTIFY_SOCKET with or without this
option. A message that cannot be sent is logged as a warning.""",
            ),
            Option(
                "on-oom", ANSWER,
                "'stop': stop, as at a stop signal, when the OOM killer has killed any process",
                "--on-oom stop",
                """\
The OOM killer kills one process, often not the command itself, and the others run on without it.
With `stop` the container is stopped then: by TERM, or by the lowest of `--stop-signals`, with the
drain and the plan. docs/oom.md describes which kills are seen where, and what is logged without
this option.""",
            ),
            Option(
                "subreaper s", SWITCH,
                "adopt orphans when not PID 1, as PID 1 does",
                "--subreaper",
                """\
When it is not PID 1, pyinit makes itself a child subreaper (prctl(2)): orphans below it become its
children, and it ends them before it exits.""",
                default="on",
            ),
            Option(
                "no-subreaper", SWITCH,
                "leave orphans to another init",
                "--no-subreaper",
                "Orphans become children of the init outside, and run on when pyinit exits.",
                attribute="subreaper", keyword="", variable="", value=False, off=True,
            ),
            Option(
                "as", PROGRAM,
                f"act as {', '.join(NAMES[:-1])} or {NAMES[-1]}; must be the first word",
                "--as tini -s",
                """\
pyinit does the same when it is called by one of these names, through a link. Options, variables,
exit codes and messages are then those of that program. docs/drop-in.md lists the differences.""",
                attribute="alias", keyword="", variable="",
            ),
        ),
    ),
    (
        "Messages",
        (
            Option(
                "warn-on-reap w", SWITCH,
                "log a warning for every orphan that is reaped",
                "-w",
                """\
The warning has the name of the orphan and how it ended. It helps to find the program that starts
processes and does not wait for them.""",
            ),
            Option(
                "verbose v", COUNT,
                "log start and end; given twice, also every signal and every orphan",
                "-vv",
                """\
Once: the start and the end of the command, what stopped it, and which processes were left; the last
line sums up the run. Twice: also every signal with its sender, and every orphan. docs/events.md
lists all events and their fields.""",
            ),
            Option(
                "quiet q", SWITCH,
                "log errors only",
                "-q",
                """\
`--quiet` or `--verbose` on the command line overrides the variables of both.""",
            ),
            Option(
                "log-level", LEVEL,
                "log events up to error, warning, info (-v) or debug (-vv)",
                "--log-level info",
                """\
If both `--verbose` and `--log-level` are given, the last one counts. A `-v` after `--log-level`
raises the level by one step.""",
                attribute="verbose", default="warning",
            ),
            Option(
                "log-format", FORMAT,
                "write the log as console, json or logfmt",
                "--log-format logfmt",
                """\
`console` is for people, `json` and `logfmt` are for log pipelines. Each event is one line. In
`json` and `logfmt` it has the time in UTC and that of the monotonic clock. pyinit never waits for a
reader: lines that do not fit into a pipe are dropped, and the next line has their number.""",
                without="`console` on a terminal, else `json`",
            ),
            Option(
                "log-fd", DESCRIPTOR,
                "write the log to this file descriptor",
                "--log-fd 3",
                "The command does not inherit it, unless it is 0, 1 or 2.",
                attribute="log_to", default="2",
            ),
            Option(
                "log-file", FILE,
                "append the log to this file",
                "--log-file /var/log/pyinit.log",
                """\
The file stays open, so log rotation has to copy and truncate it. A symbolic link is followed only
in a directory that no other user can write to; see docs/report.md.""",
                attribute="log_to", without="the log goes to the descriptor of `--log-fd`",
            ),
        ),
    ),
    (
        "What it saw",
        (
            Option(
                "report", PLACE,
                "at the end, write a report there, as one JSON object",
                "--report /var/log/last-run.json",
                """\
The report has the command, its status and the cause of its end in words, times, signals by sender,
orphans, which processes were left and what ended them, CPU time and memory; docs/report.md lists
the fields. A file is replaced in one step, so no reader sees half of it. `fd:3` is a descriptor,
which the command does not inherit. The report is also written when the command could not be
started. A symbolic link is followed only in a directory that no other user can write to.""",
            ),
            Option(
                "termination-log", SWITCH,
                "at the end, write the cause in a line to /dev/termination-log, for Kubernetes",
                "--termination-log",
                """\
Kubernetes shows it as the message of the terminated container. Where there is no such file, nothing
is written.""",
            ),
            Option(
                "status-file", FILE,
                "keep the current state in this file, for 'pyinitctl status'",
                "--status-file /run/pyinit.json",
                """\
The file is replaced after each event, and never in between. After the end it has the last state.
Put it on a file system in memory, such as /run.""",
            ),
            Option(
                "metrics-file", PROM,
                "keep metrics in this file, in the text format of Prometheus",
                "--metrics-file /metrics/pyinit.prom",
                """\
For the textfile collector of node_exporter, which reads only files whose names end in `.prom`. The
file is replaced after each event.""",
            ),
        ),
    ),
    (
        "Information",
        (
            Option(
                "help h", SWITCH, "print this help and exit", "--help", keyword="", variable=""
            ),
            Option(
                "version", SWITCH, "print the version and exit", "--version",
                keyword="", variable="",
            ),
        ),
    ),
)  # fmt: skip
TABLE = tuple(option for _, options in GROUPS for option in options)
