"""Sphinx's settings. `python -m docs.make_site` calls Sphinx with them on the staged pages."""

from __future__ import annotations

from pathlib import Path

import lamina
from docs.site import docstrings, names

HERE = Path(__file__).parent

project = "Lamina"
author = "the authors of Lamina"
copyright = "the authors of Lamina, Apache-2.0"
release = version = lamina.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
]

# Pages.
myst_heading_anchors = 4
myst_links_external_new_tab = False
suppress_warnings = ["misc.highlighting_failure"]  # `text` blocks hold messages, not programs
exclude_patterns = ["README.md"]  # of the folder, for readers of the repository
templates_path: list[str] = []

# Docstrings: Google style, with the sections of CONTRIBUTING.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
add_module_names = False
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_use_admonition_for_examples = False
napoleon_custom_sections = ["Shapes", "Units", "Source", "Before", "After"]

# Looks: light and dark, search, a button that copies a block without its prompts and results.
html_theme = "furo"
html_title = f"Lamina {version}"
html_static_path = [str(HERE / "static")]
html_css_files = ["lamina.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0b6e5f",
        "color-brand-content": "#0b6e5f",
    },
    "dark_css_variables": {
        "color-brand-primary": "#4cc9b0",
        "color-brand-content": "#4cc9b0",
    },
}
pygments_style = "friendly"
pygments_dark_style = "monokai"
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
copybutton_selector = "div.highlight-python pre, div.highlight-bash pre, div.highlight-default pre"


def setup(app):
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", docstrings.prepare)
    app.connect("autodoc-skip-member", docstrings.is_foreign)
    app.add_post_transform(names.LinkNames)
    return {"parallel_read_safe": True}
