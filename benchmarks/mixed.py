"""A mixed table, file in and scores out: `backprop train` beside pandas and scikit-learn.

``python -m benchmarks.mixed`` makes the table, gives each contestant a process of its own, and
prints the seconds for reading, encoding, training and scoring, and the peak of its memory. Both
split, encode and train alike: a fifth to test on, numbers scaled, categories one-hot, missing ones
marked, one hidden layer of 100 ReLUs, plain descent, the same batches and epochs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

NUMBERS, CATEGORIES, DATES, BOOLEANS = 18, 7, 2, 2
PARTS = ("reading", "encoding", "training", "scoring")
LR, HIDDEN = 0.05, 100


def make(path: str, m: int, seed: int = 0) -> None:
    """Write a CSV of ``m`` rows and 30 columns; a part of the cells is missing."""
    rng = np.random.default_rng(seed)
    names = [f"number_{k}" for k in range(NUMBERS)] + [f"category_{k}" for k in range(CATEGORIES)]
    names += [f"date_{k}" for k in range(DATES)] + [f"yes_{k}" for k in range(BOOLEANS)] + ["label"]
    levels = [4, 5, 8, 12, 20, 40, 60]
    first = np.datetime64("2018-01-01")
    with open(path, "w", encoding="utf-8") as file:
        file.write(",".join(names) + "\n")
        for start in range(0, m, 10_000):
            n = min(10_000, m - start)
            X = rng.standard_normal((n, NUMBERS)) * 10.0 ** (np.arange(NUMBERS) % 4)
            codes = [rng.integers(level, size=n) for level in levels]
            score = X[:, 0] + X[:, 4] + (codes[0] == 1) - 0.5 * (codes[3] % 3)
            label = np.where(score + 0.3 * rng.standard_normal(n) > 0, "high", "low")
            columns = [np.char.mod("%.6g", X[:, k]) for k in range(NUMBERS)]
            columns += [np.char.mod(f"level {k}-%d", code) for k, code in enumerate(codes)]
            columns += [(first + rng.integers(2000, size=n)).astype("U10") for _ in range(DATES)]
            columns += [np.where(rng.random(n) < 0.5, "yes", "no") for _ in range(BOOLEANS)]
            for k in (2, 5, 11, 20, 24):
                columns[k] = np.where(rng.random(n) < 0.05, "", columns[k])
            columns.append(label)
            file.writelines(",".join(row) + "\n" for row in zip(*columns, strict=True))


def _peak() -> float:
    """The most memory that this process has had, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def ours(path: str, epochs: int, batch: int) -> dict[str, Any]:
    import backprop as bp
    from backprop import tables
    from backprop.model import Job

    before = _peak()
    start = time.perf_counter()
    table = tables.read(path)
    reading = time.perf_counter() - start
    job = Job(table, bp.TableModel, hidden=[HIDDEN])
    job.train(epochs=epochs, batch_size=batch, lr=LR, seed=0)
    report = job.score()
    features = job.model.encoder.n_features_out
    return {
        "reading": reading,
        **job.seconds,
        "memory_mb": _peak() - before,
        "encoded_mb": len(table) * features * 4 / 2**20,
        "features": features,
        "accuracy": report.scores["accuracy"],
    }


