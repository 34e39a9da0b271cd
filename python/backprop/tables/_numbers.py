"""How tables spell numbers: thousands, decimal commas, currencies, percents, brackets.

A column is read in one style. `1,234` alone leaves it open whether the comma groups thousands or
starts the decimals; the column's other cells decide, then the file's other columns, then the
delimiter: a file that separates its cells by semicolons does so because commas are decimals.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

_EXPONENT = r"(?:[eE][+-]?\d+)?"
_PLAIN = re.compile(rf"[+-]?(?:\d+\.?\d*|\.\d+){_EXPONENT}|[+-]?(?:inf|infinity)", re.IGNORECASE)
# What the engine reads as the number it is: no code, none of its own liberties (1_000).
_ENGINE = re.compile(
    rf"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+){_EXPONENT}|[+-]?(?:inf|infinity)", re.IGNORECASE
)
# Digits with a zero in front are a code (a zip, an account), not a quantity.
CODE = re.compile(r"0\d+")
# "1,234,567.8" or "12,34,567" (India); "1.234.567,8", "1 234 567,8" and "1'234'567.8".
_COMMA_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}(?:\.\d*)?")
_OTHER_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:([. '’])\d{3})(?:\1\d{3})*(?:,\d*)?")
_QUOTE_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:[ '’]\d{3})+(?:\.\d*)?")
_DECIMAL_COMMA = re.compile(rf"[+-]?(?:\d+,\d*|,\d+){_EXPONENT}")
_AROUND = re.compile(
    r"^\s*(?P<open>\()?\s*(?P<sign>[+-])?\s*"
    r"(?:(?P<before>[$€£¥₹₽₩₺₴฿]|(?:US|C|A|NZ|HK|R)\$|R\$|USD|EUR|GBP|CHF|JPY|INR|kr|zł|Fr\.?|Rs\.?)\s*)?"
    r"(?P<core>[+-]?[\d.,'’\s]*\d[\d.,'’]*(?:[eE][+-]?\d+)?)"
    r"\s*(?:%|‰|[$€£¥₹₽₩₺₴฿]|USD|EUR|GBP|CHF|JPY|INR|SEK|NOK|DKK|PLN|kr\.?|zł|Fr\.?)?\s*"
    r"(?P<after>-)?(?P<close>\))?\s*$"
)
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2212": "-"})

POINT: Final = "decimal point"
COMMA: Final = "decimal comma"


def _core(cell: str) -> str | None:
    """Return the digits of a cell with its sign in front, without what stands around them."""
    cell = cell.translate(_SPACES)
    if _PLAIN.fullmatch(cell):
        return cell
    found = _AROUND.match(cell)
    if found is None or bool(found["open"]) != bool(found["close"]):
        return None
    core = found["core"].strip()
    if core[0] in "+-" and found["sign"]:
        return None
    minus = (found["sign"] == "-") != bool(found["open"] or found["after"])
    return "-" + core.lstrip("+") if minus else core


def _read(core: str, style: str) -> float | None:
    """Read one number in the style of its column."""
    if style != COMMA and _PLAIN.fullmatch(core):
        return float(core)
    if style == POINT:
        if _COMMA_GROUPS.fullmatch(core):
            return float(core.replace(",", ""))
        if _QUOTE_GROUPS.fullmatch(core):
            return float(re.sub("[ '’]", "", core))
        return None
    if style == COMMA:
        if _OTHER_GROUPS.fullmatch(core):
            return float(re.sub(r"[. '’]", "", core).replace(",", "."))
        if _DECIMAL_COMMA.fullmatch(core) or ("." not in core and _PLAIN.fullmatch(core)):
            return float(core.replace(",", "."))
        # A decimal point among decimal commas can only be a decimal point.
        return float(core) if _PLAIN.fullmatch(core) else None
    return None


def parse(cells: Sequence[str], style: str) -> NDArray[np.float64]:
    """Return the cells as numbers, NaN where a cell is none."""
    result = np.full(len(cells), np.nan)
    for k, cell in enumerate(cells):
        core = _core(cell)
        if core is not None:
            value = _read(core, style)
            if value is not None:
                result[k] = value
    return result


def says_comma(cells: Iterable[str]) -> bool | None:
    """Say whether the cells can only have decimal commas (True), only points (False), or either."""
    comma = point = False
    for cell in cells:
        core = _core(cell)
        if core is None or ("," not in core and "." not in core):
            continue
        digits = core.lstrip("+-")
        if "," in core and not _COMMA_GROUPS.fullmatch(core):
            comma = True
        elif "." in core and not _OTHER_GROUPS.fullmatch(core):
            point = True
        elif "," in core and "." in core:
            # Whichever comes last starts the decimals.
            comma, point = (True, point) if digits.rfind(",") > digits.rfind(".") else (comma, True)
    if comma == point:
        return None
    return comma


def style_of(cells: Sequence[str], file_has_commas: bool | None, delimiter: str | None) -> str:
    """Return the style of a column's cells, which need not all be numbers."""
    own = says_comma(cells)
    if own is None:
        with_comma = any("," in cell for cell in cells)
        if file_has_commas is not None:
            own = file_has_commas
        elif with_comma:
            own = delimiter == ";"
        else:
            own = False
    return COMMA if own else POINT


def has_code(cells: Iterable[str]) -> bool:
    """Say whether a cell is a code: digits only, with a zero in front."""
    return any(CODE.fullmatch(cell) for cell in cells)


def is_plain(cell: str) -> bool:
    """Say whether the engine reads the cell as the number it is."""
    return _ENGINE.fullmatch(cell) is not None


def is_number(cell: str) -> bool:
    """Say whether a cell is a number in some style, codes left out."""
    core = _core(cell)
    if core is None or CODE.fullmatch(core.lstrip("+-")):
        return False
    return _read(core, POINT) is not None or _read(core, COMMA) is not None
