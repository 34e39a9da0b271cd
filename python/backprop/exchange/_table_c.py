"""A network with its columns as one C99 header: a struct of the cells of a row, and its answer.

The network in it is the header that `to_c` writes. Words are compared as bytes of UTF-8; texts are
written in ASCII with octal escapes, which cannot swallow what follows and form no trigraphs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from backprop.core.checks import texts
from backprop.core.files import replace
from backprop.core.network import Core
from backprop.core.runtime import __version__
from backprop.exchange._c import check, in_comment, parts
from backprop.exchange._columns import DAYS_BEFORE_1970, Column, Plan, plan
from backprop.tables import Encoder

_TYPES = {
    "number": ("double ", "a number; NaN where it is missing"),
    "category": ("const char *", "UTF-8; NULL or empty where it is missing"),
    "date": ("double ", "seconds since 1970-01-01T00:00:00Z; NaN where it is missing"),
}
# Words that no field of a struct can be called, in C or in C++, and macros of usual headers.
_RESERVED = frozenset(
    re.findall(
        r"\w+",
        """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t
    char8_t class co_await co_return co_yield compl concept const const_cast consteval constexpr
    constinit continue decltype default delete do double dynamic_cast else enum explicit export
    extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq
    nullptr operator or or_eq private protected public register reinterpret_cast requires restrict
    return short signed sizeof static static_assert static_cast struct switch template this
    thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned using
    virtual void volatile wchar_t while xor xor_eq
    EOF HUGE_VAL HUGE_VALF I INFINITY NAN NULL assert complex errno i386 imaginary linux major minor
    noreturn offsetof stderr stdin stdout unix
    """,
    )
)
_MACRO = re.compile(r"(?:FP|HUGE|M|MATH)_[A-Z0-9_]*")

_GONE = """
/* Of NaN and of the infinite ones the difference from itself is NaN. */
static inline int NAME_gone(double x) { return !(x - x == 0); }
"""

_SMOOTH = """
/* z / sqrt(1 + (z / 3)^2) with z = (x - median) factor; 0 where x is missing */
static inline double NAME_smooth(double x, double median, double factor) {
  double z = (x - median) * factor;
  double third;
  if (NAME_gone(x) || z != z) return 0.0;
  if (z > 1e8) z = 1e8;
  if (z < -1e8) z = -1e8;
  third = z / 3.0;
  return z / sqrt(third * third + 1.0);
}
"""

_PLACE = """
/* Words in the order of their bytes, and the place of each among a column's features. */
typedef struct {
  const char *word;
  int place;
} NAME_spelling;

/* -1, 0 or 1 where n bytes come before a word, are it, or come after it; fold: in lower case */
static inline int NAME_compare(const char *cell, size_t n, const char *word, int fold) {
  for (size_t k = 0; k < n; ++k) {
    unsigned char a = (unsigned char)cell[k], b = (unsigned char)word[k];
    if (fold && a >= 'A' && a <= 'Z') a = (unsigned char)(a + ('a' - 'A'));
    if (a != b) return a < b ? -1 : 1;
  }
  return word[n] == 0 ? 0 : -1;
}

static inline const NAME_spelling *NAME_find(const NAME_spelling *words, size_t count,
    const char *cell, size_t n, int fold) {
  size_t low = 0, high = count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const int order = NAME_compare(cell, n, words[middle].word, fold);
    if (order == 0) return words + middle;
    if (order < 0) high = middle; else low = middle + 1;
  }
  return NULL;
}

static inline int NAME_blank(char c) { return c == ' ' || (c >= '\\t' && c <= '\\r'); }

