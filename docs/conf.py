"""How Sphinx makes the site: ``make docs``.  Each warning is an error, a broken link among them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pygments.lexers.special import TextLexer

import pyinit

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "pyinit"
author = "The pyinit authors"
project_copyright = "The pyinit authors, MIT licence"
version = release = pyinit.__version__

extensions = ["myst_parser"]
nitpicky = True
exclude_patterns = ["README.md"]

# The anchors that GitHub makes, so that a link works in both places.
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"pyinit {version}"
html_show_sphinx = False
html_copy_source = False
html_permalinks_icon = "#"


def setup(app: Sphinx) -> None:
    """Register what turns pages for the repository into pages of the site."""
    app.add_lexer("mermaid", TextLexer)
    app.connect("source-read", lead_to_downloads)


def lead_to_downloads(_app: Sphinx, _name: str, source: list[str]) -> None:
    """Have links to files of the repository that are not pages lead to a copy of them."""
    outside = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[\w./-]+\.md)\)")
    source[0] = outside.sub(_as_download, source[0])


def _as_download(link: re.Match[str]) -> str:
    text, target = link.groups()
    inside = target.startswith("../") and not re.match(r"(\.\./)+(README|tests/|CHANGELOG|SECURITY|CONTRIBUTING)", target)
    return link[0] if inside else f"{{download}}`{text} <{target}>`"
