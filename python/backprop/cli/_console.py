"""Tables, drawn with rich where it is installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def table(title: str, rows: Sequence[Sequence[str]], header: Sequence[str] = ()) -> None:
    """Print a table, its first column to the left and the others to the right."""
    lines = [header, *rows] if header else rows
    sizes = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    print(title)
    if sys.stdout.isatty() and _draw(rows, header, 1 + sum(size + 3 for size in sizes)):
        return
    for line in lines:
        first, *rest = (cell.rjust(size) for cell, size in zip(line, sizes, strict=True))
        print("  ".join(["", first.strip().ljust(sizes[0]), *rest]))


def _draw(rows: Sequence[Sequence[str]], header: Sequence[str], width: int) -> bool:
    """Draw with rich; False if it is not installed or would have to cut cells."""
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        return False
    # No markup: a class may be named "[b]".
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