/* x[place] <- 1 for a cell among exact words, or among those of any case, or among neither */
static inline void NAME_category(const char *cell, const NAME_spelling *exact, size_t n_exact,
    const NAME_spelling *any_case, size_t n_any_case, int unseen, REAL *x) {
  const NAME_spelling *found;
  size_t n;
  if (cell == NULL) cell = "";
  while (NAME_blank(*cell)) ++cell;
  n = strlen(cell);
  while (n > 0 && NAME_blank(cell[n - 1])) --n;
  found = NAME_find(exact, n_exact, cell, n, 0);
  if (found == NULL) found = NAME_find(any_case, n_any_case, cell, n, 1);
  if (found != NULL) unseen = found->place;
  if (unseen >= 0) x[unseen] = 1;
}
"""

_DATE = """
static inline void NAME_cycle(double turn, REAL *x) {
  x[0] = (REAL)sin(6.283185307179586 * turn);
  x[1] = (REAL)cos(6.283185307179586 * turn);
}

/* Elapsed time, day of the month, weekend, cycles of the year, the week and, if timed, the day. The
 * year begins in March here, so that the leap day is its last. */
static inline void NAME_date(double seconds, double median, double factor, int timed, REAL *x) {
  const double us_of_day = 86400e6;
  double us, days, of_day;
  long day, of_era, year, of_year, of_month, weekday;
  int next, leap;
  if (NAME_gone(seconds)) return;
  if (seconds > 9e12) seconds = 9e12;
  if (seconds < -9e12) seconds = -9e12;
  us = floor(seconds * 1e6 + 0.5);
  days = floor(us / us_of_day);
  of_day = us - days * us_of_day;
  if (of_day < 0) days -= 1, of_day += us_of_day;
  if (of_day >= us_of_day) days += 1, of_day -= us_of_day;
  of_day /= us_of_day;
  day = (long)days + SHIFTL;
  /* Monday is 0; the first day of the count is a Wednesday. */
  weekday = (day + 2) % 7;
  of_era = day % 146097;
  year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  of_year = of_era - (365 * year + year / 4 - year / 100);
  of_month = of_year - (153 * ((5 * of_year + 2) / 153) + 2) / 5;
  next = of_year >= 306;
  year = (year + next) % 400;
  leap = year % 4 == 0 && (year % 100 != 0 || year == 0);
  of_year = next ? of_year - 306 : of_year + 59 + leap;
  x[0] = (REAL)NAME_smooth(us / us_of_day, median, factor);
  x[1] = (REAL)(((double)of_month - 15.0) / 8.0);
  x[2] = weekday >= 5;
  NAME_cycle(((double)of_year + of_day) / (365.0 + leap), x + 3);
  NAME_cycle(((double)weekday + of_day) / 7.0, x + 5);
  if (timed) NAME_cycle(of_day, x + 7);
}
"""


def table_to_c(
    network: Core,
    encoder: Encoder,
    path: str | os.PathLike[str],
    name: str = "model",
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a network with its columns as a C99 header; C++ compilers take it as well.

    ``NAME_row`` is a struct with a field for each column, in order: ``double`` for numbers, NaN
    where they are missing; ``const char *`` for categories, NULL or "" where they are missing;
    ``double`` for dates, the seconds since 1970 in UTC, NaN where they are missing. The fields are
    called as the columns are, with ``_`` for what C does not take; a comment has the name itself.

    For classes ``int NAME_predict(const NAME_row *row, REAL *probabilities)`` returns the place of
    the class, whose name is in ``NAME_classes``, and writes ``NAME_N_CLASSES`` probabilities unless
    the pointer is NULL; REAL is float or double, as the network is. For a quantity ``double
    NAME_predict(const NAME_row *row)`` returns it in its own unit. Nothing is allocated but on the
    stack. It needs <math.h> and <string.h> alone.

    Parameters
    ----------
    network : Network
        It takes the encoder's features.
    encoder : backprop.tables.Encoder
        Fitted, to a table with a target.
    path : path
        Of the file, which is replaced in one move; ".h" is the usual ending.
    name : str
        What every name in it begins with, so that a program may hold several.
    metadata : mapping, optional
        Texts to keep in its first comment.

    Raises
    ------
    TypeError, ValueError
        If network and encoder do not belong together, ``name`` is no C identifier, ``metadata``
        holds anything but texts, or a weight is not finite.
    OSError
        If the file cannot be written.
    """
    what = plan(network, encoder)
    check(network, name)
    text = "".join(_parts(network, what, name, texts("metadata", metadata)))
    replace(path, [text.encode("ascii")])


