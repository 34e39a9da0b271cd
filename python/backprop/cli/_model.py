"""What the commands share: a model out of a file, examples for it, tables on a terminal."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence

import backprop as bp
from backprop import io
from backprop.cli._source import for_model, is_arrays
from backprop.data import Dataset
from backprop.model import Block, Report, TableModel, lines, of_network
from backprop.tables import Table


def open_model(path: str) -> TableModel:
    """Read what `train` saved, or a network that Python code saved, whose columns are numbers."""
    found = io.load(path)
    return found if isinstance(found, TableModel) else of_network(found)


def use_threads(n_threads: int | None) -> None:
    """Set the number of threads, if one was asked for."""
    if n_threads is not None:
        bp.set_num_threads(n_threads)


def labelled(args: Namespace, model: TableModel) -> Table | Dataset:
    """Read examples with targets, whose columns the model knows."""
    if args.target is not None:
        if is_arrays(args.data):
            raise ValueError(f"--target is for tables; {args.data[0]} holds arrays")
        # The one thing that the encoder looks up by its name in the table.
        model.encoder.target = args.target
    source = for_model(args, model.encoder)
    if isinstance(source, Dataset):
        if source.y is None:
            raise ValueError(f"{source.name} has no target to compare with")
        return source
    if args.target is not None:
        model.encoder.target = source.named(args.target).name
    elif model.target is None:
        model.encoder.target = source.names[-1]
    return source


def name_of(source: Table | Dataset) -> str:
    """Return what to call examples."""
    return source.source if isinstance(source, Table) else source.name


def show(report: Report, title: str, extra: Sequence[tuple[str, str]] = ()) -> None:
    """Print a report."""
    for block in report.blocks(title, extra):
        table(block.title, block.rows, block.header)


def may_write(path: str, force: bool, own: bool, what: str) -> None:
    """Refuse to replace a file that is not this program's own, unless that is said."""
    if os.path.lexists(path) and not own and not force:
        raise FileExistsError(
            f"{path} is there already and is no {what} that `backprop train` wrote; name another "
            "file by --out, or replace it by --force"
        )


def table(title: str, rows: Sequence[Sequence[str]], header: Sequence[str] = ()) -> None:
    """Print a table, its first column to the left and the others to the right."""
    block = Block(title, rows, header)
    text = lines(block)
    width = max((len(line) for line in text[1:]), default=0) + len(rows[0]) if rows else 0
    if sys.stdout.isatty():
        print(title)
        if _draw(rows, header, width):
            return
        text = text[1:]
    print("\n".join(text))


def _draw(rows: Sequence[Sequence[str]], header: Sequence[str], width: int) -> bool:
    """Draw with rich; False if it is not installed or would have to cut cells."""
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        return False
    # rich must not look for markup, because a class may be named "[b]".
    console = Console(markup=False, highlight=False)
    if width > console.width:
        return False
    drawn = Table(show_header=bool(header))
    for i in range(len(rows[0])):
        drawn.add_column(header[i] if header else "", justify="right" if i else "left")
    for row in rows:
        drawn.add_row(*row)
    console.print(drawn)
    return True
