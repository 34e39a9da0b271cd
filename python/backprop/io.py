"""Networks and models in safetensors files; `backprop.core.files` describes the format."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from numpy.typing import NDArray

from backprop.core.files import read as _read
from backprop.core.files import replace, save
from backprop.model import TableModel, of_saved
from backprop.network import Network

__all__ = ["Saved", "load", "read", "replace", "save"]


class Saved(NamedTuple):
    """What a model file holds: the network, and what was saved beside it."""

    network: Network
    metadata: dict[str, str]
    tensors: dict[str, NDArray[Any]]


def load(path: str | os.PathLike[str]) -> Network | TableModel:
    """Load what `Network.save` or `TableModel.save` saved. No code in the file is executed.

    A file that the command line of an earlier version wrote gives a `TableModel` too: its
    ``predict`` scales the features first, as that command line did; ``.network`` is the network.

    Returns
    -------
    Network or TableModel
        What was saved.

    Raises
    ------
    ValueError
        If the file is truncated, corrupted, no network of ours, or of a newer version.
    OSError
        If it cannot be read.
    """
    saved = read(path)
    model = of_saved(saved.network, saved.metadata, saved.tensors, os.fspath(path))
    return saved.network if model is None else model


def read(path: str | os.PathLike[str]) -> Saved:
    """Load the bare network of a file with the metadata and tensors beside it; see `load`."""
    return Saved(*_read(path, Network))
