"""The packages that some formats need, imported where they are used."""

from importlib import import_module
from typing import Any


def needed(module: str, for_what: str, install: str) -> Any:
    """Import a module of an optional package.

    Raises
    ------
    ImportError
        If it is missing; the message says what to install.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{for_what} needs {module.partition('.')[0]}; pip install {install} installs it"
        ) from error
