"""From a supervisord.conf to `model.Services`, and what is different from supervisord.

Settings that supervisord knows and that mean nothing here are passed over; what a container
would notice is a note.
"""

from pyinit.services import ini, listeners, model
from pyinit.services.problems import ServicesError, right_word
from pyinit.services.program import Conf, Program, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Of [program:x].
_KEYS = """
command process_name numprocs numprocs_start priority autostart autorestart startsecs
startretries exitcodes stopsignal stopwaitsecs stopasgroup killasgroup user redirect_stderr
stdout_logfile stdout_logfile_maxbytes stdout_logfile_backups stdout_capture_maxbytes
stdout_events_enabled stdout_syslog stderr_logfile stderr_logfile_maxbytes
stderr_logfile_backups stderr_capture_maxbytes stderr_events_enabled stderr_syslog environment
directory umask serverurl
"""
_NO_SERVERS = ("unix_http_server", "inet_http_server", "supervisorctl")
_MOST_PROCESSES = 1000
_LAST = 999  # the priority of who has none


def parse(text: str, source: str, environ: "Mapping[str, str]") -> model.Services:
    """Return the services that ``text`` describes, the content of the file ``source``.

    Files that it includes are read.  Raises `pyinit.services.problems.ServicesError`.
    """
    try:
        found = ini.Ini(text, source, environ)
    except ini.IniError as error:
        raise ServicesError([_at(error.place, str(error))]) from None
    return Reader(found, source).read()


def _at(place: tuple[str, int], text: str) -> str:
    path, line = place
    return f"{path}:{line}: {text}" if line else f"{path}: {text}"


class Reader:
    """Reads the sections of one file, and collects what is wrong with them."""

    def __init__(self, found: ini.Ini, source: str) -> None:
        self._conf = Conf(found, source)
        self._source = source
        self._problems: list[str] = []
        self._made: dict[str, model.Service] = {}
        self._ranks: dict[str, tuple[int, int]] = {}
        self._section_of: dict[str, str] = {}

    def read(self) -> model.Services:
        """Return the services.  Raises ServicesError."""
        conf = self._conf
        place = conf.place("supervisord", "environment")
        try:
            conf.env = ini.variables(conf.expand(conf.all.get("environment", ""), {}, place))
        except ValueError as error:
            self._complain(place, error)
        for section, held in self._conf.sections.items():
            self._read_section(section, held)
        if not self._made and not self._problems:
            self._problems.append(f"{self._source}: it has no program: expected [program:x]")
        if self._problems:
            raise ServicesError(self._problems)
        self._order()
        wishes = [self._listener(each) for each in self._listeners()]
        services = model.Services(list(self._made.values()), self._source)
        self._conf.note(
            "a program that cannot be kept up ends the container with its exit code, where "
            "supervisord goes on; so does the end of the last one"
        )
        services.notes = [*conf.ini.notes, *wishes, *conf.noted()]
        return services

    # -- What is said.

    def _complain(self, place: tuple[str, int], error: ValueError) -> None:
        found = getattr(error, "place", place)
        problem = _at(found, str(error))
        if problem not in self._problems:
            self._problems.append(problem)

    # -- Sections.

    def _read_section(self, section: str, held: dict[str, str]) -> None:
        kind, _, name = section.partition(":")
        if kind == "program":
            self._read_program(section, name, held)
        elif kind == "fcgi-program":
            text = "no socket is held for a program: expected [program:x], which binds it itself"
            self._complain(self._conf.place(section), ValueError(f"[{section}]: {text}"))
        elif kind in _NO_SERVERS or kind == "rpcinterface":
            text = "there is no server: with --control 'pyinitctl --as supervisorctl' is its client"
            self._conf.note(text)
        elif kind == "supervisord":
            for key in {"minfds", "minprocs"} & set(held):
                self._conf.note(f"[supervisord] {key} is left out: 'limits' in TOML is for that")
        elif kind not in ("group", "include", "eventlistener"):
            known = ("program:x", "group:x", "include", "eventlistener:x", "supervisord")
            line = self._conf.place(section)[1]
            right = right_word(section, known)
            self._conf.note(f"line {line}: unknown section [{section}]: {right}")

    def _listeners(self) -> list[str]:
        return [each for each in self._conf.sections if each.startswith("eventlistener:")]

    def _listener(self, section: str) -> str:
        return listeners.parse_section(section, self._made, self._section_of, self._conf.sections)

    def _read_program(self, section: str, name: str, held: dict[str, str]) -> None:
        known = _KEYS.split()
        for key in held:
            if key not in known:
                line = self._conf.place(section, key)[1]
                text = f"line {line}: unknown key '{key}': {right_word(key, known)}"
                if key == "depends_on":
                    text = f"line {line}: 'depends_on' is none of supervisord's: 'after' in TOML is"
                self._conf.note(text, name)
        try:
            group = self._group_of(name) or section
        except ValueError as error:
            self._complain(self._conf.place(section), error)
            return
        program = Program(self._conf, section, name, group.partition(":")[2], held)
        try:
            count = program.integer("numprocs", 1, 1, _MOST_PROCESSES)
            first = program.integer("numprocs_start", 0, 0, _MOST_PROCESSES)
            for number in range(first, first + count):
                self._add(program.make(number, count), section, self._rank(program, group))
        except ValueError as error:
            self._complain(program.place, error)

    def _group_of(self, program: str) -> str:
        """Return the section of the group that a program is in, or nothing.  Raises ValueError."""
        for section in self._conf.sections:
            is_group = section.startswith("group:")
            if is_group and program in words(self._conf.text(section, "programs")):
                return section
        return ""

    def _rank(self, program: Program, group: str) -> tuple[int, int]:
        own = program.integer("priority", _LAST, -(10**9), 10**9)
        if group == program.section:
            return own, own
        word = self._conf.text(group, "priority", str(_LAST))
        return (int(word) if word.lstrip("-").isdecimal() else _LAST), own

    def _add(self, service: model.Service, section: str, rank: tuple[int, int]) -> None:
        if service.name in self._made:
            raise ini.IniError(
                f"[{section}]: there are two processes '{service.name}': expected %(process_num)d "
                "in 'process_name'",
                *self._conf.place(section, "process_name"),
            )
        self._made[service.name] = service
        service.priority = rank
        self._ranks[service.name] = rank
        self._section_of[service.name] = section

    def _order(self) -> None:
        """Stop who has a higher priority first; the start was never in an order."""
        for name, service in self._made.items():
            lower = [each for each, rank in self._ranks.items() if rank < self._ranks[name]]
            service.stop_before = tuple(lower)
        if len(set(self._ranks.values())) > 1:
            self._conf.note(
                "'priority' orders the stop alone, because supervisord starts each program without "
                "waiting for the one before: 'after' in TOML orders the start"
            )
