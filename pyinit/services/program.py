"""One [program:x] of a supervisord.conf: from its strings to a service."""

import os
import shlex

from pyinit.services import ini, keys, model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Variables = tuple[tuple[str, str | None], ...]

_OUTPUTS = {
    **dict.fromkeys(("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/proc/1/fd/1"), 1),
    **dict.fromkeys(("/dev/stderr", "/dev/fd/2", "/proc/self/fd/2", "/proc/1/fd/2"), 2),
}
_NAME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")


class Conf:
    """The sections of one file, and what is said of them.

    ``all`` is [supervisord], which is for all programs; ``env`` are its variables.
    """

    def __init__(self, found: ini.Ini, source: str) -> None:
        self.ini = found
        self.source = source
        self.sections = found.sections()
        self.all = self.sections.get("supervisord", {})
        self.env: Variables = ()
        self._notes: dict[str, list[str]] = {}  # from what is different to who is concerned

    def place(self, section: str, key: str = "") -> tuple[str, int]:
        """Return the file and the line of a key, or of its section."""
        places = self.ini.places
        return places.get((section, key)) or places.get((section, ""), (self.source, 0))

    def note(self, text: str, who: str = "") -> None:
        """Take note of what is different from supervisord; the same is one note for all."""
        names = self._notes.setdefault(text, [])
        if who and who not in names:
            names.append(who)

    def noted(self) -> list[str]:
        """Return what was noted, each with the programs that are concerned."""
        return [
            f"{text} ({', '.join(names)})" if names else text for text, names in self._notes.items()
        ]

    def text(self, section: str, key: str, default: str = "") -> str:
        """Return the value of a key of what is no program, expanded.  Raises ValueError."""
        found = self.sections.get(section, {}).get(key, default)
        return self.expand(found, {}, self.place(section, key)).strip()

    def expand(self, text: str, more: "Mapping[str, object]", place: tuple[str, int]) -> str:
        """Return ``text`` expanded by what all sections know, and ``more``.  Raises ValueError."""
        names: dict[str, object] = {
            "here": self.ini.here,
            "host_node_name": os.uname().nodename,
            **self.ini.environ,
            **{f"ENV_{name}": value for name, value in self.env},
            **more,
        }
        return ini.expand(text, names, place)


def words(text: str) -> list[str]:
    """Return the words of a list with commas."""
    return [each.strip() for each in text.split(",")]


