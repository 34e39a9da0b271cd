"""Networks in safetensors files; the format is described in `backprop.core.files`."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from numpy.typing import NDArray

from backprop.core.files import read as _read
from backprop.core.files import replace, save
from backprop.network import Network

__all__ = ["Saved", "load", "read", "replace", "save"]


class Saved(NamedTuple):
    """What a model file holds: the network, and what was saved beside it."""

    network: Network
    metadata: dict[str, str]
    tensors: dict[str, NDArray[Any]]


def load(path: str | os.PathLike[str]) -> Network:
    """Load a network that `Network.save` saved. No code in the file is executed.

    Raises
    ------
    ValueError
        If the file is truncated, corrupted, no network of ours, or of a newer version.
    OSError
        If it cannot be read.
    """
    return read(path).network


def read(path: str | os.PathLike[str]) -> Saved:
    """Load a network together with the metadata and tensors saved beside it; see `load`."""
    return Saved(*_read(path, Network))
