"""A PID 1 for containers: relays signals, reaps orphans, ends what is left in good order.

The command is ``pyinit``; `run`, `fork_init`, `spawn`, `enter` and `namespaces_of` are
the same for Python programs.  Each name is imported when it is first used (PEP 562):
PID 1 itself needs none of them.  Type checkers read ``__init__.pyi``.
"""

__version__ = "1.0.0"

# Where each public name is.
_HOMES = {
    "AsyncContainer": "container.asynchronous",
    "AsyncProcess": "container.asynchronous",
    "Completed": "container.spawn",
    "Container": "container.container",
    "ExecOptions": "container.options",
    "Exit": "api.types",
    "Member": "namespaces.members",
    "Namespace": "namespaces.found",
    "NamespaceError": "namespaces.kinds",
    "Options": "api.types",
    "Process": "container.process",
    "SpawnOptions": "container.options",
    "StartError": "fork",
    "TimeoutExpired": "container.errors",
    "enter": "namespaces.found",
    "examine": "ctl.data",
    "exec_in": "container.execute",
    "fork_init": "standby",
    "namespaces_of": "namespaces.found",
    "processes_of": "namespaces.members",
    "run": "api.run",
    "run_container": "container.spawn",
    "run_container_async": "container.asynchronous",
    "spawn": "container.spawn",
    "spawn_async": "container.asynchronous",
    "status_of": "ctl.data",
    "supervise": "api.supervise",
}

__all__ = [
    "AsyncContainer",
    "AsyncProcess",
    "Completed",
    "Container",
    "ExecOptions",
    "Exit",
    "Member",
    "Namespace",
    "NamespaceError",
    "Options",
    "Process",
    "SpawnOptions",
    "StartError",
    "TimeoutExpired",
    "__version__",
    "enter",
    "examine",
    "exec_in",
    "fork_init",
    "namespaces_of",
    "processes_of",
    "run",
    "run_container",
    "run_container_async",
    "spawn",
    "spawn_async",
    "status_of",
    "supervise",
]


def _serve(what: str) -> None:
    """Have the modules of one purpose loaded from one file; the launcher puts its own in place."""


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
