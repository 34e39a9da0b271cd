"""``backprop explain`` and ``backprop diagnose``: what a model's gradients say."""

from __future__ import annotations

from argparse import Namespace

import numpy as np

import backprop as bp
from backprop.cli._apply import labelled
from backprop.cli._model import Model, use_threads
from backprop.explain import strongest_weight


def explain(args: Namespace) -> int:
    """Print where the derivative of the loss of one example w.r.t. one weight comes from."""
    if args.model is None:
        # The note's figure 2: not softmax, which is 1 whatever its one input.
        net = bp.Network(
            [1, 1, 1, 1], hidden="sigmoid", output="sigmoid", dtype="float64", seed=args.seed
        )
        x, y = np.array([0.7]), 1.0
        weight = args.weight or (1, 0, 0)
        print(f"{net!r}, x = {x[0]}, y = {y:g}\n")
    else:
        if not args.data:
            raise ValueError("DATA must be given with MODEL, to have an example to explain")
        model = Model.load(args.model)
        dataset = labelled(args, model)
        if args.row >= len(dataset.X):
            raise ValueError(
                f"--row must be less than the {len(dataset.X)} examples of {dataset.name}, "
                f"got {args.row}"
            )
        net = model.net
        x, y = model.inputs(dataset)[args.row], model.targets(dataset)[args.row]
        weight = args.weight or strongest_weight(net, x, y)
        print(f"{net!r}, row {args.row} of {dataset.name}\n")
    if args.trace:
        print(f"{net.trace(x[None], np.asarray(y)[None])}\n")
    print(net.explain(x, y, weight, n_paths=args.paths))
    return 0


def diagnose(args: Namespace) -> int:
    """Print each finding with its number and remedy, and the account of the loss."""
    use_threads(args.threads)
    model = Model.load(args.model)
    dataset = labelled(args, model)
    lr = args.lr or model.options.get("lr") or (0.1 if model.class_names else 0.01)
    X, y = model.inputs(dataset), model.targets(dataset)
    print(f"{model.net!r} on {dataset.name} ({len(X)} examples)")
    print(f"{model.net.diagnose(X, y, lr=lr)}\n\n{model.net.account(X, y, lr=lr)}")
    return 0
