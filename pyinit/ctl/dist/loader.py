"""Which modules are needed when, and a file of bytecode from which imports are served.

A bundle is the marshalled pair of the loader's code and its names.  ``exec(code, names)``
executes what each start needs before its command, in the order in which these import each
other, and makes imports find the others.  The machinery of imports takes 30 microseconds
a module, which are left out where the command waits for them.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# ``modules`` is {name: (where its submodules are or None, code)}, the code as an object, as
# bytecode or as source, and ``first`` the names of those to be executed at once.
LOADER = """\
import marshal, sys

def find_spec(name, path=None, target=None):
    if name in modules:
        from _frozen_importlib import ModuleSpec

        spec = ModuleSpec(name, finder)
        spec.submodule_search_locations = modules[name][0]
        return spec

def exec_module(module):
    name = module.__name__
    where, code = modules[name]
    if where is not None:
        module.__path__ = where
    if type(code) is bytes:
        code = marshal.loads(code)
    elif type(code) is str:
        code = compile(code, name, "exec", dont_inherit=True, optimize=2)
    exec(code, module.__dict__)
    del modules[name]

for name in first:
    module = sys.modules[name] = type(sys)(name)
    exec_module(module)
    package, _, last = name.rpartition(".")
    if package:
        setattr(sys.modules[package], last, module)
# Finder and loader; a class takes longer to make.
finder = type(sys.implementation)(
    find_spec=find_spec, create_module=lambda spec: None, exec_module=exec_module
)
sys.meta_path.insert(0, finder)
"""

# Defines ``bundle``; interpreters of other versions than ours run it as well.  Docstrings are left
# out: nobody reads them in an init.
MAKER = """\
import marshal

def bundle(sources, first, loader):
    modules = {}
    for name, (where, source) in sources.items():
        code = compile(source, name, "exec", dont_inherit=True, optimize=2)
        modules[name] = where, code if name in first else marshal.dumps(code)
    code = compile(loader, "<loader>", "exec", dont_inherit=True, optimize=2)
    return marshal.dumps((code, {"modules": modules, "first": first}))
"""

Source = tuple["list[str] | None", bytes]


def closure(sources: Mapping[str, bytes], *names: str) -> list[str]:
    """Return modules and what they import at their beginning, each after those that it imports."""
    found: list[str] = []

    def visit(name: str) -> None:
        if name in sources and name not in found:
            for each in _imported(ast.parse(sources[name]).body):
                visit(each)
            found.append(name)

    for name in names:
        visit(name)
    return found


def needed(sources: Mapping[str, bytes]) -> list[str]:
    """Return the modules that the init imports, early or late, and nothing else of the API."""
    found = ["pyinit"]
    waiting = ["pyinit.cli"]
    while waiting:
        name = waiting.pop()
        if name in sources and name not in found:
            found.append(name)
            waiting.append(name.rpartition(".")[0])
            waiting += _imported(ast.walk(ast.parse(sources[name])))
    return found


def _imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield what may be a module in each ``from`` of ``nodes``."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)
