"""``make release-check``: build a release as it would be uploaded, and check it.

The source distribution and the wheel are built twice, from copies with different paths, dates and
modes, and have to be the same bytes.  The second wheel comes from the source distribution.
"""

from __future__ import annotations

import argparse
import email.parser
import filecmp
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = "pyinit-pid1"

# What a wheel has besides the package: where man, the shells and the installers look.
DATA = ["scripts/pyinit"]
DATA += [f"data/{file.relative_to(ROOT)}" for file in (ROOT / "share").rglob("*") if file.is_file()]
METADATA = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
NOT_IN_SDIST = (".ci/", ".github/")


class CheckError(Exception):
    """The release has a fault."""


def main() -> int:
    """Build, check and leave the files in the directory that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="where the files go; what is there is removed")
    parser.add_argument(
        "--publish",
        action="store_true",
        help="fail also for what keeps it from being uploaded: a date, the project's URLs",
    )
    args = parser.parse_args()
    try:
        version, released = newest_release()
        check_version(version)
        files = build_twice(args.out, released)
        check_contents(files, version)
        with tempfile.TemporaryDirectory() as scratch:
            try_pip(files, Path(scratch))
            try_pipx(files, Path(scratch))
            try_uv(files, Path(scratch))
        missing = to_publish(version)
    except CheckError as error:
        print(f"release-check: {error}", file=sys.stderr)
        return 1
    for each in missing:
        print(f"release-check: before an upload: {each}")
    print(f"release-check: {NAME} {version} is good: {' '.join(str(file) for file in files)}")
    return bool(args.publish and missing)


def newest_release() -> tuple[str, datetime]:
    """Return version and date of the topmost release of CHANGELOG.md."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    found = re.search(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", text, re.MULTILINE)
    if found is None:
        raise CheckError("CHANGELOG.md has no heading such as '## [1.0.0] - 2026-01-31'")
    return found[1], datetime.fromisoformat(found[2]).replace(tzinfo=UTC)


def check_version(version: str) -> None:
    """Raise `CheckError` if the package has another version than the change log."""
    text = (ROOT / "pyinit" / "__init__.py").read_text("utf-8")
    if f'__version__ = "{version}"' not in text:
        raise CheckError(f"pyinit/__init__.py does not have the version of CHANGELOG.md, {version}")


def build_twice(out: Path, released: datetime) -> tuple[Path, Path]:
    """Return the source distribution and the wheel, after both came out the same twice."""
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        first, second = Path(scratch, "first"), Path(scratch, "the second one")
        copy_tree(first / "tree")
        copy_tree(second / "tree")
        for file in (second / "tree").rglob("*"):
            os.utime(file, (1, 1))
            file.chmod(file.stat().st_mode & ~0o077)
        for each, umask, zone in ((first, 0o022, "UTC"), (second, 0o077, "Asia/Tokyo")):
            build(each / "tree", each / "dist", released, umask, zone)
        same = sorted(file.name for file in (first / "dist").iterdir())
        for name in same:
            if not filecmp.cmp(first / "dist" / name, second / "dist" / name, shallow=False):
                raise CheckError(f"{name} is not the same when it is built twice")
        shutil.copytree(first / "dist", out)
    sdist, wheel = sorted(out.iterdir(), key=lambda file: file.suffix)
    print(f"release-check: built twice, the same bytes: {sdist.name}, {wheel.name}")
    return sdist, wheel


def copy_tree(target: Path) -> None:
    """Copy the files that the repository has, or all of an unpacked source distribution."""
    if (ROOT / ".git").exists():
        listing = run("git", "ls-files", "-z", cwd=ROOT)
        names = [name for name in listing.split("\0") if name and (ROOT / name).exists()]
        for name in names:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    else:
        made = shutil.ignore_patterns(".venv*", "__pycache__", "build", "dist", ".*_cache", ".hyp*")
        shutil.copytree(ROOT, target, ignore=made)


def build(tree: Path, out: Path, released: datetime, umask: int, zone: str) -> None:
    """Build the source distribution, and the wheel from that."""
    epoch = str(int(released.timestamp()))
    environ = {**os.environ, "SOURCE_DATE_EPOCH": epoch, "TZ": zone}
    words = (sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(tree))
    run(*words, environ=environ, umask=umask)


