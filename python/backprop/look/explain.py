"""One derivative as a sum over paths, each of which is a product of factors.

∂L/∂W_k[i, j] = Σ over paths of ∂L/∂a_L · (∏ ∂a_{q+1}/∂h_q · ∂h_q/∂a_q) · h_{k-1}[j] (4.1, 4.3.2).
A path takes one unit of every layer from the output down to the weight's own. There may be
millions: their sum, and that of their magnitudes, come from one sweep down the layers; the
strongest from a best-first search whose bound is exact.
"""

from __future__ import annotations

import heapq
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backprop.core.checks import integer
from backprop.core.inputs import as_examples
from backprop.core.network import Core
from backprop.core.trace import Trace
from backprop.look.explanation import Explanation, Factor, Path
from backprop.reference import ACTIVATIONS, OUTPUTS
from backprop.reference.thin import TALK_TO_HIDDEN, TALK_TO_OUTPUT, TALK_TO_WEIGHT

__all__ = ["Explanation", "Factor", "Path", "explain", "strongest_weight"]

# A loss of this part of that of a network which knows nothing is next to nothing.
_LITTLE = 1e-4
# The sum over the paths and the engine's gradient may be apart by so much, relative to the sum of
# the paths' magnitudes.
_TOLERANCE = {"float32": 1e-4, "float64": 1e-10}


def explain(
    network: Core,
    x: ArrayLike,
    y: ArrayLike,
    weight: tuple[int, int, int] | None = None,
    *,
    n_paths: int = 10,
) -> Explanation:
    """Explain one derivative of the loss of one example; see `Network.explain`."""
    chosen = weight is None
    if weight is not None:
        weight = _checked_weight(network.layer_sizes, weight)
    n_paths = integer("n_paths", n_paths, 1)
    X, Y = one_example(network, x, y)
    k, i, j = strongest_weight(network, X, Y) if weight is None else weight
    sweep = _Sweep(network, X, Y, k)
    gradient = float(network.gradients(X, Y).W[k - 1][i, j])
    h_below = float(sweep.trace[k - 1].H[0, j])
    total = float(sweep.signed[k][i]) * h_below
    magnitude = float(sweep.magnitude[k][i]) * abs(h_below)
    tolerance = _TOLERANCE[network.dtype.name] * magnitude + sweep.rounding(i) * abs(h_below)
    if not abs(total - gradient) <= tolerance:
        raise ArithmeticError(
            f"the sum over the paths to W_{k}[{i}, {j}] must be the engine's gradient, got "
            f"{total!r} and {gradient!r}; see bp.check_gradients(net, X, y)"
        )
    paths = []
    for units in sweep.strongest(i, n_paths) if magnitude else ():
        factors = (*sweep.factors(units), _last_factor(k, i, j, h_below))
        product = math.prod(factor.value for factor in factors)
        paths.append(Path(units, factors, product, abs(product) / magnitude))
    paths.sort(key=lambda path: -path.share)
    return Explanation(
        network.layer_sizes,
        (k, i, j),
        value=float(sweep.trace[k].W[i, j]),
        loss=sweep.trace.loss,
        paths=tuple(paths),
        n_alive=int(sweep.alive[k][i]) if h_below else 0,
        total=total,
        magnitude=magnitude,
        gradient=gradient,
        chosen=chosen,
        blameless=_is_blameless(network, X, Y, sweep.trace),
    )


def _is_blameless(network: Core, X: NDArray[Any], Y: NDArray[Any], trace: Trace) -> bool:
    """Whether the loss of an example, or what it asks of the output, is next to nothing.

    The measure is what the network would have with a last layer of zeros, which knows nothing: a
    loss by itself has no scale.
    """
    # The loss "poisson" may be 0 or less wherever the output is.
    says_much = network.loss_name != "poisson"
    if says_much and trace.loss == 0:
        return True
    ignorant = network.copy()
    for last in (ignorant.W[-1], ignorant.b[-1]):
        last[...] = 0
    before = ignorant.trace(X, Y)
    L = len(network.layer_sizes) - 1
    asked, asked_before = (float(np.abs(t[L].grad_A).max()) for t in (trace, before))
    lost_little = says_much and trace.loss <= _LITTLE * before.loss
    return lost_little or asked <= _LITTLE * asked_before


