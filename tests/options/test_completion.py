"""What bash, zsh and fish complete after ``pyinit``, as they do it when somebody presses Tab."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyinit.ctl import main
from tests.conftest import missing, need
from tests.harness import DEADLINE_S, PYINIT, ROOT
from tests.terminals import SETSID, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHARE = ROOT / "share"
FILES = {
    "bash": SHARE / "bash-completion" / "completions" / "pyinit",
    "zsh": SHARE / "zsh" / "site-functions" / "_pyinit",
    "fish": SHARE / "fish" / "vendor_completions.d" / "pyinit.fish",
}
BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")

# What the shell reads first; {fd} gets what stands on its command line when ^G is typed.
SETUP = {
    "bash": """\
{more}
source {file}
bind 'set bell-style none'
bind -x '"\\C-g": printf "%s\\n" "$READLINE_LINE" >&{fd}'
PS1=
""",
    "zsh": """\
fpath=({file:h} $fpath)
autoload -Uz compinit && compinit -D -u
show() {{ print -r -- "$BUFFER" >&{fd} }}
zle -N show
bindkey '^G' show
unsetopt beep prompt_cr prompt_sp
PS1=
""",
}


@pytest.mark.parametrize("shell", FILES)
def test_the_command_prints_what_is_committed(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """For those who have the package and not the tree."""
    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == FILES[shell].read_text("utf-8")


@pytest.mark.parametrize("shell", FILES)
def test_the_shell_can_read_it(shell: str) -> None:
    """Its own parser says nothing against it."""
    need(shell)
    out = subprocess.run([shell, "-n", FILES[shell]], capture_output=True, text=True, check=False)
    assert (out.returncode, out.stdout + out.stderr) == (0, "")


def environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a shell without a user's settings, in which pyinit is a command."""
    path = f"{Path(PYINIT[0]).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    kept = {"PATH": path, "HOME": str(tmp_path), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    places = {"XDG_DATA_DIRS": f"{SHARE}:/usr/share", "ZDOTDIR": str(tmp_path)}
    return {**kept, **places, "ONLY_HERE": "1", "INPUTRC": "/dev/null"}


@contextlib.contextmanager
def interactive(shell: str, setup: str, tmp_path: Path) -> Iterator[tuple[Terminal, int]]:
    """Run the shell in a terminal; yield that, and what the shell writes to ``{fd}``."""
    reader, writer = os.pipe()
    rc = tmp_path / ".zshrc"
    rc.write_text(setup.replace("{fd}", str(writer)), encoding="utf-8")
    words = {"bash": ["bash", "--noprofile", "--rcfile", str(rc), "-i"], "zsh": ["zsh", "-i"]}
    with Terminal() as terminal:
        process = subprocess.Popen(
            [*SETSID, *words[shell]],
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
            pass_fds=(writer,),
            env=environ(tmp_path),
            cwd=tmp_path,
        )
        os.close(writer)
        try:
            yield terminal, reader
        finally:
            process.kill()
            process.wait()
            os.close(reader)


def completed(shell: str, lines: Sequence[str], tmp_path: Path, more: str = "") -> list[str]:
    """Return what becomes of each line when Tab is pressed at its end."""
    if shell == "fish":
        return [completed_by_fish(line, tmp_path) for line in lines]
    file = FILES[shell]
    setup = SETUP[shell].replace("{file:h}", str(file.parent)).replace("{file}", str(file))
    setup = setup.replace("{more}", more).replace("{{", "{").replace("}}", "}")
    found = []
    with interactive(shell, setup, tmp_path) as (terminal, reader):
        for line in lines:
            # ^U clears the line for the next one.
            terminal.type(f"{line}\t\x07")
            found.append(next_line(reader))
            terminal.type("\x15")
    return found


def next_line(reader: int) -> str:
    """Return what the shell has written, without its end; nothing more if it has ended."""
    data = b""
    while not data.endswith(b"\n"):
        ready, _, _ = select.select([reader], [], [], DEADLINE_S)
        assert ready, f"nothing more within {DEADLINE_S} s: {data!r}"
        data += os.read(reader, 4096) or b"\n"
    return data.decode().rstrip("\n")


def completed_by_fish(line: str, tmp_path: Path) -> str:
    """Return the line with the candidate, if there is one only; fish lists them by itself."""
    code = ["fish", "-c", "complete -C $argv[1]", line]
    out = subprocess.run(code, env=environ(tmp_path), cwd=tmp_path, capture_output=True, check=True)
    candidates = [each.partition("\t")[0] for each in out.stdout.decode().splitlines()]
    if len(candidates) != 1:
        return line
    return line[: line.rindex(" ") + 1] + candidates[0]


