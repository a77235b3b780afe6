"""``pyinitctl completion SHELL``: what bash, zsh or fish completes after ``pyinit``.

Made from the table of options, whose kinds say what can be completed for a value; here is how each
shell does that.  Behind the options the command is completed as if it stood alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyinit import signals
from pyinit.options import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from pyinit.options.table import Completion, Kind, Option

DESCRIPTION = (
    "Print a shell's completion of pyinit. For the running shell: "
    "'source <(pyinitctl completion bash)', the same with zsh after compinit, and "
    "'pyinitctl completion fish | source'."
)

_RELAYED = " ".join(signals.name(number).removeprefix("SIG") for number in sorted(signals.RELAYED))
_FAULTS = (signals.name(number).removeprefix("SIG") for number in sorted(signals.SYNCHRONOUS))
_SIGNALS = f"{_RELAYED} KILL STOP CHLD {' '.join(_FAULTS)}"
_WORDS = {"signals": _SIGNALS, "relayed": _RELAYED}

_MADE = "Made by pyinitctl completion from the table of options."

_LETTERS = "".join(o.short for o in table.TABLE if o.short and o.takes_value)


# The kinds of values of which something can be completed, and how.
_COMPLETED: dict[Kind, Completion] = {
    option.kind: option.kind.completion
    for option in table.TABLE
    if option.kind.completion is not None
}


def _words(what: str | tuple[str, ...]) -> str:
    """Return the words themselves where a completion is words, else nothing."""
    return " ".join(what) if isinstance(what, tuple) else _WORDS.get(what, "")


def _or_ignore(what: str) -> str:
    """Return the words behind a mark: a signal is relayed instead of another, or none."""
    return f"ignore {_words(what)}" if _words(what) else ""


# -- bash ----------------------------------------------------------------------------------------

_BASH = r"""# bash completion of pyinit
# @MADE@

