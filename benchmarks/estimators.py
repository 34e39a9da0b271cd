"""``python -m benchmarks.estimators``: our estimators beside scikit-learn's, scores and times.

Two tables over the same splits of six data sets. In the first both get the same settings, and are
checked to train along the same curve before anything is timed. In the second each gets a recipe:
scikit-learn's defaults or the best that its parameters can say, and ours.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sklearn
from sklearn import datasets, neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import backprop
from backprop import sklearn as ours
from benchmarks import machine
from benchmarks.table import number, render

TEST_SIZE = 0.2
RATIO_TARGET = 4.0
# Curves of equal trainings differ by rounding alone.
TOLERANCE = 1e-8


@dataclass(frozen=True)
class Data:
    """A data set: how it is loaded and scaled, and how both estimators are set for it."""

    name: str
    kind: str
    load: Callable[[], tuple[Any, Any]]
    settings: dict[str, Any] = field(default_factory=dict)
    scaler: type = StandardScaler


@dataclass(frozen=True)
class Recipe:
    """Settings for the best score, what scikit-learn's can take of them, and the target for ours.

    A target of None is the range of scikit-learn's own scores.
    """

    data: str
    ours: dict[str, Any]
    theirs: dict[str, Any]
    target: float | None


def california() -> tuple[Any, Any]:
    """Synthetic, of California housing's shape: 20640 examples, 8 features of unlike scales."""
    rng = np.random.default_rng(0)
    X = rng.lognormal(sigma=[0.4, 0.6, 0.3, 0.2, 0.7, 0.3, 0.1, 0.1], size=(20640, 8))
    Z = np.log(X)
    y = np.exp(0.9 * Z[:, 0] - 0.4 * Z[:, 5]) + np.sin(12 * Z[:, 6]) * np.cos(9 * Z[:, 7])
    return X, y + rng.normal(scale=0.3, size=len(y))


def standardised_diabetes() -> tuple[Any, Any]:
    X, y = datasets.load_diabetes(return_X_y=True)
    return X, (y - y.mean()) / y.std()


def bundled(load: Callable[..., Any]) -> Callable[[], tuple[Any, Any]]:
    return lambda: load(return_X_y=True)


DATA = (
    Data("digits", "MLPClassifier", bundled(datasets.load_digits), scaler=MinMaxScaler),
    Data("breast cancer", "MLPClassifier", bundled(datasets.load_breast_cancer)),
    Data("wine", "MLPClassifier", bundled(datasets.load_wine)),
    Data("iris", "MLPClassifier", bundled(datasets.load_iris)),
    Data("diabetes", "MLPRegressor", standardised_diabetes),
    Data("california-shaped", "MLPRegressor", california, {"max_iter": 30}),
)
# One hidden layer, trained with what scikit-learn's parameters cannot say.
DIGITS = {
    "hidden_layer_sizes": (200,),
    "dropout": 0.3,
    "label_smoothing": 0.1,
    "solver": "adamw",
    "learning_rate": "one_cycle",
    "learning_rate_init": 0.01,
    "batch_size": 32,
    "max_iter": 40,
    "n_iter_no_change": 40,
}
PENALISED = {"alpha": 1.0, "max_iter": 400}
RECIPES = (
    Recipe("digits", DIGITS, {"hidden_layer_sizes": (200,)}, 0.98),
    Recipe("breast cancer", PENALISED, PENALISED, 0.97),
    Recipe("wine", PENALISED, PENALISED, 0.97),
    Recipe("diabetes", {"early_stopping": "loss", "dropout": 0.2}, {"early_stopping": True}, None),
)


def split(data: Data, seed: int) -> tuple[Any, Any, Any, Any]:
    """Training and test examples of one seed, scaled by the training examples."""
    X, y = data.load()
    stratify = y if data.kind == "MLPClassifier" else None
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=TEST_SIZE, random_state=seed, stratify=stratify
    )
    scaler = data.scaler().fit(X)
    return scaler.transform(X), scaler.transform(X_test), y, y_test