def _parts(network: Core, what: Plan, name: str, metadata: dict[str, str]) -> Iterator[str]:
    real = "float" if network.dtype == np.float32 else "double"
    guard = f"{name.upper()}_H"
    about = "".join(f" * {in_comment(key)}: {in_comment(text)}\n" for key, text in metadata.items())
    if what.classes:
        use = (
            f"{name}_predict(row, probabilities) returns the place of the class in {name}_classes\n"
            f" * and writes {len(what.classes)} probabilities, unless it gets NULL for them."
        )
    else:
        use = f"{name}_predict(row) returns the value in its own unit."
    yield f"""\
/* {in_comment(what.target)} from {len(what.columns)} columns, by backprop {__version__}.
{about} *
 * {use}
 * It allocates nothing and keeps no state.
 */
#ifndef {guard}
#define {guard}

#include <math.h>
#include <stddef.h>
#include <string.h>

"""
    yield from parts(network, f"{name}_network", {})
    yield f"\n#define {name.upper()}_N_COLUMNS {len(what.columns)}\n"
    if what.classes:
        yield f"#define {name.upper()}_N_CLASSES {len(what.classes)}\n"
        yield f"\nstatic const char *const {name}_classes[{len(what.classes)}] = {{\n"
        for label in what.classes:
            yield f"  {_string(label, f'the class {label!r}')},\n"
        yield "};\n"
    fields = _fields(what.columns)
    yield "\ntypedef struct {\n"
    for field, column in zip(fields, what.columns, strict=True):
        kind, meaning = _TYPES[column.kind]
        called = "" if field == column.name else f"{in_comment(column.name)}: "
        yield f"  {kind}{field}; /* {called}{meaning} */\n"
    yield f"}} {name}_row;\n"
    functions = [_GONE, _SMOOTH]
    if what.of("category"):
        functions.append(_PLACE)
    if what.of("date"):
        functions.append(_DATE.replace("SHIFT", str(DAYS_BEFORE_1970)))
    for function in functions:
        yield function.replace("NAME", name).replace("REAL", real)
    # Users' words stand in these: nothing may be replaced in them.
    yield from _spellings(what.of("category"), name)
    yield from _encode(what, fields, name, real)
    yield _predict(what, network).replace("NAME", name).replace("REAL", real)
    yield f"\n#endif /* {guard} */\n"


def _fields(columns: Iterable[Column]) -> list[str]:
    """Return the fields' names: as the columns', where C lets them be."""
    fields: list[str] = []
    for column in columns:
        field = re.sub(r"[^A-Za-z0-9_]+", "_", column.name).strip("_") or "column"
        if not field[0].isalpha():
            field = f"column_{field}"
        if field in _RESERVED or _MACRO.fullmatch(field):
            field += "_"
        plain, count = field, 1
        while field in fields:
            count += 1
            field = f"{plain}_{count}"
        fields.append(field)
    return fields


def _spellings(columns: list[Column], name: str) -> Iterator[str]:
    """Define the words of each column, and those of any case once for all columns that agree."""
    for number, table in enumerate(_any_cases(columns)):
        yield _table(name, f"any_case_{number}", dict(table), "a word")
    for column in columns:
        assert column.spelling is not None
        if column.spelling.exact:
            what = f"a value of the column {column.name!r}"
            yield _table(name, f"words_{column.first}", column.spelling.exact, what)


