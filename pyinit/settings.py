"""What a run of pyinit is asked to do: the values of all options, and their defaults."""


class Settings:
    """The options' values; ``command`` is argv of the main child, times are in seconds."""

    __slots__ = (
        "command",
        "grace_s",
        "group",
        "help",
        "quiet",
        "subreaper",
        "verbose",
        "version",
        "warn_on_reap",
    )

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.grace_s = 5.0
        self.group = False
        self.help = False
        self.quiet = False
        self.subreaper = True
        self.verbose = 0
        self.version = False
        self.warn_on_reap = False


def plain(arguments: list[str], environ: dict[bytes, bytes]) -> Settings | None:
    """Return the defaults if neither an option nor a variable asks for anything else.

    None if one may do so: then the words are for `pyinit.options`.
    """
    for name in environ:
        if name.startswith(b"PYINIT_"):
            return None
    if len(arguments) > 1 and arguments[0] == "--":
        return Settings(arguments[1:])
    if arguments and not arguments[0].startswith("-"):
        return Settings(arguments)
    return None
