"""Fixtures of the tests of runtimes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests import conftest
from tests.runtimes import image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the directory of an image; beside it is the single file."""
    if os.geteuid() != 0:
        conftest.missing("root")
    if not image.ROOT.exists():
        conftest.missing("an image, which `make test-runtimes` makes")
    return image.ROOT
