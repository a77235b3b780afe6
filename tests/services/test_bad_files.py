"""What is wrong with a file is said before anything is started: all of it, with its line."""
# ruff: noqa: E501 - the messages as they stand

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinit.services import config, lines
from pyinit.services.problems import ServicesError
from tests.cases import in_one_test

ENVIRON = {"EMPTY": "", "NUMBER": "x"}
OK = "[service.a]\ncommand = ['x']\n"


def problems(text: str) -> list[str]:
    """Return what is wrong with a file of this content."""
    with pytest.raises(ServicesError) as found:
        config.parse(text, "f", ENVIRON)
    return list(found.value.lines)


# What stands in the table of a service with a command, and what is said of it.
KEYS = {
    "comand = 'x'": "unknown key 'comand': did you mean 'command'?",
    "type = 'daemon'": "'type': 'daemon' is not known: expected one of service, task, job",
    "main = 'perhaps'": "'main': 'perhaps' is neither: expected true or false",
    "enabled = 2": "'enabled': 2 is neither: expected true or false",
    "after = 'b'": "'after': 'b' is not a list of services, such as [\"db\"]",
    "after = ['a']": "'after': it names itself: expected other services",
    "after = ['aa']": "'after': there is no service 'aa': there is none",
    "ready = 'soon'": "'ready': 'soon' is not known: expected 'started', 'notify', {fd = 3}, "
    '{port = 8080} or {command = ["test", ...]}',
    "ready = {port = 70000}": "'ready': 70000 is out of place: expected 1 to 65535",
    "ready = {http = '/'}": "'ready': 'http' is not known: expected 'started', 'notify', {fd = 3}, "
    '{port = 8080} or {command = ["test", ...]}',
    "start-timeout = -1": "'start-timeout': -1 is not a time in seconds: expected a number from 0 on, "
    "such as 5 or 0.5",
    "stop-timeout = '${NUMBER}'": "'stop-timeout': 'x' is not a time in seconds: expected a number "
    "from 0 on, such as 5 or 0.5",
    "on-failure = 'panic'": "'on-failure': 'panic' is not known: expected one of stop, restart, "
    "ignore",
    "success = [256]": "'success': 256 is not an exit code: expected 0 to 255",
    "restart-limit = 5": "'restart-limit': 5 is not a limit: expected {times = 5, within = 60} or "
    "'none'",
    "restart-delay = [5, 1]": "'restart-delay': the first, 5, is longer than the most, 1",
    "stop-signal = 'TREM'": "'stop-signal': 'TREM' is not a signal: expected a name such as TERM or "
    "RTMIN+3, or a number from 1 to 64",
    "signals = ['KILL']": "'signals': 'KILL' cannot be caught by any process: expected a signal that "
    "can, such as TERM",
    "every = 5": "'every' is not for a service: expected it with type 'job' only",
    "type = 'job'": "a job needs 'every': expected seconds, such as every = 900",
    "user = ''": "'user': '' is empty or not a string",
    "umask = '9'": "'umask': '9' is not a umask: expected octal digits, such as 022",
    "env = {'A=B' = 'x'}": "'env': 'A=B' is not a variable: expected a name, such as TZ",
    "env = {A = ['x']}": "'env': A is ['x']: expected a string",
    "env-file = 'no-such-file'": "'env-file': 'no-such-file': No such file or directory",
    "unset-env = 'A'": "'unset-env': 'A' is not a list of variables, such as [\"PASSWORD\"]",
    "nice = 20": "'nice': 20 is out of place: expected -20 to 19",
    "oom-score-adj = 1001": "'oom-score-adj': 1001 is out of place: expected -1000 to 1000",
    "limits = {nofiles = 1}": "'limits': 'nofiles' is not a limit: did you mean 'nofile'?",
    "limits = {nofile = [2, 1]}": "'limits': nofile: the soft limit is higher than the hard one",
    "log = 'file'": "'log': 'file' is not known: expected one of inherit, prefix, json, null, "
    "/a/path",
    "chdir = '${NOT_SET}'": "'chdir': variable NOT_SET is not set: expected it in the environment, "
    "or ${NOT_SET:-default}",
    "chdir = '${A:-${B:-x}}'": "'chdir': '${A:-${B:-x}': a default holds no other variable: expected plain text after :-",
    "chdir = '${A B}'": "'chdir': '${A B}' is not a variable: expected ${NAME} or ${NAME:-default}, or "
    "$$ for $",
    "chdir = '${A'": "'chdir': '${A' has no closing brace: expected ${NAME}, or $$ for $",
    'chdir = "a\\u0000"': "'chdir': it has a NUL, which no program can be given",
}


@in_one_test(("key", "said"), KEYS.items())
def test_a_wrong_key_is_told_of_with_its_line(key: str, said: str) -> None:
    """Of a service."""
    line = 2 if said.startswith("a job needs") else 4
    text = f"# a comment\n[service.a]\ncommand = ['x']\n{key}\n"
    assert problems(text) == [f"f:{line}: service 'a': {said}"]


