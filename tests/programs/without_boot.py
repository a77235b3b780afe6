"""without_boot.py WORD...: embeds.py WORD..., where `pyinit.boot` cannot be imported."""

import runpy
import sys
from pathlib import Path

sys.modules["pyinit.boot"] = None  # type: ignore[assignment]  # import raises then
runpy.run_path(str(Path(__file__).with_name("embeds.py")), run_name="__main__")
