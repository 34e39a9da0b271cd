"""The options of ``backprop train``."""

from __future__ import annotations

from dataclasses import replace

from backprop.cli._option import Command, Option
from backprop.cli._shared import DATA, NO_HEADER, SEED, TARGET, THREADS
from backprop.cli._types import (
    activations,
    class_weight,
    loss,
    optimizer,
    positive_float,
    positive_int,
    rates,
    schedule,
    share,
    share_or_zero,
    strengths,
    widths,
)

TRAIN = Command(
    "_train",
    "train",
    "train a network on a data set and save it",
    {
        "data": (
            # Not required here: the configuration file may have it.
            replace(DATA, nargs="*"),
            TARGET,
            NO_HEADER,
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
                "--loss",
                "what to minimise (default: cross_entropy for classes, squared_error for "
                "quantities), as in huber:0.5",
                type=loss,
                metavar="NAME[:PARAMETER]",
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
                type=positive_float,
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
        ),
    },
)
