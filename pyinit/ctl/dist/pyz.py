"""Pyinit as one executable file, which needs Python and nothing else.

It is a zip archive, so that an interpreter can run it and import from it, but
the kernel does not start it as one: reading the archive takes longer than all
that pyinit does.  In the ``#!`` line, which the kernel hands to the interpreter
as a single word, stands ``-IS`` and a program for ``-c``; that runs the start,
text at a fixed place in the file, and this loads the bytecode that was written
for just this interpreter.  Whoever finds none of its own gets the sources.

    0           #! line
    START       the start, padded
    BUNDLES     bytecode of all modules that an init needs, for each version of Python
    after that  the archive: the sources, and __main__.py

All modules are in memory before the command is started: the file can be
removed, replaced or unmounted then.
"""

from __future__ import annotations

import io
import marshal
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pyinit
from pyinit.ctl.dist import executable, loader
from pyinit.ctl.dist.executable import MARK, MAX_SHEBANG, InstallError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyinit.ctl.dist.loader import Source

START = 256
BUNDLES = 4096

# Those of official images on top of Debian's and others' packages are in /usr/local/bin.
DEFAULT_PYTHON = "/usr/bin/python3"
# Whose bytecode is put in, if they are on PATH.
VERSIONS = ("3.11", "3.12", "3.13", "3.14")

# Short: before Linux 5.1 the kernel read no more than 127 bytes of the line; see execve(2).
_CODE = (
    f"import posix as p,sys;f=p.open(sys.argv[1],{os.O_CLOEXEC});"
    f"exec(p.pread(f,{BUNDLES - START},{START}))"
)

# Older versions have to understand it, to be told that they are too old: it is no place for
# f-strings.  bundles is {magic number: (size, offset)}.
_START = """\
{mark} pyz: version {version}
import _signal

inherited_mask = _signal.pthread_sigmask(0, getattr(_signal, "valid_signals", set)())
if sys.version_info < (3, 11):
    text = "pyinit: needs Python 3.11 or later, and this is Python %d.%d: %s"
    p.write(2, (text % (sys.version_info[:2] + (sys.executable,)) + chr(10)).encode())
    p._exit(125)
if sys.argv[0] == "-c":
    del sys.argv[0]
import marshal
from _frozen_importlib_external import MAGIC_NUMBER

if MAGIC_NUMBER in {bundles}:
    code, names = marshal.loads(p.pread(f, *{bundles}[MAGIC_NUMBER]))
else:
    from zipimport import zipimporter

    archive = zipimporter(sys.argv[0])
    exec(archive.get_data("sources.py"))

p.close(f)
exec(code, names)
from pyinit.cli import main
main(inherited_mask)
"""

# What stands in for a bundle where there is none for the interpreter: all is read before the
# command is started, too.
_SOURCES = """\
files = {files!r}
modules = {{
    name: (where, archive.get_data(file).decode()) for name, (where, file) in files.items()
}}
code, names = {loader!r}, {{"modules": modules, "first": {first!r}}}
"""

_MAIN = """\
import posix as p, sys

f = p.open(sys.argv[0], p.O_RDONLY | p.O_CLOEXEC)
exec(p.pread(f, {size}, {start}))
"""

# What each interpreter is asked to do: modules come in, and go out as its bytecode.
_COMPILER = f"""\
import sys
from importlib.util import MAGIC_NUMBER

version = "%d.%d" % sys.version_info[:2]
if sys.version_info < (3, 11) or sys.implementation.name != "cpython":
    sys.exit("it is " + sys.implementation.name + " " + version)
{loader.MAKER}
made = bundle(*marshal.load(sys.stdin.buffer))
sys.stdout.buffer.write(marshal.dumps((version, MAGIC_NUMBER, made)))
"""


def write(target: Path, python: str, bytecode: Iterable[str], *, force: bool) -> list[str]:
    """Write the file for ``python``; return the versions whose bytecode is in it.

    ``bytecode`` are more interpreters of this machine.  Raises `InstallError`.
    """
    executable.refuse(target, "pyz", force=force)
    line = _first_line(python)
    sources = _sources()
    bundles = _bundles(sources, bytecode)
    code = ("-ISc", _CODE)
    # The interpreter of the image need not be here, so that of this machine tries it.
    executable.put(target, _file(line, sources, list(bundles.values())), (sys.executable, *code))
    return sorted(bundles)


