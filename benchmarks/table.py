"""Aligned Markdown tables: read in a terminal, pasted into a document."""

from __future__ import annotations

from collections.abc import Sequence


def render(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is aligned left and whose others are aligned right."""
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        aligned = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return "| " + " | ".join(aligned) + " |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(header), line(rule), *map(line, rows)])


def number(value: float | None, unit: str = "") -> str:
    """Three significant digits, never an exponent; a dash for nothing."""
    if value is None:
        return "-"
    if abs(value) >= 99.95:
        return f"{value:,.0f}{unit}".replace(",", " ")
    return f"{value:.{2 if abs(value) < 9.995 else 1}f}{unit}"
