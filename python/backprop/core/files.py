"""Networks in safetensors files: weights as tensors, the architecture as JSON in the metadata.

``layers.0.weight`` is W_1 (n_1, n_0), ``layers.0.bias`` is b_1, and so on: the names and the shapes
of a PyTorch module whose ``layers`` are a list of Linear.
"""

import errno
import json
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from backprop.core._safetensors import Tensors, decode, encode
from backprop.core.inputs import all_finite
from backprop.core.network import Core
from backprop.core.warn import warn

_KEY = "backprop"
_FORMAT = 1
_PREFIX = "layers."
_ARCHITECTURE = {"layer_sizes", "hidden", "output", "loss", "dtype"}

N = TypeVar("N", bound=Core)


def save(
    network: Core,
    path: str | os.PathLike[str],
    *,
    metadata: Mapping[str, str] | None = None,
    tensors: Mapping[str, NDArray[Any]] | None = None,
) -> None:
    """Save a network; see `Network.save`."""
    if (name := _not_finite(network)) is not None:
        # It is written all the same: who looks for the reason needs such a network in a file.
        warn(f"`{name}` of the network that is saved has NaN or infinity: the network has diverged")
    texts, arrays = dict(metadata or {}), {n: np.asarray(a) for n, a in (tensors or {}).items()}
    if _KEY in texts:
        raise ValueError(f"`metadata` must not have the key {_KEY!r}, which is the network's own")
    for name in arrays:
        if not isinstance(name, str) or name.startswith((_PREFIX, "__")):
            raise ValueError(
                f"`tensors` must have names that do not begin with {_PREFIX!r} or '__', "
                f"got {name!r}"
            )
    texts[_KEY] = json.dumps(
        {"format": _FORMAT, **network.architecture, "dtype": network.dtype.name}
    )
    for k, (W_k, b_k) in enumerate(zip(network.W, network.b, strict=True)):
        arrays[f"{_PREFIX}{k}.weight"], arrays[f"{_PREFIX}{k}.bias"] = W_k, b_k
    replace(path, encode(arrays, texts))


