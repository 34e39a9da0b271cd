"""Options that several commands have."""

from __future__ import annotations

from backprop.cli._option import Option
from backprop.cli._types import positive_int, seed

DATA = Option(
    "data",
    "CSV or TSV with a header (also .gz), .npz of X and y, X.npy [y.npy], .parquet, or a bundled "
    "set: digits",
    metavar="DATA",
    nargs="+",
)
MODEL = Option("model", "a model file that `backprop train` saved", metavar="MODEL")
TARGET = Option("--target", "name of the target column (default: the last)", metavar="NAME")
TARGET_TRAINED_ON = Option(
    "--target", "name of the target column (default: the one trained on)", metavar="NAME"
)
NO_HEADER = Option("--no-header", "the CSV's first line is data; columns are 1, 2, ...", False)
THREADS = Option(
    "--threads", "threads to compute with (default: the library's)", type=positive_int, metavar="N"
)
SEED = Option("--seed", "seed of every random choice", 0, seed, metavar="N")
