"""What the user sees: lines, tables and a progress bar, with rich where it is installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

_BAR = 24


class Progress(Protocol):
    """What a running training reports to."""

    def update(self, epoch: int, numbers: str) -> None:
        """Show that ``epoch`` epochs are done, and their numbers."""


class _Silent:
    def update(self, epoch: int, numbers: str) -> None:
        pass


class _Bar:
    """A bar of plain characters, drawn over itself."""

    def __init__(self, total: int) -> None:
        self.total = total

    def update(self, epoch: int, numbers: str) -> None:
        done = _BAR * epoch // self.total
        bar = "#" * done + "-" * (_BAR - done)
        sys.stderr.write(f"\repoch {epoch}/{self.total} [{bar}] {numbers}\x1b[K")
        sys.stderr.flush()


@contextmanager
def progress(total: int) -> Iterator[Progress]:
    """Progress over ``total`` epochs on standard error; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield _Silent()
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
    except ImportError:
        try:
            yield _Bar(total)
        finally:
            sys.stderr.write("\n")
        return
    columns = (
        TextColumn("epoch"),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}", markup=False),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total)

        class _Rich:
            def update(self, epoch: int, numbers: str) -> None:
                bar.update(task, completed=epoch, description=numbers)

        yield _Rich()


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
