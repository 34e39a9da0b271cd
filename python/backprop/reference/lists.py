"""The little linear algebra that the note needs, on lists, and the flat order of the parameters."""

Vector = list[float]
Matrix = list[list[float]]


def dot(u: Vector, v: Vector) -> float:
    """Return the inner product uᵀv of two vectors of one length."""
    return sum(u_i * v_i for u_i, v_i in zip(u, v, strict=True))


def transpose(M: Matrix) -> Matrix:
    """Return Mᵀ."""
    return [list(column) for column in zip(*M, strict=True)]


def add(M: Matrix, N: Matrix) -> Matrix:
    """Return M + N."""
    return [
        [p + q for p, q in zip(M_row, N_row, strict=True)]
        for M_row, N_row in zip(M, N, strict=True)
    ]


def flatten(W: list[Matrix], b: list[Vector]) -> Vector:
    """Return theta = [W_1 b_1 … W_L b_L] as one list, each W_k row by row.

    Works for the gradients too: ``flatten(grad_W, grad_b)`` is grad_theta.
    """
    theta = []
    for W_k, b_k in zip(W, b, strict=True):
        for row in W_k:
            theta += row
        theta += b_k
    return theta


def unflatten(theta: Vector, layer_sizes: list[int]) -> tuple[list[Matrix], list[Vector]]:
    """Return the (W, b) that `flatten` made into ``theta``.

    Parameters
    ----------
    theta : list of float
        All parameters.
    layer_sizes : list of int
        n_0 (features) to n_L (outputs).

    Raises
    ------
    ValueError
        If ``theta`` does not have the length that ``layer_sizes`` asks for.
    """
    layers = [(layer_sizes[k - 1], layer_sizes[k]) for k in range(1, len(layer_sizes))]
    n_parameters = sum(n_out * n_in + n_out for n_in, n_out in layers)
    if len(theta) != n_parameters:
        raise ValueError(
            f"`theta` must have {n_parameters} numbers to match layer_sizes {layer_sizes}, "
            f"got {len(theta)}"
        )
    W, b, start = [], [], 0
    for n_in, n_out in layers:
        W.append([theta[start + r * n_in : start + (r + 1) * n_in] for r in range(n_out)])
        start += n_out * n_in
        b.append(theta[start : start + n_out])
        start += n_out
    return W, b


def assign(W: list[Matrix], b: list[Vector], theta: Vector) -> None:
    """Write ``theta`` into ``W`` and ``b`` in place: `flatten`, backwards."""
    numbers = iter(theta)
    for W_k, b_k in zip(W, b, strict=True):
        for row in [*W_k, b_k]:
            row[:] = [next(numbers) for _ in row]