class Program:
    """One section: from its strings to a service.  What raises has set ``place``."""

    def __init__(
        self, conf: Conf, section: str, name: str, group: str, held: dict[str, str]
    ) -> None:
        self.section = section
        self.place = conf.place(section)
        self._conf = conf
        self._name = name
        self._held = held
        self._names: dict[str, object] = {"program_name": name, "group_name": group}

    def text(self, key: str, default: str = "") -> str:
        """Return the value of a key, expanded.  Raises ValueError."""
        self.place = self._conf.place(self.section, key)
        found = self._held.get(key, default)
        if "%" in found:
            found = self._conf.expand(found, self._names, self.place)
        if "\0" in found:
            raise ValueError(f"'{key}': it has a NUL, which no program can be given")
        return found.strip()

    def boolean(self, key: str, *, default: bool) -> bool:
        """Return true or false.  Raises ValueError."""
        word = self.text(key).lower()
        if not word:
            return default
        if word not in ("true", "yes", "on", "1", "false", "no", "off", "0"):
            raise ValueError(f"'{key}': '{word}' is neither: expected true or false")
        return word in ("true", "yes", "on", "1")

    def integer(self, key: str, default: int, least: int, most: int) -> int:
        """Return a number of a range.  Raises ValueError."""
        word = self.text(key) or str(default)
        try:
            return keys.integer(least, most)(word)
        except ValueError as error:
            raise ValueError(f"'{key}': {error}") from None

    def note(self, text: str) -> None:
        """Say what is different for this program."""
        self._conf.note(text, self._name)

    def make(self, number: int, count: int) -> model.Service:
        """Return the service of the process ``number`` of ``count``.  Raises ValueError."""
        self._names |= {"process_num": number, "numprocs": count}
        env = (*self._conf.env, *self._environment())
        name = self.text("process_name", "%(program_name)s")
        service = model.Service(self._service_name(name), self._command(), env=env)
        group = str(self._names["group_name"])
        service.group = group if group != name else ""
        service.autostart = self.boolean("autostart", default=True)
        self._set_restart(service)
        self._set_stop(service)
        self._set_outputs(service)
        self._set_user(service)
        service.chdir = self.text("directory")
        mask = self.text("umask")
        service.umask = self._with("umask", keys.umask, mask) if mask else None
        for key in ("serverurl", "stdout_capture_maxbytes", "stderr_capture_maxbytes"):
            if self.text(key) not in ("", "0", "AUTO"):
                self.note(f"'{key}' is left out: there are no events")
        return service.settle()

    def _with(self, key: str, take: "keys.Parse", word: str) -> "Any":
        try:
            return take(word)
        except ValueError as error:
            raise ValueError(f"'{key}': {error}") from None

    def _service_name(self, name: str) -> str:
        if name and _NAME.issuperset(name):
            return name
        made = "".join(char if char in _NAME else "-" for char in name) or "-"
        self.note(f"'{name}' is called '{made}'")
        return made

    def _environment(self) -> tuple[tuple[str, str | None], ...]:
        place = self.place = self._conf.place(self.section, "environment")
        text = self._conf.expand(self._held.get("environment", ""), self._names, place)
        found = ini.variables(text)
        self._names |= {f"ENV_{name}": value for name, value in found}
        return found

    def _command(self) -> tuple[str, ...]:
        text = self.text("command")
        if not text:
            raise ValueError(f"[{self.section}]: it has no 'command': expected what to start")
        try:
            return tuple(shlex.split(text))
        except ValueError as error:
            raise ValueError(f"'command': '{text}' cannot be split: {error}") from None

    def _set_restart(self, service: model.Service) -> None:
        word = self.text("autorestart", "unexpected").lower()
        if word == "unexpected":
            service.on_success, service.on_failure = model.IGNORE, model.RESTART
        elif self.boolean("autorestart", default=True):
            service.on_success = service.on_failure = model.RESTART
        else:
            service.on_success = service.on_failure = model.IGNORE
            if service.autostart:  # else somebody starts it, and sees to it
                service.on_failure = model.STOP
                self.note("'autorestart' is false: it may end with 0; a failure ends the container")
        codes = {self._code(each) for each in words(self.text("exitcodes", "0"))}
        service.success = frozenset(codes - {0})
        if 0 not in codes and word == "unexpected":
            self.note("'exitcodes' is without 0, which is a success here all the same")
        self._set_limit(service)

    def _code(self, word: str) -> int:
        return int(self._with("exitcodes", keys.integer(0, 255), word))

    def _set_limit(self, service: model.Service) -> None:
        """Count as supervisord does: so many starts in a row that last less than startsecs."""
        start_s = self.integer("startsecs", 1, 0, 10**6)
        retries = self.integer("startretries", 3, 0, 10**6)
        service.restart_delay_s = (1.0, float(min(max(retries, 1), 60)))
        if service.on_failure != model.RESTART:
            service.restart_delay_s = model.Service.restart_delay_s
        elif start_s == 0:
            service.restart_times = 0  # no start of its fails, so it is never given up
            self.note("it is restarted without limit ('startsecs' is 0), but 1 s later or more")
        else:
            if retries == 0:
                self.note("'startretries' is 0: it is restarted once a while all the same")
            service.restart_times = times = max(retries, 1)
            # With its delays of 1, 2, 3, ... seconds; beyond 1,000 it is as good as endless.
            bound = min(times, 1000)
            service.restart_within_s = float(bound * (bound + 1) // 2 + (bound + 1) * start_s)

    def _set_stop(self, service: model.Service) -> None:
        word = self.text("stopsignal", "TERM").upper()
        service.stop_signal = int(self._with("stopsignal", keys.signal, word))
        service.stop_timeout_s = float(self.integer("stopwaitsecs", 10, 0, 10**7))
        for key in ("stopasgroup", "killasgroup"):
            if self.text(key) and not self.boolean(key, default=True):
                self.note(f"'{key}' is false: signals go to the whole group all the same")

    def _set_user(self, service: model.Service) -> None:
        word = self.text("user") or self._conf.text("supervisord", "user")
        service.user = word if word not in ("root", "0") else ""
        if service.user and not {"HOME", "USER"} <= {name for name, _ in service.env}:
            self.note("HOME, USER and LOGNAME are its user's, where supervisord leaves root's")

    def _set_outputs(self, service: model.Service) -> None:
        service.stdout = self._output("stdout")
        is_one = _OUTPUTS.get(self.text("stderr_logfile")) == 1 and service.stdout == model.INHERIT
        if is_one or self.boolean("redirect_stderr", default=False):
            service.stderr = model.TO_STDOUT
        else:
            service.stderr = self._output("stderr")

    def _output(self, stream: str) -> str:
        key = f"{stream}_logfile"
        word = self.text(key, "AUTO")
        if word.upper() == "NONE" or word == "/dev/null":
            return model.NULL
        if word.upper() in ("AUTO", "SYSLOG") or not word:
            if self.text(key):
                self.note(f"'{key}' is {word}: it is the container's {stream}")
            return model.INHERIT
        if word in _OUTPUTS:
            if _OUTPUTS[word] != {"stdout": 1, "stderr": 2}[stream]:
                self.note(f"'{key}' is {word}: it is the container's {stream}")
            return model.INHERIT
        self.note(f"'{key}': the file is appended to, without rotation")
        return os.path.abspath(os.path.expanduser(word))