def fit(module: Any, data: Data, settings: dict[str, Any], seed: int, parts: Any) -> dict[str, Any]:
    """Train one estimator; its score, its curve and the seconds that ``fit`` took."""
    X, X_test, y, y_test = parts
    estimator = getattr(module, data.kind)(random_state=seed, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = time.perf_counter()
        estimator.fit(X, y)
        seconds = time.perf_counter() - start
    score = estimator.score(X_test, y_test)
    return {"score": score, "seconds": seconds, "curve": estimator.loss_curve_}


def compare(
    data: Data, mine: dict[str, Any], theirs: dict[str, Any], seeds: int
) -> dict[str, list[dict[str, Any]]]:
    """Both estimators on the splits of ``seeds`` seeds, taking turns in who goes first."""
    sides = {"ours": (ours, mine), "scikit-learn": (neural_network, theirs)}
    results: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for seed in range(seeds):
        parts = split(data, seed)
        for side in sorted(sides, reverse=seed % 2 == 1):
            module, settings = sides[side]
            results[side].append(fit(module, data, settings, seed, parts))
    return results


def column(results: list[dict[str, Any]], name: str) -> list[float]:
    return [result[name] for result in results]


def spread(scores: list[float]) -> str:
    return f"{statistics.median(scores):.4f} ({min(scores):.3f}-{max(scores):.3f})"


def curves_apart(results: dict[str, list[dict[str, Any]]]) -> float:
    """The largest difference of two losses, infinite for curves of different lengths."""
    apart = 0.0
    for a, b in zip(results["ours"], results["scikit-learn"], strict=True):
        if len(a["curve"]) != len(b["curve"]):
            return np.inf
        apart = max(apart, float(np.abs(np.subtract(a["curve"], b["curve"])).max()))
    return apart


def drop_in(names: list[str], seeds: int) -> tuple[str, dict[str, Any], list[str]]:
    """The table of equal settings, its numbers, and what falls short."""
    lines, records, ratios, short = [], {}, [], []
    for data in (data for data in DATA if data.name in names):
        # Once untimed: threads start, pages are mapped, and the work is seen to be equal.
        apart = curves_apart(compare(data, data.settings, data.settings, 1))
        if not apart < TOLERANCE:
            short.append(
                f"{data.name}: curves differ by {apart:.1e}, so that no time is comparable"
            )
            continue
        results = compare(data, data.settings, data.settings, seeds)
        seconds = {side: statistics.median(column(results[side], "seconds")) for side in results}
        ratios.append(seconds["scikit-learn"] / seconds["ours"])
        lines.append(
            [
                data.name,
                *(spread(column(results[side], "score")) for side in results),
                *(number(1e3 * seconds[side]) for side in results),
                number(ratios[-1], "x"),
            ]
        )
        records[data.name] = results
    if ratios:
        median = statistics.median(ratios)
        lines.append(["median", "", "", "", "", number(median, "x")])
        if median < RATIO_TARGET:
            short.append(f"{number(median)} times as fast on median, {RATIO_TARGET} wanted")
    scores = ["score, ours", "scikit-learn"]
    header = ["equal settings", *scores, "fit ms, ours", "scikit-learn", "ratio"]
    return render(header, lines), records, short


def recipes(names: list[str], seeds: int) -> tuple[str, dict[str, Any], list[str]]:
    """The table of recipes, its numbers, and what falls short."""
    lines, records, short = [], {}, []
    known = {data.name: data for data in DATA}
    for recipe in (recipe for recipe in RECIPES if recipe.data in names):
        results = compare(known[recipe.data], recipe.ours, recipe.theirs, seeds)
        mine, theirs = (column(results[side], "score") for side in ("ours", "scikit-learn"))
        median = statistics.median(mine)
        if recipe.target is None:
            wanted = f"{min(theirs):.3f}-{max(theirs):.3f}"
            good = min(theirs) <= median <= max(theirs)
        else:
            wanted, good = f"{recipe.target:.2f}", median >= recipe.target
        if not good:
            short.append(f"{recipe.data}: a median score of {median:.4f}, {wanted} wanted")
        lines.append([recipe.data, spread(mine), spread(theirs), wanted])
        records[recipe.data] = results
    header = ["recipes", "score, ours", "scikit-learn", "wanted of ours"]
    return render(header, lines), records, short


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimators", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--data", type=lambda text: text.split(","), help="digits,wine,...")
    parser.add_argument("--json", type=argparse.FileType("w"))
    arguments = parser.parse_args(argv)
    names = arguments.data or [data.name for data in DATA]
    unknown = set(names) - {data.name for data in DATA}
    if unknown or arguments.seeds < 1:
        parser.error(f"unknown data: {', '.join(unknown)}" if unknown else "--seeds is at least 1")
    processor = machine.processor()
    print(
        f"{processor['model']}, {processor['cores']} cores, load {processor['load']:.1f}; "
        f"scikit-learn {sklearn.__version__}, backprop {backprop.__version__} "
        f"({backprop.info()['level']}, {backprop.get_num_threads()} threads); float64, "
        f"{arguments.seeds} seeds, medians (and ranges)\n"
    )
    short, records = [], {}
    for part in (drop_in, recipes):
        table, records[part.__name__], missed = part(names, arguments.seeds)
        print(table, flush=True)
        print()
        short += missed
    for line in short:
        print(f"short: {line}")
    if arguments.json:
        json.dump({"processor": processor, **records}, arguments.json)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
