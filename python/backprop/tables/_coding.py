"""The place of each cell among the different ones, for many cells at once.

A short cell is a few 64-bit words, and those are a key. Keys that are known are found by binary
search; the cell's words are compared as well, so that two cells with one key are never one. What is
new, long, or shares a key goes through a dictionary, one by one.
"""

import sys

import numpy as np
from numpy.typing import NDArray

from backprop.tables._raw import Coder

_LONGEST = 32
_LITTLE = sys.byteorder == "little"
# A word's bytes that belong to a cell of this many bytes.
_MASKS = np.array([2 ** (8 * k) - 1 for k in range(9)], np.uint64)
_MIX = np.uint64(0x9E3779B97F4A7C15)


class CellCoder:
    """Numbers the different cells of one column in the order they first came."""

    def __init__(self) -> None:
        self.coder = Coder()
        self._keys = np.empty(0, np.uint64)
        self._words = np.empty((0, 0), np.uint64)
        self._codes = np.empty(0, np.int32)

    def __len__(self) -> int:
        return len(self.coder)

    def codes(self, data: bytes, ends: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the places of cells that lie one after another.

        Parameters
        ----------
        data : bytes
            The cells' bytes.
        ends : array of int, one more than cells
            Where each cell starts, and the last one ends.
        """
        starts, lengths = ends[:-1].astype(np.int64), np.diff(ends).astype(np.int64)
        if not len(starts):
            return np.empty(0, np.int32)
        if not _LITTLE or lengths.max() > _LONGEST:
            return self._one_by_one(data, ends)
        words = _words(data, starts, lengths)
        keys = np.zeros(len(starts), np.uint64)
        for word in words:
            keys = (keys ^ word) * _MIX
            keys ^= keys >> np.uint64(29)
        codes, known = self._find(keys, words)
        if not known.all():
            new = np.flatnonzero(~known)
            # Each new key once; cells that share one come again and go one by one.
            _, first = np.unique(keys[new], return_index=True)
            if 2 * len(first) > len(starts):
                return self._one_by_one(data, ends)
            self._learn(data, starts, lengths, keys, words, new[first])
            again, known = self._find(keys[new], words[:, new])
            codes[new] = again
            for row in new[~known].tolist():
                codes[row] = self.coder[data[starts[row] : starts[row] + lengths[row]]]
        return codes

    def _one_by_one(self, data: bytes, ends: NDArray[np.integer]) -> NDArray[np.int32]:
        places = ends.tolist()
        cells = map(data.__getitem__, map(slice, places[:-1], places[1:]))
        return np.fromiter(map(self.coder.__getitem__, cells), np.int32, len(places) - 1)

    def _find(
        self, keys: NDArray[np.uint64], words: NDArray[np.uint64]
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        if not len(self._keys):
            return np.empty(len(keys), np.int32), np.zeros(len(keys), bool)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        known = self._keys[places] == keys
        for k in range(max(len(words), len(self._words))):
            ours = self._words[k][places] if k < len(self._words) else np.uint64(0)
            known &= ours == (words[k] if k < len(words) else np.uint64(0))
        return self._codes[places], known

    def _learn(
        self,
        data: bytes,
        starts: NDArray[np.int64],
        lengths: NDArray[np.int64],
        keys: NDArray[np.uint64],
        words: NDArray[np.uint64],
        rows: NDArray[np.int64],
    ) -> None:
        # Not those whose key another cell has: they would hide it.
        rows = rows[~np.isin(keys[rows], self._keys)]
        rows = np.sort(rows)
        cells = [data[starts[row] : starts[row] + lengths[row]] for row in rows.tolist()]
        codes = np.array([self.coder[cell] for cell in cells], np.int32)
        depth = max(len(words), len(self._words))
        old = np.zeros((depth, len(self._keys)), np.uint64)
        old[: len(self._words)] = self._words
        more = np.zeros((depth, len(rows)), np.uint64)
        more[: len(words)] = words[:, rows]
        all_keys = np.concatenate([self._keys, keys[rows]])
        order = np.argsort(all_keys, kind="stable")
        self._keys = all_keys[order]
        self._words = np.concatenate([old, more], axis=1)[:, order]
        self._codes = np.concatenate([self._codes, codes])[order]


def _words(
    data: bytes, starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Return (k, m): the cells' lengths, then their bytes, eight to a word, zeros behind them."""
    depth = max(1, -(-int(lengths.max()) // 8))
    padded = np.zeros(len(data) + 8 * depth + 8, np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    # A word at every byte: they overlap.
    windows = np.ndarray((len(padded) - 7,), np.uint64, padded, 0, (1,))
    result = np.empty((depth + 1, len(starts)), np.uint64)
    result[0] = lengths
    for k in range(depth):
        mask = _MASKS[np.clip(lengths - 8 * k, 0, 8)]
        result[k + 1] = windows[np.minimum(starts + 8 * k, len(windows) - 1)] & mask
    return result
