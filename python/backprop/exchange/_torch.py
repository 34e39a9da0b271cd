"""PyTorch: modules of Linear and activations, and their state dicts, both ways.

``torch.nn.Linear.weight`` has the shape of W_k, (n_k, n_{k-1}). What comes from PyTorch is taken by
what its classes are called, so that only `to_torch` and `to_state_dict` import it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from backprop.core import facts
from backprop.core.files import require_finite
from backprop.core.network import Core
from backprop.exchange._assemble import Affine, assemble
from backprop.exchange._optional import needed

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module, Sequential

N = TypeVar("N", bound=Core)
# For each hidden activation the class in torch.nn, and the attributes with which it is the same.
_HIDDEN = {
    name: (fact.torch, fact.torch_settings)
    for name, fact in facts.ACTIVATIONS.items()
    if fact.torch is not None
}
_OUTPUTS = {name: fact.torch for name, fact in facts.OUTPUTS.items() if fact.torch is not None}
# These modules do nothing to a prediction.
_PASSED_OVER = ("Identity", "Dropout", "AlphaDropout", "FeatureAlphaDropout")
_KINDS = ("Linear", *dict.fromkeys(kind for kind, _ in _HIDDEN.values()), "Softmax", "Exp")
_SUPPORTED = ", ".join([*_KINDS[:-1], *_PASSED_OVER])


def from_torch(
    module: Module | Mapping[str, Any],
    into: type[N],
    *,
    hidden: str | Sequence[str] | None = None,
    output: str | None = None,
    loss: str | None = None,
    dtype: DTypeLike | None = None,
) -> N:
    """Return a network of the class ``into``; see `interchange.from_torch`."""
    if isinstance(module, Mapping):
        layers = _of_state_dict(module)
        if hidden is None:
            if len(layers) > 1:
                raise ValueError(
                    f"`hidden` must name the activations of the {len(layers) - 1} hidden layers: a "
                    "state dict holds weights alone"
                )
            hidden = []
        output = "linear" if output is None else output
        return assemble(layers, into, hidden=hidden, output=output, loss=loss, dtype=dtype)
    if hidden is not None:
        raise ValueError("`hidden` is for state dicts; a module has activations of its own")
    layers, names, last = _chain(list(_walk(module, "")))
    if output is None:
        output = last or "linear"
    elif last is not None and output != last:
        raise ValueError(
            f"`output` must be {last!r}, with which the module ends, or left out, got {output!r}"
        )
    return assemble(layers, into, hidden=names, output=output, loss=loss, dtype=dtype)


def to_torch(net: Core, *, logits: bool = False) -> Sequential:
    """Return a network as an ``nn.Sequential``; see `Network.to_torch`."""
    require_finite(net)
    torch = needed("torch", "to_torch", "torch")
    nn = torch.nn
    modules: list[Any] = []
    for k, (W_k, b_k) in enumerate(zip(net.W, net.b, strict=True)):
        # The layer is made without initial weights, because drawing them would move the user's
        # random numbers.
        linear = nn.utils.skip_init(
            nn.Linear, *reversed(W_k.shape), dtype=getattr(torch, net.dtype.name)
        )
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W_k))
            linear.bias.copy_(torch.from_numpy(b_k))
        modules.append(linear)
        if k < len(net.hidden_names) and net.hidden_names[k] != "linear":
            kind, settings = _HIDDEN[net.hidden_names[k]]
            if kind == "Softplus":
                # PyTorch's softplus is linear from the threshold on; its default of 20 is an error
                # of 2e-9.
                settings = {**settings, "threshold": 40.0}
            modules.append(getattr(nn, kind)(**settings))
    if not logits and net.output_name != "linear":
        modules.append(_output(nn, net.output_name))
    return nn.Sequential(*modules)


def to_state_dict(net: Core, names: str = "layers.{}") -> dict[str, Tensor]:
    """Return copies of the weights under PyTorch's names.

    Parameters
    ----------
    net : Network
    names : str
        That of layer k, with ``{}`` for k, which counts from 0: "layers.{}" gives
        ``layers.0.weight``, ``layers.0.bias`` and so on, as `Network.save` does.

    Raises
    ------
    ImportError
        If torch is not installed.
    ValueError
        If ``names`` has no ``{}``.
    """
    if "{}" not in names:
        raise ValueError(f"`names` must hold {{}} for the number of the layer, got {names!r}")
    require_finite(net)
    torch = needed("torch", "to_state_dict", "torch")
    return {
        f"{names.replace('{}', str(k))}.{part}": torch.from_numpy(array.copy())
        for k, arrays in enumerate(zip(net.W, net.b, strict=True))
        for part, array in zip(("weight", "bias"), arrays, strict=True)
    }


def _output(nn: Any, name: str) -> Any:
    if name == "exp":
        from backprop.exchange._torch_exp import Exp

        return Exp()
    return nn.Softmax(dim=1) if name == "softmax" else nn.Sigmoid()


def _kind(module: Any) -> str:
    """Name the class of torch.nn (or `Exp`) whose forward a module runs; "" for any other."""
    forward: Any = getattr(type(module), "forward", None)
    home = getattr(forward, "__module__", None) or ""
    if home.startswith(("torch.nn.modules.", "backprop.exchange.")):
        return str(forward.__qualname__).partition(".")[0]
    return ""


def _walk(module: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    """Path, kind and module of everything that a nested Sequential runs, in order."""
    kind = _kind(module)
    if kind == "Sequential":
        # named_children would leave out a module that occurs twice.
        for name, child in module._modules.items():
            yield from _walk(child, f"{path}.{name}" if path else name)
    elif kind in _KINDS:
        yield path, kind, module
    elif kind not in _PASSED_OVER:
        if not hasattr(module, "state_dict"):
            raise TypeError(
                f"`module` must be a torch module or a state dict, got {type(module).__name__}"
            )
        raise ValueError(
            f"`module` must be an nn.Sequential of what is supported, but {path or 'it'} is "
            f"{type(module).__name__}; supported are {_SUPPORTED}. For another module of linear "
            "layers use its state dict: from_torch(module.state_dict(), hidden=..., output=...)"
        )


def _chain(
    steps: list[tuple[str, str, Any]],
) -> tuple[list[Affine], list[str], str | None]:
    """Layers, hidden activations and the output, None where no module says it."""
    layers = [_linear(path, module) for path, kind, module in steps if kind == "Linear"]
    if not layers or steps[0][1] != "Linear":
        raise ValueError("`module` must begin with Linear")
    for (_, before, _), (path, kind, _) in pairwise(steps):
        if before != "Linear" != kind:
            raise ValueError(f"`module` must have a Linear before each activation, {path} has none")
    hidden: list[str] = []
    for (path, kind, module), following in pairwise(steps):
        if kind != "Linear":
            hidden.append(_activation(path, kind, module))
        elif following[1] == "Linear":
            hidden.append("linear")
    path, kind, module = steps[-1]
    return layers, hidden, None if kind == "Linear" else _last(path, kind, module)


def _linear(path: str, module: Any) -> Affine:
    origin = f"the Linear {path}" if path else "the Linear"
    if type(module.weight).__name__ == "UninitializedParameter":
        raise ValueError(f"{origin} has no weights yet; run the module once")
    return Affine(
        origin, _array(module.weight), None if module.bias is None else _array(module.bias)
    )


def _activation(path: str, kind: str, module: Any) -> str:
    candidates = {name: settings for name, (k, settings) in _HIDDEN.items() if k == kind}
    if not candidates:
        raise ValueError(f"`module` must have {kind} as its last module only, {path} is one too")
    for name, settings in candidates.items():
        if all(_same(key, getattr(module, key), value) for key, value in settings.items()):
            return name
    wanted = " or ".join(
        ", ".join(f"{key}={value!r}" for key, value in settings.items())
        for settings in candidates.values()
    )
    raise ValueError(f"{path} must be {kind} with {wanted}, got {module!r}")


def _same(key: str, value: Any, ours: Any) -> bool:
    return bool(value >= ours if key == "threshold" else value == ours)


def _last(path: str, kind: str, module: Any) -> str:
    for output, its_kind in _OUTPUTS.items():
        if kind == its_kind and getattr(module, "dim", None) in (None, 1, -1):
            return output
    raise ValueError(
        f"`module` must end with Linear, Softmax over dim 1 or Sigmoid, but {path} is {module!r}"
    )


def _of_state_dict(state: Mapping[str, Any]) -> list[Affine]:
    weights: dict[str, dict[str, NDArray[Any]]] = {}
    for name, tensor in state.items():
        layer, _, part = name.rpartition(".")
        if part not in ("weight", "bias"):
            raise ValueError(
                f"a state dict must hold NAME.weight and NAME.bias of linear layers, got {name!r}"
            )
        weights.setdefault(layer, {})[part] = _array(tensor)
    without = [layer for layer, parts in weights.items() if "weight" not in parts]
    if without:
        raise ValueError(f"a state dict must have '{without[0]}.weight' with '{without[0]}.bias'")
    order = list(weights)
    if len({re.sub(r"\d+", "#", layer) for layer in order}) == 1:
        # A file may have sorted the names as texts, 10 before 2.
        order.sort(key=lambda layer: [int(digits) for digits in re.findall(r"\d+", layer)])
    return [
        Affine(f"the layer {layer!r}", weights[layer]["weight"], weights[layer].get("bias"))
        for layer in order
    ]


def _array(tensor: Any) -> NDArray[Any]:
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        # NumPy has no bfloat16, but float32 holds each of its numbers.
        tensor = tensor.float() if "bfloat16" in str(tensor.dtype) else tensor
    return np.asarray(tensor)
