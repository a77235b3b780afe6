"""Real container runtimes around pyinit: how each is started, and how it stops a container."""

from tests.container_runtimes.docker import Docker, DockerInit
from tests.container_runtimes.machines import Lxc, Nspawn
from tests.container_runtimes.oci import Crun, Runc
from tests.container_runtimes.podman import Podman, PodmanInit, PodmanRootless
from tests.container_runtimes.runtime import Runtime
from tests.container_runtimes.small import Bubblewrap, Unprivileged, Unshare

__all__ = ["ALL", "QUICK", "Podman", "Runtime"]

# Those that `make test` runs in: they start in a moment, and the machine's root is theirs.
QUICK: tuple[type[Runtime], ...] = (Unshare, Unprivileged, Bubblewrap, Runc)
ALL: tuple[type[Runtime], ...] = (
    Docker,
    DockerInit,
    Podman,
    PodmanRootless,
    PodmanInit,
    Runc,
    Crun,
    Bubblewrap,
    Nspawn,
    Lxc,
    Unshare,
    Unprivileged,
)