def _first_line(python: str) -> bytes:
    """Return the ``#!`` line.  Raises `InstallError`."""
    if not python or any(not char.isprintable() or char in " \"'\\$" for char in python):
        raise InstallError(f"a #! line cannot hold the path of this interpreter: '{python}'")
    code = f"-ISc{_CODE}"
    if "/" not in python:
        line = f'#!/usr/bin/env -S {python} "{code}"'
    elif python.startswith("/"):
        line = f"#!{python} {code}"
    else:
        raise InstallError(f"the interpreter is neither a name nor an absolute path: '{python}'")
    data = os.fsencode(line)
    if len(data) > MAX_SHEBANG:
        raise InstallError(
            f"the path of the interpreter is too long for a #! line ({MAX_SHEBANG} bytes): {python}"
        )
    return data


def _sources() -> dict[str, bytes]:
    """Return the source of each module but those of pyinitctl."""
    package = executable.package()
    found = {}
    for file in sorted(package.rglob("*.py")):
        parts = ("pyinit", *file.relative_to(package).with_suffix("").parts)
        if parts[1] != "ctl":
            found[".".join(parts).removesuffix(".__init__")] = file.read_bytes()
    return found


def _is_package(name: str, sources: dict[str, bytes]) -> bool:
    return any(each.startswith(f"{name}.") for each in sources)


def _file_of(name: str, sources: dict[str, bytes]) -> str:
    """Return where a module is in the archive."""
    return name.replace(".", "/") + ("/__init__.py" if _is_package(name, sources) else ".py")


def _where(name: str, sources: dict[str, bytes]) -> list[str] | None:
    """Return where the submodules of a package are to be looked for besides: nowhere."""
    return [] if _is_package(name, sources) else None


def _bundles(sources: dict[str, bytes], named: Iterable[str]) -> dict[str, tuple[bytes, bytes]]:
    """Return magic number and bytecode for each version of Python that can be had here.

    Raises `InstallError` for one that was ``named`` for, and for our own.
    """
    bundles: dict[str, tuple[bytes, bytes]] = {}
    modules = {
        name: (_where(name, sources), sources[name]) for name in loader.needed(sources)
    }
    first = loader.closure(sources, "pyinit", "pyinit.cli")
    needed = [*named, sys.executable]
    found = filter(None, (shutil.which(f"python{version}") for version in VERSIONS))
    for python in (*needed, *found):
        try:
            version, magic, bundle = _compile(python, modules, first)
        except InstallError:
            if python in needed:
                raise
            continue  # a command of that name which starts none of that version
        bundles.setdefault(version, (magic, bundle))
    return bundles


def _compile(
    python: str, modules: Mapping[str, Source], first: list[str]
) -> tuple[str, bytes, bytes]:
    """Return version, magic number and bundle of one interpreter.  Raises `InstallError`."""
    argv = [python, "-ISc", _COMPILER]
    data = marshal.dumps((dict(modules), first, loader.LOADER))
    try:
        done = subprocess.run(argv, input=data, capture_output=True, check=True)
    except OSError as error:
        raise InstallError(f"{python} makes no bytecode: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        why = error.stderr.decode(errors="replace").strip()
        raise InstallError(f"{python} makes no bytecode: {why}") from error
    result: tuple[str, bytes, bytes] = marshal.loads(done.stdout)
    return result


def _file(line: bytes, sources: dict[str, bytes], bundles: list[tuple[bytes, bytes]]) -> bytes:
    """Return the whole file."""
    places = {}
    offset = BUNDLES
    for magic, modules in bundles:
        places[magic] = (len(modules), offset)
        offset += len(modules)
    start = _START.format(
        mark=MARK,
        version=pyinit.__version__,
        bundles=places,
    ).encode()
    if len(start) > BUNDLES - START:
        raise InstallError(f"too many versions of Python for one file: {len(places)}")
    file = io.BytesIO()
    file.write((line + b"\n").ljust(START, b"\n"))
    file.write(start.ljust(BUNDLES - START, b"\n"))
    file.writelines(modules for _, modules in bundles)
    _add_archive(file, sources)
    return file.getvalue()


def _add_archive(file: io.BytesIO, sources: dict[str, bytes]) -> None:
    """Append the sources, which other versions of Python compile at each start.

    Compressed, since a ConfigMap of Kubernetes takes 1 MiB: these versions need zlib.
    """
    files = {name: _file_of(name, sources) for name in sources}
    texts = {files[name]: text for name, text in sources.items()}
    needed = {name: (_where(name, sources), files[name]) for name in loader.needed(sources)}
    texts["sources.py"] = _SOURCES.format(
        files=needed, first=loader.closure(sources, "pyinit", "pyinit.cli"), loader=loader.LOADER
    ).encode()
    texts["__main__.py"] = _MAIN.format(size=BUNDLES - START, start=START).encode()
    with zipfile.ZipFile(file, "a") as archive:
        for name, text in texts.items():
            # Of no date: the same sources make the same archive.
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
