"""The safetensors format: 8 bytes of header length, a JSON header, the arrays end to end.

Reading executes nothing and believes nothing: every number of the header is checked against the
file before it is used. See https://huggingface.co/docs/safetensors.
"""

import json
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.core.checks import texts

_DTYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2"},
    **{"I8": "|i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1"},
}
_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}
# The format sets this limit itself.
_MOST_HEADER = 100_000_000
Tensors = dict[str, NDArray[Any]]


def encode(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> list[Any]:
    """Return the parts of a file in order: bytes, and arrays that need no copy.

    Raises
    ------
    TypeError
        If a dtype has no name in the format, or a text is no str.
    """
    kept = texts("metadata", metadata)
    header: dict[str, Any] = {"__metadata__": kept} if kept else {}
    data, end = [], 0
    # The widest numbers come first, so that every array is aligned to its own.
    for name, array in sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize):
        dtype = array.dtype.newbyteorder("<")
        if dtype not in _NAMES:
            raise TypeError(f"tensor {name!r} must be of numbers, got dtype {array.dtype}")
        data.append(np.ascontiguousarray(array, dtype))
        span = [end, end := end + array.nbytes]
        header[name] = {"dtype": _NAMES[dtype], "shape": array.shape, "data_offsets": span}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little"), text, *data]


def decode(file: bytes) -> tuple[Tensors, dict[str, str]]:
    """Return the arrays (read-only, in the file's memory) and the metadata of a whole file.

    Raises
    ------
    ValueError
        If it breaks a rule of the format.
    """
    length = int.from_bytes(file[:8], "little")
    if not 2 <= length <= min(len(file) - 8, _MOST_HEADER):
        raise ValueError("it is truncated, or not a safetensors file")
    try:
        header = json.loads(file[8 : 8 + length].decode(), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its header is not valid JSON: {error}") from None
    metadata = header.pop("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(t, str) for t in metadata.values()):
        raise ValueError("its header is no JSON object, or its metadata no map of texts to texts")
    data = memoryview(file)[8 + length :]
    tensors, spans = {}, []
    for name, entry in header.items():
        dtype, shape, begin, end = _checked_entry(name, entry, len(data))
        spans.append((begin, end))
        tensors[name] = np.frombuffer(data[begin:end], dtype).reshape(shape)
    # In the order of their offsets the arrays must follow each other without gap or overlap, up to
    # the last byte: then the end of each is the beginning of the next.
    edges = [0, *(edge for span in sorted(spans) for edge in span), len(data)]
    if edges[::2] != edges[1::2]:
        raise ValueError("its arrays overlap, or leave bytes that belong to none")
    return tensors, metadata


def _checked_entry(name: str, entry: Any, size: int) -> tuple[np.dtype[Any], list[int], int, int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name!r} lacks its dtype, shape and data_offsets")
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in _DTYPES:
        raise ValueError(f"tensor {name!r} has an unknown dtype {entry['dtype']!r}")
    dtype, shape, offsets = np.dtype(_DTYPES[entry["dtype"]]), entry["shape"], entry["data_offsets"]
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or any(type(n) is not int or n < 0 for n in numbers):
            raise ValueError(f"tensor {name!r} has a shape or an offset that is no list of counts")
    if len(offsets) != 2 or not offsets[0] <= offsets[1] <= size:
        raise ValueError(f"tensor {name!r} lies outside the file, which is truncated or corrupted")
    if len(shape) > 32 or prod(shape) * dtype.itemsize != offsets[1] - offsets[0]:
        raise ValueError(f"tensor {name!r} has a shape that does not match its bytes")
    return dtype, shape, offsets[0], offsets[1]


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name occurs twice")
    return dict(pairs)
