"""From a TOML file to `model.Services`, or all that is wrong with it at once."""

from pyinit.services import expand, keys, model, order, plain
from pyinit.services.problems import Problems, right_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Path = tuple[str, ...]

_NAME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")


def parse(text: str, source: str, environ: "Mapping[str, str]") -> model.Services:
    """Return the services that ``text`` describes, the content of the file ``source``.

    Strings are expanded by ``environ``.  Raises `pyinit.services.problems.ServicesError`.
    """
    document: Mapping[str, object] | None = plain.parse(text)
    if document is None:
        import tomllib

        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise_syntax(str(error), text, source)
    return Reader(text, source, environ).read(document or {})


def raise_syntax(message: str, text: str, source: str) -> None:
    """Raise ServicesError for what `tomllib` says of ``text``; it has the line in its words."""
    what, _, place = message.rpartition(" (at ")
    line = place.removeprefix("line ").partition(",")[0]
    problems = Problems(source)
    number = int(line) if line.isdecimal() else len(text.splitlines())
    problems.add(f"no TOML: {what or message}", number)
    problems.raise_any()


class Reader:
    """Reads one file, and collects what is wrong with it."""

    def __init__(self, text: str, source: str, environ: "Mapping[str, str]") -> None:
        self.problems = Problems(source)
        self._text = text
        self._environ = environ
        self._lines: dict[Path, int] | None = None
        self._top: dict[str, object] = {}  # from attributes to values for all services

    def read(self, document: "Mapping[str, object]") -> model.Services:
        """Return the services.  Raises ServicesError."""
        self._read_top(document)
        tables = document.get("service", {})
        found: dict[str, model.Service | None] = {}  # None: not enabled
        if isinstance(tables, dict):
            for name, table in tables.items():
                found[name] = self._read_service(name, table)
        made = [each for each in found.values() if each is not None]
        if not made:
            self.problems.add("it has no service: expected a table such as [service.web]")
        self._check_names(found)
        self._check_mains(made)
        self._check_order(made)
        self.problems.raise_any()
        disabled = {name for name, each in found.items() if each is None}
        for service in made:
            service.after = tuple(each for each in service.after if each not in disabled)
            service.stop_before = tuple(x for x in service.stop_before if x not in disabled)
        return model.Services(made, self.problems.source)

    def complain(self, path: "Path", text: str) -> None:
        """Take note of a problem with what ``path`` leads to."""
        if self._lines is None:
            from pyinit.services import lines

            self._lines = lines.of_keys(self._text)
        while path and path not in self._lines:
            path = path[:-1]
        self.problems.add(text, self._lines.get(path, 0))

    # -- One table.

    def _read_top(self, document: "Mapping[str, object]") -> None:
        for key, value in document.items():
            if key == "service":
                if not isinstance(value, dict):
                    self.complain((key,), "'service' is not a table: expected [service.NAME]")
            elif key == "env":
                found = self._value((key,), "env", keys.variables, value)
                self._top["env"] = found or ()
            elif key in keys.TOP:
                attributes, parse = keys.KEYS[key]
                self._top |= _spread(attributes, self._value((key,), key, parse, value))
            else:
                known = ("service", *keys.TOP)
                right = right_word(key, known)
                if key in keys.ALL or isinstance(value, dict):
                    right = f"expected it in a table such as [service.{key}]"
                    if key in keys.ALL:
                        right = "expected it in the table of a service, such as [service.web]"
                self.complain((key,), f"unknown key '{key}': {right}")

    def _read_service(self, name: str, table: object) -> model.Service | None:
        """Return the service, or None if it is not enabled."""
        path = ("service", name)
        if not name or not _NAME.issuperset(name):
            self.complain(path, f"'{name}' is not a name: expected letters, digits, '_', '.', '-'")
        if not isinstance(table, dict):
            self.complain(path, f"'service.{name}' is not a table: expected [service.{name}]")
            return model.Service(name, ())
        if (
            self._value(
                (*path, "enabled"), _in(name, "enabled"), keys.boolean, table.get("enabled", True)
            )
            is False
        ):
            return None
        service = model.Service(name, (), **self._top)
        for key, value in table.items():
            self._read_key(service, key, value)
        self._read_env(service, table)
        self._check_type(service, table)
        return service.settle()

    def _read_key(self, service: model.Service, key: str, value: object) -> None:
        path = ("service", service.name, key)
        if key in keys.KEYS:
            attributes, parse = keys.KEYS[key]
            found = self._value(path, _in(service.name, key), parse, value)
            for attribute, each in _spread(attributes, found).items():
                setattr(service, attribute, each)
        elif key not in keys.OTHERS:
            text = f"service '{service.name}': unknown key '{key}': {right_word(key, keys.ALL)}"
            self.complain(path, text)

    def _read_env(self, service: model.Service, table: "Mapping[str, object]") -> None:
        """Put the variables together: those of files, those to be removed, the service's own."""
        found = list(service.env)
        for key in ("env-file", "unset-env", "env"):
            if key not in table:
                continue
            path = ("service", service.name, key)
            value = self._value(path, _in(service.name, key), keys.OTHERS[key], table[key])
            if key == "env-file" and isinstance(value, tuple):
                for each in value:
                    found += self._read_file(path, service.name, each)
            elif isinstance(value, tuple):
                found += value
        if found:
            service.env = tuple(found)

    def _read_file(self, path: "Path", name: str, file: str) -> list[tuple[str, str | None]]:
        from pyinit.services import envfile

        try:
            return envfile.read(file, self.problems.source)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self.complain(path, f"{_in(name, 'env-file')}: '{file}': {reason}")
            return []

    def _value(self, path: "Path", where: str, parse: "keys.Parse", value: object) -> object:
        """Return a value that has been expanded and parsed, or None if it is wrong."""
        try:
            return parse(self._expanded(value))
        except ValueError as error:
            self.complain(path, f"{where}: {error}")
            return None

    def _expanded(self, value: object) -> object:
        if isinstance(value, str):
            found = expand.expand(value, self._environ)
            if "\0" in found:
                raise ValueError("it has a NUL, which no program can be given")
            return found
        if isinstance(value, list):
            return [self._expanded(each) for each in value]
        if isinstance(value, dict):
            return {key: self._expanded(each) for key, each in value.items()}
        return value

    # -- What does not go together.

    def _check_type(self, service: model.Service, table: "Mapping[str, object]") -> None:
        name, kind = service.name, service.type
        path = ("service", name)
        if "command" not in table:
            self.complain(path, f"service '{name}': it has no 'command': expected what to start")
        if kind not in model.TYPES:
            return
        for key, kinds in keys.ONLY_OF.items():
            if key in table and kind not in kinds:
                self.complain(
                    (*path, key),
                    f"service '{name}': '{key}' is not for a {kind}: "
                    f"expected it with type '{kinds[0]}' only",
                )
        if service.main and not service.autostart:
            self.complain(
                (*path, "autostart"),
                f"{_in(name, 'autostart')}: the main service is the container's: expected true",
            )
        if kind == model.JOB and "every" not in table:
            self.complain(
                path,
                f"service '{name}': a job needs 'every': expected seconds, such as every = 900",
            )
        for key, value in (("on-success", service.on_success), ("on-failure", service.on_failure)):
            restarts = value == model.RESTART
            if restarts and (kind == model.JOB or (kind == model.TASK and key == "on-success")):
                again = "it runs again by itself" if kind == model.JOB else "a task succeeds once"
                self.complain(
                    (*path, key), f"{_in(name, key)}: 'restart' is not for a {kind}: {again}"
                )

    def _check_names(self, found: "Mapping[str, model.Service | None]") -> None:
        for service in found.values():
            if service is None:
                continue
            for key, names in (("after", service.after), ("stop-before", service.stop_before)):
                for each in names or ():
                    self._check_name(service, key, each, found)

    def _check_name(
        self,
        service: model.Service,
        key: str,
        each: str,
        found: "Mapping[str, model.Service | None]",
    ) -> None:
        path = ("service", service.name, key)
        where = _in(service.name, key)
        if each == service.name:
            self.complain(path, f"{where}: it names itself: expected other services")
        elif each not in found:
            others = [name for name in found if name != service.name]
            right = right_word(each, others)
            self.complain(path, f"{where}: there is no service '{each}': {right}")
        else:
            other = found[each]
            if key != "after" or other is None:
                return
            if other.type == model.JOB:
                text = f"{where}: '{each}' is a job, which is never ready: expected others"
                self.complain(path, text)
            elif service.autostart and other.autostart is False:
                text = f"{where}: '{each}' is not started by itself: expected others"
                self.complain(path, text)

    def _check_mains(self, made: list[model.Service]) -> None:
        mains = [service.name for service in made if service.main is True]
        for name in mains[1:]:
            self.complain(
                ("service", name, "main"),
                f"{_in(name, 'main')}: '{mains[0]}' is the main one already: expected one at most",
            )

    def _check_order(self, made: list[model.Service]) -> None:
        after = {each.name: tuple(x for x in each.after or () if x != each.name) for each in made}
        both = {
            each.name: after[each.name] + tuple(x for x in each.stop_before or () if x != each.name)
            for each in made
        }
        circles = order.cycles(after)
        key = "after"
        if not circles:
            circles, key = order.cycles(both), "stop-before"
        for circle in circles:
            chain = " after ".join(f"'{name}'" for name in [*circle, circle[0]])
            if key != "after":
                chain = " before ".join(f"'{name}'" for name in [*circle, circle[0]])
            what = "starts" if key == "after" else "stops"
            self.complain(
                ("service", circle[0], key),
                f"{_in(circle[0], key)}: none of them {what} first: {chain}",
            )


def _in(name: str, key: str) -> str:
    return f"service '{name}': '{key}'"


def _spread(attributes: "Path", value: object) -> dict[str, object]:
    """Return what a parsed value sets: nothing if it was wrong."""
    if value is None:
        return {}
    if len(attributes) == 1:
        return {attributes[0]: value}
    assert isinstance(value, tuple)
    return dict(zip(attributes, value, strict=True))
