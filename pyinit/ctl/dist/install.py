"""The fast launcher.

The command that pip installs starts the interpreter with ``site``, which looks
through all that is installed, and then finds each module of pyinit in turn.
The launcher names the interpreter with ``-IS`` in its ``#!`` line, and loads
what a quiet run needs from one file of bytecode, the bundle: there is one for
PID 1 and one for a subreaper, which needs more.

Under the names of other programs, which are links to it, it is what they are.

LD_LIBRARY_PATH of the application can lead the interpreter to other libraries than
its own.  The dynamic loader takes it for unset when it is started as a program, with
``--library-path`` (ld.so(8)); the ``#!`` line has one word for that and no more, so
env(1) has to split it.
"""

from __future__ import annotations

import compileall
import contextlib
import importlib.util
import marshal
import os
import shutil
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyinit
from pyinit.ctl.dist import executable, loader
from pyinit.ctl.dist.executable import MARK, MAX_SHEBANG, InstallError
from pyinit.settings import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType

# What a quiet run that is not PID 1 loads besides, before it starts the command.
SUBREAPER = ("pyinit.linux", "pyinit.fork")
# What it loads besides while the command starts up.
SUBREAPER_THEN = ("pyinit.lineage",)

_LAUNCHER = """\
{shebang}
{mark} install; to be written again after pyinit was moved or upgraded.
import _signal

inherited_mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
import marshal, posix, sys

bundle = {init!r} if posix.getpid() == 1 else {subreaper!r}
try:
    fd = posix.open(bundle, posix.O_RDONLY | posix.O_CLOEXEC)
    # Read at once into pages of its own, which go back to the kernel when it is not needed.
    data = posix.read(fd, 1 << 20)
    posix.close(fd)
    exec(marshal.loads(data), {{"data": data}})
    del data
except Exception:
    pass  # no bundle, or a broken one: the modules are there
sys.path[:0] = {first!r}
try:
    from pyinit.cli import main
except BaseException as error:
    text = f"cannot be loaded: {{error!r}}"
    if isinstance(error, ModuleNotFoundError) and error.name == "pyinit":
        text = f"is gone from {{sys.path[0]}}: 'pyinitctl install' writes this launcher again"
    posix.write(2, f"pyinit: {{text}}\\n".encode(errors="backslashreplace"))
    posix._exit(125)

sys.path[:] = sys.path[{count}:] + {paths!r}
{naming}main(inherited_mask)
"""

# The kernel calls a process as the file that it started, which is the loader then; proc(5).
_NAMING = """\
try:
    fd = posix.open("/proc/self/comm", posix.O_WRONLY | posix.O_CLOEXEC)
    posix.write(fd, sys.argv[0].rpartition("/")[2].encode(errors="surrogateescape"))
    posix.close(fd)
except OSError:
    pass
"""

_PT_INTERP = 3  # elf(5)

# Becomes the code of the bundle, with the names in capitals as constants.  The modules of
# THEN, which are the last bytes of the file before END, come when the first of them is asked
# for (PEP 562).  A file without its END was cut.
_END = b"\nend\n"
_LOADER = """\
import marshal, posix, sys

def load(modules):
    for name, file, path, code in modules:
        module = sys.modules[name] = type(sys)(name)
        module.__file__ = file
        if path:
            module.__path__ = path
        else:
            setattr(sys.modules["pyinit"], name.rpartition(".")[2], module)
        exec(code, module.__dict__)

def then(name):
    global data
    package = sys.modules["pyinit"]
    del package.__getattr__
    modules = marshal.loads(memoryview(data)[-SIZE:])
    del data
    load(modules)
    return getattr(package, name)

stat = posix.stat(INIT_FILE)
if globals().get("data", b"").endswith(END) and (int(stat.st_mtime), stat.st_size) == STAMP:
    load(FIRST)
    sys.modules["pyinit"].__getattr__ = then
"""


