"""What is not wrong with a file of services, and may not be what was meant all the same."""

import posix

from pyinit.command import accounts
from pyinit.options.values import UsageError
from pyinit.services import group, model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyinit.services.model import Service, Services

# How long these wait from TERM to KILL, in seconds, unless they are told otherwise.
PATIENCE_S = {"docker stop": 10.0, "Kubernetes": 30.0}

_SHELLS = ("sh", "bash", "dash", "ash")
# What makes a script more than one program that could be started without a shell.
_OF_SHELL = ("&&", "||", ";", "|", "&", "<", ">", "`", "$(", "\n", "*", "~")


def warnings(services: "Services", stop_timeout_s: float | None = None) -> list[str]:
    """Return what may not be what was meant; ``stop_timeout_s`` is that of pyinit, if known."""
    found = list(_of_stop(services, stop_timeout_s))
    for service in services.by_name.values():
        found += (f"service '{service.name}': {text}" for text in _of_service(service, services))
    found += writable_by(services)
    return found


def _of_stop(services: "Services", stop_timeout_s: float | None) -> "Iterator[str]":
    longest, chain = group.longest_stop(services)
    limits = dict(PATIENCE_S)
    if stop_timeout_s is not None:
        limits["--stop-timeout"] = stop_timeout_s
    short = [f"{name} ({limit:g} s)" for name, limit in limits.items() if limit < longest]
    if short:
        yield (
            f"the stop can take {longest:g} s ({', then '.join(chain)}), "
            f"longer than {', '.join(short)} waits by default"
        )
    if all(each.on_failure == model.IGNORE for each in services.by_name.values()):
        yield "no failure ends the container: expected one service at least without 'ignore'"


def _of_service(service: "Service", services: "Services") -> "Iterator[str]":
    hidden = _hidden_by_shell(service.command)
    if hidden:
        yield f"a shell is before '{hidden}': expected it without 'sh -c', or 'exec {hidden}'"
    waits = any(service.name in each.after for each in services.by_name.values())
    if service.ready.kind != model.STARTED and not waits:
        yield (
            f"no service comes after it: 'ready' ({service.ready.kind}) is only for --notify and "
            "status"
        )
    default = model.Service
    restarts = model.RESTART in (service.on_success, service.on_failure)
    changed = (
        service.restart_delay_s != default.restart_delay_s
        or service.restart_times != default.restart_times
        or service.give_up != default.give_up
    )
    if changed and not restarts:
        yield "it is never restarted: 'restart-limit', 'restart-delay' and 'give-up' say nothing"
    try:
        if service.user:
            accounts.lookup(service.user)
    except UsageError as error:
        yield f"'user': {str(error).removeprefix(_OPTION)}, as far as can be seen here"


_OPTION = "option '--user': "


def _hidden_by_shell(command: tuple[str, ...]) -> str:
    """Return the program that a shell starts and waits for, when that is all it does."""
    shell = command[0].rpartition("/")[2] if command else ""
    if shell not in _SHELLS or len(command) != 3 or command[1] != "-c":
        return ""
    script = command[2].strip()
    word = script.partition(" ")[0]
    if word == "exec" or any(each in script for each in _OF_SHELL):
        return ""
    return word


def writable_by(services: "Services") -> list[str]:
    """Return a warning for each service whose user could change what is started the next time."""
    try:
        status = posix.stat(services.source)
    except OSError:
        return []
    found = []
    for service in services.by_name.values():
        try:
            account = accounts.lookup(service.user) if service.user else None
        except UsageError:
            continue
        if account is None or account.uid == 0:
            continue
        if _may_write(status, account):
            found.append(
                f"service '{service.name}': its user can write to {services.source}: "
                "expected a file that only root can write to"
            )
    return found


def _may_write(status: "posix.stat_result", account: accounts.Account) -> bool:
    mode = status.st_mode
    if account.uid == status.st_uid:
        return True  # it can change the mode
    if status.st_gid in account.groups:
        return bool(mode & 0o020)
    return bool(mode & 0o002)
