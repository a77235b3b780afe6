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
import re
import shutil
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyinit
from pyinit.ctl.dist import compact, executable, loader
from pyinit.ctl.dist.executable import MARK, MAX_SHEBANG, InstallError
from pyinit.settings import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import CodeType

# What is there when nothing can be loaded any more, as bytecode until the first word of it is asked
# for: as functions it takes three times the memory.
KEPT = ("pyinit.fallback", "pyinit.moment", "pyinit.scope", "pyinit.lineage")
# What a quiet run loads none of.
ASKED = ("pyinit.asked",)
# What is loaded for one purpose, with what these import: one file is read once.
LATE = {
    # A log in JSON, and a report.
    "log": (
        *("pyinit.asked", "pyinit.kernel.kills", "pyinit.log.lines", "pyinit.log.relayed", "pyinit.log.senders"),
        *("pyinit.report.record", "pyinit.report.start"),
    ),
    # Where somebody is left.
    "teardown": (
        *("pyinit.scope", "pyinit.stopping", "pyinit.stopping.order", "pyinit.stopping.teardown"),
    ),
    # The supervisor of services, and what reads their file.
    "services": (
        *("pyinit.command.diagnosis", "pyinit.services.config", "pyinit.services.main"),
        *("pyinit.services.readers", "pyinit.services.supervisor"),
    ),
}
# What a quiet run that is not PID 1 loads besides, before it starts the command.
SUBREAPER = ("pyinit.linux", "pyinit.execve", "pyinit.fork")
# What it loads besides while the command starts up.
SUBREAPER_THEN = ("pyinit.scope", "pyinit.lineage")

# The fewer words, the less there is to be compiled at each start.
_LAUNCHER = """\
{shebang}
{mark} install; to be written again after pyinit was moved or upgraded.
import _signal

inherited_mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
import gc, marshal, posix

gc.disable()  # pyinit.boot enables it when all is loaded
try:
    bundle = posix.open({init!r}, {cloexec})
    exec(marshal.loads(posix.read(bundle, {size})))
except Exception:
    exec({without!r})  # no bundle, or a broken one: the modules are there
{naming}main(inherited_mask)
"""

# Text, which is compiled where it is needed only.
_WITHOUT = """\
import sys
sys.path[:0] = {first!r}
for name in [each for each in sys.modules if each.partition(".")[0] == "pyinit"]:
    del sys.modules[name]
try:
    from pyinit.cli import main
except BaseException as error:
    text = f"cannot be loaded: {{error!r}}"
    if isinstance(error, ModuleNotFoundError) and error.name == "pyinit":
        text = f"is gone from {{sys.path[0]}}: 'pyinitctl install' writes this launcher again"
    posix.write(2, f"pyinit: {{text}}\\n".encode(errors="backslashreplace"))
    posix._exit(125)
sys.path[:] = sys.path[1:] + {paths!r}
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

# The package, as an init has it.
_PACKAGE = f"__version__ = {pyinit.__version__!r}"

# A module of Python's own in a file of machine code, which a log needs.  The search for it lists a
# directory and takes 0.18 ms, as long as to load it.
_EXTENSION = """\
import _imp, sys
from _frozen_importlib import ModuleSpec

try:
    found = _imp.create_dynamic(ModuleSpec(__name__, None, origin=FILE))
    _imp.exec_dynamic(found)
except ImportError:  # it is gone, or another one: the search may find it
    del sys.modules[__name__]
    found = __import__(__name__)
