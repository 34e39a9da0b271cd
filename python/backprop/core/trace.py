"""Every array of one forward and backward pass, layer by layer (note 5.2)."""

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from backprop.core.gradients import split


class Layer:
    """Layer k of a `Trace`; rows of ``A``, ``H``, ``grad_A``, ``grad_H`` are examples.

    Attributes
    ----------
    k : int
        Its number, 0 for the input.
    H, A : ndarray (m, n_k)
        Activation and pre-activation.
    grad_H, grad_A : ndarray (m, n_k)
        The gradients of the loss w.r.t. them.
    W, b : ndarray (n_k, n_{k-1}), (n_k,)
        The parameters at the time of the trace.
    grad_W, grad_b : ndarray (n_k, n_{k-1}), (n_k,)
        The gradients of the loss w.r.t. them.
    """

    A: NDArray[Any]
    H: NDArray[Any]
    grad_A: NDArray[Any]
    grad_H: NDArray[Any]
    W: NDArray[Any]
    b: NDArray[Any]
    grad_W: NDArray[Any]
    grad_b: NDArray[Any]

    def __init__(self, k: int, **arrays: NDArray[Any]) -> None:
        self.k = k
        vars(self).update(arrays)

    def __getattr__(self, name: str) -> Any:
        # Python calls this for missing attributes only, so that reading an array costs nothing
        # more.
        if name in Layer.__annotations__ and vars(self).get("k") == 0:
            raise AttributeError(f"layer 0 is the input and has only `H`, not `{name}`")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        arrays = (f"{name} {getattr(self, name).shape}" for name in vars(self) if name != "k")
        return f"Layer({self.k}: {', '.join(arrays)})"


class Trace(Sequence[Layer]):
    """The arrays of `look.trace.Trace`, which adds how they are shown: ``t[k]`` is layer k."""

    def __init__(
        self,
        core_trace: dict[str, Any],
        theta: NDArray[Any],
        layer_sizes: Sequence[int],
        activations: Sequence[str],
        loss_name: str,
        *,
        smoothed: bool = False,
        weighted: bool = False,
    ) -> None:
        self.activations = tuple(activations)
        self.loss_name = loss_name
        self.smoothed, self.weighted = smoothed, weighted
        self.loss: float = core_trace["loss"]
        self.Y_hat: NDArray[Any] = core_trace["Y_hat"]
        # The parameters are copied, because training changes them in place.
        parameters = dict(zip(("W", "b"), split(theta.copy(), layer_sizes), strict=True))
        gradients = dict(
            zip(("grad_W", "grad_b"), split(core_trace["grad_theta"], layer_sizes), strict=True)
        )
        passes = {name: core_trace[name] for name in ("A", "H", "grad_A", "grad_H")}
        by_name = {**passes, **parameters, **gradients}
        self._layers = [Layer(0, H=core_trace["X"])] + [
            Layer(k, **{name: arrays[k - 1] for name, arrays in by_name.items()})
            for k in range(1, len(layer_sizes))
        ]

    def __getitem__(self, k: Any) -> Any:
        return self._layers[k]

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self._layers)

    def __repr__(self) -> str:
        layers = "".join(f"\n  {layer!r}" for layer in self)
        return f"Trace(loss={self.loss:.6g}, layers:{layers})"
