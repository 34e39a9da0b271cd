"""Reading a table: every column, what it is, what is learned, and all that is wrong at once."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backprop.tables import _kinds, _source, _target
from backprop.tables._kinds import Decision
from backprop.tables._raw import Frame, Raw, Words, as_words, number_text, used_levels
from backprop.tables.errors import raise_all


class Fitted(Protocol):
    """What knows the columns that it needs: an `Encoder`, which stands above this module."""

    @property
    def names(self) -> Sequence[str]:
        """Of the columns."""

    @property
    def category_names(self) -> Collection[str]:
        """Of those that are categories."""


# A class of fewer rows than this cannot be both learned and tested.
_RARE_CLASS = 2


@dataclass
class Column:
    """A column of a table and what was decided about it.

    Attributes
    ----------
    name : str
        Its name; blank if the file gives none.
    kind : str
        "number", "category", "date", "text", "identifier", "constant" or "empty".
    role : str
        "feature", "target", "weights", "groups", "time", "row number" or "left out".
    reason : str
        Why, in words; may be blank.
    missing : int
        Rows without a value.
    notes : list of str
        What to say about it.
    """

    name: str
    kind: str
    role: str
    reason: str
    missing: int
    notes: list[str]
    raw: Raw = field(repr=False)
    decision: Decision = field(repr=False)

    @property
    def boolean(self) -> bool:
        """Whether a category's values are spellings of yes and no."""
        return self.decision.boolean

    @property
    def values(self) -> NDArray[Any]:
        """The cells: float64 (NaN), datetime64 (NaT), or words as objects (None)."""
        decision = self.decision
        if self.kind == "number" and decision.numbers is not None:
            return decision.numbers
        if self.kind == "date" and decision.times is not None:
            return decision.times
        return self.words

    @property
    def numbers(self) -> NDArray[np.float64]:
        """The cells as numbers, NaN where there is none."""
        if self.decision.numbers is not None:
            return self.decision.numbers
        return _kinds.as_numbers(self.raw)[0]

    @property
    def words(self) -> NDArray[np.object_]:
        """The cells as the file spells them, None where there is none."""
        words = as_words(self.raw)
        if words.codes is None:
            raise ValueError(
                f"the cells of column {self.name!r} were not kept: nearly all differ; name it in "
                "keep= when reading"
            )
        levels = np.array([*words.levels, None], dtype=object)
        return levels[words.codes]

    @property
    def distinct(self) -> int | None:
        """How many different values there are; None if they were not counted."""
        if isinstance(self.raw, Words):
            return None if self.raw.codes is None else len(used_levels(self.raw))
        values = self.raw.values
        there = values[~np.isnat(values)] if values.dtype.kind == "M" else values[~np.isnan(values)]
        return len(np.unique(there))

    @property
    def range(self) -> str:
        """The smallest and largest value, or the commonest ones, as text."""
        if self.kind == "empty":
            return ""
        values = self.decision.numbers if self.kind != "category" else None
        if self.kind == "date":
            values = self.decision.times  # type: ignore[assignment]
        if values is not None and self.kind in ("number", "date", "identifier"):
            if self.kind == "identifier" and isinstance(self.raw, Words):
                return _common(self.raw)
            there = values[~(np.isnat(values) if values.dtype.kind == "M" else np.isnan(values))]
            if there.size:
                return f"{_short(there.min())} to {_short(there.max())}"
        return _common(as_words(self.raw))


def _short(value: Any) -> str:
    if isinstance(value, np.datetime64):
        text = str(value.astype("datetime64[s]"))
        return text.removesuffix("T00:00:00").replace("T", " ")
    return number_text(float(value)) if float(value).is_integer() else f"{float(value):.6g}"


def _common(words: Words) -> str:
    levels = used_levels(words)
    shown = [" ".join(level.split())[:20] for level, _ in levels[:4]]
    if words.codes is None or len(levels) == len(words):
        return ", ".join(shown[:3]) + ", ..."
    parts = [f"{name} ({count})" for name, (_, count) in zip(shown, levels[:4], strict=True)]
    return ", ".join(parts) + (", ..." if len(levels) > 4 else "")


