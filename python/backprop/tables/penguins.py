"""A small mixed table that ships with the package: words, numbers and missing cells."""

from importlib.resources import as_file, files
from typing import Any

from backprop.tables.table import Table, read


def load_penguins(**options: Any) -> Table:
    """Read the Palmer penguins: 344 rows, of which species are they.

    Parameters
    ----------
    **options
        As in `read`.

    Returns
    -------
    Table
        Island, bill, flipper and body mass, sex and year of each penguin; the target is its
        species, one of three. Where it comes from: ``datasets/LICENSE-penguins.txt``.
    """
    with as_file(files("backprop.datasets") / "penguins.csv") as path:
        return read(path, **{"target": "species", **options})
