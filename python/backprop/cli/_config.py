"""Options from a TOML file: the same keys, the same rules, as defaults that a flag overrides."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from backprop._checks import known_name
from backprop.cli._option import Command, Option


def read(path: str, command: Command) -> dict[str, Any]:
    """Return the options of a command that a file sets, parsed.

    Raises
    ------
    ValueError
        If it is no TOML, or a key or a value is not one of the command's.
    OSError
        If it cannot be read.
    ImportError
        If Python is older than 3.11 and tomli is missing.
    """
    with open(path, "rb") as file:
        content = file.read()
    tomllib = _tomllib()
    try:
        settings = tomllib.loads(content.decode())
    except ValueError as error:
        raise ValueError(f"{path} must be a TOML file: {error}") from None
    options = {o.key: o for group in command.options.values() for o in group if o.key != "config"}
    parsed = {}
    for key, value in settings.items():
        name = known_name(f"a key of {path}", key.replace("-", "_"), options)
        try:
            parsed[name] = _parsed(options[name], value)
        except argparse.ArgumentTypeError as error:
            raise ValueError(f"{path}: `{key}` {error}") from None
    return parsed


def _tomllib() -> Any:
    if sys.version_info >= (3, 11):
        import tomllib

        return tomllib
    try:
        import tomli
    except ImportError:
        raise ImportError(
            "a configuration file needs tomli before Python 3.11; install it with pip install "
            '"backprop[toml]"'
        ) from None
    return tomli


def _parsed(option: Option, value: Any) -> Any:
    if option.default is False:
        if not isinstance(value, bool):
            raise argparse.ArgumentTypeError(f"must be true or false, got {value!r}")
        return value
    if option.nargs in ("*", "+"):
        return [value] if isinstance(value, str) else [str(part) for part in value]
    if option.const is not None and isinstance(value, bool):
        return option.const if value else option.default
    if isinstance(value, dict):
        if not option.takes_table or option.type is None:
            raise argparse.ArgumentTypeError(f"must be no table, got {value!r}")
        return option.type(value)
    # A list is what stands between commas on the command line, where there is only text.
    text = ",".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
    parsed = text if option.type is None else option.type(text)
    if option.choices is not None and parsed not in option.choices:
        raise argparse.ArgumentTypeError(
            f"must be one of {', '.join(option.choices)}, got {parsed!r}"
        )
    return parsed
