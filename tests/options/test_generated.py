"""What is made from the table of options is as new as the table: source, manual and completions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyinit import settings
from pyinit.api import keywords
from pyinit.options import table
from tests.cases import in_one_test
from tools import options as generated

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("file", generated.contents(), ids=lambda file: str(file.name))
def test_what_is_committed_is_what_is_made(file: Path) -> None:
    """Nobody has to remember it after a change of the options."""
    made = generated.contents()[file]
    assert made == file.read_text("utf-8"), "to be made anew by: make manual"


@in_one_test("option", table.TABLE)
def test_the_settings_have_the_defaults_of_the_table(option: table.Option) -> None:
    """Of several options that set the same it is the first one's."""
    first = next(each for each in table.TABLE if each.attribute == option.attribute)
    default = getattr(settings.Settings, option.attribute)
    assert (default, type(default)) == (first.initial, type(first.initial))


def test_each_kind_of_a_keyword_can_be_checked() -> None:
    """And no other is."""
    assert set(keywords.OF_KIND) == {option.kind for option in table.TABLE if option.keyword}


@in_one_test("option", [option for option in table.TABLE if option.keyword])
def test_the_example_of_a_keyword_can_be_given(option: table.Option) -> None:
    """It is Python, and of the right type."""
    value = eval(option.kind.python)
    keywords.OF_KIND[option.kind](option.keyword, value)