def check_contents(files: tuple[Path, Path], version: str) -> None:
    """Nothing is missing in either, nothing else is in the wheel, and the metadata are good."""
    sdist, wheel = files
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, files))
    stem = f"{NAME.replace('-', '_')}-{version}"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(f"{stem}.dist-info/METADATA").decode()
    wanted = {f"{stem}.data/{name}" for name in DATA}
    wanted |= {f"{stem}.dist-info/{name}" for name in METADATA}
    if wanted - names:
        raise CheckError(f"not in the wheel: {', '.join(sorted(wanted - names))}")
    if other := [name for name in names - wanted if not name.startswith("pyinit/")]:
        raise CheckError(f"in the wheel, and should not be: {', '.join(sorted(other))}")
    fields = email.parser.Parser().parsestr(metadata)
    if (fields["Name"], fields["Version"]) != (NAME, version):
        raise CheckError(f"the metadata name {fields['Name']} {fields['Version']}")
    if (ROOT / ".git").exists():
        with tarfile.open(sdist) as source:
            has = {name.partition("/")[2] for name in source.getnames()}
        tracked = run("git", "ls-files", "-z", cwd=ROOT).split("\0")[:-1]
        missing = [n for n in tracked if n not in has and not n.startswith(NOT_IN_SDIST)]
        if missing := [name for name in missing if (ROOT / name).exists()]:
            raise CheckError(f"not in the source distribution: {', '.join(missing)}")
    print("release-check: twine, contents and metadata are good")


def try_pip(files: tuple[Path, Path], scratch: Path) -> None:
    """In an environment of its own; what pip has installed it removes."""
    python = scratch / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", str(python.parents[1]))
    run(str(python), "-m", "pip", "-q", "install", str(files[1]))
    run(str(python), "-m", "pip", "-q", "check")
    try_commands(python.parent)
    launcher = scratch / "pyinit"
    run(str(python.parent / "pyinitctl"), "install", str(launcher))
    run(str(launcher), "--", "true")
    before = {file for file in python.parents[1].rglob("*pyinit*") if file.is_file()}
    run(str(python), "-m", "pip", "-q", "uninstall", "-y", NAME)
    if left := [str(file) for file in before if file.exists()]:
        raise CheckError(f"pip uninstall leaves {', '.join(left)}")
    print("release-check: pip installs it, and removes it")


def try_pipx(files: tuple[Path, Path], scratch: Path) -> None:
    """Install it: both commands and the man page are found."""
    names = ("HOME", "BIN_DIR", "MAN_DIR")
    places = {f"PIPX_{name}": str(scratch / "pipx" / name) for name in names}
    run(sys.executable, "-m", "pipx", "install", str(files[1]), environ={**os.environ, **places})
    try_commands(scratch / "pipx" / "BIN_DIR")
    if not (scratch / "pipx" / "MAN_DIR" / "man1" / "pyinit.1").exists():
        raise CheckError("pipx does not find the man page")
    print("release-check: pipx install works")


def try_uv(files: tuple[Path, Path], scratch: Path) -> None:
    """As a tool, with its interpreter and none of its own downloads."""
    uv = shutil.which("uv", path=os.path.dirname(sys.executable)) or "uv"
    names = ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR", "UV_CACHE_DIR")
    places = {name: str(scratch / "uv" / name) for name in names}
    words = (uv, "tool", "install", "--python", sys.executable, "--no-python-downloads")
    run(*words, str(files[1]), environ={**os.environ, **places})
    try_commands(scratch / "uv" / "UV_TOOL_BIN_DIR")
    print("release-check: uv tool install works")


def try_commands(directory: Path) -> None:
    """Both commands start."""
    version = newest_release()[0]
    for name in ("pyinit", "pyinitctl"):
        if version not in (said := run(str(directory / name), "--version")):
            raise CheckError(f"{name} --version says {said!r}")


def to_publish(version: str) -> list[str]:
    """Return what is still to be done by whoever uploads it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = []
    if "urls" not in project:
        found.append("pyproject.toml has no [project.urls], and links of README.md lead nowhere")
    if (ROOT / ".git").exists() and f"v{version}" not in run("git", "tag", cwd=ROOT).split():
        found.append(f"there is no tag v{version}")
    return found


def run(
    *words: str, cwd: Path | None = None, environ: dict[str, str] | None = None, umask: int = -1
) -> str:
    """Return what a command writes; raise `CheckError` with all of it when it fails."""
    done = subprocess.run(
        words,
        cwd=cwd,
        env=environ,
        umask=umask,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CheckError(f"{' '.join(words)} fails ({done.returncode}):\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