# Put the words up to the cursor together again where COMP_WORDBREAKS has split them;
# starts[i] is where word i begins in COMP_WORDS.
_pyinit_words()
{
    local line=${COMP_LINE:0:COMP_POINT} rest i piece
    words=() starts=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        rest=${line#"${line%%[![:space:]]*}"}
        if ((i == 0)) || [[ $rest != "$line" ]]; then
            words+=("") starts+=($i)
        fi
        piece=${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && piece=$rest
        words[${#words[@]} - 1]+=$piece
        line=${rest#"$piece"}
    done
}

# Set reply to what $2, the value of option $1, may be.
_pyinit_value()
{
    local value=$2 head=${2%"${2##*,}"} item=${2##*,}
    case $1 in
@CASES@
    esac
}

_pyinit()
{
    local words starts i current known before= reply= breaks=${COMP_WORDBREAKS//[^=:@]/}
    COMPREPLY=()
    _pyinit_words
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        case ${words[i]} in
            --)
                ((i++))
                break
                ;;
            @LONG@)
                ((i++))
                ;;
            --*) ;;
            -?*)
                [[ ${words[i]} =~ ^-[^@LETTERS@]*[@LETTERS@]$ ]] && ((i++))
                ;;
            *)
                break
                ;;
        esac
    done
    current=${words[${#words[@]} - 1]}
    if ((i >= ${#words[@]})); then
        known=${words[${#words[@]} - 2]}
        [[ $known == --* ]] || known=-${known: -1}
        _pyinit_value "$known" "$current"
    elif ((i < ${#words[@]} - 1)) || [[ ${words[i - 1]} == -- || $current != -* ]]; then
        _pyinit_command $i
        return
    elif [[ $current == --*=* ]]; then
        before=${current%%=*}=
        _pyinit_value "${current%%=*}" "${current#*=}"
    elif [[ $current =~ ^(-[^-@LETTERS@]*([@LETTERS@]))(.+)$ ]]; then
        before=${BASH_REMATCH[1]}
        _pyinit_value "-${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}"
    else
        reply=$(compgen -W '@OPTIONS@' -- "$current")
    fi
    local IFS=$'\n'
    COMPREPLY=($reply)
    COMPREPLY=("${COMPREPLY[@]/#/$before}")
    # readline replaces only what stands behind the last character of COMP_WORDBREAKS, and
    # takes an @ for the beginning of what stands behind it.
    if [[ -n $breaks && $current == *[$breaks]* ]]; then
        before=${current%"${current##*[$breaks]}"}
        COMPREPLY=("${COMPREPLY[@]#"${before%@}"}")
    fi
}

# Complete the command, which begins at word $1, as if it stood alone.
_pyinit_command()
{
    if declare -F _command_offset >/dev/null; then
        _command_offset "${starts[$1]}"
    elif (($1 == ${#words[@]} - 1)); then
        local IFS=$'\n'
        compopt -o filenames
        COMPREPLY=($(compgen -c -- "$current"))
    else
        compopt -o default
    fi
}

complete -F _pyinit pyinit
"""

# What compgen is asked for.
_BASH_SOURCES = {
    "files": "-f",
    "directories": "-d",
    "users": "-u",
    "groups": "-g",
    "variables": "-e",
}


def _bash_value(completion: Completion) -> str:
    """Return what sets reply for a value."""
    value, option = ("item", '-P "$head" ') if completion.is_list else ("value", "")
    mark, head = completion.mark, "$head" if completion.is_list else ""
    # The mark of a name that nothing has to follow is typed, not completed.
    suffix = f"-S {mark} " if mark and completion.what != "users" else ""
    first = _compgen(f"{option}{suffix}", _bash_source(completion.what), f"${value}")
    lines = []
    if completion.what in {"files", "directories"}:
        lines.append("compopt -o filenames")
    elif completion.is_list or suffix:
        lines.append("compopt -o nospace")
    if not completion.after:
        lines.append(f"[[ ${value} == *{mark}* ]] || {first}" if mark else first)
        return "\n".join(lines)
    words = _or_ignore(completion.after)
    source = f"-W '{words}'" if words else _bash_source(completion.after)
    front = f'-P "{head}${{{value}%%{mark}*}}{mark}" '
    second = _compgen(front, source, f"${{{value}#*{mark}}}")
    return "\n".join(
        (*lines, f"if [[ ${value} == *{mark}* ]]; then", f"    {second}", "else", f"    {first}", "fi")
    )


def _bash_source(what: str | tuple[str, ...]) -> str:
    words = _words(what)
    return f"-W '{words}'" if words else _BASH_SOURCES[str(what)]


def _compgen(options: str, source: str, value: str) -> str:
    return f'reply=$(compgen {options}{source} -- "{value}")'


def bash() -> str:
    """Return the completion for bash; with bash-completion's help it completes the command."""
    cases = []
    for kind, completion in _COMPLETED.items():
        if completion.what == "command line":
            continue
        cases.append(f"        {'|'.join(_options_of(kind))})")
        cases += [f"            {line}" for line in _bash_value(completion).splitlines()]
        cases.append("            ;;")
    long = "|".join(f"--{option.name}" for option in table.TABLE if option.takes_value)
    return _fill(_BASH.replace("@CASES@", "\n".join(cases)).replace("@LONG@", long))


def _options_of(kind: Kind) -> list[str]:
    """Return the options of that kind as they are typed."""
    found = [option for option in table.TABLE if option.kind is kind]
    return [f"-{o.short}" for o in found if o.short] + [f"--{o.name}" for o in found]


def _fill(text: str) -> str:
    words = [f"-{o.short}" for o in table.TABLE if o.short]
    words += [f"--{option.name}" for option in table.TABLE]
    for mark, value in (
        ("MADE", _MADE),
        ("OPTIONS", " ".join(words)),
        ("LETTERS", _LETTERS),
    ):
        text = text.replace(f"@{mark}@", value)
    return text


# -- zsh -----------------------------------------------------------------------------------------

_ZSH = r"""#compdef pyinit
# zsh completion of pyinit
# @MADE@

@FUNCTIONS@

_pyinit() {
  local curcontext=$curcontext state line expl
  typeset -A opt_args
  _arguments -s -S -A '-*' : \
@SPECS@
    '(-): :_command_names -e' \
    '*:: :_normal'
}

if [ "$funcstack[1]" = "_pyinit" ]; then
  _pyinit "$@"
else
  compdef _pyinit pyinit
fi
"""

# The function that completes it, of those that zsh has.
_ZSH_SOURCES = {
    "files": "_files",
    "directories": "_directories",
    "users": "_users",
    "groups": "_groups",
    "variables": "_parameters -g '*export*'",
    "command line": "_cmdstring",
}


def _zsh_value(kind: Kind) -> str:
    """Return message and action of _arguments; see zshcompsys(1)."""
    message = kind.name.lower().replace(":", r"\:")
    completion = kind.completion
    if completion is None:
        return f"{message}: "
    if completion.mark:
        return f"{message}:{_zsh_function(kind)}"
    words = _words(completion.what)
    if completion.is_list:
        return f"{message}:_sequence compadd - {words}"
    return f"{message}:({words})" if words else f"{message}:{_ZSH_SOURCES[str(completion.what)]}"


def _zsh_function(kind: Kind) -> str:
    return "_pyinit_" + "_".join(re.findall("[a-z]+", kind.name.lower()))


def _zsh_definition(kind: Kind, completion: Completion) -> str:
    """Return the function for a value that has a mark: before it and behind it."""
    mark = completion.mark
    words = _or_ignore(completion.after)
    if words:
        after = f"_wanted words expl 'signal' compadd -S '' - {words}"
    else:
        after = _ZSH_SOURCES[completion.after] if completion.after else "_message 'value'"
    name = _zsh_function(kind)
    lines = [f"(( $+functions[{name}] )) || {name}() {{"]
    if completion.is_list:
        lines.append("  compset -P '*,'")
    return "\n".join(
        (
            *lines,
            f"  if compset -P '*{mark}'; then",
            f"    {after}",
            "  else",
            f"    {_zsh_before(completion.what, mark)}",
            "  fi",
            "}",
        )
    )


def _zsh_before(what: str | tuple[str, ...], mark: str) -> str:
    words = _words(what)
    if words:
        return f"_wanted words expl 'signal' compadd -S {mark} - {words}"
    return _ZSH_SOURCES[str(what)] + (f" -S {mark}" if what == "variables" else "")


def zsh() -> str:
    """Return the completion for zsh."""
    specs = "\n".join(f"    {_zsh_spec(option)} \\" for option in table.TABLE)
    functions = "\n\n".join(
        _zsh_definition(kind, each) for kind, each in _COMPLETED.items() if each.mark
    )
    return _fill(_ZSH.replace("@SPECS@", specs).replace("@FUNCTIONS@", functions))


def _zsh_spec(option: Option) -> str:
    """Return the option's line for _arguments; see zshcompsys(1)."""
    names = [f"-{option.short}"] if option.short else []
    names.append(f"--{option.name}")
    repeated = option.kind is table.COUNT or option.kind.adds_up
    excluded = "- *" if option.name in {"help", "version"} else " ".join(names)
    front = "'*'" if repeated else _quoted(f"({excluded})")
    text = option.text.replace("]", r"\]")
    tail = _quoted(f"[{text}]")
    if option.takes_value:
        tail = _quoted(f"[{text}]:{_zsh_value(option.kind)}")
        names = [f"{name}=" if name.startswith("--") else f"{name}+" for name in names]
    return front + (f"{{{','.join(names)}}}" if len(names) > 1 else names[0]) + tail


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"


# -- fish ----------------------------------------------------------------------------------------

_FISH = r"""# fish completion of pyinit
# @MADE@

# Print what is between the options and the cursor; fail as long as no command can be there.
function __pyinit_command
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        set -l word $words[1]
        switch $word
            case --
                printf '%s\n' $words[2..-1]
                return 0
            case @LONG@
                set -q words[2]; or return 1
                set -e words[1]
            case '--*'
            case '-?*'
                if string match -qr '^-[^@LETTERS@]*[@LETTERS@]$' -- $word
                    set -q words[2]; or return 1
                    set -e words[1]
                end
            case '*'
                printf '%s\n' $words
                return 0
        end
        set -e words[1]
    end
    not string match -q -- '-*' (commandline -ct)
end

# Print candidates for the command, as if it stood alone.
function __pyinit_complete_command
    set -l command (__pyinit_command)
    or return
    __fish_complete_subcommand --commandline $command (commandline -ct)
end

function __pyinit_in_options
    set -l command (__pyinit_command)
    test -z "$command"; and not contains -- -- (commandline -opc)
end

# Print all but the last item of the list at the cursor, and its comma.
function __pyinit_head
    set -l option '^(--[^=]*=|-[^-@LETTERS@]*[@LETTERS@])'
    string match -r '^.*,' -- (commandline -ct | string replace -r $option '')
end

# Print each of $argv[2..] behind the part of the item at the cursor that ends with $argv[1].
function __pyinit_behind
    set -l head (__pyinit_head)
    set -l part (string match -r "([^=:,]*$argv[1])[^,]*\$" -- (commandline -ct))[2]
    test -n "$part"; and printf "$head$part%s\n" $argv[2..]
end

complete -c pyinit -f
complete -c pyinit -f -a '(__pyinit_complete_command)'
@SPECS@
"""

# What prints them, each with a description perhaps.
_FISH_SOURCES = {
    "files": "__fish_complete_path (commandline -ct)",
    "directories": "__fish_complete_directories (commandline -ct)",
    "users": "__fish_complete_users",
    "groups": r"__fish_complete_groups | string split -f 1 \t",
    "variables": "set -nx",
}


def _fish_value(completion: Completion) -> str:
    """Return what `complete -a` takes; behind a mark fish wants the whole item."""
    words = _words(completion.what)
    if completion.what == "command line":
        return ""
    if not (completion.is_list or completion.mark):
        return words or f"({_FISH_SOURCES[str(completion.what)]})"
    head = '"$(__pyinit_head)"' if completion.is_list else ""
    mark = completion.mark if completion.what != "users" else ""
    first = f"{head}{{{words.replace(' ', ',')}}}{mark}" if words else ""
    if not first:
        first = f"({_FISH_SOURCES[str(completion.what)]}){mark}"
    if not completion.after:
        return first
    more = _or_ignore(completion.after) or f"({_FISH_SOURCES[completion.after]})"
    return f"{first} (__pyinit_behind {completion.mark} {more})"


def fish() -> str:
    """Return the completion for fish."""
    specs = "\n".join(_fish_spec(option) for option in table.TABLE)
    long = " ".join(f"--{option.name}" for option in table.TABLE if option.takes_value)
    return _fill(_FISH.replace("@SPECS@", specs).replace("@LONG@", long))


def _fish_spec(option: Option) -> str:
    words = ["complete -c pyinit -n __pyinit_in_options"]
    if option.short:
        words.append(f"-s {option.short}")
    words.append(f"-l {option.name}")
    if option.takes_value:
        words.append("-x")
        completion = option.kind.completion
        value = _fish_value(completion) if completion is not None else ""
        if value:
            words.append("-a '" + value.replace("\\", "\\\\") + "'")
    text = option.text.replace("\\", r"\\").replace("'", r"\'")
    words.append(f"-d '{text}'")
    return " ".join(words)


SHELLS: dict[str, Callable[[], str]] = {"bash": bash, "fish": fish, "zsh": zsh}
