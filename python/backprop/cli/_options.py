"""The command line as tables: every command, every option, one line of meaning each."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

T = TypeVar("T", int, float)


def _number(text: str, kind: Callable[[str], T], rule: Callable[[T], bool], said: str) -> T:
    try:
        value = kind(text)
        if rule(value):
            return value
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"must be {said}, got {text!r}")


def positive_int(text: str) -> int:
    """Parse a whole number of at least 1."""
    return _number(text, int, lambda n: n >= 1, "a whole number of at least 1")


def seed(text: str) -> int:
    """Parse a whole number from 0 that fits 63 bits."""
    return _number(text, int, lambda n: 0 <= n < 2**63, "a whole number from 0 to 2^63 - 1")


def positive_float(text: str) -> float:
    """Parse a finite number above 0."""
    return _number(text, float, lambda x: x > 0 and math.isfinite(x), "a finite number above 0")


def share(text: str) -> float:
    """Parse a number between 0 and 1, both excluded."""
    return _number(text, float, lambda x: 0 < x < 1, "between 0 and 1, both excluded")


def share_or_zero(text: str) -> float:
    """Parse a number from 0 to below 1."""
    return _number(text, float, lambda x: 0 <= x < 1, "from 0 to below 1")


def widths(text: str) -> list[int]:
    """Parse comma-separated widths of the hidden layers, or "none"."""
    return [] if text == "none" else [positive_int(part) for part in text.split(",")]


def count(text: str) -> int:
    """Parse a whole number of at least 0."""
    return _number(text, int, lambda n: n >= 0, "a whole number of at least 0")


def weight(text: str) -> tuple[int, int, int]:
    """Parse the k,i,j of a weight."""
    try:
        k, i, j = map(int, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be K,I,J such as 1,0,0, got {text!r}") from None
    return k, i, j


def activations(text: str) -> str | list[str]:
    """Parse the name of an activation for all hidden layers, or a comma-separated name for each."""
    from backprop import _backprop

    names, known = text.split(","), _backprop.activations()
    for name in names:
        if name not in known:
            from difflib import get_close_matches

            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise argparse.ArgumentTypeError(
                f"unknown activation {name!r}; {hint}known are {', '.join(known)}"
            )
    return names if len(names) > 1 else names[0]


@dataclass(frozen=True)
class Option:
    """One argument: positional if its name has no dashes, a flag if its default is False."""

    name: str
    help: str
    default: Any = None
    type: Callable[[str], Any] | None = None
    choices: Sequence[str] | None = None
    metavar: str | None = None
    nargs: str | None = None

    def add_to(self, parser: argparse._ArgumentGroup) -> None:
        """Declare this argument to argparse."""
        if self.default is False:
            parser.add_argument(self.name, action="store_true", help=self.help)
            return
        settings = {key: getattr(self, key) for key in ("type", "choices", "metavar", "nargs")}
        given = {key: value for key, value in settings.items() if value is not None}
        shown = "" if self.default is None else " (default: %(default)s)"
        parser.add_argument(self.name, default=self.default, help=self.help + shown, **given)


@dataclass(frozen=True)
class Command:
    """A command: its module (imported when it runs), its purpose, its options by heading."""

    module: str
    function: str
    help: str
    options: dict[str, tuple[Option, ...]]


_DATA = Option(
    "data",
    "CSV or TSV with a header (also .gz), .npz of X and y, X.npy [y.npy], .parquet, or a bundled "
    "set: digits",
    metavar="DATA",
    nargs="+",
)
_MODEL = Option("model", "a model file that `backprop train` saved", metavar="MODEL")
_TARGET = Option("--target", "name of the target column (default: the last)", metavar="NAME")
_TARGET_TRAINED_ON = Option(
    "--target", "name of the target column (default: the one trained on)", metavar="NAME"
)
_NO_HEADER = Option("--no-header", "the CSV's first line is data; columns are 1, 2, ...", False)
_THREADS = Option(
    "--threads", "threads to compute with (default: the library's)", type=positive_int, metavar="N"
)
_SEED = Option("--seed", "seed of every random choice", 0, seed, metavar="N")

COMMANDS: dict[str, Command] = {
    "train": Command(
        "_train",
        "train",
        "train a network on a data set and save it",
        {
            "data": (
                _DATA,
                _TARGET,
                _NO_HEADER,
                Option(
                    "--task",
                    "what the target is; auto: text and few whole numbers are classes",
                    "auto",
                    choices=("auto", "classification", "regression"),
                ),
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
                    "standardise the features: each by itself, together by one scale, none, or "
                    "auto: together if they are of one unit, like pixels",
                    "auto",
                    choices=("auto", "each", "together", "none"),
                ),
            ),
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
                    "--dtype",
                    "precision of the network",
                    "float32",
                    choices=("float32", "float64"),
                ),
            ),
            "training": (
                Option("--epochs", "passes over the training set", 40, positive_int, metavar="N"),
                Option("--batch-size", "examples a step", 32, positive_int, metavar="N"),
                Option(
                    "--lr",
                    "learning rate (default: 0.1 for classification, 0.01 for regression)",
                    type=positive_float,
                    metavar="RATE",
                ),
                _SEED,
                _THREADS,
            ),
            "output": (
                Option(
                    "--out",
                    "where to save the model (default: the data's name with .safetensors)",
                    metavar="FILE",
                ),
                Option("--no-plot", "do not draw the loss curve beside the model", False),
            ),
        },
    ),
    "predict": Command(
        "_apply",
        "predict",
        "predict the target of each example, as CSV",
        {
            "data": (_MODEL, _DATA, _NO_HEADER),
            "output": (
                Option("--out", "file to write (default: standard output)", metavar="FILE"),
                Option("--proba", "add the probability of each class", False),
                _THREADS,
            ),
        },
    ),
    "evaluate": Command(
        "_apply",
        "evaluate",
        "compare a model's predictions with the targets of a data set",
        {
            "data": (
                _MODEL,
                _DATA,
                _TARGET_TRAINED_ON,
                _NO_HEADER,
                _THREADS,
            )
        },
    ),
    "check": Command(
        "_inspect",
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
                _SEED,
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
                _TARGET_TRAINED_ON,
                _NO_HEADER,
                _SEED,
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
            "data": (_MODEL, _DATA, _TARGET_TRAINED_ON, _NO_HEADER),
            "training": (
                Option(
                    "--lr",
                    "learning rate to judge (default: the one trained with)",
                    type=positive_float,
                    metavar="RATE",
                ),
                _THREADS,
            ),
        },
    ),
    "export": Command(
        "_export",
        "export",
        "write a model for other programs: ONNX, a C header, plain safetensors",
        {
            "model": (
                _MODEL,
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
        "_play",
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
                _TARGET_TRAINED_ON,
                _NO_HEADER,
                Option("--toy", "two classes in the plane", "moons", choices=("moons", "spirals")),
                Option("--examples", "examples on the page", 40, positive_int, metavar="N"),
                _SEED,
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
    "info": Command("_inspect", "info", "show versions, instruction set and threads", {}),
}


class Parser(argparse.ArgumentParser):
    """argparse that states a usage error in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2 after one line on standard error."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def build_parser() -> Parser:
    """Turn the tables into a parser; no option may be abbreviated, so that adding one is safe."""
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
    return parser