def sklearn(path: str, epochs: int, batch: int) -> dict[str, Any]:
    import warnings

    import pandas
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, RobustScaler

    warnings.simplefilter("ignore")
    before = _peak()
    times = [time.perf_counter()]
    dates = [f"date_{k}" for k in range(DATES)]
    frame = pandas.read_csv(path, parse_dates=dates)
    times.append(time.perf_counter())
    y = frame.pop("label")
    numbers = [name for name in frame if name.startswith("number")]
    words = [name for name in frame if name.startswith(("category", "yes"))]
    encoder = ColumnTransformer(
        [
            ("number", make_pipeline(SimpleImputer(strategy="median", add_indicator=True),
                                     RobustScaler()), numbers),
            ("word", OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=100,
                                   sparse_output=False, dtype=np.float32), words),
            ("date", FunctionTransformer(_parts), dates),
        ]
    )  # fmt: skip
    train, test, y_train, y_test = train_test_split(
        frame, y, test_size=0.2, stratify=y, random_state=0
    )
    del frame
    X = encoder.fit_transform(train).astype(np.float32)
    X_test = encoder.transform(test).astype(np.float32)
    times.append(time.perf_counter())
    model = MLPClassifier(
        (HIDDEN,), solver="sgd", momentum=0, alpha=0, learning_rate_init=LR, batch_size=batch,
        max_iter=epochs, tol=0, n_iter_no_change=epochs + 1, random_state=0,
    ).fit(X, y_train)  # fmt: skip
    times.append(time.perf_counter())
    accuracy = float(model.score(X_test, y_test))
    times.append(time.perf_counter())
    return {
        **dict(zip(PARTS, np.diff(times).tolist(), strict=True)),
        "memory_mb": _peak() - before,
        "encoded_mb": (len(X) + len(X_test)) * X.shape[1] * 4 / 2**20,
        "features": X.shape[1],
        "accuracy": accuracy,
    }


def _parts(frame: Any) -> Any:
    """The parts and cycles of dates, as the encoder of backprop makes them."""
    columns = []
    for name in frame:
        day = frame[name].dt
        columns += [
            (frame[name] - frame[name].min()).dt.days / 1000,
            day.day / 31,
            day.dayofweek >= 5,
        ]
        for turn in (day.dayofyear / 366, day.dayofweek / 7):
            columns += [np.sin(2 * np.pi * turn), np.cos(2 * np.pi * turn)]
    return np.column_stack(columns)


CONTESTANTS = {"backprop": ours, "scikit-learn": sklearn}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mixed", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--data", help="a file to make, or to use if it is there")
    parser.add_argument("--one", choices=CONTESTANTS, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.one:
        print(json.dumps(CONTESTANTS[args.one](args.data, args.epochs, args.batch_size)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = args.data or os.path.join(folder, "mixed.csv")
        if not os.path.exists(path):
            make(path, args.rows)
        size = os.path.getsize(path) / 2**20
        print(f"{args.rows} rows x 30 columns, {size:.0f} MB; {args.epochs} epochs of batches of "
              f"{args.batch_size}")  # fmt: skip
        found = {}
        for name in CONTESTANTS:
            command = [sys.executable, "-m", "benchmarks.mixed", "--one", name, "--data", path]
            command += ["--epochs", str(args.epochs), "--batch-size", str(args.batch_size)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print(f"{name}: {done.stderr.strip().splitlines()[-1]}")
                continue
            found[name] = json.loads(done.stdout)
        _show(found)


def _show(found: dict[str, dict[str, Any]]) -> None:
    from benchmarks.table import render

    header = ["", *(f"{part} s" for part in PARTS), "all s", "memory MB", "/ encoded", "accuracy"]
    rows = []
    for name, one in found.items():
        total = sum(one[part] for part in PARTS)
        rows.append([
            name, *(f"{one[part]:.2f}" for part in PARTS), f"{total:.2f}",
            f"{one['memory_mb']:.0f}", f"{one['memory_mb'] / one['encoded_mb']:.2f}",
            f"{one['accuracy']:.4f}",
        ])  # fmt: skip
    if len(found) == 2:
        us, them = found.values()
        ratios = [f"{them[part] / us[part]:.1f}x" for part in PARTS]
        whole = sum(them[part] for part in PARTS) / sum(us[part] for part in PARTS)
        memory = f"{them['memory_mb'] / us['memory_mb']:.1f}x"
        rows.append(["ratio", *ratios, f"{whole:.1f}x", memory, "", ""])
    print(render(header, rows))


if __name__ == "__main__":
    main()
