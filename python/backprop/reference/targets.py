"""What each loss takes as ``y``, made into rows: the matrix E of section 5.2."""

from typing import Any

from .lists import Matrix, Vector

RULES = {
    "probabilities": "an integer class in 0..{last} or a row of {n} probabilities",
    "unit": "a row of {n} numbers in 0..1",
    "real": "a row of {n} numbers",
    "nonnegative": "a row of {n} numbers of 0 or more",
}


def one_hot(y: list[int], n_classes: int) -> Matrix:
    """Return E, whose row i is e_l for the class l = y[i] (4.3.1, 5.2)."""
    return [[1.0 if j == label else 0.0 for j in range(n_classes)] for label in y]


def target_rows(y: Any, n_outputs: int, rule: str) -> Matrix:
    """Return the targets ``y`` of a batch as rows; see `target_row`."""
    return [target_row(y_i, n_outputs, rule, f"`y[{i}]`") for i, y_i in enumerate(y)]


def target_row(y_i: Any, n_outputs: int, rule: str, name: str = "`y`") -> Vector:
    """Return the target of one example as a row of ``n_outputs`` numbers.

    Parameters
    ----------
    y_i : int, float or list of float
        A class label where the rule is "probabilities"; a row of ``n_outputs`` numbers; or a bare
        number where the network has one output and the rule is another.
    n_outputs : int
        The p of the note.
    rule : {"probabilities", "unit", "real", "nonnegative"}
        What the loss allows; its ``Loss.targets``.
    name : str
        How an error calls it.

    Raises
    ------
    TypeError
        If ``y_i`` is neither a number nor a list, or a class label is not an integer.
    ValueError
        If it has the wrong length or breaks the rule.
    """
    wanted = f"{name} must be {RULES[rule].format(n=n_outputs, last=n_outputs - 1)}"
    if rule == "probabilities" and isinstance(y_i, int) and not isinstance(y_i, bool):
        if not 0 <= y_i < n_outputs:
            raise ValueError(f"{wanted}, got {y_i}")
        return one_hot([y_i], n_outputs)[0]
    bare_number = isinstance(y_i, int | float) and rule != "probabilities" and n_outputs == 1
    row = [y_i] if bare_number else y_i
    if not isinstance(row, list | tuple):
        raise TypeError(f"{wanted}, got {y_i!r}")
    if len(row) != n_outputs:
        raise ValueError(f"{wanted}, got {len(row)} numbers")
    if rule in ("probabilities", "unit") and not all(0 <= t_j <= 1 for t_j in row):
        raise ValueError(f"{wanted}, got {row}")
    if rule == "nonnegative" and not all(t_j >= 0 for t_j in row):
        raise ValueError(f"{wanted}, got {row}")
    return list(row)
