"""Arrays that others saved: ``.npz``, a pair of ``.npy`` files."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.data._dataset import Dataset, checked

# Pairs of names under which archives hold features and target, the first being ours.
_NPZ_NAMES = (("X", "y"), ("x", "y"), ("data", "target"))


def read_npz(path: str | os.PathLike[str]) -> Dataset:
    """Read features ``X`` and target ``y`` (or ``data`` and ``target``) from a NumPy archive.

    Raises
    ------
    ValueError, TypeError
        If the file is no archive, has no ``X``, or holds what no network can learn from.
    OSError
        If the file cannot be read.
    """
    name = os.fspath(path)
    # Opened here because np.load leaves open what it fails to read.
    with open(name, "rb") as file:
        archive = _load(file, name)
        if isinstance(archive, np.ndarray):
            raise ValueError(f"{name} must be a NumPy archive of X and y, got a single array")
        if {"format", "shape", "data"} <= set(archive.files):
            raise ValueError(
                f"{name} must hold an array X, got a sparse matrix that SciPy wrote; read it with "
                "scipy.sparse.load_npz and give it to Network.fit or an estimator, which take it "
                "as it is"
            )
        for X_name, y_name in _NPZ_NAMES:
            if X_name in archive.files:
                X = _member(archive, X_name, name)
                y = _member(archive, y_name, name) if y_name in archive.files else None
                X, y = checked(X, y, name, y_name=y_name)
                return Dataset(X, y, name, target_name=None if y is None else y_name)
        raise ValueError(
            f"{name} must hold an array X (and y, its target), got {', '.join(archive.files)}"
        )


def read_npy(
    X_path: str | os.PathLike[str], y_path: str | os.PathLike[str] | None = None
) -> Dataset:
    """Read features from one ``.npy`` file and the target from another.

    Parameters
    ----------
    X_path : path
        An array (n_examples, n_features). It is memory-mapped, not read.
    y_path : path, optional
        An array (n_examples,). By default the file beside ``X_path`` whose name has ``y`` in
        place of the last ``X`` ("train_X.npy", "train_y.npy"), if there is one.

    Raises
    ------
    ValueError, TypeError
        If a file is no array, or holds what no network can learn from.
    OSError
        If a file cannot be read.
    """
    name = os.fspath(X_path)
    if y_path is None:
        folder, file = os.path.split(name)
        beside = os.path.join(folder, "y".join(file.rsplit("X", 1)))
        y_path = beside if beside != name and os.path.exists(beside) else None
    X = _load(name, name, "r")
    y = None if y_path is None else _load(os.fspath(y_path), os.fspath(y_path), "r")
    if not isinstance(X, np.ndarray) or (y is not None and not isinstance(y, np.ndarray)):
        raise ValueError(f"{name} must hold a single array, got an archive; rename it to .npz")
    X, y = checked(X, y, name, y_name="y" if y_path is None else os.fspath(y_path))
    return Dataset(X, y, name, target_name=None if y is None else "y")


def _load(file: Any, name: str, mmap_mode: Any = None) -> Any:
    import zipfile

    try:
        return np.load(file, mmap_mode=mmap_mode, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        # NumPy says "pickled" of whatever it does not recognise, text files included.
        raise ValueError(
            f"{name} must be a NumPy file of numbers or text, got something else "
            "(an array of Python objects, or no NumPy file at all)"
        ) from error


def _member(archive: Any, key: str, name: str) -> NDArray[Any]:
    import zipfile
    import zlib

    try:
        array: NDArray[Any] = archive[key]
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{name}: {key} cannot be read: {error}") from error
    return array
