"""The command ``pyinit``: argv to exit status."""

import _signal
import posix
import sys

from pyinit import __version__, boot, environment, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main(given_mask: set[int]) -> "NoReturn":
    """Be the init: read the options, start the command, supervise it, exit with its status.

    ``given_mask`` is the signal mask from before everything was blocked.
    """
    try:
        code = run(sys.argv[1:], given_mask)
    except BaseException as error:
        code = fail(error)
    # Finalizing the interpreter would cost 2 ms, and there is nothing to finalize.
    posix._exit(code)


def run(arguments: list[str], given_mask: set[int]) -> int:
    """Return the exit code.  Raises UsageError or StartError, when nothing was started."""
    given = environment.restore()
    findings = None
    if not environment.is_ours_alone():
        from pyinit.process import restart

        given_mask, given, findings = restart.settle(given_mask, given)
    asked = understand(arguments)
    asked.findings = findings
    if asked.help or asked.version or asked.license:
        return answer(asked, given_mask)
    if asked.writes_elsewhere():
        from pyinit.report import outlets

        outlets.prepare(asked)
    init = boot.Init(asked, given_mask)
    init.prepare()
    if asked.pause:
        return init.pause()
    if asked.alias:
        greet(asked)
    try:
        init.start(given)
    except Exception as error:
        raise translated(asked, error) from None
    return init.supervise()


def translated(asked: settings.Settings, error: Exception) -> Exception:
    """Return what to raise where the command could not be started."""
    if not asked.alias:
        return error
    from pyinit.compat import peers

    return peers.translate(asked, error)


def understand(arguments: list[str]) -> settings.Settings:
    """Return what is asked for, in the words of pyinit or of the program whose name we bear.

    Raises UsageError.
    """
    name = sys.argv[0].rpartition("/")[2]
    environ = environment.current()
    if name not in settings.NAMES:
        asked = settings.plain(arguments, environ)
        if asked is not None:
            return asked
        from pyinit.options import parser

        name, arguments = parser.alias(arguments)
        if not name:
            return parser.parse(arguments, environ)
    from pyinit.compat import peers

    return peers.parse(name, arguments, environ)


def greet(asked: settings.Settings) -> None:
    """Write what the program whose name we bear writes before it starts its command."""
    from pyinit.compat import peers

    is_reaper = asked.subreaper or posix.getpid() == 1
    if not is_reaper and not asked.quiet:
        try:
            from pyinit import linux

            # It outlives an execve(2): whoever ran us may have asked for it.
            is_reaper = linux.is_child_subreaper()
        except (ImportError, OSError):
            pass  # a Python built without libffi, a filter: then it is unlikely
    for line in peers.greeting(asked, is_reaper=is_reaper):
        boot.tell(line, "")


def answer(asked: settings.Settings, mask: set[int]) -> int:
    """Write what is asked for, help or version, and return the exit code.

    As any program would: with the signal mask that was given, so that one that
    waits for a reader can be ended.
    """
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
    fd = 1
    if asked.alias:
        from pyinit.compat import peers

        text, fd = peers.answer(asked)
    elif asked.help:
        from pyinit.options import help as help_text

        text = help_text.render()
    else:
        text = f"pyinit {__version__}\n"
    data = text.encode()
    try:
        while data:
            data = data[posix.write(fd, data) :]
    except OSError as error:
        boot.tell(f"cannot write to standard output: {error.strerror}")
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
            boot.tell(str(error), getattr(error, "prefix", "pyinit: "))
            for line in getattr(error, "more", ()):
                boot.tell(line, "")
        elif isinstance(error, OSError):
            boot.tell(f"cannot start: {error.strerror or error}")
        else:
            boot.tell(f"internal error: {error!r}")
    except BaseException:
        pass  # the exit code tells as well
    return code if isinstance(code, int) else 125
