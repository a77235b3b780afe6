"""The image of the containers of `make test-runtimes`: Debian, Python and pyinit's wheel.

What takes long is made once, in build/runtimes: a Debian, and the wheels that go into it.  It needs
root, debootstrap, and what they ask for packages.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests import harness
from tests.container_runtimes.podman import ROOTLESS_ID
from tests.container_runtimes.runtime import PATH, USER

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = "python3,python3-venv,procps"
# Interpreters in the image and here are of one architecture, but not of one version.
VERSION = "3.11"
# What the Dockerfiles of the pages install, and what builds pyinit's own wheel.
REQUIREMENTS = ("psutil>=5.9.1", "structlog>=23.1", "hatchling>=1.24", "gunicorn>=25.1", "uv")
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
# Not used, and half of it.
LEFT_OUT = (
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/lib/apt/lists",
)
# Another one when any of these changes.
KEY = hashlib.sha256(repr((PACKAGES, VERSION, REQUIREMENTS, LEFT_OUT)).encode()).hexdigest()[:8]
PLACE = harness.ROOT / "build" / "runtimes" / KEY
BASE = PLACE / "base"
WHEELS = PLACE / "wheels"
# Python and nothing else.
DISTROLESS = PLACE / "distroless"
# An environment with the schemas of Kubernetes: they are too large for that of the tests.
VALIDATOR = PLACE / "validator"
# Made anew in each run: with pyinit.
IMAGE = PLACE / "image"
ROOT, SINGLE_FILE = IMAGE / "root", IMAGE / "pyinit.pyz"


def prepare() -> None:
    """Make what is kept between runs."""
    PLACE.mkdir(parents=True, exist_ok=True)
    if not WHEELS.exists():
        unfinished = PLACE / "wheels.unfinished"
        only = ["--only-binary=:all:", f"--python-version={VERSION}", "--dest", str(unfinished)]
        subprocess.run([*PIP, "download", *only, *REQUIREMENTS], check=True)
        unfinished.rename(WHEELS)
    if not BASE.exists():
        unfinished = PLACE / "base.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        _debootstrap(unfinished)
        unfinished.rename(BASE)
    if not DISTROLESS.exists():
        unfinished = PLACE / "distroless.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        _make_distroless(unfinished)
        unfinished.rename(DISTROLESS)
    if not (VALIDATOR / "bin" / "kubernetes-validate").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VALIDATOR)], check=True)
        pip = [str(VALIDATOR / "bin" / "python"), *PIP[1:]]
        subprocess.run([*pip, "install", "kubernetes-validate>=1.30"], check=True)
    _build_wheel()
    shutil.rmtree(IMAGE, ignore_errors=True)
    IMAGE.mkdir()
    _make()


def _build_wheel() -> None:
    """Take the wheel that PYINIT_WHEEL names, or build that of this tree."""
    for old in WHEELS.glob("pyinit_pid1-*"):
        old.unlink()
    given = os.environ.get("PYINIT_WHEEL")
    if given:
        shutil.copy(given, WHEELS)
    else:
        words = ["wheel", "--no-deps", "--wheel-dir", str(WHEELS), str(harness.ROOT)]
        subprocess.run([*PIP, *words], check=True)


def _debootstrap(directory: Path) -> None:
    words = ["--variant=minbase", f"--include={PACKAGES}", "bookworm", str(directory)]
    # Nothing, or whence the machine has its own packages.
    mirror = os.environ.get("DEBIAN_MIRROR", "").split()
    log = PLACE / "debootstrap.log"
    with open(log, "wb") as file:
        done = subprocess.run(["debootstrap", *words, *mirror], stdout=file, check=False)
    if done.returncode:
        sys.exit(f"debootstrap fails: see {log}")
    for name in LEFT_OUT:
        shutil.rmtree(directory / name)
    (directory / "etc" / "mtab").symlink_to("/proc/self/mounts")
    # As in the official images: a python and a pip of their own in /usr/local.
    in_root(directory, "python3", "-m", "venv", "/usr/local")


def in_root(root: Path, *command: str) -> None:
    """Run a command with another root directory."""
    environ = {"PATH": PATH, "LC_ALL": "C.UTF-8"}
    subprocess.run(["chroot", str(root), *command], env=environ, check=True)


def _make_distroless(directory: Path) -> None:
    """Take what an interpreter needs out of the base: no shell, no package manager."""
    python = f"usr/bin/python{VERSION}"
    modules = f"usr/lib/python{VERSION}"
    for name in ("tmp", "proc", "dev", "etc", "usr/bin", "usr/lib", "usr/lib64"):
        (directory / name).mkdir(parents=True)
    for name in ("lib", "lib64"):
        (directory / name).symlink_to(f"usr/{name}")
    shutil.copytree(BASE / modules, directory / modules, symlinks=True)
    binaries = [python, *_in_base(f"{modules}/lib-dynload/*.so")]
    argv = ["chroot", str(BASE), "ldd", *(f"/{name}" for name in binaries)]
    listing = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    libraries = {word.lstrip("/") for word in listing.split() if word.startswith(("/lib", "/usr"))}
    for name in {python, *libraries, "etc/passwd", "etc/group"}:
        target = directory / name.rstrip(":")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(BASE / name.rstrip(":"), target)
    (directory / "usr" / "bin" / "python3").symlink_to(f"python{VERSION}")


def _in_base(pattern: str) -> list[str]:
    return [str(path.relative_to(BASE)) for path in BASE.glob(pattern)]


def _make() -> None:
    """Make the image, one with another owner, and the single file."""
    copy(BASE, ROOT)
    account = ["--uid", str(USER), "--user-group", "--no-create-home", "app"]
    in_root(ROOT, "useradd", *account)
    shutil.copytree(WHEELS, ROOT / "wheels")
    shutil.copytree(harness.PROGRAMS, ROOT / "programs")
    venv = "/venv/bin"
    for command in (
        ["python3", "-m", "venv", "/venv"],
        [f"{venv}/pip", "--quiet", "install", "--no-index", "--find-links=/wheels", "pyinit-pid1"],
        [f"{venv}/pyinitctl", "install", "/usr/local/bin/pyinit"],
        [f"{venv}/pyinitctl", "pyz", "/pyinit.pyz", "--python", "/usr/bin/python3"],
    ):
        in_root(ROOT, *command)
    (ROOT / "pyinit.pyz").rename(SINGLE_FILE)
    rootless = IMAGE / "rootless"
    copy(ROOT, rootless)
    words = ["chown", "--recursive", "--no-dereference", f"{ROOTLESS_ID}:{ROOTLESS_ID}"]
    subprocess.run([*words, str(rootless)], check=True)


def copy(source: Path, target: Path) -> None:
    """Copy a root as it is."""
    subprocess.run(["cp", "--archive", str(source), str(target)], check=True)