def _any_cases(columns: list[Column]) -> list[tuple[tuple[str, int], ...]]:
    return list(dict.fromkeys(_any_case(column) for column in columns))


def _any_case(column: Column) -> tuple[tuple[str, int], ...]:
    assert column.spelling is not None
    return tuple(sorted(column.spelling.any_case.items()))


def _table(name: str, table: str, words: dict[str, int], what: str) -> str:
    in_order = sorted(words, key=lambda word: word.encode("utf-8", "surrogatepass"))
    lines = (f"  {{{_string(word, what)}, {words[word]}}},\n" for word in in_order)
    head = f"\nstatic const {name}_spelling {name}_{table}[{len(words)}] = {{\n"
    return "".join([head, *lines, "};\n"])


def _encode(what: Plan, fields: list[str], name: str, real: str) -> Iterator[str]:
    """Write NAME_encode: a row to the network's features."""
    any_cases = _any_cases(what.of("category"))
    yield "\n/* The features, as the network takes them. */\n"
    yield f"static inline void {name}_encode(const {name}_row *row, {real} *x) {{\n"
    yield f"  for (size_t k = 0; k < {what.n_features}; ++k) x[k] = 0;\n"
    for field, column in zip(fields, what.columns, strict=True):
        cell, at = f"row->{field}", column.first
        scale = f"{_number(column.median)}, {_number(column.factor)}"
        if column.kind == "number":
            yield f"  x[{at}] = ({real}){name}_smooth({cell}, {scale});\n"
        elif column.kind == "date":
            yield f"  {name}_date({cell}, {scale}, {int(column.timed)}, x + {at});\n"
        else:
            assert column.spelling is not None
            exact, any_case = column.spelling.exact, _any_case(column)
            words = f"{name}_words_{at}, {len(exact)}" if exact else "NULL, 0"
            others = f"{name}_any_case_{any_cases.index(any_case)}, {len(any_case)}"
            yield f"  {name}_category({cell}, {words}, {others},\n"
            yield f"      {column.spelling.unseen}, x + {at});\n"
        if column.has_missing and column.kind != "category":
            yield f"  x[{at + column.width - 1}] = ({real}){name}_gone({cell});\n"
    yield "}\n"


def _predict(what: Plan, network: Core) -> str:
    n, p = what.n_features, network.layer_sizes[-1]
    run = f"""\
  REAL x[{n}], y_hat[{max(p, len(what.classes))}];
  NAME_encode(row, x);
  NAME_network_predict(x, y_hat);
"""
    if not what.classes:
        scaled = f"(double)y_hat[0] * {_number(what.deviation)} + {_number(what.mean)}"
        head = "\nstatic inline double NAME_predict(const NAME_row *row) {\n"
        return f"{head}{run}  return {scaled};\n}}\n"
    if network.output_name == "sigmoid":
        run += "  y_hat[1] = y_hat[0];\n  y_hat[0] = 1 - y_hat[1];\n"
    n_classes = len(what.classes)
    return f"""
static inline int NAME_predict(const NAME_row *row, REAL *probabilities) {{
  int best = 0;
{run}\
  for (int k = 1; k < {n_classes}; ++k) if (y_hat[k] > y_hat[best]) best = k;
  if (probabilities != NULL)
    for (int k = 0; k < {n_classes}; ++k) probabilities[k] = y_hat[k];
  return best;
}}
"""


def _number(value: float) -> str:
    digits = format(value, ".17g")
    return digits if set(digits) & set(".e") else digits + ".0"


def _string(text: str, what: str) -> str:
    """Return a text as a C string of ASCII.

    Raises
    ------
    ValueError
        If it holds a NUL, with which strings end in C.
    """
    if "\0" in text:
        raise ValueError(f"{what} holds a NUL character, which no C string can: {text!r}")
    plain = (
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"
        for byte in text.encode("utf-8", "surrogatepass")
    )
    return '"' + "".join(plain) + '"'
