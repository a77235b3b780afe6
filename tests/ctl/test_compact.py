"""The bytecode of the launcher's bundle is that of the source, without what only people read."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import CodeType

import pyinit
from pyinit.ctl.dist import compact

PACKAGE = Path(pyinit.__file__).parent


def functions(code: CodeType, place: str = "") -> dict[str, CodeType]:
    """Return the functions in ``code`` that define none themselves, by their place."""
    found = {}
    for each in code.co_consts:
        if isinstance(each, CodeType):
            name = f"{place}.{each.co_name}:{each.co_firstlineno}"
            inner = functions(each, name)
            found.update(inner)
            if not inner and each.co_flags & inspect.CO_OPTIMIZED:
                found[name] = each
    return found


def test_functions_are_those_of_the_source() -> None:
    """Their instructions and lines; an `internal_error` names the line."""
    for file in PACKAGE.glob("*.py"):
        source = file.read_bytes()
        whole = functions(compile(source, str(file), "exec", optimize=2, dont_inherit=True))
        for place, code in functions(compact.compiled(source, str(file))).items():
            assert code.co_code == whole[place].co_code, place
            lines = {line for _, _, line in code.co_lines()}
            assert lines == {line for _, _, line in whole[place].co_lines()}, place


def test_annotations_and_what_is_for_them_are_left_out() -> None:
    """Not the values of annotated names, nor what is for the interpreter alone."""
    source = b"""
TYPE_CHECKING = False
if TYPE_CHECKING:
    from nowhere import Word
else:
    after = 1
class Some:
    given: "Word"
    set: int = 2
    def method(self, word: "Word", *words: int, key: str = "k") -> "Word":
        "Nobody reads this."
        local: int = 3
        return word, local
"""
    names: dict[str, object] = {}
    exec(compact.compiled(source, "some.py"), names)
    some = names["Some"]
    assert isinstance(some, type)
    assert names["after"] == 1
    assert "TYPE_CHECKING" not in names
    assert (some.__dict__["set"], some.__annotations__) == (2, {})
    assert some.__dict__["method"](None, 1) == (1, 3)
    assert some.__dict__["method"].__annotations__ == {}
    assert some.__dict__["method"].__doc__ is None
