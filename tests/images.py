"""Images, as directories: a small one, and one whose every Python module is foreign code."""

from __future__ import annotations

import importlib.machinery
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import structlog

import pyinit
from tests import users

# What foreign code does when it runs; the file is in the image's root.
MARK = "poisoned"
CODE = f"with open('/{MARK}', 'a') as file: file.write(__name__ + '\\n')\n"

# Programs for commands in it, with the libraries they need.
PROGRAMS = ("sh", "sleep")

# Not loaded by any init, and large.
_LEFT_OUT = {"site-packages", "test", "idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip"}


def home_in(directory: Path) -> Path:
    """Make a directory with pyinit, structlog and psutil, as pip's site-packages is."""
    home = directory / "home"
    home.mkdir()
    for package in (pyinit, structlog, psutil):
        place = Path(str(package.__file__)).parent
        shutil.copytree(place, home / place.name, ignore=shutil.ignore_patterns("__pycache__"))
    return home


def small_in(directory: Path) -> Path:
    """Make an image with a shell."""
    root = directory / "root"
    for name in ("proc", "dev", "etc", "out", "tmp"):
        (root / name).mkdir(parents=True)
    (root / "out").chmod(0o777)
    (root / "dev" / "null").touch()
    (root / "etc" / "passwd").write_text(users.PASSWD)
    (root / "etc" / "group").write_text(users.GROUP)
    for program in PROGRAMS:
        _copy_program(program, root)
    return root


def poisoned_in(directory: Path, homes: list[Path]) -> Path:
    """Make one that has a module of each name, at the path where the host has it.

    ``homes`` are the directories from which pyinit is imported.
    """
    root = small_in(directory)
    poison = directory / "poison.py"
    poison.write_text(CODE)
    for place in searched(homes):
        for module in _modules_of(place):
            target = root / str(place / module).lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(poison, target)
    return root


def searched(homes: list[Path]) -> list[Path]:
    """Return the directories in which a stage looks for modules."""
    argv = [sys.executable, "-IS", "-c", "import json, sys; print(json.dumps(sys.path))"]
    found = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    return [*(Path(each) for each in found if os.path.isdir(each)), *homes]


def is_found(name: str, root: Path, homes: list[Path]) -> bool:
    """Return whether the import system, in that root, would take foreign code for ``name``."""
    places = [f"{root}{place}" for place in searched(homes)]
    spec = None
    for part in name.split("."):
        spec = importlib.machinery.PathFinder.find_spec(part, places)
        if spec is None:
            return False
        places = list(spec.submodule_search_locations or ())
    return spec is not None and spec.origin is not None and Path(spec.origin).read_text() == CODE


def _copy_program(name: str, root: Path) -> None:
    program = shutil.which(name)
    assert program is not None
    listing = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    libraries = [word for word in listing.split() if word.startswith("/")]
    (root / "bin").mkdir(exist_ok=True)
    shutil.copy(program, root / "bin" / name)
    for library in libraries:
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)


def _modules_of(place: Path) -> set[Path]:
    """Return a path for each module in a directory and in the packages below it."""
    found = set()
    for parent, directories, files in os.walk(place):
        directories[:] = [name for name in directories if _is_wanted(name, Path(parent), place)]
        below = Path(parent).relative_to(place)
        for name in files:
            if name.endswith((".py", ".so")):
                found.add(below / f"{name.partition('.')[0]}.py")
    return found


def _is_wanted(name: str, parent: Path, place: Path) -> bool:
    if parent == place == Path(pyinit.__file__).parents[1]:
        # A checkout, or site-packages, where there is much besides.
        return name in ("pyinit", "psutil", "structlog")
    return name not in _LEFT_OUT and (parent / name / "__init__.py").exists()