def install(path: Path, *, force: bool = False, own_libraries: bool = False) -> Path:
    """Write the launcher at ``path``, try it, and return where it is, links followed.

    With ``own_libraries`` LD_LIBRARY_PATH says nothing to it.  Raises `InstallError`; then
    ``path`` is what it was.
    """
    target = path.resolve()
    executable.refuse(target, "install", force=force)
    text = _launcher_text(own_libraries=own_libraries)
    compileall.compile_dir(executable.package(), quiet=2, workers=1)
    _write_bundles()
    executable.put(target, text)
    return target


def closed_to_others(launcher: Path) -> Path | None:
    """Return a directory or file that other users cannot pass or read and that it needs, or None.

    It needs itself, the interpreter and the package.
    """
    for place, wanted in (
        (launcher, 0o005),
        (Path(interpreter()), 0o001),
        (executable.package() / "__init__.py", 0o004),
    ):
        for each in (*reversed(place.resolve().parents), place):
            needed = wanted if each == place else 0o001
            if each.stat().st_mode & needed != needed:
                return each
    return None


def links_of(path: Path, names: Sequence[str], *, force: bool) -> list[Path]:
    """Return the links of ``names`` beside ``path``, which itself may have one of them.

    Raises `InstallError` for one that may not be made: before anything is written.
    """
    links = [path.absolute().with_name(name) for name in dict.fromkeys(names) if name != path.name]
    for link in links:
        if link.is_dir():
            raise InstallError(f"{link} is a directory: no link can take its place")
        if not executable.is_replaceable(link):
            raise InstallError(f"{link} is neither a file nor a link: nothing takes its place")
        # Not exists(): a link to nothing was made by somebody, too.
        if os.path.lexists(link) and not force and not executable.is_ours(link, "install"):
            raise InstallError(
                f"{link} was not written by pyinitctl install: leave this name out, or --force"
            )
    return links


