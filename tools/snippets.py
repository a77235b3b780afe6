"""Check the types of what README.md and docs/api.md show: ``python -m tools.snippets [PYRIGHT]``.

Each program in Python stands alone there, and has to pass ``mypy --strict``; with PYRIGHT, the
path of pyright(1), which needs Node.js and so is no part of ``make lint``, that instead.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/api.md")
_PROGRAM = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Write each to a file of its own, as far down as it stands in its page; return a code."""
    with tempfile.TemporaryDirectory() as directory:
        names = []
        for page in PAGES:
            text = (ROOT / page).read_text("utf-8")
            for found in _PROGRAM.finditer(text):
                line = text.count("\n", 0, found.start(1))
                path = Path(directory, f"{Path(page).stem}_{line}.py")
                path.write_text("\n" * line + found[1], "utf-8")
                names.append(str(path))
        if sys.argv[1:]:
            argv = [sys.argv[1], "--pythonpath", sys.executable]
        else:
            argv = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-incremental"]
            argv += ["--disable-error-code=import-not-found"]  # a program of the reader's
        return subprocess.run([*argv, *names], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
