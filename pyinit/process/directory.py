"""Modules are found as before when this process has gone to another directory."""

import sys


def make_absolute(here: str) -> None:
    """Make the paths whole in which modules are looked for, ours and the library's."""
    sys.path[:] = [_whole(here, path) for path in sys.path]
    own = __name__.partition(".")[0]
    for name, module in sys.modules.items():
        paths = getattr(module, "__path__", None) if name.partition(".")[0] == own else None
        if isinstance(paths, list):
            paths[:] = [_whole(here, path) for path in paths]


def _whole(here: str, path: str) -> str:
    return path if path.startswith("/") else f"{here}/{path}"
