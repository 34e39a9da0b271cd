"""The command line as tables: every command, every option, one line of meaning each."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, NoReturn

from backprop.cli._option import Command, Option
from backprop.cli._shared import DATA, MODEL, NO_HEADER, SEED, TARGET_TRAINED_ON, THREADS
from backprop.cli._train_options import TRAIN
from backprop.cli._types import activations, count, positive_float, positive_int, weight, widths

COMMANDS: dict[str, Command] = {
    "train": TRAIN,
    "predict": Command(
        "_apply",
        "predict",
        "predict the target of each example, as CSV",
        {
            "data": (MODEL, DATA, NO_HEADER),
            "output": (
                Option("--out", "file to write (default: standard output)", metavar="FILE"),
                Option("--proba", "add the probability of each class", False),
                THREADS,
            ),
        },
    ),
    "evaluate": Command(
        "_apply",
        "evaluate",
        "compare a model's predictions with the targets of a data set",
        {
            "data": (
                MODEL,
                DATA,
                TARGET_TRAINED_ON,
                NO_HEADER,
                THREADS,
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
                NO_HEADER,
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
            "data": (MODEL, DATA, TARGET_TRAINED_ON, NO_HEADER),
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
        "_export",
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
                TARGET_TRAINED_ON,
                NO_HEADER,
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
    "info": Command("_inspect", "info", "show versions, instruction set and threads", {}),
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