@pytest.fixture(params=FILES)
def shell(request: pytest.FixtureRequest) -> str:
    """Run the test once with each shell."""
    need(request.param)
    return str(request.param)


def check(shell: str, cases: Sequence[tuple[str, str]], tmp_path: Path, more: str = "") -> None:
    """Assert that each line becomes what it should, but for what the shells append to it."""
    lines = [line for line, _ in cases]
    found = [line.rstrip(" =/,") for line in completed(shell, lines, tmp_path, more)]
    assert list(zip(lines, found, strict=True)) == list(cases)


def test_options(shell: str, tmp_path: Path) -> None:
    """Up to the command, and not behind it."""
    cases = [
        ("pyinit --gra", "pyinit --grace"),
        ("pyinit -g --no-n", "pyinit -g --no-new-privs"),
        ("pyinit --drain 5 -gv --pre", "pyinit --drain 5 -gv --pre-stop"),
        ("pyinit -r TERM:INT --quie", "pyinit -r TERM:INT --quiet"),
        ("pyinit true --gra", "pyinit true --gra"),
        ("pyinit -- --gra", "pyinit -- --gra"),
        ("pyinit -gr TERM:INT true --gra", "pyinit -gr TERM:INT true --gra"),
    ]
    check(shell, cases, tmp_path)


def test_values(shell: str, tmp_path: Path) -> None:
    """Of those options whose values can be known; in the next word, behind ``=``, in lists."""
    cases = [
        ("pyinit -p TER", "pyinit -p TERM"),
        ("pyinit -gp TER", "pyinit -gp TERM"),
        ("pyinit --parent-death-signal=KIL", "pyinit --parent-death-signal=KILL"),
        ("pyinit --stop-signals TERM,WINC", "pyinit --stop-signals TERM,WINCH"),
        ("pyinit -r WINC", "pyinit -r WINCH:"),
        ("pyinit -r WINCH:ig", "pyinit -r WINCH:ignore"),
        ("pyinit --rewrite=HUP:INT,TERM:USR2", "pyinit --rewrite=HUP:INT,TERM:USR2"),
        ("pyinit --rewrite HUP:INT,TERM:QUI", "pyinit --rewrite HUP:INT,TERM:QUIT"),
        ("pyinit --escalate INT@20,KIL", "pyinit --escalate INT@20,KILL@"),
        ("pyinit -e TER", "pyinit -e TERM"),
        ("pyinit --chdir /usr/loc", "pyinit --chdir /usr/local"),
        ("pyinit --chdir=/usr/loc", "pyinit --chdir=/usr/local"),
        ("pyinit -u daemo", "pyinit -u daemon"),
        ("pyinit --user root:daemo", "pyinit --user root:daemon"),
        ("pyinit --unset-env ONLY_", "pyinit --unset-env ONLY_HERE"),
        ("pyinit --env ONLY_", "pyinit --env ONLY_HERE"),
        ("pyinit --as dumb", "pyinit --as dumb-init"),
    ]
    check(shell, cases, tmp_path)


def test_the_command(shell: str, tmp_path: Path) -> None:
    """Its name, and files as its arguments."""
    cases = [
        ("pyinit setpri", "pyinit setpriv"),
        ("pyinit -g -e TERM setpri", "pyinit -g -e TERM setpriv"),
        ("pyinit -- setpri", "pyinit -- setpriv"),
        ("pyinit cat /usr/loc", "pyinit cat /usr/local"),
        ("pyinit -v -- cat -n /usr/loc", "pyinit -v -- cat -n /usr/local"),
    ]
    check(shell, cases, tmp_path)


def test_the_commands_own_completion(shell: str, tmp_path: Path) -> None:
    """As if the command stood alone; bash knows only that of the package bash-completion."""
    more = ""
    if shell == "bash":
        if not BASH_COMPLETION.exists():
            missing("bash-completion")
        more = f"source {BASH_COMPLETION}"
    cases = [
        ("pyinit -g nice setpri", "pyinit -g nice setpriv"),
        ("pyinit -r TERM:INT -- nice setpri", "pyinit -r TERM:INT -- nice setpriv"),
        ("pyinit --rewrite=TERM:INT chown --refe", "pyinit --rewrite=TERM:INT chown --reference"),
    ]
    check(shell, cases, tmp_path, more)
