"""Tables of numbers alone as arrays; `backprop.tables` reads them.

A table as people have it, with words and missing cells, is `backprop.TableModel.fit`'s.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.data._dataset import Dataset, position


def read_csv(
    path: str | os.PathLike[str],
    target: str | int | None = -1,
    *,
    features: Sequence[str] | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
) -> Dataset:
    """Read a table of numbers, with a target column of numbers or text.

    Parameters
    ----------
    path : path
        A file that `backprop.tables.read` takes: CSV in any dialect, also packed.
    target : str, int or None
        The target's column name or position (default: the last column); None for no target.
    features : sequence of str, optional
        The columns of ``X``, in this order. By default all but the target.
    header : bool, optional
        Whether the first line names the columns, as "column 1", "column 2", ... are without it;
        found out if not given.
    delimiter : str, optional
        What stands between the cells; found out if not given.

    Returns
    -------
    Dataset
        ``X`` float64 (n_examples, n_features); ``y`` float64 if all of it is numbers, else text.

    Raises
    ------
    ValueError
        If the file is no table, a column is unknown, or holds words or missing cells: all of them
        are named at once.
    ImportError
        If DuckDB is missing (the extra "tables").
    OSError
        If the file cannot be read.
    """
    return _read(path, target, features, header=header, delimiter=delimiter)


def read_parquet(
    path: str | os.PathLike[str],
    target: str | int | None = -1,
    *,
    features: Sequence[str] | None = None,
) -> Dataset:
    """Read a Parquet table; columns and errors are those of `read_csv`."""
    return _read(path, target, features)


def _read(
    path: str | os.PathLike[str],
    target: str | int | None,
    features: Sequence[str] | None,
    **options: Any,
) -> Dataset:
    from backprop import tables

    name = os.fspath(path)
    table = tables.read(path, check=False, **options)
    columns = table.names
    goal = None if target is None else position(columns, target, "target", name)
    if features is None:
        features = [column for i, column in enumerate(columns) if i != goal]
    wanted = [columns[position(columns, feature, "feature", name)] for feature in features]
    if not wanted:
        raise ValueError(f"{name} must have a feature column besides the target, got {columns}")
    X = np.empty((len(table), len(wanted)))
    problems = []
    for k, feature in enumerate(wanted):
        X[:, k] = table[feature].numbers
        gone = np.flatnonzero(~np.isfinite(X[:, k]))
        if gone.size:
            problems.append(f"column {feature!r} has no number at {table.where(int(gone[0]))}")
    y: NDArray[Any] | None = None
    if goal is not None:
        column = table[columns[goal]]
        y = column.numbers
        # Yes and no are numbers where they are features, and names where they are classes.
        if column.boolean or np.isnan(y).any():
            words = column.words
            empty = [row for row, word in enumerate(words.tolist()) if word is None]
            if empty:
                where = table.where(empty[0])
                problems.append(f"the target {column.name!r} is missing at {where}")
            y = words.astype(str)
    if problems:
        raise ValueError(
            f"{name}: {'; '.join(problems)}. A data set holds numbers alone; "
            "backprop.TableModel.fit(path, target=...) takes words and missing cells as they are"
        )
    return Dataset(X, y, name, tuple(wanted), None if goal is None else columns[goal])
