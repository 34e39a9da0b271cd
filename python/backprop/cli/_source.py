"""What DATA means on the command line: arrays, a bundled set, or anything that is a table."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from collections.abc import Callable, Generator
from typing import Any

from backprop import data
from backprop.data import Dataset
from backprop.tables import Table, batches, load_penguins, read, read_like

BUNDLED_TABLES: dict[str, Callable[..., Table]] = {"penguins": load_penguins}
BUNDLED = (*data.BUNDLED, *BUNDLED_TABLES)
_LISTS = ("drop", "number", "category", "date")
_SINGLE = ("weights", "groups", "time", "delimiter")


def source(args: Namespace, *, check: bool = True) -> Table | Dataset:
    """Read DATA, to learn from it."""
    if is_arrays(args.data):
        _no_options_of_tables(args)
        return data.load(*args.data)
    task = None if args.task == "auto" else args.task
    options = {"target": args.target, "task": task, "check": check, **_options(args)}
    name = args.data[0]
    if name in BUNDLED_TABLES:
        given = {key: value for key, value in options.items() if value not in (None, [])}
        table = BUNDLED_TABLES[name](**given)
        table.source = name
        if args.target is None:
            table.target_reason = "what the set is for"
        return table
    _must_exist(name)
    return read(name, **options)


def for_model(args: Namespace, encoder: Any) -> Table | Dataset:
    """Read DATA, whose columns a model knows."""
    if is_arrays(args.data):
        return data.load(*args.data)
    name = args.data[0]
    if name in BUNDLED_TABLES:
        table = BUNDLED_TABLES[name]()
        table.source = name
        return table
    _must_exist(name)
    return read_like(name, encoder, header=_header(args), delimiter=_delimiter(args))


def streamed(args: Namespace, encoder: Any, rows: int) -> Generator[Table | Dataset, None, None]:
    """Yield DATA, whose columns a model knows, a number of rows at a time."""
    name = args.data[0]
    if is_arrays(args.data):
        if args.keep:
            raise ValueError(f"--keep is for tables; {name} has no columns with names")
        yield data.load(*args.data, target=None)
        return
    options = {"header": _header(args), "delimiter": _delimiter(args), "keep": args.keep}
    if name in BUNDLED_TABLES:
        yield BUNDLED_TABLES[name](keep=args.keep)
        return
    _must_exist(name)
    yield from batches(name, rows, like=encoder, **options)


def is_arrays(names: list[str]) -> bool:
    """Whether DATA is NumPy's, or the digits: numbers without names for their columns."""
    first = names[0]
    ending = os.path.splitext(first)[1].lower()
    if len(names) > 1 and ending != ".npy":
        raise ValueError(f"a second file must be the y.npy of an X.npy, got {first} first")
    return first in data.BUNDLED or ending in (".npy", ".npz")


def stem(name: str) -> str:
    """Return what to call the files that are made of DATA."""
    if name == "-":
        return "stdin"
    if is_query(name):
        return "query"
    name = name.rstrip("/*").rpartition("::")[2] or name
    base = os.path.basename(os.path.abspath(name))
    found = os.path.splitext(base.removesuffix(".gz").removesuffix(".zst"))[0]
    return re.sub(r"[*?\[\]]+", "", found).strip("-_. ") or "model"


def is_query(name: str) -> bool:
    """Whether DATA is SQL."""
    return bool(re.match(r"\s*(select|with|from|values|\()\b", name, re.IGNORECASE)) and (
        " " in name.strip()
    )


def _options(args: Namespace) -> dict[str, Any]:
    found = {key: list(getattr(args, key) or []) for key in _LISTS}
    single = {key: getattr(args, key) for key in _SINGLE}
    return {**found, **single, "header": _header(args)}


def _header(args: Namespace) -> bool | None:
    if args.header and args.no_header:
        raise ValueError("--header and --no-header cannot both be given")
    return True if args.header else False if args.no_header else None


def _delimiter(args: Namespace) -> str | None:
    delimiter: str | None = args.delimiter
    return delimiter


def _no_options_of_tables(args: Namespace) -> None:
    for key in (*_LISTS, *_SINGLE, "target", "header"):
        if getattr(args, key, None):
            raise ValueError(
                f"--{key} is for tables; {args.data[0]} holds arrays, whose columns have no names"
            )


def _must_exist(name: str) -> None:
    if name == "-" or is_query(name) or "::" in name or set("*?[") & set(name):
        return
    if not os.path.exists(name):
        raise FileNotFoundError(
            f"{name} must be a file, a folder, a query or a bundled data set "
            f"({', '.join(BUNDLED)}), found none"
        )
