"""The command line as tables: every command, every option, one line of meaning each."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

from backprop.cli._options import (
    Command,
    Option,
    activations,
    class_weight,
    count,
    loss,
    names,
    optimizer,
    positive_float,
    positive_int,
    rate,
    rates,
    schedule,
    seed,
    share,
    share_or_zero,
    strengths,
    weight,
    widths,
)

DATA = Option(
    "data",
    "a table: CSV in any dialect (also .gz, .zst), Parquet, JSON lines, a folder or glob of them, "
    'FILE::TABLE of a DuckDB or SQLite file, a query ("select ..."), - for standard input; or '
    "arrays: .npz of X and y, X.npy [y.npy]; or a bundled set: digits, penguins",
    metavar="DATA",
    nargs="+",
)
MODEL = Option("model", "a model file that `backprop train` saved", metavar="MODEL")
TARGET = Option(
    "--target",
    "name of the target column, or its place counted from 1 (default: by name, else the last)",
    metavar="NAME",
)
TARGET_TRAINED_ON = Option(
    "--target", "name of the target column (default: the one trained on)", metavar="NAME"
)
HEADER = Option("--header", "the text's first line names the columns", False)
NO_HEADER = Option("--no-header", "the text's first line is data", False)
DELIMITER = Option(
    "--delimiter",
    "what stands between the cells of a text: a character, tab, or spaces for any number of blanks",
    metavar="MARK",
)
TEXT = (HEADER, NO_HEADER, DELIMITER)
TASK = Option(
    "--task",
    "what the target is; auto: words and few whole numbers are classes",
    "auto",
    choices=("auto", "classification", "regression"),
)
COLUMNS = (
    Option(
        "--drop",
        "columns to leave out, by name or by place counted from 1; a name with a comma in quotes",
        type=names,
        metavar="NAME,...",
        takes_table=True,
    ),
    Option(
        "--number", "columns that are numbers", type=names, metavar="NAME,...", takes_table=True
    ),
    Option(
        "--category",
        "columns that are categories, though they look like numbers",
        type=names,
        metavar="NAME,...",
        takes_table=True,
    ),
    Option("--date", "columns that are dates", type=names, metavar="NAME,...", takes_table=True),
    Option("--weights", "column of the rows' weights", metavar="NAME"),
    Option(
        "--groups",
        "column of groups: rows of one group stay on one side of a split",
        metavar="NAME",
    ),
    Option("--time", "column that orders the rows: the latest are tested on", metavar="NAME"),
)
FORCE = Option("--force", "replace files that `backprop train` did not write", False)
THREADS = Option(
    "--threads", "threads to compute with (default: the library's)", type=positive_int, metavar="N"
)
SEED = Option("--seed", "seed of every random choice", 0, seed, metavar="N")

TRAIN = Command(
    "_train",
    "train",
    "train a network on a data set and save it",
    {
        "data": (
            # DATA may be missing here, because the configuration file may have it.
            replace(DATA, nargs="*"),
            TARGET,
            TASK,
            *TEXT,
            Option("--test-size", "share held out to test on", 0.2, share, metavar="SHARE"),
            Option(
                "--validation-size",
                "share of the rest to watch while training; 0 for none",
                0.1,
                share_or_zero,
                metavar="SHARE",
            ),
            Option(
                "--scale",
                "standardise arrays: each feature by itself, together by one scale, none, or auto: "
                "together if they are of one unit, like pixels; tables are encoded always",
                "auto",
                choices=("auto", "each", "together", "none"),
            ),
        ),
        "columns of a table": COLUMNS,
        "network": (
            Option(
                "--hidden",
                "widths of the hidden layers, comma-separated, or none",
                "100",
                widths,
                metavar="N,...",
            ),
            Option(
                "--activation",
                "of the hidden layers: one name, or one for each",
                "relu",
                activations,
                metavar="NAME,...",
            ),
            Option(
                "--loss",
                "what to minimise (default: cross_entropy for classes, squared_error for "
                "quantities), as in huber:0.5",
                type=loss,
                metavar="NAME[:PARAMETER]",
            ),
            Option(
                "--dtype", "precision of the network", "float32", choices=("float32", "float64")
            ),
        ),
        "training": (
            Option("--epochs", "passes over the training set", 40, positive_int, metavar="N"),
            Option("--batch-size", "examples a step", 32, positive_int, metavar="N"),
            Option(
                "--optimizer",
                "sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw, lion or lbfgs, as in "
                "adam:beta_1=0.8",
                "sgd",
                optimizer,
                metavar="NAME[:OPTION=VALUE,...]",
                takes_table=True,
            ),
            Option(
                "--lr",
                "learning rate (default: the optimizer's; for sgd 0.1 for classes, 0.01 for "
                "quantities)",
                type=rate,
                metavar="RATE",
            ),
            Option(
                "--schedule",
                "constant, step, exponential, cosine, inverse_scaling, one_cycle or "
                "reduce_on_plateau, as in cosine:warmup=5",
                "constant",
                schedule,
                metavar="NAME[:OPTION=VALUE,...]",
                takes_table=True,
            ),
            Option(
                "--early-stopping",
                "stop after so many epochs without improvement, 10 if N is left out, and keep the "
                "best weights",
                type=positive_int,
                metavar="N",
                nargs="?",
                const=10,
            ),
            SEED,
            THREADS,
        ),
        "regularisation and weights": (
            Option(
                "--l1",
                "penalty on the sum of the absolute weights, for all layers or each",
                0.0,
                strengths,
                metavar="STRENGTH,...",
            ),
            Option(
                "--l2",
                "penalty on half the sum of the squared weights, for all layers or each",
                0.0,
                strengths,
                metavar="STRENGTH,...",
            ),
            Option(
                "--dropout",
                "share of the units to drop in each step, for all hidden layers or each",
                0.0,
                rates,
                metavar="SHARE,...",
            ),
            Option(
                "--clip-norm",
                "scale longer gradients to this length",
                type=positive_float,
                metavar="LENGTH",
            ),
            Option(
                "--clip-value",
                "cut larger entries of a gradient to this",
                type=positive_float,
                metavar="SIZE",
            ),
            Option(
                "--max-norm",
                "scale longer rows of weights to this length",
                type=positive_float,
                metavar="LENGTH",
            ),
            Option(
                "--class-weight",
                "balanced, or factors for the examples of some classes",
                type=class_weight,
                metavar="CLASS=WEIGHT,...",
                takes_table=True,
            ),
        ),
        "configuration and checkpoints": (
            Option(
                "--config",
                "a TOML file of these options by their names; those given here win",
                metavar="FILE",
            ),
            Option("--checkpoint", "file or folder to save the training to", metavar="PATH"),
            Option("--every", "epochs between checkpoints", 1, positive_int, metavar="N"),
            Option("--keep-last", "checkpoints a folder keeps", 3, positive_int, metavar="N"),
            Option(
                "--resume",
                "checkpoint to go on from, that of --checkpoint if PATH is left out",
                metavar="PATH",
                nargs="?",
                const=True,
            ),
        ),
        "output": (
            Option(
                "--out",
                "where to save the model (default: the data's name with .safetensors)",
                metavar="FILE",
            ),
            Option("--no-plot", "do not draw the loss curve beside the model", False),
            FORCE,
        ),
    },
)

COMMANDS: dict[str, Command] = {
    "train": TRAIN,
    "columns": Command(
        "_train",
        "columns",
        "say what is understood of a table: a line a column, and every problem at once",
        {"data": (DATA, TARGET, TASK, *TEXT), "columns": COLUMNS},
    ),
    "predict": Command(
        "_use",
        "predict",
        "predict the target of each example, as CSV",
        {
            "data": (MODEL, DATA, *TEXT),
            "output": (
                Option(
                    "--out",
                    "file to write, CSV or .parquet (default: CSV on standard output)",
                    metavar="FILE",
                ),
                Option("--proba", "add the probability of each class", False),
                Option(
                    "--keep",
                    "columns of DATA to write before the predictions, such as an id",
                    (),
                    type=names,
                    metavar="NAME,...",
                ),
                THREADS,
            ),
        },
    ),
    "evaluate": Command(
        "_use",
        "evaluate",
        "compare a model's predictions with the targets of a data set",
        {
            "data": (
                MODEL,
                DATA,
                TARGET_TRAINED_ON,
                *TEXT,
                THREADS,
            )
        },
    ),
    "importance": Command(
        "_use",
        "importance",
        "what each column is worth: how much worse predictions are when it is shuffled",
        {
            "data": (MODEL, DATA, TARGET_TRAINED_ON, *TEXT),
            "shuffling": (
                Option("--repeats", "shuffles of each column", 5, positive_int, metavar="N"),
                SEED,
                THREADS,
            ),
        },
    ),
    "check": Command(
        "_see",
        "check",
        "compare the engine's gradients with the reference and central differences",
        {
            "network": (
                Option(
                    "model",
                    "a model to check (default: small networks of every activation and loss)",
                    metavar="MODEL",
                    nargs="?",
                ),
                Option("--examples", "random examples to check with", 8, positive_int, metavar="N"),
                SEED,
            )
        },
    ),
    "explain": Command(
        "_see",
        "explain",
        "explain one derivative: a product of factors, or a sum over paths",
        {
            "network": (
                Option(
                    "model",
                    "a model (default: a thin network of four layers, the note's figure 2)",
                    metavar="MODEL",
                    nargs="?",
                ),
                Option("data", "examples with targets, as for evaluate", metavar="DATA", nargs="*"),
                TARGET_TRAINED_ON,
                *TEXT,
                SEED,
            ),
            "what to explain": (
                Option("--row", "which example, counted from 0", 0, count, metavar="N"),
                Option(
                    "--weight",
                    "layer K from 1, unit I and input J from 0 (default: the largest derivative of "
                    "layer 1)",
                    type=weight,
                    metavar="K,I,J",
                ),
                Option("--paths", "paths to list, the strongest", 10, positive_int, metavar="N"),
                Option("--trace", "show every array of the example before it", False),
            ),
        },
    ),
    "diagnose": Command(
        "_see",
        "diagnose",
        "look for what keeps a model from learning, and who answers for its loss",
        {
            "data": (MODEL, DATA, TARGET_TRAINED_ON, *TEXT),
            "training": (
                Option(
                    "--lr",
                    "learning rate to judge (default: the one trained with)",
                    type=positive_float,
                    metavar="RATE",
                ),
                THREADS,
            ),
        },
    ),
    "export": Command(
        "_use",
        "export",
        "write a model for other programs: ONNX, a C header, plain safetensors",
        {
            "model": (
                MODEL,
                Option(
                    "--dtype",
                    "precision of what is written (default: the model's)",
                    choices=("float32", "float64"),
                ),
            ),
            "output": (
                Option(
                    "--format",
                    "what to write (default: what the ending of --out says)",
                    choices=("onnx", "c", "safetensors"),
                ),
                Option(
                    "--out",
                    "file to write: .onnx, .h or .safetensors (default: the model's name with "
                    "that ending)",
                    metavar="FILE",
                ),
                Option("--name", "what the names in a C header begin with", "net", metavar="NAME"),
            ),
        },
    ),
    "play": Command(
        "_see",
        "play",
        "write a page on which to step through a small network in a browser",
        {
            "data": (
                Option(
                    "model",
                    "a model to show, with its DATA (default: a network trained on --toy)",
                    metavar="MODEL",
                    nargs="?",
                ),
                Option("data", "the data of the model, as for train", metavar="DATA", nargs="*"),
                TARGET_TRAINED_ON,
                *TEXT,
                Option("--toy", "two classes in the plane", "moons", choices=("moons", "spirals")),
                Option("--examples", "examples on the page", 40, positive_int, metavar="N"),
                SEED,
            ),
            "network and training, without a model": (
                Option(
                    "--hidden",
                    "widths of the hidden layers, comma-separated, or none",
                    "4,3",
                    widths,
                    metavar="N,...",
                ),
                Option(
                    "--activation",
                    "of the hidden layers: one name, or one for each",
                    "tanh",
                    activations,
                    metavar="NAME,...",
                ),
                Option("--epochs", "steps taken before the page", 20, count, metavar="N"),
            ),
            "output": (
                Option(
                    "--lr", "learning rate, also of the page", 1.0, positive_float, metavar="RATE"
                ),
                Option("--out", "the HTML file", "play.html", metavar="FILE"),
            ),
        },
    ),
    "info": Command(
        "_see",
        "info",
        "show a model's columns, options, scores and curve; or versions and threads",
        {
            "model": (
                Option(
                    "model",
                    "a model file (default: what this program runs on)",
                    metavar="MODEL",
                    nargs="?",
                ),
            )
        },
    ),
}


class Parser(argparse.ArgumentParser):
    """argparse that states a usage error in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2 after one line on standard error."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def build_parser(defaults: Mapping[str, Mapping[str, Any]] | None = None) -> Parser:
    """Turn the tables into a parser; no option may be abbreviated, so that adding one is safe.

    ``defaults`` are other values for the options of some commands.
    """
    parser = Parser(
        prog="backprop",
        description="Train and use fully-connected networks on the CPU.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, command in COMMANDS.items():
        sub = commands.add_parser(
            name, help=command.help, description=command.help, allow_abbrev=False
        )
        for heading, options in command.options.items():
            group = sub.add_argument_group(heading)
            for option in options:
                option.add_to(group)
        sub.set_defaults(**(defaults or {}).get(name, {}))
    return parser
