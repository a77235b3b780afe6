"""A PID 1 for containers: relays signals, reaps orphans, ends what is left in good order.

The command is ``pyinit``; `run`, `fork_init`, `spawn`, `enter` and `namespaces_of` are
the same for Python programs.  Each name is imported when it is first used (PEP 562):
PID 1 itself needs none of them.
"""

__version__ = "1.0.0"

# Where each public name is.
_HOMES = {
    "Container": "container.spawn",
    "Exit": "api.run",
    "Namespace": "namespaces.found",
    "NamespaceError": "namespaces.kinds",
    "Options": "api.run",
    "Process": "container.spawn",
    "StartError": "fork",
    "enter": "namespaces.found",
    "fork_init": "api.fork_init",
    "namespaces_of": "namespaces.found",
    "run": "api.run",
    "spawn": "container.spawn",
}

__all__ = [
    "Container",
    "Exit",
    "Namespace",
    "NamespaceError",
    "Options",
    "Process",
    "StartError",
    "__version__",
    "enter",
    "fork_init",
    "namespaces_of",
    "run",
    "spawn",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.api.fork_init import fork_init
    from pyinit.api.run import Exit, Options, run
    from pyinit.container.spawn import Container, Process, spawn
    from pyinit.fork import StartError
    from pyinit.namespaces.found import Namespace, enter, namespaces_of
    from pyinit.namespaces.kinds import NamespaceError


if not TYPE_CHECKING:  # else any name would be right to it

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'pyinit' has no attribute '{name}'")
        # Not importlib, which would have to be imported.
        value = getattr(__import__(f"pyinit.{_HOMES[name]}", fromlist=(name,)), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