def read(path: str | os.PathLike[str], into: type[N]) -> tuple[N, dict[str, str], Tensors]:
    """Read what `save` wrote: a network of the class ``into``, the metadata and the tensors.

    No code in the file is executed.

    Raises
    ------
    ValueError
        If the file is truncated, corrupted, no network of ours, or of a newer version.
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        tensors, texts = decode(content)
        network = _network(texts.pop(_KEY, None), tensors, into)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)} cannot be loaded as a network: {error}") from error
    return network, texts, tensors


def _network(text: str | None, tensors: Tensors, into: type[N]) -> N:
    """Build the network of the JSON ``text`` and take its weights out of ``tensors``."""
    if text is None:
        raise ValueError("it was saved by another program; its metadata has no architecture")
    try:
        architecture = json.loads(text)
        version = architecture.pop("format")
    except (ValueError, RecursionError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"its architecture is corrupted: {error!r}") from None
    if type(version) is not int or version > _FORMAT:
        raise ValueError(
            f"it has format {version!r} and this version of backprop reads up to {_FORMAT}; "
            "upgrade backprop"
        )
    if set(architecture) != _ARCHITECTURE:
        raise ValueError(f"its architecture is corrupted: it has {', '.join(architecture)}")
    sizes, dtype = architecture["layer_sizes"], architecture["dtype"]
    if not isinstance(sizes, list) or not all(type(n) is int for n in sizes):
        raise ValueError(f"its layer sizes are corrupted: {sizes!r}")
    # The weights are taken before a network is made. They are as large as the file, so that no size
    # in the JSON can ask for more memory than that.
    weights = [
        _take(tensors, name, shape, dtype)
        for k in range(1, len(sizes))
        for name, shape in (
            (f"{_PREFIX}{k - 1}.weight", (sizes[k], sizes[k - 1])),
            (f"{_PREFIX}{k - 1}.bias", (sizes[k],)),
        )
    ]
    extra = [name for name in tensors if name.startswith(_PREFIX)]
    if extra:
        raise ValueError(f"its tensor {extra[0]!r} belongs to no layer")
    try:
        network = into(**architecture, init="zeros")
    except TypeError as error:
        raise ValueError(f"its architecture is corrupted: {error}") from None
    for view, array in zip(
        (view for pair in zip(network.W, network.b, strict=True) for view in pair),
        weights,
        strict=True,
    ):
        view[...] = array
    return network


def _take(tensors: Tensors, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    if name not in tensors:
        raise ValueError(f"its tensor {name!r} is missing")
    array = tensors.pop(name)
    if array.shape != shape or array.dtype.name != dtype:
        raise ValueError(
            f"its tensor {name!r} must be {dtype} {shape}, got {array.dtype.name} {array.shape}"
        )
    return array


def replace(path: str | os.PathLike[str], parts: Iterable[Any]) -> None:
    """Write a file so that its name stands for the old content or the new, never for a part.

    A file that is there keeps its permissions, and is refused if it may not be written. A symbolic
    link stays one: its target is written. What is no regular file, such as ``/dev/null``, a pipe or
    ``/dev/stdout``, is written into and never replaced. A directory is refused.

    Raises
    ------
    OSError
        If the file cannot be written; what was there is unchanged.
    """
    mode = check_target(path)
    if _is_stream(path, mode):
        with open(path, "wb") as stream:
            stream.writelines(parts)
        return
    target = os.path.realpath(os.fsdecode(path))
    folder, name = os.path.split(target)
    # The temporary file lies in the same folder, because a rename is one move only within a file
    # system. Nobody else may read it before it has the permissions of the file it replaces; a new
    # file gets the usual ones.
    temporary = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(temporary, flags, 0o666 if mode is None else 0o600), "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            _keep_owner(target, temporary)
            os.chmod(temporary, stat.S_IMODE(mode))
        os.replace(temporary, target)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise
    if os.name == "posix":
        # The folder is written out too, so that the rename outlives a power cut.
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def check_target(path: str | os.PathLike[str]) -> int | None:
    """Return the mode of what `replace` would overwrite, None where there is nothing.

    Raises
    ------
    OSError
        If it is a directory, a chain of links without end, or may not be written.
    """
    name = os.fsdecode(path)
    try:
        mode = os.stat(name).st_mode
    except FileNotFoundError:
        if os.path.basename(name) == "":
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name) from None
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if not os.access(name, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
    return mode


def _is_stream(path: str | os.PathLike[str], mode: int | None) -> bool:
    """Whether a path is no regular file, or names an open one: what is open is not replaced."""
    opened = os.path.abspath(os.fsdecode(path)).startswith(("/dev/fd/", "/dev/std", "/proc/"))
    return mode is not None and (opened or not stat.S_ISREG(mode))


def _keep_owner(old: str, new: str) -> None:
    """Give a file the owner and group of another, as far as this process may."""
    if not hasattr(os, "chown"):
        return
    was, now = os.stat(old), os.stat(new)
    if (was.st_uid, was.st_gid) != (now.st_uid, now.st_gid):
        with suppress(OSError):
            os.chown(new, was.st_uid, was.st_gid)


def require_finite(network: Core) -> None:
    """Refuse a network with a weight that is NaN or infinite, which no other program should get.

    Raises
    ------
    ValueError
        With the name of the first array that has one.
    """
    if (name := _not_finite(network)) is not None:
        raise ValueError(
            f"`{name}` must be finite to be exported, got NaN or infinity; the network has "
            "diverged, train it again with a smaller `lr`"
        )


def _not_finite(network: Core) -> str | None:
    for k, arrays in enumerate(zip(network.W, network.b, strict=True), 1):
        for symbol, array in zip("Wb", arrays, strict=True):
            if not all_finite(array):
                return f"{symbol}_{k}"
    return None
