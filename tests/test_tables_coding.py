"""Cells are numbered as a dictionary would, whatever their bytes, lengths and batches."""

import random

import numpy as np
import pytest

from backprop.tables import _coding


def numbered(coder: _coding.CellCoder, cells: list[bytes]) -> list[bytes]:
    """Return the cells that the numbers mean."""
    ends = np.cumsum([0, *map(len, cells)]).astype(np.int32)
    codes = coder.codes(b"".join(cells), ends)
    different = list(coder.coder)
    return [different[code] for code in codes.tolist()]


@pytest.mark.parametrize("longest", [1, 7, 8, 9, 16, 31, 32, 33, 60])
@pytest.mark.parametrize("letters", [b"ab", b"\0a", bytes(range(256))])
@pytest.mark.parametrize("mix", [_coding._MIX, np.uint64(0)])
def test_as_a_dictionary(
    longest: int, letters: bytes, mix: np.uint64, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With zero all keys are one: the words alone tell the cells apart.
    monkeypatch.setattr(_coding, "_MIX", mix)
    draw = random.Random(longest)
    pool = [bytes(draw.choices(letters, k=draw.randint(0, longest))) for _ in range(40)]
    coder = _coding.CellCoder()
    for count in (1, 500, 3, 200, 0):
        cells = draw.choices(pool[: 5 + count % 40], k=count)
        assert numbered(coder, cells) == cells
    assert len(coder) == len(set(coder.coder)) <= len(set(pool))
