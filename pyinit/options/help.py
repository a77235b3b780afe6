"""``pyinit --help``, made from the table of options."""

from pyinit.options.parser import USAGE
from pyinit.options.table import GROUPS, TABLE, Option

# Its width, and where its second column begins.
WIDTH = 80
_COLUMN = 30

_PURPOSE = (
    "Start COMMAND, relay signals to it, and reap every orphan. When COMMAND ends, end the "
    "processes that are left (TERM, then KILL after the grace), and exit with its status."
)
_STATUS = (
    "Exit status: that of COMMAND, or 128+n when signal n killed it; 125 when pyinit itself fails, "
    "126 when COMMAND cannot be started, 127 when it is not found."
)
_MORE = (
    "'pyinitctl manual' prints the manual page, 'pyinitctl completion' the completions for bash, "
    "zsh and fish."
)


def render() -> str:
    """Return the help text, in lines of at most `WIDTH` columns."""
    lines = [f"Usage: {USAGE}", ""]
    lines += _wrapped(_PURPOSE)
    for title, options in GROUPS:
        lines += ["", f"{title}:"]
        for option in options:
            lines += _help_of(option)
    without = [f"--{each.name}" for each in TABLE if not each.variable and each.value is not False]
    variables = (
        "Each option has a variable, which the command line overrides: PYINIT_STOP_TIMEOUT=28 "
        "stands for --stop-timeout 28, PYINIT_GROUP=1 for --group, PYINIT_SUBREAPER=0 for "
        f"--no-subreaper. There is none for {', '.join(without)}."
    )
    for paragraph in (variables, _STATUS, _MORE):
        lines += ["", *_wrapped(paragraph)]
    return "\n".join(lines) + "\n"


def _help_of(option: Option) -> list[str]:
    label = f"  {'-' + option.short + ',' if option.short else '   '} --{option.name}"
    if option.takes_value:
        label += f" {option.kind.name}"
    notes = [f"default {option.default}"] if option.default else []
    # A switch is typed as it stands.
    if option.example not in (f"--{option.name}", f"-{option.short}"):
        notes.append(f"e.g. {option.example}")
    words = option.text.split()
    if notes:
        # What is to be typed stands in one line.
        joined = ",\n".join(notes)
        words += f"({joined})".split("\n")
    text = _lines(words, _COLUMN)
    if len(label) + 2 > _COLUMN:
        return [label, *text]
    return [label + text[0][len(label) :], *text[1:]]


def _wrapped(text: str) -> list[str]:
    return _lines(text.split(), 0)


def _lines(words: list[str], column: int) -> list[str]:
    """Return lines of ``words``, each from ``column`` on; no word is broken."""
    lines = [""]
    for word in words:
        if lines[-1] and column + len(lines[-1]) + 1 + len(word) > WIDTH:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return [" " * column + line for line in lines]
