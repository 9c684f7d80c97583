"""Settings of Sphinx: `sphinx-build docs docs/_build`."""

from __future__ import annotations

from hpcflow import __version__

project = "hpcflow"
author = "the hpcflow authors"
release = __version__
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"hpcflow {release}"
exclude_patterns = ["_build"]
