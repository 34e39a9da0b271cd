"""``backprop export``: a model for another program, its scalers inside the network."""

from __future__ import annotations

import json
import os
from argparse import Namespace

import backprop as bp
from backprop.cli._model import Model
from backprop.interchange import fold

_ENDINGS = {"onnx": ".onnx", "c": ".h", "safetensors": ".safetensors"}


def export(args: Namespace) -> int:
    """Write the model; it takes features as they are in the data."""
    form, out = _destination(args)
    model = Model.load(args.model)
    net = fold(model.net, model.scaler, model.target_scaler, dtype=args.dtype)
    metadata = _metadata(model)
    if form == "onnx":
        net.to_onnx(out, metadata=metadata)
    elif form == "c":
        net.to_c(out, args.name, metadata=metadata)
    else:
        net.save(out, metadata=metadata)
    print(f"{out}: {net!r}")
    print(f"it takes features as they are in the data{_promise(model, net)}")
    return 0


def _destination(args: Namespace) -> tuple[str, str]:
    """Return the format and the file, of which one tells the other."""
    stem, ending = os.path.splitext(args.out or args.model)
    form = args.format
    if form is None:
        form = next((f for f, its_ending in _ENDINGS.items() if ending == its_ending), None)
        if form is None or args.out is None:
            raise ValueError(
                "--format must be given, or --out FILE that ends with "
                f"{', '.join(_ENDINGS.values())}"
            )
    out = args.out or stem + _ENDINGS[form]
    if os.path.realpath(out) == os.path.realpath(args.model):
        raise ValueError(f"--out must not be the model itself, got {out}")
    return form, out


def _metadata(model: Model) -> dict[str, str]:
    """Tell what the network's numbers mean, as JSON by name."""
    known = {
        "class_names": model.class_names,
        "feature_names": model.feature_names,
        "target_name": model.target_name,
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in known.items() if value}


def _promise(model: Model, net: bp.Network) -> str:
    if model.class_names:
        return f" and gives the probabilities of {len(model.class_names)} classes"
    return " and predicts in the target's unit" if net.output_name == "linear" else ""
