"""The page: one HTML file that contains its style, its data and its scripts."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from backprop.core.files import replace
from backprop.look.play._problem import problem

if TYPE_CHECKING:
    from backprop.core.network import Core

# A script may use those before it; `page` is the last and starts everything.
_SCRIPTS = (
    *("equations", "paths", "notation", "stages", "forward", "backward"),
    *("matrices", "diagram", "pictures", "weight", "page"),
)
_STYLES = ("page", "figures", "equations")


def page(
    net: Core,
    X: ArrayLike,
    y: ArrayLike,
    *,
    title: str = "Backpropagation, step by step",
    feature_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
    lr: float = 0.1,
    start: Core | None = None,
) -> str:
    """Return the HTML of a page that computes both passes of a small network.

    Parameters
    ----------
    net : Network
        With the activations of the note ("relu", "sigmoid", "tanh", "linear"), and softmax with
        cross-entropy, linear with squared error, or sigmoid with binary cross-entropy. At most 64
        units in a layer.
    X : array_like (m, n_features)
        At most 500 examples. With two features the page draws decision regions.
    y : array_like
        As for `Network.loss`.
    title : str
        The heading.
    feature_names, output_names : sequence of str
        For the inputs and outputs, classes for example; by default they are numbered.
    lr : float
        The learning rate the page begins with.
    start : Network, optional
        Of the same architecture, with the weights before training: the page can go back to them.

    Returns
    -------
    str
        A whole document, which fetches nothing.

    Raises
    ------
    TypeError, ValueError
        If the network cannot be shown, a name is missing, or X or y does not fit it.
    """
    about = problem(
        net,
        X,
        y,
        title=title,
        feature_names=feature_names,
        output_names=output_names,
        lr=lr,
        start=start,
    )
    # The data are written without "<", so that no name in them can end the script element.
    data = json.dumps(about, allow_nan=False).replace("<", "\\u003c")
    parts = {
        "title": html.escape(title),
        "style": "\n".join(_read(f"{name}.css") for name in _STYLES),
        "problem": data,
        "scripts": "\n".join(f"<script>\n{_read(f'{name}.js')}</script>" for name in _SCRIPTS),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], _read("page.html"))


def save(
    path: str | os.PathLike[str],
    net: Core,
    X: ArrayLike,
    y: ArrayLike,
    *,
    title: str = "Backpropagation, step by step",
    feature_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
    lr: float = 0.1,
    start: Core | None = None,
) -> None:
    """Write the `page` of a network to a file; parameters and errors are those of `page`.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    text = page(
        net,
        X,
        y,
        title=title,
        feature_names=feature_names,
        output_names=output_names,
        lr=lr,
        start=start,
    )
    replace(path, [text.encode("utf-8")])


def _read(name: str) -> str:
    return (files("backprop.look.play") / "page" / name).read_text("utf-8")
