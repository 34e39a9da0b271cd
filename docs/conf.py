"""How Sphinx builds the documents: `sphinx-build -W docs build/docs`."""

import backprop

project = "backprop"
version = release = backprop.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
]
myst_enable_extensions = ["dollarmath"]
napoleon_use_ivar = True  # attributes are listed, and are no targets of their own
autodoc_typehints = "none"
autodoc_member_order = "bysource"
default_role = "code"
html_theme = "alabaster"
html_theme_options = {
    "description": "Backpropagation, fast and in sight",
    "page_width": "1240px",
    "body_max_width": "1000px",
}
html_show_copyright = False


def keep_the_first_line(app, what, name, obj, options, lines):
    """Keep napoleon from taking a property's "W_1 .. W_L: views" for "type: description"."""
    if what == "property":
        lines.insert(0, "")


def setup(app):
    """Run before napoleon does."""
    app.connect("autodoc-process-docstring", keep_the_first_line, priority=400)
