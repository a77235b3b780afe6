"""The command ``pyinit``: argv to exit status."""

import _signal
import posix
import sys

from pyinit import __version__, boot, environment, fallback
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
        return answer(settings, inherited_mask)
    init = boot.Init(settings, inherited_mask)
    init.findings = findings
    init.prepare()
    if settings.pause:
        return init.pause()
    if settings.alias:
        greet(settings)
    try:
        init.start(original_environ)
    except Exception as error:
        raise translated(settings, error) from None
    return init.supervise()


def translated(settings: Settings, error: Exception) -> Exception:
    """Return what to raise where the command could not be started."""
    if not settings.alias:
        return error
    from pyinit.compat import peers

    return peers.translate(settings, error)


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


def greet(settings: Settings) -> None:
    """Write what the program whose name we bear writes before it starts its command."""
    from pyinit.compat import peers

    is_reaper = settings.subreaper or posix.getpid() == 1
    if not is_reaper and not settings.quiet:
        try:
            from pyinit import linux

            # It outlives an execve(2): whoever ran us may have asked for it.
            is_reaper = linux.is_child_subreaper()
        except (ImportError, OSError):
            pass  # a Python built without libffi, a filter: then it is unlikely
    for line in peers.greeting(settings, is_reaper=is_reaper):
        fallback.tell(line, "")


def answer(settings: Settings, mask: set[int]) -> int:
    """Write what is asked for, help or version, and return the exit code.

    As any program would: with the signal mask that was given, so that one that
    waits for a reader can be ended.
    """
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
    fd = 1
    if settings.alias:
        from pyinit.compat import peers

        text, fd = peers.answer(settings)
    elif settings.help:
        from pyinit.options import help as help_text

        text = help_text.render()
    else:
        text = f"pyinit {__version__}\n"
    data = text.encode()
    try:
        while data:
            data = data[posix.write(fd, data) :]
    except OSError as error:
        fallback.tell(f"cannot write to standard output: {error.strerror}")
        return 125
    return 0


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
