"""The order among services, as a graph on data.

A graph is a dict from each name to those that it comes after.  Nothing here knows what a
service is.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Graph = Mapping[str, tuple[str, ...]]


def cycles(graph: "Graph") -> list[list[str]]:
    """Return circles of names, each from the one that stands first in ``graph``.

    One for each group of names that cannot be ordered; without any, everything can.
    """
    left = {name: [each for each in after if each in graph] for name, after in graph.items()}
    while free := [name for name, after in left.items() if not any(each in left for each in after)]:
        for name in free:
            del left[name]
    found = []
    seen: set[str] = set()
    for name in left:
        circle = _circle(left, name, seen)
        if circle:
            first = min(range(len(circle)), key=lambda i: list(graph).index(circle[i]))
            found.append(circle[first:] + circle[:first])
    return found


def _circle(left: "Mapping[str, list[str]]", name: str, seen: set[str]) -> list[str]:
    """Walk from ``name`` until a name comes again, and return what lies between."""
    path: list[str] = []
    while name not in seen:
        seen.add(name)
        path.append(name)
        # Each name that is left comes after another one that is left.
        name = next(each for each in left[name] if each in left)
    return path[path.index(name) :] if name in path else []


def levels(graph: "Graph") -> list[list[str]]:
    """Return the names in steps: each comes after names of earlier steps only.

    Names that are in a circle, or after one, are left out.
    """
    found: list[list[str]] = []
    done: set[str] = set()
    left = dict(graph)
    while step := [name for name, after in left.items() if done.issuperset(_known(graph, after))]:
        found.append(step)
        done.update(step)
        for name in step:
            del left[name]
    return found


def _known(graph: "Graph", names: "Iterable[str]") -> list[str]:
    return [name for name in names if name in graph]


def reverse(graph: "Graph") -> dict[str, tuple[str, ...]]:
    """Return the graph the other way round: from each name to those that come after it."""
    found: dict[str, tuple[str, ...]] = dict.fromkeys(graph, ())
    for name, after in graph.items():
        for each in after:
            if each in found:
                found[each] += (name,)
    return found


def longest_chain(graph: "Graph", weight: "Mapping[str, float]") -> tuple[float, list[str]]:
    """Return the greatest sum of weights along a chain, and its names, the last one first.

    For a graph without circles.
    """
    best: dict[str, tuple[float, list[str]]] = {}
    for step in levels(graph):
        for name in step:
            below = max(
                (best[each] for each in _known(graph, graph[name])), default=(0.0, []), key=_weight
            )
            best[name] = (below[0] + weight[name], [name, *below[1]])
    return max(best.values(), default=(0.0, []), key=_weight)


def _weight(chain: tuple[float, list[str]]) -> float:
    return chain[0]
