"""Ways to give a test many cases without the cost of a test, or of a container, for each."""

from __future__ import annotations

import functools
import inspect
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import MODES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def in_one_test(
    names: str | tuple[str, ...], cases: Iterable[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test for each of ``cases``, one after the other; a failure names the case.

    As `pytest.mark.parametrize` without a test for each: that costs 2 ms, and calling a
    function that asks nothing of the system a hundredth of that.
    """
    names = _words(names)
    cases = [(case,) if len(names) == 1 else tuple(case) for case in cases]
    assert cases

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run_all(**fixtures: object) -> None:
            for case in cases:
                given = dict(zip(names, case, strict=True))
                try:
                    test(**given, **fixtures)
                except BaseException as error:
                    error.add_note(f"The case: {given!r}")
                    raise

        signature = inspect.signature(test)
        left = [each for each in signature.parameters.values() if each.name not in names]
        # What pytest takes for the names of fixtures.
        run_all.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        run_all.cases = cases  # type: ignore[attr-defined]
        return run_all

    return decorate


def in_turn(
    names: str | tuple[str, ...],
    cases: Iterable[Any],
    *,
    ids: Callable[[Any], object] | None = None,
    over: str = "mode",
    values: Sequence[str] = MODES,
) -> pytest.MarkDecorator:
    """Parametrize a test: each of ``cases`` in one of the modes in turn, the first one in all.

    For cases to which the mode (or ``over``, one of ``values``) makes no difference of their
    own: that none of them is mistaken shows in one mode, and that the mode is not in several.
    """
    names = _words(names)
    turn = itertools.chain(values, itertools.cycle((*values[1:], values[0])))
    params = []
    for number, case in enumerate(cases):
        for value in itertools.islice(turn, len(values) if number == 0 else 1):
            words = (case,) if len(names) == 1 else case
            label = None if ids is None else f"{ids(case)}-{value}"
            params.append(pytest.param(*words, value, id=label))
    # The fixture `mode` sees to it that there are namespaces.
    indirect = [over] if over == "mode" else False
    return pytest.mark.parametrize((*names, over), params, indirect=indirect)


def _words(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each.strip() for each in names.split(",")) if isinstance(names, str) else names
