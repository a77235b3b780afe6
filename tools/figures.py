"""``make figures``: the measured figures that pages mention, each from one place.

``<!-- figure: resident launcher -->8.5 MiB<!-- end -->`` in a page is filled from that figure and
row of bench/results/latest.json, the last full run of `make bench`; ``<!-- figure: pyz -->`` is the
size of the single file.  With ``--check`` nothing is written, and other figures are an error.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "bench" / "results" / "latest.json"
SIZES = ROOT / "tools" / "figures.json"
MARK = re.compile(r"(<!-- figure: ([\w-]+)(?: ([\w-]+))? -->).*?(<!-- end -->)")


def main(arguments: list[str]) -> int:
    """Fill in, or check; return the exit code."""
    check = "--check" in arguments
    if not check:
        SIZES.write_text(json.dumps({"pyz": size_of_single_file()}, indent=1) + "\n")
    old = []
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]):
        text = page.read_text("utf-8")
        filled = MARK.sub(lambda found: found[1] + figure(found[2], found[3]) + found[4], text)
        if filled != text:
            old.append(str(page.relative_to(ROOT)))
            if not check:
                page.write_text(filled, "utf-8")
    if check and old:
        print(f"figures: {', '.join(old)}: other figures than measured: make figures")
        return 1
    return 0


def figure(key: str, row: str | None) -> str:
    """Return one as people write it."""
    if row is None:
        return mebibytes(json.loads(SIZES.read_text())[key])
    measured = json.loads(RESULT.read_text())["figures"][key]
    median = measured["rows"][row]["median"]
    if measured["unit"] == "KiB":
        return mebibytes(median * 1024)
    unit = f" {measured['unit']}" if measured["unit"] else ""
    return f"{median:.0f}{unit}"


def mebibytes(size: float) -> str:
    """Return it with one digit behind the point."""
    return f"{size / 2**20:.1f} MiB"


def size_of_single_file() -> int:
    """Return the bytes of one with the bytecode of this interpreter alone, in steps of 0.1 MiB."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "pyinit.pyz")
        program = "import sys; from pyinit.ctl import main; sys.exit(main(sys.argv[1:]))"
        words = (sys.executable, "-c", program, "pyz", str(file), "--python", sys.executable)
        subprocess.run(words, check=True, capture_output=True, env={"PATH": "/nonexistent"})
        return round(file.stat().st_size / 2**20 * 10) * 2**20 // 10


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