globals().update(vars(found))
"""

# Becomes the code of the bundle, with the names in capitals as constants.  It runs among the names
# of the launcher.  Whatever `lists` has for after the start is the rest of the file, which is read
# when the first module of it is asked for (PEP 562).
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
        if type(code) is bytes:
            keep(module, code)
        else:
            exec(code, module.__dict__)

def keep(module, code):
    def make(name):
        if "__getattr__" in names:
            # Where signals are taken between two modules, it is asked for each; see pyinit.events.
            sys.meta_path[0].find_spec(module.__name__)
        if names.pop("__getattr__", None):
            module.__spec__ = half
            try:
                exec(marshal.loads(code), names)
            except BaseException:
                names["__getattr__"] = make  # as an import that failed, it is tried again
                raise
            finally:
                module.__spec__ = None
        return getattr(module, name)
    names = module.__dict__
    names["__getattr__"] = make

def read_rest():
    # Into pages of its own, which go back to the kernel.
    data = posix.pread(bundle, 1 << 20, LENGTH)
    posix.close(bundle)
    return data

def then(name):
    # The 320 other names of encodings take 45 KiB, and an init needs none of them: their memory is
    # for its modules.  Code that asks for one has them read again.
    if hasattr(encodings, "_aliases"):
        encodings._aliases.clear()
        encodings._aliases = type(sys.implementation)(get=read_aliases)
    package = sys.modules["pyinit"]
    del package.__getattr__
    load(marshal.loads(rest or read_rest()))
    return getattr(package, name)

def late(what):
    file = posix.open(LATE_FILES[what], posix.O_CLOEXEC)
    try:
        stamp, modules = marshal.loads(posix.read(file, 1 << 20))
    finally:
        posix.close(file)
    return modules if stamp == STAMP else {}

def serve(what):
    try:
        modules = late(what)
    except Exception:
        return  # none, or a broken one: the modules are there
    # The machinery of imports takes 20 microseconds a module: it finds all of them loaded.
    for name, (file, path, code) in modules.items():
        if name in sys.modules:
            continue
        module = sys.modules[name] = type(sys)(name)
        module.__file__ = file
        package, _, last = name.rpartition(".")
        if package:
            setattr(sys.modules[package], last, module)
        if path:
            module.__path__ = path
            exec(marshal.loads(code), module.__dict__)
        else:
            keep(module, code)

def read_aliases(name, other=None):
    del sys.modules["encodings.aliases"]
    encodings._aliases = __import__("encodings.aliases", fromlist=("aliases",)).aliases
    return encodings._aliases.get(name, other)

encodings = sys.modules["encodings"]
# The __spec__ of a module while it is executed, for pyinit.events.
half = type(sys.implementation)(_initializing=True)
stat = posix.stat(INIT_FILE)
# Not of a package that has changed since, and not of a file that was cut.
if (int(stat.st_mtime), stat.st_size) != STAMP or posix.fstat(bundle).st_size != SIZE:
    raise ImportError
other = SUBREAPER
if other is not None and posix.getpid() != 1:
    posix.close(bundle)
    bundle = posix.open(other[0], posix.O_CLOEXEC)
    exec(marshal.loads(posix.read(bundle, other[1])))
else:
    # The number of a standard stream would be taken for that.
    rest = read_rest() if bundle < 3 else b""
    load(FIRST)
    sys.modules["pyinit"].__getattr__ = then
    sys.modules["pyinit"]._serve = serve
    sys.path += PATHS
    main = sys.modules["pyinit.cli"].main
"""


def install(path: Path, *, force: bool = False, own_libraries: bool = False) -> Path:
    """Write the launcher at ``path``, try it, and return where it is, links followed.

    With ``own_libraries`` LD_LIBRARY_PATH says nothing to it.  Raises `InstallError`; then
    ``path`` is what it was.
    """
    target = path.resolve()
    executable.refuse(target, "install", force=force)
    shebang = _shebang(own_libraries=own_libraries)
    compileall.compile_dir(executable.package(), quiet=2, workers=1)
    sizes = _write_bundles()
    naming = _NAMING if own_libraries else ""
    text = _launcher_text(shebang, naming, sizes)
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


def _launcher_text(shebang: str, naming: str, sizes: Mapping[str, int]) -> bytes:
    """Return the launcher, which reads so many bytes of the bundles before the command starts."""
    paths = _paths()
    text = _LAUNCHER.format(
        shebang=shebang,
        mark=MARK,
        init=str(_bundle_file("init")),
        size=sizes["init"],
        cloexec=os.O_CLOEXEC,
        without=_WITHOUT.format(first=paths[:1], paths=paths),
        naming=naming,
    )
    return os.fsencode(text)


def _bundle_file(name: str) -> Path:
    return executable.package() / "__pycache__" / f"{name}.{sys.implementation.cache_tag}.bundle"


def _write_bundles() -> dict[str, int]:
    """Write the bundles where that is allowed: the launcher does without as well.

    Not for a source tree, of which an editable install runs: an installed
    package changes as a whole, and its stamp tells; a source file is edited alone.
    Return how many bytes each has that are read at once.
    """
    if (executable.package().parent / "pyproject.toml").exists():
        for name in ("init", "subreaper", *LATE):
            with contextlib.suppress(OSError):
                _bundle_file(name).unlink(missing_ok=True)
        return {"init": 0, "subreaper": 0}
    first, then = lists()
    subreaper = _bundle([*first, *SUBREAPER], [*then, *SUBREAPER_THEN])
    bundles = {
        # The launcher, which Python compiles at each start, knows of this one alone.
        "init": _bundle(first, then, (str(_bundle_file("subreaper")), len(subreaper[0]))),
        "subreaper": subreaper,
        **{what: (_late_bundle(what), b"") for what in LATE},
    }
    for name, parts in bundles.items():
        file = _bundle_file(name)
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            file.parent.mkdir(exist_ok=True)
            executable.create(draft, b"".join(parts))
            draft.replace(file)
        except OSError:
            draft.unlink(missing_ok=True)
    return {name: len(parts[0]) for name, parts in bundles.items()}


