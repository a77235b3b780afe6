"""A PID 1 for containers: relays signals, reaps orphans, ends what is left in good order.

The command is ``pyinit``; `run`, `fork_init`, `spawn`, `enter` and `namespaces_of` are
the same for Python programs.  Each name is imported when it is first used (PEP 562):
PID 1 itself needs none of them.  Type checkers read ``__init__.pyi``.
"""

__version__ = "1.0.0"

# Where each public name is.
_HOMES = {
    "Container": "container.spawn",
    "Exit": "api.types",
    "Namespace": "namespaces.found",
    "NamespaceError": "namespaces.kinds",
    "Options": "api.types",
    "Process": "container.process",
    "StartError": "fork",
    "enter": "namespaces.found",
    "fork_init": "api.fork_init",
    "namespaces_of": "namespaces.found",
    "run": "api.run",
    "spawn": "container.spawn",
    "supervise": "api.supervise",
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
    "supervise",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'pyinit' has no attribute '{name}'")
    # Not importlib, which would have to be imported.
    value = getattr(__import__(f"pyinit.{_HOMES[name]}", fromlist=(name,)), name)
    value.__module__ = __name__  # where users, tracebacks and pickle find it
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