def strongest_weight(
    network: Core, x: ArrayLike, y: ArrayLike, layer: int = 1
) -> tuple[int, int, int]:
    """Return the (k, i, j) of the weight of a layer with the largest derivative for one example."""
    X, Y = one_example(network, x, y)
    grad_W = np.abs(network.gradients(X, Y).W[layer - 1])
    i, j = np.unravel_index(grad_W.argmax(), grad_W.shape)
    return layer, int(i), int(j)


def one_example(network: Core, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return an example and its target as a batch of one.

    Raises
    ------
    ValueError
        If it is more than one example.
    """
    X = as_examples(x, network.dtype)
    if X.ndim == 1:
        X = X[None]
    if X.ndim != 2 or len(X) != 1:
        raise ValueError(
            f"`x` must be one example with {network.layer_sizes[0]} features, got shape "
            f"{X.shape}; pass one row, X[i] with y[i]"
        )
    Y = np.asarray(y)
    is_label = network.takes_labels and Y.size == 1
    return X, Y.reshape(1) if is_label else Y.reshape(1, -1) if Y.ndim < 2 else Y


class _Sweep:
    """What flows down the layers L..k of one example, by dynamic programming.

    ``slope[q]`` is ∂h_q/∂a_q for q < L and ∂L/∂a_L at the top, so that a path's product is that
    of its slopes and of the weights between. ``signed[q][u]`` sums it over all paths from the
    loss down to unit u, which makes it ∂L/∂a_q[u]; ``magnitude`` sums the absolute values,
    ``best`` takes their maximum, ``alive`` counts those that are not 0.
    """

    def __init__(self, network: Core, X: NDArray[Any], Y: NDArray[Any], k: int) -> None:
        self.trace = network.trace(X, Y)
        self.k, self.L = k, len(network.layer_sizes) - 1
        self._output = network.output_name
        self._names = network.hidden_names
        limits = np.finfo(network.dtype)
        self._eps = float(limits.eps)
        top = self.trace[self.L]
        self._y_hat, self._grad_y_hat = top.H[0].tolist(), top.grad_H[0].tolist()
        # If the target is a class, the loss depends on a softmax output through that class alone.
        self._seen = [r for r, d in enumerate(self._grad_y_hat) if d != 0]
        head = np.array([math.prod(f.value for f in self._head(u)) for u in self._units(self.L)])
        self.slope = {self.L: head}
        self.signed = {self.L: head}
        self.magnitude = {self.L: np.abs(head)}
        self.best = {self.L: np.abs(head)}
        self.alive = {self.L: (head != 0).astype(np.float64)}
        # This bounds what a rounding of each slope by eps changes. A slope near 0 may be nothing
        # but rounding, and a number below the smallest normal one may have been flushed to 0.
        self._roundable = np.maximum(np.abs(head), float(limits.tiny) / self._eps)
        for q in range(self.L - 1, k - 1, -1):
            W = self.trace[q + 1].W.astype(np.float64)
            slope = self.slope[q] = self._slope(q)
            size = np.abs(W)
            self.signed[q] = slope * (W.T @ self.signed[q + 1])
            self.magnitude[q] = np.abs(slope) * (size.T @ self.magnitude[q + 1])
            self.best[q] = np.abs(slope) * (size * self.best[q + 1][:, None]).max(axis=0)
            self.alive[q] = (slope != 0) * ((W != 0).T @ self.alive[q + 1])
            self._roundable = np.maximum(np.abs(slope), 1) * (size.T @ self._roundable)

    def rounding(self, i: int) -> float:
        """Bound what rounding in the engine may add to the derivative w.r.t. a_k[i]."""
        return 16 * (self.L - self.k + 1) * self._eps * float(self._roundable[i])

    def strongest(self, i: int, n_paths: int) -> list[tuple[int, ...]]:
        """Return the units of the strongest paths up from unit i of layer k, strongest first."""
        found: list[tuple[int, ...]] = []
        # An entry is minus the magnitude of the best path that begins so, its units from the output
        # side, and the product so far.
        start = (-float(self.best[self.k][i]), (i,), float(self.slope[self.k][i]))
        heap: list[tuple[float, tuple[int, ...], float]] = [start]
        while heap and len(found) < n_paths:
            _, units, product = heapq.heappop(heap)
            q = self.k + len(units) - 1
            if q == self.L:
                found.append(units)
                continue
            links = product * self.trace[q + 1].W[:, units[0]].astype(np.float64)
            bounds = np.abs(links) * self.best[q + 1]
            products = links * self.slope[q + 1]
            for w in np.argsort(-bounds, kind="stable")[:n_paths]:
                if bounds[w] > 0:
                    entry = (-float(bounds[w]), (int(w), *units), float(products[w]))
                    heapq.heappush(heap, entry)
        return found

    def factors(self, units: tuple[int, ...]) -> list[Factor]:
        """Return the factors of a path but the last, from the loss down."""
        factors = self._head(units[0])
        for q, w, u in zip(range(self.L - 1, self.k - 1, -1), units, units[1:], strict=False):
            link = float(self.trace[q + 1].W[w, u])
            name = f"∂a_{q + 1}[{w}]/∂h_{q}[{u}]"
            factors.append(Factor(name, TALK_TO_HIDDEN, link, f"W_{q + 1}[{w}, {u}]"))
            slope, source = float(self.slope[q][u]), f"g'(a_{q}[{u}]), {self._names[q - 1]}"
            factors.append(Factor(f"∂h_{q}[{u}]/∂a_{q}[{u}]", TALK_TO_HIDDEN, slope, source))
        return factors

    def _units(self, q: int) -> range:
        return range(self.trace[q].A.shape[1])

    def _slope(self, q: int) -> NDArray[Any]:
        derivative = ACTIVATIONS[self._names[q - 1]].derivative
        rows = zip(self.trace[q].A[0].tolist(), self.trace[q].H[0].tolist(), strict=True)
        return np.array([derivative(a, h) for a, h in rows])

    def _head(self, u: int) -> list[Factor]:
        """Return ∂L/∂ŷ and ∂ŷ/∂a_L[u], or both as one where they cannot be told apart."""
        top, L, softmax = self.trace[self.L], self.L, self._output == "softmax"
        y_hat, grad = self._y_hat, self._grad_y_hat
        seen = self._seen if softmax else [u]
        if len(seen) == 1 and math.isfinite(grad[seen[0]]):
            [r] = seen
            if softmax:
                slope = y_hat[r] * ((1.0 if r == u else 0.0) - y_hat[u])
                source = f"ŷ[{r}] ({int(r == u)} - ŷ[{u}]), softmax"
            else:
                slope = OUTPUTS[self._output].derivative(top.A[0, u].item(), y_hat[u])
                source = f"O'(a_{L}[{u}]), {self._output}"
            return [
                Factor(f"∂L/∂ŷ[{r}]", TALK_TO_OUTPUT, grad[r], "the loss"),
                Factor(f"∂ŷ[{r}]/∂a_{L}[{u}]", TALK_TO_OUTPUT, slope, source),
            ]
        both = float(top.grad_A[0, u])
        return [Factor(f"∂L/∂a_{L}[{u}]", TALK_TO_OUTPUT, both, f"∂L/∂ŷ · ∂ŷ/∂a_{L}[{u}], in one")]


def _last_factor(k: int, i: int, j: int, h_below: float) -> Factor:
    source = f"h_{k - 1}[{j}]" if k > 1 else f"x[{j}]"
    return Factor(f"∂a_{k}[{i}]/∂W_{k}[{i}, {j}]", TALK_TO_WEIGHT, h_below, source)


def _checked_weight(layer_sizes: tuple[int, ...], weight: Any) -> tuple[int, int, int]:
    L = len(layer_sizes) - 1
    form = "`weight` must be (k, i, j): layer k = 1..L, NumPy indices i, j of W_k from 0"
    try:
        k, i, j = weight
    except (TypeError, ValueError):
        raise TypeError(f"{form}, got {weight!r}") from None
    k = integer("weight[0]", k, 1, L)
    rows, columns = layer_sizes[k], layer_sizes[k - 1]
    i, j = integer("weight[1]", i, 0), integer("weight[2]", j, 0)
    if i >= rows or j >= columns:
        raise ValueError(
            f"`weight` must be an entry of W_{k} ({rows}, {columns}), counted from 0, got "
            f"({k}, {i}, {j})"
        )
    return k, i, j