def lists() -> tuple[list[str], list[str]]:
    """Return what a quiet PID 1 loads before it starts the command, and while that starts up.

    It is what lies directly in the package, but for what is below a Python program
    (`pyinit.standby`); those that import others come after them.
    """
    sources = {name: file.read_bytes() for name, file in _flat().items()}
    needed = loader.needed(sources)
    first = loader.closure(sources, "pyinit", "pyinit.cli")
    others = loader.closure(sources, *sources)
    left_out = (*first, *SUBREAPER, *SUBREAPER_THEN, *ASKED)
    return first, [each for each in others if each in needed and each not in left_out]


def _flat() -> dict[str, Path]:
    package = executable.package()
    files = {f"pyinit.{file.stem}": file for file in sorted(package.glob("[!_]*.py"))}
    return {"pyinit": package / "__init__.py", **files}


def _bundle(
    first: list[str], then: list[str], subreaper: tuple[str, int] | None = None
) -> tuple[bytes, bytes]:
    """Return what is executed at once, and what is read once the command has been started.

    ``subreaper`` is the file for whom is not PID 1, and how much of it is executed at once.
    """
    later = marshal.dumps([*map(_module, then)])
    values: dict[str, object] = {
        "INIT_FILE": str(executable.package() / "__init__.py"),
        "LATE_FILES": {what: str(_bundle_file(what)) for what in LATE},
        "STAMP": _stamp(),
        "PATHS": _paths(),
        "FIRST": [*map(_module, first)],
        "SUBREAPER": subreaper,
    }
    # A number takes as many bytes as another.
    length = len(_bytecode({**values, "LENGTH": 0, "SIZE": 1}))
    return _bytecode({**values, "LENGTH": length, "SIZE": length + len(later)}), later


def _bytecode(values: dict[str, object]) -> bytes:
    """Return the loader's code with ``values`` for its names in capitals."""
    source = re.sub("|".join(sorted(values, key=len, reverse=True)), r"'<\g<0>>'", _LOADER)
    return marshal.dumps(_with_constants(compile(source, "<bundle>", "exec"), values))


def _stamp() -> tuple[int, int]:
    """Return what tells this package from others that were in its place."""
    stat = (executable.package() / "__init__.py").stat()
    # As in bytecode files: the layers of an image keep no fractions of a second.
    return int(stat.st_mtime), stat.st_size


def _late_bundle(what: str) -> bytes:
    """Return the modules of one purpose and what they import at their beginning, as bytecode each."""
    package = executable.package()
    files = {
        ".".join(("pyinit", *file.relative_to(package).with_suffix("").parts)): file
        for folder in ("command", "kernel", "log", "report", "services", "stopping")
        for file in (package / folder).glob("*.py")
    }
    files = {name.removesuffix(".__init__"): file for name, file in files.items()}
    files |= {name: _flat()[name] for name in ("pyinit.asked", "pyinit.scope")}
    sources = {name: file.read_bytes() for name, file in files.items()}
    names = {*loader.closure(sources, *LATE[what])}
    names |= {name.rpartition(".")[0] for name in names} & sources.keys()
    modules = {
        name: (
            str(files[name]),
            [str(files[name].parent)] if files[name].stem == "__init__" else None,
            marshal.dumps(compact.compiled(sources[name], str(files[name]))),
        )
        for name in sorted(names)  # a package comes before what is in it
    }
    if what == "log":
        modules |= _extension("resource")
    return marshal.dumps((_stamp(), modules))


def _extension(name: str) -> dict[str, tuple[str, None, bytes]]:
    """Return what loads a module of Python's own, if that is in a file."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None or not spec.has_location:
        return {}
    source = _EXTENSION.replace("FILE", repr(spec.origin))
    return {name: (spec.origin, None, marshal.dumps(compile(source, f"<{name}>", "exec")))}


def _module(name: str) -> tuple[str, str, list[str], CodeType | bytes]:
    file = _flat()[name]
    where = [str(file.parent)] if name == "pyinit" else []
    # The names of the API are for programs.
    source = _PACKAGE.encode() if name == "pyinit" else file.read_bytes()
    code = compact.compiled(source, str(file))
    return name, str(file), where, marshal.dumps(code) if name in KEPT else code


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

