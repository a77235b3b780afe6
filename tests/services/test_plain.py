"""What is read of TOML without tomllib is what tomllib reads."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

import pyinit
from pyinit.services import plain
from tests.harness import ROOT

# Characters that mean something, and some that do not.
CHARS = st.sampled_from("[]{}=,.\"'\\# \t\n\r_-+eE019aA\0\u00e9\u0663\u2028\ufefft")
PIECES = st.sampled_from(
    (
        *(
            "[a]",
            "[a.b]",
            "[a.b.c]",
            "[b]",
            "[[a]]",
            "[ a ]",
            '["a"]',
            "[a] # x",
            "[]",
            "[a",
            "[.a]",
        ),
        *("a = 1", "b = 1", "a.b = 1", "'a' = 1", "a = 1 # x", "a=", "= 1", "a 1", "a = 1 2", "a"),
        *(
            "# a",
            "",
            " ",
            "\t",
            "b = true",
            "c = false",
            "c = True",
            "d = 1.5",
            "d = 01",
            "d = 1e5",
        ),
        *(
            "d = -1",
            "d = +1",
            "d = 1_000",
            "d = 0x1",
            "d = 1.",
            "d = .5",
            "d = inf",
            "e = 1979-05-27",
        ),
        *("f = ''", 'f = ""', "f = 'a\\b'", 'f = "a\\b"', 'f = "a\\\\b"', "f = '#'", "f = 'x' 'y'"),
        *("g = '''x'''", 'g = """x"""', "g = ''''", 'g = """', "g = 'x", "g = ''x", "g = 'x''"),
        *(
            "g = '''a\nb'''",
            "g = '''\n\na\\n'''",
            'g = """\nx\n"""',
            'g = """a\\"""',
            "g = '''x''''",
            'g = """""""',
            "g = ''''''",
            'g = "a\\n\\t\\"b"',
            'g = "a\\u0041"',
            'g = "\\',
        ),
        *(
            "h = [\n  1, # x\n\n  # y\n  2,\n]",
            "h = [\n 1 2\n]",
            "h = [1,\n,]",
            "h = {a = [\n1\n]}",
            "h = {a = 1,\n b = 2}",
            "h = {\n}",
            "h =\n1",
            "h = [ # [",
        ),
        *("h = []", "h = [1, 'a', [2]]", "h = [1,]", "h = [,]", "h = [1 2]", "h = [1", "h = [\n1]"),
        *(
            "i = {}",
            "i = {a = 1}",
            "i = {a = 1, b = {c = [2]}}",
            "i = {a = 1,}",
            "i = {a = 1 b = 2}",
        ),
        *("i = {a = 1, a = 2}", "i = {a.b = 1}", "i = {,}", "i = {a = 1", "[i]", "[i.a]", "[a.i]"),
        *(
            "j = 1\r",
            "j = 'a\x7fb'",
            "j = 'a\tb'",
            "j = 9" + "9" * 5000,
            "k\u0301 = 1",
            "\u00e9 = 1",
        ),
    )
)
TEXTS = st.one_of(st.lists(PIECES, max_size=6).map("\n".join), st.text(CHARS, max_size=30))


@given(TEXTS)
@settings(max_examples=500, deadline=None)
@example("[a]\n[a.b]\nc = 1\n[a.d]\n")
@example("a = {b = 1}\n[a.c]\n")
@example("[a.b]\n[a]\n")
@example("[a]\nb = 1\n[a.b]\n")
@example("[a.b.c]\n[a.b]\n[a.b.c]\n")
def test_it_is_the_same_or_left_to_tomllib(text: str) -> None:
    """Types as well; whatever is wrong is left to it."""
    found = plain.parse(text)
    if found is not None:
        assert repr(found) == repr(tomllib.loads(text))


SAMPLE = """
# of all kinds
log = "prefix"
[service.web]
command = ["nginx", "-g", "daemon off;"]  # a list
ready = {port = 8080}
restart-limit = {times = 5, within = 60.5}
after = [
  'db',  # first
  "db",
]
main = true
[service.web.env]
A = "x \\"y\\""
B = '''
one
two'''
[service.db]
command = 'postgres -D /data'
"""


@given(st.integers(0, len(SAMPLE)), st.integers(0, 3), st.text(CHARS, max_size=3))
@settings(max_examples=500, deadline=None)
def test_a_file_with_a_change_somewhere_is_too(at: int, count: int, more: str) -> None:
    """Where something is taken out, and something put in."""
    assert plain.parse(SAMPLE) == tomllib.loads(SAMPLE)
    test_it_is_the_same_or_left_to_tomllib.hypothesis.inner_test(  # type: ignore[attr-defined]
        SAMPLE[:at] + more + SAMPLE[at + count :]
    )


def test_the_examples_need_no_tomllib() -> None:
    """So that the first service starts sooner."""
    for path in (ROOT / "examples" / "services").glob("*.toml"):
        assert plain.parse(path.read_text()) is not None, path


def test_a_plain_file_loads_none_of_its_modules(tmp_path: Path) -> None:
    """Those that take the time."""
    path = tmp_path / "services.toml"
    path.write_text(SAMPLE.replace("'postgres -D /data'", "['postgres']"))
    program = f"""
import sys
sys.path.append({str(Path(pyinit.__file__).parents[1])!r})
from pyinit.services import readers
readers.read({str(path)!r})
print(*sys.modules)
"""
    command = [sys.executable, "-IS", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not {"tomllib", "re", "typing", "enum"} & set(done.stdout.split())
