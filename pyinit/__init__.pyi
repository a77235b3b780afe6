from pyinit.api.fork_init import fork_init
from pyinit.api.run import run
from pyinit.api.supervise import supervise
from pyinit.api.types import Exit, Options
from pyinit.container.process import Process
from pyinit.container.spawn import Container, spawn
from pyinit.fork import StartError
from pyinit.namespaces.found import Namespace, enter, namespaces_of
from pyinit.namespaces.kinds import NamespaceError

__version__: str

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
