"""Tables as people have them: read, understood column by column, turned into numbers.

>>> from backprop import tables
>>> table = tables.read("houses.csv", target="price")  # doctest: +SKIP
>>> print(table.describe())  # doctest: +SKIP
>>> encoder = tables.Encoder().fit(table)  # doctest: +SKIP
>>> X, y = encoder.transform(table), encoder.transform_target(table)  # doctest: +SKIP

Reading needs DuckDB and nanoarrow (``pip install 'backprop[tables]'``); they are imported when a
file is read, not before.
"""

from backprop.tables.encoder import Encoder
from backprop.tables.errors import TableError
from backprop.tables.penguins import load_penguins
from backprop.tables.table import Column, Table, batches, read, read_like

__all__ = [
    "Column",
    "Encoder",
    "Table",
    "TableError",
    "batches",
    "load_penguins",
    "read",
    "read_like",
]
