"""broken_embeds.py MODULE.CLASS.NAME WORD...: embeds.py WORD..., where a method always fails."""

import importlib
import runpy
import sys
from pathlib import Path
from typing import Any

path = sys.argv[1]
del sys.argv[1]
sys.path.append(sys.argv[1])

module, name, method = path.split(".")


def fails(*_: Any, **__: Any) -> Any:
    """Fail."""
    raise RuntimeError(path)


setattr(getattr(importlib.import_module(f"pyinit.{module}"), name), method, fails)
runpy.run_path(str(Path(__file__).with_name("embeds.py")), run_name="__main__")
