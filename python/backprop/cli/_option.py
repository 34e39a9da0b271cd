"""What a command and an option of the command line are, as data."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """One argument: positional if its name has no dashes, a flag if its default is False.

    ``const`` is its value where the name stands alone; ``takes_table`` says that ``type`` takes the
    table of a configuration file as well as a text.
    """

    name: str
    help: str
    default: Any = None
    type: Callable[[Any], Any] | None = None
    choices: Sequence[str] | None = None
    metavar: str | None = None
    nargs: str | None = None
    const: Any = None
    takes_table: bool = False

    @property
    def key(self) -> str:
        """Its name in the parsed arguments and in a configuration file."""
        return self.name.lstrip("-").replace("-", "_")

    def add_to(self, parser: argparse._ArgumentGroup) -> None:
        """Declare this argument to argparse."""
        if self.default is False:
            parser.add_argument(self.name, action="store_true", help=self.help)
            return
        settings = {
            key: getattr(self, key) for key in ("type", "choices", "metavar", "nargs", "const")
        }
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
