from pyinit.api.run import run
from pyinit.api.supervise import supervise
from pyinit.api.types import Exit, Options
from pyinit.container.asynchronous import (
    AsyncContainer,
    AsyncProcess,
    run_container_async,
    spawn_async,
)
from pyinit.container.container import Container
from pyinit.container.errors import TimeoutExpired
from pyinit.container.execute import exec_in
from pyinit.container.options import ExecOptions, SpawnOptions
from pyinit.container.process import Process
from pyinit.container.spawn import Completed, run_container, spawn
from pyinit.ctl.data import examine, status_of
from pyinit.fork import StartError
from pyinit.namespaces.found import Namespace, enter, namespaces_of
from pyinit.namespaces.kinds import NamespaceError
from pyinit.namespaces.members import Member, processes_of
from pyinit.standby import fork_init

__version__: str

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
