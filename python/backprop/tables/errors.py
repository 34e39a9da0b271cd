"""The one kind of error for a table that cannot be used."""

from collections.abc import Sequence

# A message that runs through a terminal's whole memory helps nobody.
_MOST_SHOWN = 100


class TableError(ValueError):
    """A file or frame that is no table, or a column that cannot be used as asked.

    The message names the source, the line or column, and what to do.
    """


def needs(package: str, what: str) -> ImportError:
    """Return the error for a package that is not installed, with the way to install it."""
    return ImportError(
        f"{what} needs the package {package}: pip install 'backprop[tables]'", name=package
    )


def raise_all(source: str, problems: Sequence[str]) -> None:
    """Raise one error that lists every problem, so that nobody meets them one a run."""
    if len(problems) == 1:
        raise TableError(f"{source}: {problems[0]}")
    if problems:
        shown = [*problems[:_MOST_SHOWN]]
        if len(problems) > _MOST_SHOWN:
            shown.append(f"and {len(problems) - _MOST_SHOWN} more")
        raise TableError("\n  - ".join([f"{source}: {len(problems)} problems", *shown]))
