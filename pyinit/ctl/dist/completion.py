"""``pyinitctl completion SHELL``: what bash, zsh or fish completes after ``pyinit``.

Made from the table of options.  Each of them completes the options, the values
that can be known, and behind them the command as if it stood alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinit import settings, signals
from pyinit.options import table, values

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from pyinit.options.table import Option

DESCRIPTION = (
    "Print a shell's completion of pyinit. For the running shell: "
    "'source <(pyinitctl completion bash)', the same with zsh after compinit, and "
    "'pyinitctl completion fish | source'."
)

_RELAYED = " ".join(signals.name(number).removeprefix("SIG") for number in sorted(signals.RELAYED))
_FAULTS = (signals.name(number).removeprefix("SIG") for number in sorted(signals.SYNCHRONOUS))
_SIGNALS = f"{_RELAYED} KILL STOP CHLD {' '.join(_FAULTS)}"

_MADE = "Made by pyinitctl completion from the table of options."

_LETTERS = "".join(o.short for o in table.TABLE if o.short and o.takes_value)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("shell", choices=sorted(SHELLS))


def run(asked: argparse.Namespace) -> None:
    """Print what is asked for."""
    print(SHELLS[asked.shell](), end="")


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

_BASH_VALUES = {
    "SIGNAL": "reply=$(compgen -W '@SIGNALS@' -- \"$value\")",
    "SIGNAL,...": ('compopt -o nospace\nreply=$(compgen -P "$head" -W \'@RELAYED@\' -- "$item")'),
    "SIGNAL@SECONDS,...": (
        'compopt -o nospace\nreply=$(compgen -P "$head" -S @ -W \'@SIGNALS@\' -- "$item")'
    ),
    "FROM:TO,...": (
        "compopt -o nospace\n"
        "if [[ $item == *:* ]]; then\n"
        '    reply=$(compgen -P "$head${item%%:*}:" -W \'ignore @SIGNALS@\' -- "${item#*:}")\n'
        "else\n"
        '    reply=$(compgen -P "$head" -S : -W \'@RELAYED@\' -- "$item")\n'
        "fi"
    ),
    "CODE[:TO],...": (
        'compopt -o nospace\nreply=$(compgen -P "$head" -W \'@SIGNALS@\' -- "$item")'
    ),
    "DIR": 'compopt -o filenames\nreply=$(compgen -d -- "$value")',
    "USER[:GROUP]": (
        "if [[ $value == *:* ]]; then\n"
        '    reply=$(compgen -P "${value%%:*}:" -g -- "${value#*:}")\n'
        "else\n"
        '    reply=$(compgen -u -- "$value")\n'
        "fi"
    ),
    "NAME": 'reply=$(compgen -e -- "$value")',
    "NAME=VALUE": 'compopt -o nospace\n[[ $value == *=* ]] || reply=$(compgen -S = -e -- "$value")',
    "PROGRAM": "reply=$(compgen -W '@NAMES@' -- \"$value\")",
    "ANSWER": "reply=$(compgen -W '@ANSWERS@' -- \"$value\")",
    "LEVEL": "reply=$(compgen -W '@LEVELS@' -- \"$value\")",
    "FORMAT": "reply=$(compgen -W '@FORMATS@' -- \"$value\")",
    "PATH": 'compopt -o filenames\nreply=$(compgen -f -- "$value")',
    "PATH|fd:N": 'compopt -o filenames\nreply=$(compgen -f -- "$value")',
}


def bash() -> str:
    """Return the completion for bash; with bash-completion's help it completes the command."""
    cases = []
    for kind, body in _BASH_VALUES.items():
        cases.append(f"        {'|'.join(_words_of(kind))})")
        cases += [f"            {line}" for line in body.splitlines()]
        cases.append("            ;;")
    long = "|".join(f"--{option.name}" for option in table.TABLE if option.takes_value)
    return _fill(_BASH.replace("@CASES@", "\n".join(cases)).replace("@LONG@", long))


def _words_of(kind: str) -> list[str]:
    """Return the options of that kind as they are typed."""
    found = [option for option in table.TABLE if option.kind == kind]
    return [f"-{o.short}" for o in found if o.short] + [f"--{o.name}" for o in found]


def _fill(text: str) -> str:
    words = [f"-{o.short}" for o in table.TABLE if o.short]
    words += [f"--{option.name}" for option in table.TABLE]
    for mark, value in (
        ("MADE", _MADE),
        ("SIGNALS", _SIGNALS),
        ("RELAYED", _RELAYED),
        ("NAMES", " ".join(settings.NAMES)),
        ("ANSWERS", " ".join(settings.ON_OOM)),
        ("FORMATS", " ".join(settings.LOG_FORMATS)),
        ("LEVELS", " ".join(values.LOG_LEVELS)),
        ("OPTIONS", " ".join(words)),
        ("LETTERS", _LETTERS),
    ):
        text = text.replace(f"@{mark}@", value)
    return text


# -- zsh -----------------------------------------------------------------------------------------