class Table:
    """A table that was read: its columns, what is learned, and what is to be said about it.

    Attributes
    ----------
    source : str
        Where it comes from.
    columns : tuple of Column
        All columns in the order of the source.
    n_rows : int
        All rows, with those that have no target.
    header : bool or None
        Whether the text names its columns; None if the source is no text.
    delimiter, quote, encoding : str or None
        The text's dialect.
    target : str or None
        The name of what is learned.
    task : str or None
        "classification" or "regression".
    task_reason, target_reason : str
        Why, in words.
    classes : tuple of str
        The class names as the source spells them.
    problems : list of str
        What forbids training; empty unless ``check=False``.
    notes : list of str
        What is to be said about the table as a whole.
    """

    def __init__(self, frame: Frame, columns: Sequence[Column]) -> None:
        self._frame = frame
        self.source = frame.source
        self.columns = tuple(columns)
        self.n_rows = frame.n_rows
        self.header = frame.header
        self.delimiter, self.quote, self.encoding = frame.delimiter, frame.quote, frame.encoding
        self.notes = list(frame.notes)
        self.problems: list[str] = []
        self.target: str | None = None
        self.target_reason = ""
        self.task: str | None = None
        self.task_reason = ""
        self.classes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        task = f", {self.task} of {self.target!r}" if self.task else ""
        return f"Table({self.source!r}: {self.n_rows} rows, {len(self.columns)} columns{task})"

    def __len__(self) -> int:
        return self.n_rows

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"no column {name!r}; the columns are {_listed(self.names)}")

    @property
    def names(self) -> list[str]:
        """The names of all columns."""
        return [column.name for column in self.columns]

    @property
    def features(self) -> list[Column]:
        """The columns that go into the network."""
        return [column for column in self.columns if column.role in ("feature", "time")]

    def named(self, wanted: str | int) -> Column:
        """Return a column by its name or its place counted from 1.

        Raises
        ------
        TableError
            If there is none; the message names the nearest.
        """
        name = _named(wanted, self.names)
        if name is None:
            raise_all(self.source, [_unknown("column", wanted, self.names)])
        return self[name or ""]

    def _with_role(self, role: str) -> Column | None:
        return next((column for column in self.columns if column.role == role), None)

    @property
    def y(self) -> NDArray[Any]:
        """The target: class names as objects (None), or float64 (NaN)."""
        column = self._with_role("target")
        if column is None:
            raise ValueError("the table has no target; read it with target=")
        return column.numbers if self.task == "regression" else column.words

    @property
    def target_codes(self) -> NDArray[Any]:
        """The target as numbers: the place of each class (int64, -1), or float64 (NaN)."""
        column = self._with_role("target")
        if column is None or self.task == "regression":
            return self.y
        words = column.decision.words or as_words(column.raw)
        assert words.codes is not None
        places = {name: k for k, name in enumerate(self.classes)}
        found = np.array([*(places.get(level, -1) for level in words.levels), -1], np.int64)
        codes: NDArray[np.int64] = found[words.codes]
        return codes

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """The rows' weights, None if no column has them."""
        column = self._with_role("weights")
        return None if column is None else column.numbers

    @property
    def groups(self) -> NDArray[np.int64] | None:
        """The number of the group each row belongs to, None if no column has them."""
        column = self._with_role("groups")
        if column is None:
            return None
        words = as_words(column.raw)
        assert words.codes is not None
        # Rows without a group are one each: nothing says that they belong together.
        codes = words.codes.astype(np.int64)
        alone = codes < 0
        codes[alone] = len(words.levels) + np.arange(int(alone.sum()))
        return codes

    @property
    def time(self) -> NDArray[np.float64] | None:
        """What orders the rows in time, None if no column does."""
        column = next((c for c in self.columns if c.decision.role == "time"), None)
        if column is None:
            return None
        if column.decision.times is not None:
            days = column.decision.times.astype(np.int64) / 86_400e6
            return np.where(np.isnat(column.decision.times), np.nan, days)
        return column.numbers

    @property
    def has_target(self) -> NDArray[np.bool_]:
        """Which rows have a target."""
        column = self._with_role("target")
        if column is None:
            return np.zeros(self.n_rows, bool)
        if self.task == "regression":
            return ~np.isnan(column.numbers)
        words = column.decision.words or as_words(column.raw)
        assert words.codes is not None
        return words.codes >= 0

    @property
    def rows_without_target(self) -> int:
        """How many rows have no target: they are left out of training."""
        column = self._with_role("target")
        return 0 if column is None else column.missing

    def where(self, row: int) -> str:
        """Return how to find a row, counted from 0, in the source: its line, if it is a text."""
        return self._frame.where(row)

    def take(self, rows: Any) -> "Table":
        """Return the table of some rows, decided as this one is.

        Parameters
        ----------
        rows : array of int or bool, or slice
            Which rows.
        """
        return apply(self._frame.take(rows), self)

    def facts(self) -> dict[str, Any]:
        """Return what was understood as plain values: dictionaries, lists, numbers, strings."""

        def named(test: Any) -> list[str]:
            return [column.name for column in self.columns if test(column)]

        return {
            "source": self.source,
            "header": self.header,
            "n": self.n_rows,
            "delimiter": "tab" if self.delimiter == "\t" else self.delimiter,
            "quote": self.quote,
            "encoding": self.encoding,
            "target": self.target,
            "task": self.task,
            "task_reason": self.task_reason,
            "classes": list(self.classes),
            "rows_without_target": self.rows_without_target,
            "kinds": {column.name: column.kind for column in self.columns},
            "roles": {column.name: column.role for column in self.columns},
            "missing": {
                c.name: c.missing for c in self.columns if c.missing and c.role != "target"
            },
            "constant": named(lambda c: c.kind == "constant"),
            "row_number": named(lambda c: c.role == "row number"),
            "identifier": named(lambda c: c.kind == "identifier" and c.role != "row number"),
            "text": named(lambda c: c.kind == "text"),
            "all_missing": named(lambda c: c.kind == "empty"),
            "notes": list(self.notes),
            "problems": list(self.problems),
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return a dictionary for each column: what `describe` shows, as plain values."""
        return [
            {
                "name": column.name,
                "kind": column.kind,
                "role": column.role,
                "missing": column.missing,
                "distinct": column.distinct,
                "range": column.range,
                "use": self._use(column),
                "notes": list(column.notes),
            }
            for column in self.columns
        ]

    def _use(self, column: Column) -> str:
        """Return what will be done with a column, in words."""
        why = f" ({column.reason})" if column.reason else ""
        if column.role == "target":
            if self.task is None:
                return "target"
            what = f"{len(self.classes)} classes" if self.classes else "a quantity"
            return f"target: {what}"
        if column.role in ("weights", "groups"):
            return f"{column.role} of the rows; not an input"
        if column.role == "row number":
            return f"row number, left out{why}"
        if column.role == "left out":
            return f"left out{why}"
        use = {
            "number": "scaled by its median and quartiles, clipped smoothly",
            "category": "one 0 or 1 for each frequent value",
            "date": "elapsed time, parts and cycles",
        }[column.kind]
        if column.boolean:
            use = "0 or 1"
        if column.missing and column.kind != "category":
            use += "; missing ones marked"
        if column.role == "time":
            use += "; orders the rows in time"
        return use + why

    def describe(self) -> str:
        """Return what was understood of the table: a line a column, then every problem.

        Returns
        -------
        str
            A text table, for a terminal or a file.
        """
        lines = [f"{self.source}: {self.n_rows} rows, {len(self.columns)} columns"]
        if self.header is not None:
            mark = {"\t": "tab", " ": "blank"}.get(self.delimiter or "", self.delimiter or "")
            head = "the first row names the columns" if self.header else "no header"
            quote = f", quote {self.quote}" if self.quote != '"' else ""
            code = f", {self.encoding}" if self.encoding not in (None, "utf-8") else ""
            lines[0] += f" ({head}; delimiter {mark}{quote}{code})"
        head_row = ["column", "kind", "missing", "distinct", "values", "use"]
        body = []
        for row in self.rows():
            kind = "row number" if row["role"] == "row number" else row["kind"]
            distinct = "many" if row["distinct"] is None else str(row["distinct"])
            name = row["name"] or "(no name)"
            cells = [name, kind, str(row["missing"] or ""), distinct, row["range"], row["use"]]
            body.append([_cut(cell) for cell in cells[:-1]] + cells[-1:])
        shown = [head_row, *body]
        widths = [max(len(line[k]) for line in shown) for k in range(len(head_row))]
        for line in shown:
            cells = [
                cell.rjust(width) if k in (2, 3) else cell.ljust(width)
                for k, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            lines.append("  " + "  ".join(cells).rstrip())
        if self.task is not None:
            lines.append(f"target: {self.target!r}, for {self.target_reason}")
            lines.append(f"task: {self.task}, for {self.task_reason}")
        for column in self.columns:
            lines += [f"note: column {column.name!r}: {note}" for note in column.notes]
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"problem: {problem}" for problem in self.problems]
        return "\n".join(lines)


def _cut(text: str, width: int = 48) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _listed(names: Sequence[str], most: int = 20) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f", ... ({len(names)} in all)" if len(names) > most else "")


def read(
    source: Any,
    *,
    target: str | int | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    drop: Sequence[str | int] = (),
    number: Sequence[str | int] = (),
    category: Sequence[str | int] = (),
    date: Sequence[str | int] = (),
    text: Sequence[str | int] = (),
    weights: str | int | None = None,
    groups: str | int | None = None,
    time: str | int | None = None,
    task: str | None = None,
    encoding: str | None = None,
    keep: Sequence[str | int] = (),
    check: bool = True,
) -> Table:
    """Read a table and decide what its columns are.

    Parameters
    ----------
    source : path, str, dict, array or frame
        A file (CSV in any dialect, packed by gzip or zstd; Parquet; JSON lines), a folder or glob
        of such files, "FILE::TABLE" of a DuckDB or SQLite database, a query ("select ..."), "-"
        for standard input, a dictionary of columns, a matrix, or anything with the Arrow C stream.
    target : str or int, optional
        The column to learn, by name or by its place counted from 1.
    header : bool, optional
        Whether the first row of a text names the columns.
    delimiter : str, optional
        What stands between the cells of a text.
    drop, number, category, date, text : sequence of str or int
        Columns to leave out, and columns of these kinds whatever they look like.
    weights, groups, time : str or int, optional
        The columns with the rows' weights, with their groups, and with what orders them in time.
    task : "classification" or "regression", optional
        What to learn.
    encoding : str, optional
        The encoding of a text that is not UTF-8.
    keep : sequence of str or int
        Columns whose cells are kept though they are left out, such as an id.
    check : bool
        Raise what forbids training; otherwise it is listed in ``problems``.

    Returns
    -------
    Table

    Raises
    ------
    TableError
        If the source is no table, or columns cannot be used: all are named at once.
    TypeError, ValueError
        If an argument is wrong.
    """
    delimiter = _checked(target, header, delimiter, task)
    given = _Given(target, drop, number, category, date, text, weights, groups, time, keep)
    how = _source.How(
        header,
        delimiter,
        encoding,
        as_words=lambda names, reals: given.as_words(names, reals, task),
        loose=not keep,
    )
    return decide(_source.load(source, how), given, task, check)


def _checked(target: Any, header: Any, delimiter: Any, task: Any) -> str | None:
    if header is not None and not isinstance(header, bool):
        raise TypeError(f"`header` must be True, False or None, got {header!r}")
    if task not in (None, "classification", "regression"):
        raise ValueError(f"`task` must be 'classification' or 'regression', got {task!r}")
    if delimiter is None:
        return None
    if not isinstance(delimiter, str):
        raise TypeError(f"`delimiter` must be a string, got {type(delimiter).__name__}")
    meant = {"tab": "\t", "\\t": "\t", "space": " "}.get(delimiter, delimiter)
    if meant != "spaces" and len(meant) != 1:
        raise ValueError(
            f"`delimiter` must be one character, 'tab', or 'spaces' for any number of blanks, got "
            f"{delimiter!r}"
        )
    return meant


class _Given:
    """What the user says about columns, by name or by place counted from 1."""

    def __init__(
        self,
        target: str | int | None,
        drop: Sequence[str | int],
        number: Sequence[str | int],
        category: Sequence[str | int],
        date: Sequence[str | int],
        text: Sequence[str | int],
        weights: str | int | None,
        groups: str | int | None,
        time: str | int | None,
        keep: Sequence[str | int],
    ) -> None:
        self.single = {"target": target, "weights": weights, "groups": groups, "time": time}
        self.several = {
            "drop": _several("drop", drop),
            "number": _several("number", number),
            "category": _several("category", category),
            "date": _several("date", date),
            "text": _several("text", text),
            "keep": _several("keep", keep),
        }

    def resolve(self, names: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
        """Return the names that each argument means, and what is wrong with them."""
        found: dict[str, list[str]] = {}
        problems = []
        everything = {key: [value] for key, value in self.single.items() if value is not None}
        for argument, wanted in (everything | self.several).items():
            found[argument] = []
            for one in wanted:
                name = _named(one, names)
                if name is None:
                    problems.append(_unknown(argument, one, names))
                else:
                    found[argument].append(name)
        kinds = [(kind, name) for kind in _KIND_ARGUMENTS for name in found[kind]]
        for k, (kind, name) in enumerate(kinds):
            problems += [
                f"column {name!r} cannot be both {kind} and {other}"
                for other, same in kinds[k + 1 :]
                if same == name and other != kind
            ]
        roles = [(role, name) for role in self.single for name in found.get(role, [])]
        for k, (role, name) in enumerate(roles):
            problems += [
                f"column {name!r} cannot be both {role} and {other}"
                for other, same in roles[k + 1 :]
                if same == name
            ]
            if name in found["drop"]:
                problems.append(f"column {name!r} cannot be both {role} and dropped")
        return found, problems

    def as_words(self, names: list[str], reals: list[str], task: str | None) -> Collection[str]:
        """Return which columns must be read as they are spelled."""
        found, _ = self.resolve(names)
        target = found.get("target") or [_target.by_name(names, found["drop"])[0]]
        words = set(found["category"]) | set(found["keep"]) | set(found.get("groups", []))
        # Classes stay what the file says; a quantity's digits are read faster by the engine.
        quantity = task == "regression" or (task is None and target[0] in reals)
        return words if quantity else words | set(target)


_KIND_ARGUMENTS = ("number", "category", "date", "text")


def _several(argument: str, value: Any) -> list[str | int]:
    if isinstance(value, str | int):
        return [value]
    try:
        return list(value)
    except TypeError:
        raise TypeError(
            f"`{argument}` must be a list of column names, got {type(value).__name__}"
        ) from None


def _named(wanted: str | int, names: Sequence[str]) -> str | None:
    if isinstance(wanted, bool) or not isinstance(wanted, str | int):
        raise TypeError(f"a column must be named by a string or a place, got {wanted!r}")
    if str(wanted) in names:
        return str(wanted)
    place = int(wanted) if str(wanted).isdecimal() else 0
    if 1 <= place <= len(names):
        return names[place - 1]
    same = [name for name in names if name.strip().lower() == str(wanted).strip().lower()]
    return same[0] if len(same) == 1 else None


def _unknown(argument: str, wanted: str | int, names: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(str(wanted), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"`{argument}`: no column {wanted!r}{hint or ';'} the columns are {_listed(names)}"


def decide(frame: Frame, given: _Given, task: str | None, check: bool) -> Table:
    """Decide what the columns of a frame are."""
    found, problems = given.resolve(frame.names)
    raise_all(frame.source, problems if problems and check else [])
    commas = _kinds.file_commas(frame)
    wanted = {name: kind for kind in _KIND_ARGUMENTS for name in found[kind]}
    wanted |= {name: "number" for name in found.get("weights", []) if name not in wanted}
    decisions = []
    for place, name in enumerate(frame.names):
        decision, problem = _decided(frame, place, commas, wanted.get(name))
        problems += [problem] if problem else []
        if name in found["drop"]:
            decision.role, decision.reason = "left out", "as you said"
        decisions.append(decision)
    roles = {name: role for role in given.single for name in found.get(role, [])}
    if found.get("target"):
        target, why = found["target"][0], "you named it"
    else:
        taken = {*found["drop"], *roles, *frame.outside}
        target, why = _target.choose(frame, decisions, taken)
        roles[target] = "target"
    columns = [
        _column(frame, place, decision, roles.get(frame.names[place]))
        for place, decision in enumerate(decisions)
    ]
    table = Table(frame, columns)
    table.target, table.target_reason = target, why
    if not table.features:
        # A column that counts may be all there is to learn from.
        for column in columns:
            if column.role == "row number" and not _kinds.is_index_name(column.name):
                column.kind, column.role, column.reason = "number", "feature", "the only column"
                column.decision.kind, column.decision.role = "number", "feature"
    _learn(table, columns[frame.names.index(target)], task, problems)
    problems += _roles(table)
    left = [column for column in table.columns if column.role in ("feature", "time")]
    if not left:
        others = [column for column in columns if column.role != "target"]
        out = "; ".join(f"{one.name or '(no name)'}: {one.kind}" for one in others[:10])
        out += f"; ... ({len(others)} in all)" if len(others) > 10 else ""
        problems.append(
            f"no column is left to learn {target!r} from ({out or 'it is the only one'}); name "
            "columns by number=, category= or date= if one should be used"
        )
    table.problems = problems
    if check:
        raise_all(frame.source, problems)
    return table


def _decided(
    frame: Frame, place: int, commas: bool | None, wanted: str | None
) -> tuple[Decision, str]:
    """Return what a column is, and why it cannot be what the user said."""
    try:
        return _kinds.decide(frame, place, commas, wanted), ""
    except ValueError as error:
        return Decision("text", "left out", "it is not what you said"), str(error)


def _column(frame: Frame, place: int, decision: Decision, role: str | None) -> Column:
    raw = frame.columns[place]
    if decision.times is not None and decision.kind == "date":
        missing = int(np.count_nonzero(np.isnat(decision.times)))
    elif decision.numbers is not None and decision.kind == "number":
        missing = int(np.count_nonzero(np.isnan(decision.numbers)))
    elif isinstance(raw, Words):
        missing = raw.n_missing
    else:
        values = raw.values
        gone = np.isnat(values) if values.dtype.kind == "M" else np.isnan(values)
        missing = int(np.count_nonzero(gone))
    final = decision.role
    if role == "time":
        # An order may be a row number or an identifier: then it is no input, but still an order.
        final = "time" if decision.kind in ("number", "date") else decision.role
        decision.role = "time"
    elif role is not None:
        final = role
    return Column(
        frame.names[place], decision.kind, final, decision.reason, missing, decision.notes, raw,
        decision,
    )  # fmt: skip


def _learn(table: Table, column: Column, task: str | None, problems: list[str]) -> None:
    found, wrong = _target.decide(table._frame, column.name, column.decision, task)
    problems += wrong
    if found is None:
        return
    table.task, table.task_reason, table.classes = found.name, found.reason, found.classes
    if found.name == "classification":
        words = column.decision.words
        assert words is not None
        column.kind, column.raw, column.missing = "category", words, words.n_missing
        rare = [level for level, count in used_levels(words) if count < _RARE_CLASS]
        if rare:
            table.notes.append(f"classes with one row each go to training only: {_listed(rare, 5)}")
    else:
        assert column.decision.numbers is not None
        column.kind = "number"
        column.missing = int(np.count_nonzero(np.isnan(column.decision.numbers)))
    if column.missing:
        table.notes.append(
            f"{column.missing} row{'s' * (column.missing > 1)} without a target "
            f"{'are' if column.missing > 1 else 'is'} left out"
        )


def _roles(table: Table) -> list[str]:
    problems = []
    column = table._with_role("weights")
    if column is not None and column.decision.numbers is not None:
        weights = column.numbers
        bad = np.flatnonzero(~(weights >= 0))
        if bad.size:
            row = int(bad[0])
            what = "nothing" if np.isnan(weights[row]) else number_text(weights[row])
            problems.append(
                f"column {column.name!r} holds weights, which must be zero or above: "
                f"{table._frame.where(row)} has {what}"
            )
        elif not weights.any():
            problems.append(f"column {column.name!r} holds weights, and all of them are zero")
    timed = next((c for c in table.columns if c.decision.role == "time"), None)
    if timed is not None and timed.kind not in ("number", "date", "identifier"):
        problems.append(f"column {timed.name!r} must hold dates or numbers to order rows in time")
    return problems


def apply(frame: Frame, like: "Table | Fitted") -> Table:
    """Return a frame as a table whose columns are what another table's are."""
    columns = []
    wanted = {column.name: column for column in like.columns} if isinstance(like, Table) else {}
    for place, name in enumerate(frame.names):
        raw = frame.columns[place]
        old = wanted.get(name)
        if old is None:
            decision = Decision("text", "left out", "not known")
            columns.append(_column(frame, place, decision, None))
            continue
        decision = Decision(
            old.kind, old.decision.role, old.reason, boolean=old.boolean,
            style=old.decision.style, order=old.decision.order,
        )  # fmt: skip
        if old.kind == "number" or (old.decision.numbers is not None and old.kind != "category"):
            decision.numbers = _kinds.as_numbers(raw, style=decision.style)[0]
        elif old.kind == "date":
            decision.times = _kinds.as_times(raw, decision.order)[0]
        elif not isinstance(raw, Words):
            raw = as_words(raw)
        if isinstance(raw, Words):
            decision.words = raw
        column = _column(frame, place, decision, None)
        column.role = old.role
        if decision.kind == "category" and isinstance(raw, Words):
            column.raw = raw
        columns.append(column)
    table = Table(frame, columns)
    if isinstance(like, Table):
        table.target, table.target_reason = like.target, like.target_reason
        table.task, table.task_reason, table.classes = like.task, like.task_reason, like.classes
    return table


def read_like(
    source: Any,
    like: "Table | Fitted",
    *,
    header: bool | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    keep: Sequence[str | int] = (),
) -> Table:
    """Read a table whose columns are those of another, or those that an encoder takes.

    Parameters
    ----------
    source : path, str, dict, array or frame
        As in `read`.
    like : Table or Encoder
        What the columns are. Columns that it does not know are there, and left out.
    header, delimiter, encoding
        As in `read`.
    keep : sequence of str or int
        Columns whose cells are wanted as the source spells them.

    Returns
    -------
    Table

    Raises
    ------
    TableError
        If the source is no table or has no column of ``keep``.
    """
    delimiter = _checked(None, header, delimiter, None)
    how = how_like(like, header, delimiter, encoding, keep)
    return _kept(apply(_source.load(source, how), like), keep)


def _kept(table: Table, keep: Sequence[str | int]) -> Table:
    """Return the table, in which all columns to be kept must be."""
    problems = [
        _unknown("keep", one, table.names)
        for one in _several("keep", keep)
        if _named(one, table.names) is None
    ]
    raise_all(table.source, problems)
    return table


def batches(
    source: Any,
    rows: int,
    *,
    like: "Table | Fitted | None" = None,
    header: bool | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    keep: Sequence[str | int] = (),
    **options: Any,
) -> Iterator[Table]:
    """Yield a table a number of rows at a time, for tables larger than memory.

    Parameters
    ----------
    source : path, str, dict, array or frame
        As in `read`.
    rows : int
        Rows of a batch; the last may have fewer.
    like : Table or Encoder, optional
        What the columns are; without it the first batch decides, by the rules of `read`.
    header, delimiter, encoding, keep
        As in `read`.
    **options
        As in `read`, for the first batch.

    Yields
    ------
    Table
    """
    if isinstance(rows, bool) or not isinstance(rows, int):
        raise TypeError(f"`rows` must be an integer, got {rows!r}")
    if rows < 1:
        raise ValueError(f"`rows` must be at least 1, got {rows}")
    delimiter = _checked(None, header, delimiter, options.get("task"))
    if like is None:
        task, check = options.pop("task", None), options.pop("check", True)
        given = _given(keep=keep, **options)
        how = _source.How(
            header, delimiter, encoding,
            as_words=lambda names, reals: given.as_words(names, reals, task),
        )  # fmt: skip
    else:
        if options:
            raise TypeError(f"`{next(iter(options))}` has no place beside `like`, which decides it")
        how = how_like(like, header, delimiter, encoding, keep)
    for frame in _source.stream(source, rows, how):
        if like is None:
            table = decide(frame, given, task, check)
            yield table
            like = table
        else:
            yield _kept(apply(frame, like), keep)


def _given(
    target: Any = None, drop: Any = (), number: Any = (), category: Any = (), date: Any = (),
    text: Any = (), weights: Any = None, groups: Any = None, time: Any = None, keep: Any = (),
) -> _Given:  # fmt: skip
    return _Given(target, drop, number, category, date, text, weights, groups, time, keep)


def how_like(
    like: "Table | Fitted",
    header: bool | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    keep: Sequence[str | int] = (),
) -> _source.How:
    """Return how to read a source whose columns are known."""
    if isinstance(like, Table):
        names = tuple(column.name for column in like.columns)
        words = {column.name for column in like.columns if column.kind == "category"}
    else:
        names, words = tuple(like.names), set(like.category_names)
    wanted = _several("keep", keep)
    return _source.How(
        header, delimiter, encoding, expected=names, loose=False,
        as_words=lambda there, _: words | {_named(one, there) or "" for one in wanted},
    )  # fmt: skip
