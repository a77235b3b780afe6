"""The graph of what comes after what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyinit.services import order
from tests.services.worlds import NAMES, graphs


@given(graphs())
def test_levels_hold_every_name_after_those_it_comes_after(
    graph: dict[str, tuple[str, ...]],
) -> None:
    """Of a graph without circles, and none is found in it."""
    steps = order.levels(graph)
    place = {name: index for index, step in enumerate(steps) for name in step}
    assert sorted(place) == sorted(graph)
    assert all(place[each] < place[name] for name, after in graph.items() for each in after)
    assert order.cycles(graph) == []


@given(st.fixed_dictionaries({n: st.lists(st.sampled_from(NAMES), max_size=2) for n in NAMES}))
def test_a_circle_is_found_where_there_is_one(drawn: dict[str, list[str]]) -> None:
    """And each that is told of is one."""
    graph = {name: tuple(after) for name, after in drawn.items()}
    circles = order.cycles(graph)
    ordered = sum(map(len, order.levels(graph)))
    assert bool(circles) == (ordered < len(graph))
    for circle in circles:
        for name, following in zip(circle, circle[1:] + circle[:1], strict=True):
            assert following in graph[name]


def test_the_longest_chain_is_the_heaviest() -> None:
    """Not the one with the most names."""
    graph = {"db": (), "app": ("db",), "web": ("app",), "slow": ("db", "nobody")}
    weight = {"db": 1.0, "app": 2.0, "web": 3.0, "slow": 60.0}
    assert order.longest_chain(graph, weight) == (61.0, ["slow", "db"])


def test_reversed_it_tells_who_comes_after_a_name() -> None:
    """Those are stopped before it."""
    assert order.reverse({"a": (), "b": ("a",), "c": ("a", "b")}) == {
        "a": ("b", "c"),
        "b": ("c",),
        "c": (),
    }
