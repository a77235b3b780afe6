"""pyinit under the names of tini, docker-init, dumb-init and catatonit."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinit.settings import Settings


def parse(name: str, arguments: list[str], environ: dict[bytes, bytes]) -> "Settings":
    """Return what is asked for in the words of the program ``name``.  Raises UsageError."""
    raise NotImplementedError


def answer(asked: "Settings") -> str:
    """Return the help, version or license text that is asked for."""
    raise NotImplementedError