_ZSH = r"""#compdef pyinit
# zsh completion of pyinit
# @MADE@

(( $+functions[_pyinit_rules] )) || _pyinit_rules() {
  compset -P '*,'
  if compset -P '*:'; then
    _wanted signals expl 'signal instead' compadd -S '' - ignore @SIGNALS@
  else
    _wanted signals expl 'signal' compadd -S : - @RELAYED@
  fi
}

(( $+functions[_pyinit_plan] )) || _pyinit_plan() {
  compset -P '*,'
  if compset -P '*@'; then
    _message 'seconds'
  else
    _wanted signals expl 'signal' compadd -S @ - @SIGNALS@
  fi
}

(( $+functions[_pyinit_account] )) || _pyinit_account() {
  if compset -P '*:'; then
    _groups
  else
    _users
  fi
}

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

_ZSH_VALUES = {
    "SECONDS": "seconds: ",
    "TIMEOUT": "seconds: ",
    "SIGNAL": "signal:(@SIGNALS@)",
    "SIGNAL,...": "signals:_sequence compadd - @RELAYED@",
    "SIGNAL@SECONDS,...": "plan:_pyinit_plan",
    "FROM:TO,...": "rules:_pyinit_rules",
    "CODE[:TO],...": "exit code:_sequence compadd - @SIGNALS@",
    "MASK": "mask: ",
    "SHELL-COMMAND": "shell command:_cmdstring",
    "DIR": "directory:_directories",
    "USER[:GROUP]": "user:_pyinit_account",
    "NAME=VALUE": "variable:_parameters -g '*export*' -S =",
    "NAME": "variable:_parameters -g '*export*'",
    "PROGRAM": "program:(@NAMES@)",
    "ANSWER": "answer:(@ANSWERS@)",
    "LEVEL": "level:(@LEVELS@)",
    "FORMAT": "format:(@FORMATS@)",
    "N": "descriptor: ",
    "PATH": "file:_files",
    "PATH|fd:N": "file:_files",
}


def zsh() -> str:
    """Return the completion for zsh."""
    specs = "\n".join(f"    {_zsh_spec(option)} \\" for option in table.TABLE)
    return _fill(_ZSH.replace("@SPECS@", specs))


def _zsh_spec(option: Option) -> str:
    """Return the option's line for _arguments; see zshcompsys(1)."""
    names = [f"-{option.short}"] if option.short else []
    names.append(f"--{option.name}")
    repeated = option.kind == table.COUNT
    if option.takes_value:
        repeated = table.KINDS[option.kind][1]
    excluded = "- *" if option.name in {"help", "version"} else " ".join(names)
    front = "'*'" if repeated else _quoted(f"({excluded})")
    text = option.text.replace("]", r"\]")
    tail = _quoted(f"[{text}]")
    if option.takes_value:
        tail = _quoted(f"[{text}]:{_ZSH_VALUES[option.kind]}")
        names = [f"{name}=" if name.startswith("--") else f"{name}+" for name in names]
    return front + (f"{{{','.join(names)}}}" if len(names) > 1 else names[0]) + tail


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"


# -- fish ----------------------------------------------------------------------------------------

_FISH = r"""# fish completion of pyinit
# @MADE@

# Print what stands between the options and the cursor; fail as long as no command can be there.
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

function __pyinit_rules
    set -l head (__pyinit_head)
    set -l from (string match -r '([A-Za-z0-9+-]+:)[^,]*$' -- (commandline -ct))[2]
    if test -n "$from"
        printf "$head$from%s\n" ignore @SIGNALS@
    else
        printf "$head%s:\n" @RELAYED@
    end
end

function __pyinit_account
    if string match -q '*:*' -- (commandline -ct)
        set -l user (string match -r '([^=:]*:)[^:]*$' -- (commandline -ct))[2]
        printf "$user%s\n" (__fish_complete_groups | string split -f 1 \t)
    else
        __fish_complete_users
    end
end

complete -c pyinit -f
complete -c pyinit -f -a '(__pyinit_complete_command)'
@SPECS@
"""

_FISH_VALUES = {
    "SIGNAL": "@SIGNALS@",
    "SIGNAL,...": '(printf "$(__pyinit_head)%s\\n" @RELAYED@)',
    "SIGNAL@SECONDS,...": '(printf "$(__pyinit_head)%s@\\n" @SIGNALS@)',
    "FROM:TO,...": "(__pyinit_rules)",
    "CODE[:TO],...": '(printf "$(__pyinit_head)%s\\n" @SIGNALS@)',
    "DIR": "(__fish_complete_directories (commandline -ct))",
    "USER[:GROUP]": "(__pyinit_account)",
    "NAME=VALUE": "(set -nx)=",
    "NAME": "(set -nx)",
    "PROGRAM": "@NAMES@",
    "ANSWER": "@ANSWERS@",
    "LEVEL": "@LEVELS@",
    "FORMAT": "@FORMATS@",
    "PATH": "(__fish_complete_path (commandline -ct))",
    "PATH|fd:N": "(__fish_complete_path (commandline -ct))",
}


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
        if option.kind in _FISH_VALUES:
            words.append("-a '" + _FISH_VALUES[option.kind].replace("\\n", "\\\\n") + "'")
    text = option.text.replace("\\", r"\\").replace("'", r"\'")
    words.append(f"-d '{text}'")
    return " ".join(words)


SHELLS: dict[str, Callable[[], str]] = {"bash": bash, "fish": fish, "zsh": zsh}
