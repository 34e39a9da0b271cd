"""A progress bar on standard error: rich's where it is installed, else a line drawn over itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

Update = Callable[[int, str], None]
_BAR = 24
# A training shorter than this, in seconds, shows no bar: importing rich would take a good part of
# it.
_PATIENCE = 1.0


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return type(shell).__name__ == "ZMQInteractiveShell"


def can_show() -> bool:
    """Whether somebody sees standard error as it is drawn."""
    return sys.stderr.isatty() or in_notebook()


@contextmanager
def bar(total: int) -> Iterator[Update]:
    """Show progress over ``total`` epochs: ``update(epoch, numbers)``."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
    except ImportError:
        rich_found = False
    else:
        # In a notebook rich needs the package of widgets and warns without it; a line does as well.
        rich_found = sys.stderr.isatty()
    if not rich_found:
        try:
            yield _line(total)
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
    with RichProgress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total)
        yield lambda epoch, numbers: progress.update(task, completed=epoch, description=numbers)


def _line(total: int) -> Update:
    widest = 0

    def update(epoch: int, numbers: str) -> None:
        nonlocal widest
        done = _BAR * epoch // total
        text = f"epoch {epoch}/{total} [{'#' * done}{'-' * (_BAR - done)}] {numbers}"
        widest = max(widest, len(text))
        # Spaces wipe out what stood there, because notebooks know no control sequence but the
        # return.
        sys.stderr.write("\r" + text.ljust(widest))
        sys.stderr.flush()

    return update


class Bar:
    """The bar of one training, a context: drawn at once, after a while, or never.

    Parameters
    ----------
    wanted : bool or None
        None draws it where somebody sees it, once the training has taken a second; True at once.
    total : int
        The epochs.
    """

    def __init__(self, wanted: bool | None, total: int) -> None:
        self._shown = wanted is not False and can_show()
        self._patience = 0.0 if wanted else _PATIENCE
        self._total, self._stack = total, ExitStack()
        self._update: Update | None = None

    def __enter__(self) -> Bar:
        self._start = time.monotonic()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def update(self, epoch: int, history: Mapping[str, Sequence[float]]) -> None:
        """Show that ``epoch`` epochs are done, and the last of their numbers."""
        if not self._shown:
            return
        if self._update is None:
            if time.monotonic() - self._start < self._patience:
                return
            self._update = self._stack.enter_context(bar(self._total))
        self._update(epoch, summary(history))


def summary(history: Mapping[str, Sequence[float]]) -> str:
    """Return the last loss and how well the held-out examples are predicted."""
    parts = [f"loss {history['loss'][-1]:.4f}"]
    others = [name for name in history if name not in ("loss", "val_loss")]
    for name in others or [name for name in history if name == "val_loss"]:
        said = name.replace("val_", "validation ", 1).replace("_", " ")
        parts.append(f"{said} {history[name][-1]:.4f}")
    return "  ".join(parts)
