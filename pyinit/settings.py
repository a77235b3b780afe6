"""What a run of pyinit is asked to do: the values of all options, and their defaults."""

# What becomes of those who live on after the main child.
TREE = "tree"  # TERM, to parents before their children; the grace, KILL
ALL = "all"  # TERM to all at once, the grace, KILL
LEFTOVERS = (TREE, ALL)
LEAVE = "leave"  # nothing: as PID 1 the kernel ends them, else they are orphans of somebody else
ASK = "ask"  # TERM to the main child's group, and no waiting

# Where the main child is put.
GROUP = "group"  # a process group of its own
SESSION = "session"  # a session of its own, with the controlling terminal
SAME = "same"  # nowhere: it stays in our process group

# How a line of the log is written.
CONSOLE = "console"  # for people, in colour on a terminal
JSON = "json"
LOGFMT = "logfmt"
LOG_FORMATS = (CONSOLE, JSON, LOGFMT)

# What the kernel's killing of a process for want of memory leads to.
ON_OOM = ("stop",)

# The names under which another program is asked for.
NAMES = ("tini", "tini-static", "docker-init", "dumb-init", "catatonit")


class Settings:
    """The options' values; those that were not given are the class's own, the defaults.

    Times are in seconds, signals and exit codes are numbers.  Values are never changed in place.
    """

    command: list[str]  # argv of the main child; empty with `pause`
    # -- The options: made by `make manual` from pyinit/options/table.py.
    group = False  # --group
    rewrite: "dict[int, int]" = {}  # noqa: RUF012 - --rewrite
    stop_signals: "frozenset[int] | None" = None  # --stop-signals
    drain_s = 0.0  # --drain
    pre_stop = ""  # --pre-stop
    escalation: "tuple[tuple[float, int], ...]" = ()  # --escalate, --stop-timeout
    grace_s = 5.0  # --grace
    leftovers = "tree"  # --leftovers
    wait_all = False  # --wait-all
    remap_exit: "dict[int, int]" = {}  # noqa: RUF012 - --remap-exit
    user = ""  # --user
    chdir = ""  # --chdir
    env: "tuple[tuple[str, str | None], ...]" = ()  # --env, --unset-env
    umask: "int | None" = None  # --umask
    no_new_privs = False  # --no-new-privs
    oom_score_adj: "int | None" = None  # --oom-score-adj
    place = "group"  # --session
    parent_death_signal = 0  # --parent-death-signal
    pause = False  # --pause
    services = ""  # --services
    control = ""  # --control
    notify = False  # --notify
    on_oom = ""  # --on-oom
    subreaper = True  # --subreaper, --no-subreaper
    alias = ""  # --as
    warn_on_reap = False  # --warn-on-reap
    verbose = 0  # --verbose, --log-level
    quiet = False  # --quiet
    log_format = ""  # --log-format
    log_to: "int | str" = 2  # --log-fd, --log-file
    report: "int | str" = ""  # --report
    termination_log = False  # --termination-log
    status_file = ""  # --status-file
    metrics_file = ""  # --metrics-file
    help = False  # --help
    version = False  # --version
    # -- The end of what is made.
    # -- What has no option.
    is_plain = False  # no option is there, and no variable
    dies_with_us = True  # when not PID 1, the main child is killed when pyinit ends
    end_signal: int | None = None  # the main child and all that it left are to be killed at once
    parent = 0  # the PID of whoever sends the parent-death signal, if we can see it
    installs_handlers = True  # so that /proc/PID/status tells of them
    license = False  # print it; other inits have an option for it
    misspelt: "tuple[tuple[str, str], ...]" = ()  # variables of no option, and those meant
    mask: "frozenset[int] | None" = None  # blocked signals; None: as they were given
    synchronous = False  # relay those too that report a fault of their receiver
    services_fd = -1  # where the init hears of services, and the supervisor tells of them
    tells_of_stops = False  # whoever started pyinit stops with the command, instead of pyinit

    def __init__(self, command: list[str]) -> None:
        self.command = command

    def changes_command(self) -> bool:
        """Return whether the command gets anything else than pyinit was given."""
        return bool(
            self.user
            or self.chdir
            or self.env
            or self.umask is not None
            or self.no_new_privs
            or self.oom_score_adj is not None
        )

    def log_level(self) -> int:
        """Return the level up to which the log is written; see `pyinit.events`."""
        return 0 if self.quiet else 1 + self.verbose

    def log_fd(self) -> int:
        """Return the descriptor of the log; that of a file is known once it is open."""
        return self.log_to if isinstance(self.log_to, int) else 2

    def writes_elsewhere(self) -> bool:
        """Return whether something is written to places that can be wrong."""
        return bool(self.log_to != 2 or self.report != "" or self.status_file or self.metrics_file)

    def tells_of_failure(self) -> bool:
        """Return whether a command that could not be started is to be told of in a file."""
        return bool(
            self.report != "" or self.termination_log or self.status_file or self.metrics_file
        )

    def keeps_record(self) -> bool:
        """Return whether what happens is to be kept for a report."""
        return bool(
            self.tells_of_failure()
            or self.on_oom
            or (self.verbose > 0 and not self.quiet and not self.alias)
        )


def plain(arguments: list[str], environ: dict[bytes, bytes]) -> Settings | None:
    """Return the defaults if no option but ``-v`` and no variable asks for anything else.

    None if one may do so: then the words are for `pyinit.options.parser`.
    """
    for name in environ:
        if name.startswith(b"PYINIT_"):
            return None
    # The one option that may be there in every container: the others' table takes 2 ms to load.
    verbose = 1 if arguments[:1] == ["-v"] else 0
    words = arguments[verbose:]
    if len(words) > 1 and words[0] == "--":
        settings = Settings(words[1:])
    elif words and not words[0].startswith("-"):
        settings = Settings(words)
    else:
        return None
    settings.verbose = verbose
    settings.is_plain = not verbose
    return settings
