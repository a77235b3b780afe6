"""Manual pages and completions of pyinitctl itself, out of the parsers of its commands."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

from pyinit import __version__, ctl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MADE = "Made by pyinitctl from the parsers of its commands."


class Tool(NamedTuple):
    """A command of pyinitctl, or pyinitctl itself with an empty ``name``."""

    name: str
    help: str
    description: str
    usage: str
    actions: list[argparse.Action]

    @property
    def title(self) -> str:
        """Its name as that of a page."""
        return f"pyinitctl-{self.name}" if self.name else "pyinitctl"

    @property
    def options(self) -> list[argparse.Action]:
        """Its options, without what is hidden."""
        return [each for each in self.actions if each.option_strings]


def tool(name: str = "") -> Tool:
    """Return a command, or pyinitctl itself.  Raises KeyError."""
    if not name:
        parser = ctl.general_parser()
        text = "tools around the init pyinit"
    elif name in ctl.names():
        module = ctl.load(name)
        parser = ctl.parser_of(name, module, [])
        text = module.HELP
    else:
        raise KeyError(name)
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    shown = [each for each in parser._actions if each.help != argparse.SUPPRESS]
    return Tool(name, text, parser.description or "", usage, shown)


def man_page(name: str = "") -> str:
    """Return the manual page of a command, or of pyinitctl; man-pages(7)."""
    each = tool(name)
    lines = [
        f'.\\" {_MADE}',
        f'.TH {each.title.upper()} 1 "" "pyinit {__version__}"',
        ".SH NAME",
        f"{_roff(each.title)} \\- {_roff(each.help)}",
        ".SH SYNOPSIS",
        _roff(each.usage),
        ".SH DESCRIPTION",
        *(_roff(sentence) for sentence in each.description.split("  ")),
    ]
    if not name:
        lines.append(".SH COMMANDS")
        for command in ctl.names():
            lines += [".TP", f"\\fB{_roff(command)}\\fR", _roff(ctl.load(command).HELP)]
    operands = [one for one in each.actions if not one.option_strings]
    for heading, actions in (("OPERANDS", operands), ("OPTIONS", each.options)):
        if actions:
            lines.append(f".SH {heading}")
            for action in actions:
                lines += [".TP", f"\\fB{_roff(_heading(action))}\\fR", _roff(_help(action))]
    lines += [
        ".SH EXIT STATUS",
        _roff(_status(name)),
        ".SH SEE ALSO",
        "pyinit(1)" if not name else "pyinitctl(1), pyinit(1)",
    ]
    return "\n".join(lines) + "\n"


def _status(name: str) -> str:
    if name and hasattr(ctl.load(name), "FAILED"):
        return "That of CMD; 125 for what is wrong before."
    return "0 when it was done, 1 when not, with the reason on stderr, and 2 for a usage error."


def _heading(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else _value(action)
    if not action.option_strings:
        return value
    return ", ".join(action.option_strings) + (f" {value}" if value else "")


def _value(action: argparse.Action) -> str:
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return action.metavar if isinstance(action.metavar, str) else action.dest.upper()


def _help(action: argparse.Action) -> str:
    text = action.help or ""
    names = {"default": action.default, "prog": "pyinitctl"}
    return text % names if "%(" in text else text.replace("%%", "%")


def _roff(text: str) -> str:
    """Return text in which nothing is a request or an escape of roff; groff(7)."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{text}" if text.startswith((".", "\\(aq")) else text


def _all() -> list[Tool]:
    return [tool(name) for name in ctl.names()]


def bash() -> str:
    """Return the completion for bash(1)."""
    cases = "\n".join(
        f"    {each.name}) words='{' '.join(_flags(each))}' ;;" for each in _all()
    )
    return f"""\
# bash completion of pyinitctl
# {_MADE}
_pyinitctl()
{{
    local words current=${{COMP_WORDS[COMP_CWORD]}}
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W '{' '.join(ctl.names())} --help --version' -- "$current")
        return
    fi
    case ${{COMP_WORDS[1]}} in
{cases}
    *) return ;;
    esac
    case $current in
    -*) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current") ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    esac
}}
complete -o filenames -F _pyinitctl pyinitctl
"""


def zsh() -> str:
    """Return the completion for zsh(1)."""
    commands = "\n".join(f"        {_quoted(f'{each.name}:{each.help}')}" for each in _all())
    cases = "\n".join(
        f"    {each.name}) _arguments -s : {' '.join(_zsh_specs(each))} '*:file:_files' ;;"
        for each in _all()
    )
    return f"""\
#compdef pyinitctl
# {_MADE}
_pyinitctl()
{{
    local -a commands=(
{commands}
    )
    if ((CURRENT == 2)); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    ((CURRENT--))
    case $command in
{cases}
    esac
}}
_pyinitctl "$@"
"""


def _zsh_specs(each: Tool) -> Iterator[str]:
    for action in each.options:
        text = _help(action).replace("[", "(").replace("]", ")").replace(":", ",")
        value = "" if action.nargs == 0 else f":{_value(action).replace(':', ',')}:_files"
        if action.choices is not None:
            value = f":value:({' '.join(map(str, action.choices))})"
        for flag in action.option_strings:
            yield _quoted(f"*{flag}[{text}]{value}")


def fish() -> str:
    """Return the completion for fish(1)."""
    lines = [f"# {_MADE}", "set -l commands " + " ".join(ctl.names())]
    for each in _all():
        lines.append(
            "complete -c pyinitctl -n \"not __fish_seen_subcommand_from $commands\" -f "
            f"-a {each.name} -d {_quoted(each.help)}"
        )
        for action in each.options:
            flags = [
                f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
                for flag in action.option_strings
            ]
            takes = "" if action.nargs == 0 else " -r"
            if action.choices is not None:
                takes = f" -x -a {_quoted(' '.join(map(str, action.choices)))}"
            lines.append(
                f'complete -c pyinitctl -n "__fish_seen_subcommand_from {each.name}" '
                f"{' '.join(flags)}{takes} -d {_quoted(_help(action))}"
            )
    return "\n".join(lines) + "\n"


def _flags(each: Tool) -> list[str]:
    return [flag for action in each.options for flag in action.option_strings]


def _quoted(text: str) -> str:
    """Return text as one word of each of the three shells."""
    return "'" + text.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}") + "'"


SHELLS: dict[str, Callable[[], str]] = {"bash": bash, "fish": fish, "zsh": zsh}
