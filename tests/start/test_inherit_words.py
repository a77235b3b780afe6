"""The command gets the words of its command line as they were given, byte for byte."""

from __future__ import annotations

import itertools
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import conftest, harness
from tests.start.inheritance import SPAWN, in_turn_of_ways, under_pyinit

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("namespaces")

NO_PROC = ("/bin/sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")
WORDS = [
    b"",
    b" ",
    bytes(range(1, 256)),
    *(bytes([number]) for number in range(1, 256)),
    "\N{GRINNING FACE} \N{LATIN SMALL LETTER E WITH ACUTE}".encode(),
    b"\xed\xa0\x80",  # a surrogate
    b"\xf4\x90\x80\x80",  # beyond Unicode
    b"\xc0\x80",  # NUL, too long
    b"\xf8\x88\x80\x80\x80",  # a form that is no longer UTF-8
    b"--help",
    b"--",
]
# In EUC-JP and BIG5 there are words of bytes that the C library decodes and Python cannot encode
# again, and different ones that decode to the same.
LOCALES = (("en_US", "ISO-8859-1"), ("ja_JP", "EUC-JP"), ("zh_TW", "BIG5"))
PAIRS = [bytes(pair) for pair in itertools.product(range(0x80, 0x100, 3), range(0x21, 0x100))]


@pytest.fixture(scope="session")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the locales of `LOCALES`; return the directory for LOCPATH."""
    conftest.need("localedef")

    def make(path: Path) -> None:
        for language, charset in LOCALES:
            name = str(path / f"{language}.{charset}")
            # It warns that the character set is not ASCII-compatible, with status 1.
            command = ["localedef", "--no-archive", "-c", "-i", language, "-f", charset, name]
            subprocess.run(command, capture_output=True, check=False)
            if not os.path.isdir(name):
                conftest.missing(f"the source of the locale {language}.{charset}")

    return harness.once(tmp_path_factory, "locales", make)


def assert_kept(words: list[bytes], environ: list[str], way: str, *before: str) -> None:
    """Assert that ``words`` arrive unchanged."""
    command = [b"/usr/bin/printf", b"%s\\0", *words]
    found = under_pyinit(command, {"environ": environ}, way, before=before)
    assert found == b"".join(word + b"\0" for word in words)


@in_turn_of_ways("environ", [[], ["LC_ALL=C"], ["LC_ALL=C.UTF-8"], ["LC_ALL=nowhere"]])
def test_every_byte_of_a_word_arrives(environ: list[str], way: str) -> None:
    """1 to 255, alone and together, UTF-8 or not, options of others, empty words."""
    assert_kept(WORDS, environ, way)


@in_turn_of_ways(("locale", "without_proc"), itertools.product(LOCALES, [False, True]))
def test_every_byte_arrives_in_other_character_sets(
    locale: tuple[str, str], way: str, locales: Path, *, without_proc: bool
) -> None:
    """Python decodes words by the locale, and in some of them two words decode to the same."""
    environ = [f"LOCPATH={locales}", f"LC_ALL={'.'.join(locale)}"]
    before = NO_PROC if without_proc else ()
    assert_kept([*WORDS, *PAIRS], environ, way, *before)


@pytest.mark.parametrize("before", [(), NO_PROC], ids=["", "no /proc"])
def test_every_byte_outlives_a_restart(locales: Path, before: tuple[str, ...]) -> None:
    """Python's variable has pyinit start itself once more; the words go by a second exec."""
    environ = [f"LOCPATH={locales}", "LC_ALL=ja_JP.EUC-JP", "PYTHONWARNINGS=ignore"]
    assert_kept([*WORDS, *PAIRS], environ, SPAWN, *before)