# Whole files.
FILES = {
    "": "f: it has no service: expected a table such as [service.web]",
    "[service.a]\nenabled = false\ncommand = ['x']": "f: it has no service: expected a table such as "
    "[service.web]",
    "service = 1": "f:1: 'service' is not a table: expected [service.NAME]",
    "[service]\na = 'x'": "f:2: 'service.a' is not a table: expected [service.a]",
    "[service.a]\n": "f:1: service 'a': it has no 'command': expected what to start",
    "[service.a]\ncommand = []": "f:2: service 'a': 'command': it is empty: expected a program, such "
    'as ["nginx"]',
    "[service.a]\ncommand = 'x \"'": "f:2: service 'a': 'command': 'x \"' cannot be split: no closing "
    "quotation",
    "[service.'a b']\ncommand = ['x']": "f:1: 'a b' is not a name: expected letters, digits, '_', '.', "
    "'-'",
    f"{OK}x": "f:3: no TOML: Expected '=' after a key in a key/value pair",
    f"{OK}command = 'x'": "f:3: no TOML: Cannot overwrite a value",
    f"stop-timout = 5\n{OK}": "f:1: unknown key 'stop-timout': did you mean 'stop-timeout'?",
    f"user = 'app'\n{OK}": "f:1: unknown key 'user': expected it in the table of a service, such as "
    "[service.web]",
    "[web]\ncommand = ['x']": "f:1: unknown key 'web': expected it in a table such as [service.web]",
    f"{OK}main = true\n[service.b]\ncommand = 'x'\nmain = true": "f:6: service 'b': 'main': 'a' is "
    "the main one already: expected one at most",
    f"{OK}after = ['j']\n[service.j]\ntype = 'job'\nevery = 5\ncommand = 'x'": "f:3: service 'a': "
    "'after': 'j' is a job, which is never ready: expected others",
    f"{OK}after = ['b']\n[service.b]\ncommand = 'x'\nautostart = false": "f:3: service 'a': 'after': "
    "'b' is not started by itself: expected others",
    f"{OK}main = true\nautostart = false": "f:4: service 'a': 'autostart': the main service is the "
    "container's: expected true",
    f"{OK}after = ['b']\n[service.b]\ncommand = 'x'\nafter = ['a']": "f:3: service 'a': 'after': "
    "none of them starts first: 'a' after 'b' after 'a'",
    f"{OK}after = ['b']\n[service.b]\ncommand = 'x'\nstop-before = ['a']": "f:1: service 'a': "
    "'stop-before': none of them stops first: 'a' before 'b' before 'a'",
    f"{OK}type = 'job'\nevery = 5\non-failure = 'restart'": "f:5: service 'a': 'on-failure': "
    "'restart' is not for a job: it runs again by itself",
    f"{OK}type = 'task'\nready = 'notify'": "f:4: service 'a': 'ready' is not for a task: expected it "
    "with type 'service' only",
}


@in_one_test(("text", "said"), FILES.items())
def test_a_wrong_file_is_told_of_with_its_line(text: str, said: str) -> None:
    """As a whole, and of what does not go together."""
    if "no TOML" in said:
        said = said.partition(": ")[0]
        assert [each.partition(": ")[0] for each in problems(text)] == [said]
        return
    assert [each for each in problems(text) if "it has no service" not in each or each == said] == [
        said
    ]


def test_all_problems_are_told_of_at_once_in_the_order_of_the_file() -> None:
    """Two in one service, one in another, one at the top."""
    text = "log = 'no'\n[service.a]\ncomand = 'x'\nnice = 99\n[service.b]\nafter = ['c']\n"
    found = problems(text + "command = 'x'")
    assert [each.partition(": ")[0] for each in found] == ["f:1", "f:2", "f:3", "f:4", "f:6"]


KEY = st.sampled_from(("a", "b", '"c.d"', "e.f"))
VALUE = st.sampled_from(
    ("1", "'#='", '"\\"]"', "[1, # ]\n 2]", "'''\nx = 1\n[y]'''", '"""\\"""\n[z]\n"""', "{x = [1]}")
)


@given(st.lists(st.tuples(st.booleans(), KEY, VALUE), max_size=8))
def test_each_key_has_its_line(entries: list[tuple[bool, str, str]]) -> None:
    """Whatever stands in strings, arrays and comments around it; the last one of the file is told."""
    text = ""
    for number, (is_table, key, value) in enumerate(entries):
        text += f"[t{number}.{key}] # [no]\n" if is_table else f"k{number}.{key} = {value} # = x\n"
    document = tomllib.loads(text)
    found = lines.of_keys(text)
    for path in _paths(document):
        line = text.split("\n")[found[path] - 1]
        assert path[-1] in line or path[-1] == "x", f"{path} in {line!r} of\n{text}"


def _paths(document: dict[str, object], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, value in document.items():
        path = (*above, key)
        is_inline = isinstance(value, dict) and "x" in value
        found.append(path)
        if isinstance(value, dict) and not is_inline:
            found += _paths(value, path)
    return found