def make_link(link: Path, target: str) -> None:
    """Make ``link``, which leads to ``target`` in its own directory, also in a copy of that."""
    draft = link.with_name(f".{link.name}.{os.getpid()}")
    try:
        try:
            draft.symlink_to(target)
            draft.replace(link)
        except OSError as error:
            raise InstallError(f"cannot make the link {link}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


def interpreter() -> str:
    """Return the interpreter itself: a virtual environment's link costs a search for its home."""
    return os.path.realpath(sys.executable)


def _shebang(*, own_libraries: bool) -> str:
    """Return the ``#!`` line, which ends an interpreter's path at the first blank."""
    python = interpreter()
    line = f"#!{python} -IS"
    if own_libraries:
        # A directory without libraries stands for LD_LIBRARY_PATH.
        line = f'#!{_env()} -S {_loader(python)} --library-path / "{python}" -IS'
    elif any(blank in python for blank in " \t"):
        line = f'#!{_env()} -S "{python}" -IS'
    if len(line) > MAX_SHEBANG:
        raise InstallError(
            f"the path of the interpreter is too long for a #! line ({MAX_SHEBANG} bytes): "
            f"{python}"
        )
    return line


def _env() -> str:
    env = shutil.which("env")
    if env is None:
        raise InstallError("a #! line of several words takes env(1), and there is none")
    return env


def _loader(program: str) -> str:
    """Return the dynamic loader that ``program`` names; see PT_INTERP in elf(5)."""
    with contextlib.suppress(OSError, struct.error), open(program, "rb") as file:
        head = file.read(64)
        if head[:5] == b"\x7fELF\x02":
            order = "<" if head[5] == 1 else ">"
            (table,) = struct.unpack_from(order + "Q", head, 32)
            size, number = struct.unpack_from(order + "HH", head, 54)
            for n in range(number):
                file.seek(table + n * size)
                kind, _, start, _, _, length = struct.unpack(order + "IIQQQQ", file.read(40))
                if kind == _PT_INTERP:
                    file.seek(start)
                    return os.fsdecode(file.read(length).rstrip(b"\0"))
    raise InstallError(f"the interpreter is not loaded by a dynamic loader: {program}")


def _paths() -> list[str]:
    """Return the directories that hold pyinit and what it imports when it has something to say."""
    found = [str(executable.package().parent)]
    spec = importlib.util.find_spec("structlog")
    if spec is not None and spec.origin is not None:
        directory = str(Path(spec.origin).resolve().parent.parent)
        if directory not in found:
            found.append(directory)
    return found


def _launcher_text(*, own_libraries: bool) -> bytes:
    paths = _paths()
    text = _LAUNCHER.format(
        shebang=_shebang(own_libraries=own_libraries),
        mark=MARK,
        init=str(_bundle_file("init")),
        subreaper=str(_bundle_file("subreaper")),
        first=paths[:1],
        count=1,
        paths=paths,
        naming=_NAMING if own_libraries else "",
    )
    return os.fsencode(text)


def _bundle_file(name: str) -> Path:
    return executable.package() / "__pycache__" / f"{name}.{sys.implementation.cache_tag}.bundle"


def _write_bundles() -> None:
    """Write the bundles where that is allowed: the launcher does without as well.

    Not for a source tree, of which an editable install runs: an installed
    package changes as a whole, and its stamp tells; a source file is edited alone.
    """
    is_source = (executable.package().parent / "pyproject.toml").exists()
    first, then = lists()
    bundles = (
        ("init", first, then),
        ("subreaper", [*first, *SUBREAPER], [*then, *SUBREAPER_THEN]),
    )
    for name, modules, later in bundles:
        file = _bundle_file(name)
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            if is_source:
                file.unlink(missing_ok=True)
                continue
            file.parent.mkdir(exist_ok=True)
            executable.create(draft, _bundle(modules, later))
            draft.replace(file)
        except OSError:
            draft.unlink(missing_ok=True)


def lists() -> tuple[list[str], list[str]]:
    """Return what a quiet PID 1 loads before it starts the command, and while that starts up.

    It is what lies directly in the package; those that import others come after them.
    """
    sources = {name: file.read_bytes() for name, file in _flat().items()}
    first = loader.closure(sources, "pyinit", "pyinit.cli")
    others = loader.closure(sources, *sources)
    return first, [each for each in others if each not in (*first, *SUBREAPER, *SUBREAPER_THEN)]


def _flat() -> dict[str, Path]:
    package = executable.package()
    files = {f"pyinit.{file.stem}": file for file in sorted(package.glob("[!_]*.py"))}
    return {"pyinit": package / "__init__.py", **files}


def _bundle(first: list[str], then: list[str]) -> bytes:
    init = executable.package() / "__init__.py"
    stat = init.stat()
    later = marshal.dumps([*map(_module, then)]) + _END
    values: dict[str, object] = {
        "INIT_FILE": str(init),
        # As in bytecode files: the layers of an image keep no fractions of a second.
        "STAMP": (int(stat.st_mtime), stat.st_size),
        "FIRST": [*map(_module, first)],
        "END": _END,
    }
    source = _LOADER.replace("SIZE", str(len(later)))
    for word in values:
        source = source.replace(word, repr(f"<{word}>"))
    return marshal.dumps(_with_constants(compile(source, "<bundle>", "exec"), values)) + later


def _module(name: str) -> tuple[str, str, list[str], CodeType]:
    file = _flat()[name]
    where = [str(file.parent)] if name == "pyinit" else []
    return name, str(file), where, _compile(file)


def _with_constants(code: CodeType, values: dict[str, object]) -> CodeType:
    """Return ``code`` with each constant ``<NAME>`` replaced by its value, in functions too."""
    constants: list[object] = []
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            constants.append(_with_constants(constant, values))
        else:
            name = constant[1:-1] if isinstance(constant, str) else ""
            constants.append(values.get(name, constant))
    return code.replace(co_consts=tuple(constants))


def _compile(file: Path) -> CodeType:
    """Return the code of ``file`` without docstrings, which nobody reads in an init."""
    return compile(file.read_bytes(), str(file), "exec", dont_inherit=True, optimize=2)
