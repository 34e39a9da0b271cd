"""``backprop play``: write the page on which a small network can be stepped through."""

from __future__ import annotations

from argparse import Namespace

import numpy as np

import backprop as bp
from backprop import play as pages
from backprop.cli._apply import labelled
from backprop.cli._model import Model


def play(args: Namespace) -> int:
    """Write a page about a model and its data, or about a small network trained here."""
    if args.model is None:
        _toy(args)
    else:
        _saved(args)
    print(f"page saved to {args.out}; open it in a browser")
    return 0


def _toy(args: Namespace) -> None:
    X, y = pages.TOYS[args.toy](args.examples, seed=args.seed)
    net = bp.Network([2, *args.hidden, 2], hidden=args.activation, dtype="float64", seed=args.seed)
    start = net.copy()
    if args.epochs:
        net.fit(X, y, epochs=args.epochs, batch_size=len(X), lr=args.lr)
    pages.save(
        args.out,
        net,
        X,
        y,
        output_names=("upper", "lower") if args.toy == "moons" else ("first", "second"),
        lr=args.lr,
        start=start if args.epochs else None,
    )


def _saved(args: Namespace) -> None:
    model = Model.load(args.model)
    if not args.data:
        raise ValueError(f"DATA is required to play with {args.model}; name the data it is for")
    dataset = labelled(args, model)
    # In the order of the file, so that the examples can be found there.
    rng = np.random.default_rng(args.seed)
    n_shown = min(args.examples, len(dataset.X))
    rows = np.sort(rng.choice(len(dataset.X), size=n_shown, replace=False))
    some = dataset.rows(rows)
    pages.save(
        args.out,
        model.net,
        model.inputs(some),
        model.targets(some),
        title=f"{dataset.name}, step by step",
        feature_names=model.feature_names,
        output_names=model.class_names,
        lr=args.lr,
    )
