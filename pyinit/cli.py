"""The command ``pyinit``: argv to exit status."""

import posix
import sys

from pyinit import boot, environment, fallback
from pyinit.settings import NAMES, Settings, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main(inherited_mask: set[int]) -> "NoReturn":
    """Be the init: read the options, start the command, supervise it, exit with its status.

    ``inherited_mask`` is the signal mask from before everything was blocked.
    """
    try:
        code = run(sys.argv[1:], inherited_mask)
    except BaseException as error:
        code = fail(error)
    # Finalizing the interpreter would cost 2 ms, and there is nothing to finalize.
    posix._exit(code)


def run(arguments: list[str], inherited_mask: set[int]) -> int:
    """Return the exit code.  Raises UsageError or StartError, when nothing was started."""
    original_environ = environment.restore()
    findings = None
    if not environment.is_ours_alone():
        from pyinit.process import restart

        inherited_mask, original_environ, findings = restart.settle(
            inherited_mask, original_environ
        )
    settings = parse_command_line(arguments)
    if settings.help or settings.version or settings.license:
        from pyinit.compat import answers

        return answers.answer(settings, inherited_mask)
    init = boot.Init(settings, inherited_mask)
    init.findings = findings
    init.prepare()
    if settings.pause:
        return init.pause()
    if settings.alias:
        from pyinit.compat import answers

        answers.greet(settings)
    try:
        init.start(original_environ)
    except Exception as error:
        if not settings.alias:
            raise
        from pyinit.compat import peers

        raise peers.translate(settings, error) from None
    return init.supervise()


def parse_command_line(arguments: list[str]) -> Settings:
    """Return what is asked for, in the words of pyinit or of the program whose name we bear.

    Raises UsageError.
    """
    name = sys.argv[0].rpartition("/")[2]
    environ = environment.current()
    if name not in NAMES:
        settings = plain(arguments, environ)
        if settings is not None:
            return settings
        from pyinit.options import parser

        name, arguments = parser.alias(arguments)
        if not name:
            return parser.parse(arguments, environ)
    from pyinit.compat import peers

    return peers.parse(name, arguments, environ)


def fail(error: BaseException) -> int:
    """Say why pyinit ends without having started anything, and return its exit code.

    Raises nothing, and loads nothing to know a UsageError or a StartError by: that something
    cannot be loaded may be the reason.
    """
    code = getattr(error, "code", None)
    try:
        if isinstance(code, int):
            fallback.tell(str(error), getattr(error, "prefix", "pyinit: "))
            for line in getattr(error, "more", ()):
                fallback.tell(line, "")
        elif isinstance(error, OSError):
            fallback.tell(f"cannot start: {error.strerror or error}")
        else:
            fallback.tell(f"internal error: {error!r}")
    except BaseException:
        pass  # the exit code tells as well
    return code if isinstance(code, int) else 125
