"""How Sphinx makes the site: ``make docs``.  Each warning is an error, a broken link among them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyinit

sys.path.insert(0, str(Path(__file__).parents[1]))

from tools import diagrams

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "pyinit"
author = "The pyinit authors"
project_copyright = "The pyinit authors, MIT licence"
version = release = pyinit.__version__

extensions = ["myst_parser"]
nitpicky = True

# The anchors that GitHub makes, so that a link works in both places.
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"pyinit {version}"
html_show_sphinx = False
html_copy_source = False
html_permalinks_icon = "#"


def setup(app: Sphinx) -> None:
    """Register what turns pages for the repository into pages of the site."""
    app.connect("source-read", lead_to_downloads)
    app.connect("source-read", draw_diagrams)


def lead_to_downloads(_app: Sphinx, name: str, source: list[str]) -> None:
    """Have links to Markdown files outside of docs/, which are no pages, lead to a copy of them."""
    up = "../" * (name.count("/") + 1)
    outside = re.compile(rf"\[([^\]]+)\]\(({re.escape(up)}[\w/-]+\.md)\)")
    source[0] = outside.sub(r"{download}`\1 <\2>`", source[0])


def draw_diagrams(_app: Sphinx, _name: str, source: list[str]) -> None:
    """Have what GitHub draws of Mermaid drawn here too."""
    source[0] = diagrams.drawn(source[0])
