"""Real data to train on: files, the bundled set, splits, standardisation, class labels."""

from __future__ import annotations

import os

import numpy as np

from backprop.data._arrays import read_npy, read_npz
from backprop.data._dataset import Dataset
from backprop.data._labels import encode_labels, infer_task
from backprop.data._split import split_indices, train_test_split
from backprop.data._standardizer import Standardizer, same_unit
from backprop.data._tables import read_csv, read_parquet

__all__ = [
    "BUNDLED",
    "Dataset",
    "Standardizer",
    "encode_labels",
    "infer_task",
    "load",
    "load_digits",
    "read_csv",
    "read_npy",
    "read_npz",
    "read_parquet",
    "same_unit",
    "split_indices",
    "train_test_split",
]


def load_digits() -> Dataset:
    """Load the bundled UCI handwritten digits: 1797 images of 8 x 8 pixels.

    Returns
    -------
    Dataset
        ``X`` float32 (1797, 64), row-major pixels from 0 (white) to 16 (black); ``y`` int64
        (1797,), the digit drawn. Author and licence (CC BY 4.0): datasets/LICENSE-digits.txt.
    """
    from importlib.resources import files

    with (
        (files("backprop.datasets") / "digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as archive,
    ):
        X, y = archive["X"].astype(np.float32), archive["y"].astype(np.int64)
    names = tuple(f"pixel_{i // 8}_{i % 8}" for i in range(64))
    return Dataset(X, y, "digits", names, "digit")


BUNDLED = {"digits": load_digits}
"""The data sets that ship with the package, by name."""


def load(
    source: str | os.PathLike[str],
    y_source: str | os.PathLike[str] | None = None,
    *,
    target: str | int | None = -1,
    features: tuple[str, ...] | None = None,
    header: bool | None = None,
) -> Dataset:
    """Read a data set of any kind by its name.

    Parameters
    ----------
    source : str or path
        An ``.npz`` or ``.npy`` file, a table of numbers in any form that `backprop.tables.read`
        knows, or the name of a bundled set.
    y_source : str or path, optional
        The ``.npy`` file of the target where ``source`` is that of the features.
    target, features, header
        As in `read_csv`; sources whose columns have no names ignore them.

    Raises
    ------
    FileNotFoundError
        If ``source`` is neither a file nor the name of a bundled set.
    ValueError, TypeError, OSError, ImportError
        As the reader of that kind of file.
    """
    name = os.fspath(source)
    kind = os.path.splitext(name)[1].lower()
    if y_source is not None and kind != ".npy":
        raise ValueError(f"a second file must be the y.npy of an X.npy, got {name} first")
    if name in BUNDLED:
        return BUNDLED[name]()
    if os.path.isdir(name):
        raise IsADirectoryError(f"{name} must be a file or a bundled data set, found a folder")
    if not os.path.exists(name):
        raise FileNotFoundError(
            f"{name} must be a file or a bundled data set ({', '.join(BUNDLED)}), found neither"
        )
    if kind == ".npy":
        return read_npy(name, y_source)
    if kind == ".npz":
        return read_npz(name)
    if kind == ".parquet":
        return read_parquet(name, target, features=features)
    return read_csv(name, target, features=features, header=header)
