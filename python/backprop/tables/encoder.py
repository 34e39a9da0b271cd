r"""Columns to the numbers that a network takes, and the target to and from them.

A number x becomes z / sqrt(1 + (z / 3)^2) with z = (x - median) / (third quartile - first), which
lies between -3 and 3 whatever x is. A missing one is the median, and has an indicator of its own if
there were missing ones to learn from. A category has a place for each of its frequent values, one
for all rare ones together, which unseen ones share, and one for missing ones; a place that no row
would have been in is left out, and what would be in it is zero everywhere, for weights that were
never trained would answer. A date is the time elapsed, parts, and cycles.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backprop.tables import _kinds, _source
from backprop.tables._raw import Frame, Raw, Words, as_words, number_text, used_levels
from backprop.tables._words import truth
from backprop.tables.errors import TableError
from backprop.tables.table import Table, how_like

# What is beyond this many quartile ranges is 3 in every digit; its square would overflow.
_FAR = 1e8
# Rows that are encoded together: their numbers stay in the cache.
_BLOCK = 2048
_DAY = 86_400_000_000
_VERSION = 1

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Scale:
    """The median of a column and what its distance is multiplied by."""

    median: float
    factor: float

    @classmethod
    def of(cls, values: Floats) -> "_Scale":
        """Return the scale of numbers without NaN.

        Columns whose quartiles are equal are scaled by half of their whole range, constant ones by
        zero, as RealMLP's transform does.
        """
        if not values.size:
            return cls(0.0, 0.0)
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        # Halves first: the difference of two large numbers may be infinite.
        width = min(2 * float(high / 2 - low / 2), float(np.finfo(np.float64).max))
        if width == 0.0:
            width = float(values.max() / 2 - values.min() / 2)
        return cls(float(middle), float(1.0 / (width + 1e-30)) if width else 0.0)


def _clip(z: Floats) -> Floats:
    """Smoothly clip what was scaled to between -3 and 3, in place."""
    np.clip(z, -_FAR, _FAR, out=z)
    third = z / 3.0
    third *= third
    third += 1.0
    np.sqrt(third, out=third)
    z /= third
    return z


@dataclass
class _Feature:
    """What was learned of one column, and how many features it makes."""

    name: str
    kind: str
    has_missing: bool = False
    scale: _Scale = _Scale(0.0, 0.0)
    levels: tuple[str, ...] = ()
    rare: bool = False
    boolean: bool = False
    timed: bool = False
    style: str | None = None
    order: str | None = None

    @property
    def outputs(self) -> list[str]:
        name = self.name or "(no name)"
        if self.kind == "number":
            result = [name]
        elif self.kind == "date":
            result = [f"{name}: {part}" for part in _PARTS + (_TIME_PARTS if self.timed else [])]
        elif self.boolean:
            result = [f"{name}=true"]
        else:
            result = [f"{name}={level}" for level in self.levels]
            if self.rare:
                result.append(f"{name}: rare")
        return [*result, f"{name}: missing"] if self.has_missing else result


_PARTS = [
    "elapsed", "day of month", "weekend", "sin of year", "cos of year", "sin of week",
    "cos of week",
]  # fmt: skip
_TIME_PARTS = ["sin of day", "cos of day"]


def _date_parts(times: NDArray[np.int64], scale: _Scale, timed: bool) -> Floats:
    """Return (k, m): elapsed time, parts and cycles of times in microseconds."""
    days = times // _DAY
    of_day = (times - days * _DAY) / _DAY
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    years = dates.astype("datetime64[Y]")
    of_month = (dates - months).astype(np.int64)
    # The year has a length of its own: the first of January is always at zero.
    length = ((years + 1).astype("datetime64[D]") - years.astype("datetime64[D]")).astype(np.int64)
    of_year = ((dates - years).astype(np.int64) + of_day) / length
    # 1970 began on a Thursday; Monday is 0.
    weekday = (days + 3) % 7
    of_week = (weekday + of_day) / 7
    result = np.empty((9 if timed else 7, len(times)))
    result[0] = _clip((times / _DAY - scale.median) * scale.factor)
    result[1] = (of_month - 15) / 8.0
    result[2] = weekday >= 5
    turns = [of_year, of_week, of_day] if timed else [of_year, of_week]
    for k, turn in enumerate(turns):
        result[3 + 2 * k] = np.sin(2 * np.pi * turn)
        result[4 + 2 * k] = np.cos(2 * np.pi * turn)
    return result


class Encoder:
    """Learns from a table how its columns become numbers.

    Parameters
    ----------
    max_levels : int
        Places that a category has at most, the one for rare values among them; the most frequent
        values get them.
    min_count : int, optional
        Rows that a value must have for a place of its own; by default 2, or one in a thousand
        rows if that is more.

    Attributes
    ----------
    names : list of str
        The columns it takes.
    feature_names_out : list of str
        The features it gives, in order.
    target, task, classes
        What the table says of its target.

    Notes
    -----
    A category's places are those of scikit-learn's ``OneHotEncoder(handle_unknown=
    "infrequent_if_exist", max_categories=max_levels, min_frequency=min_count)``.
    """

    def __init__(self, *, max_levels: int = 100, min_count: int | None = None) -> None:
        for name, value in (("max_levels", max_levels), ("min_count", min_count)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise TypeError(f"`{name}` must be an integer, got {value!r}")
        if max_levels < 2:
            raise ValueError(f"`max_levels` must be at least 2, got {max_levels}")
        if min_count is not None and min_count < 1:
            raise ValueError(f"`min_count` must be at least 1, got {min_count}")
        self.max_levels = max_levels
        self.min_count = min_count
        self._features: list[_Feature] = []
        self._fitted = False
        self.target: str | None = None
        self.task: str | None = None
        self.classes: tuple[str, ...] = ()
        self._mean, self._deviation = 0.0, 1.0
        self._target_style: str | None = None

    def __repr__(self) -> str:
        if not self._fitted:
            return "Encoder(not fitted)"
        return f"Encoder({len(self._features)} columns to {self.n_features_out} features)"

    @property
    def names(self) -> list[str]:
        """The names of the columns it takes."""
        return [feature.name for feature in self._features]

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each column it takes."""
        return {feature.name: feature.kind for feature in self._features}

    @property
    def category_names(self) -> list[str]:
        """The names of what must be read as it is spelled."""
        found = [feature.name for feature in self._features if feature.kind == "category"]
        return [*found, self.target] if self.classes and self.target is not None else found

    @property
    def feature_names_out(self) -> list[str]:
        """The names of the features it gives, in order."""
        return [name for feature in self._features for name in feature.outputs]

    @property
    def n_features_out(self) -> int:
        """How many features it gives."""
        return len(self.feature_names_out)

    @property
    def places(self) -> dict[str, slice]:
        """Which of the features come from each column."""
        ends = np.cumsum([0, *(len(feature.outputs) for feature in self._features)]).tolist()
        return {one.name: slice(*ends[k : k + 2]) for k, one in enumerate(self._features)}

    def fit(self, table: Any, rows: Any = None) -> "Encoder":
        """Learn from a table.

        Parameters
        ----------
        table : Table, or what `read` takes
            The table; its rows without a target are left out.
        rows : array of int or bool, optional
            The rows to learn from, such as the training set's.

        Returns
        -------
        Encoder
            Itself.
        """
        if not isinstance(table, Table):
            from backprop.tables.table import read

            table = read(table)
        if rows is None and table.target is not None and table.rows_without_target:
            rows = table.has_target
        if not table.features:
            raise TableError(f"{table.source}: no column is left to encode")
        picked = slice(None) if rows is None else np.asarray(rows)
        n_rows = len(np.arange(table.n_rows)[picked])
        if not n_rows:
            raise ValueError("`rows` must name at least one row, got none")
        self._features = []
        for column in table.features:
            decision = column.decision
            if column.kind == "number":
                assert decision.numbers is not None
                feature = _fit_number(column.name, decision.numbers[picked])
                feature.style = decision.style
            elif column.kind == "date":
                assert decision.times is not None
                feature = _fit_date(column.name, decision.times[picked])
                feature.order = decision.order
            else:
                words = decision.words or as_words(column.raw)
                assert words.codes is not None
                words = words if rows is None else words.take(picked)
                feature = self._fit_category(column.name, words, column.boolean)
            self._features.append(feature)
        self.target, self.task, self.classes = table.target, table.task, table.classes
        if self.task == "regression":
            y = np.asarray(table.y, np.float64)[picked]
            y = y[~np.isnan(y)]
            with np.errstate(over="ignore", invalid="ignore"):
                self._mean = float(np.mean(y)) if y.size else 0.0
                deviation = float(np.std(y - self._mean)) if y.size else 0.0
            if not np.isfinite(deviation):
                raise ValueError(
                    f"target {self.target!r} must be finite and its squares must fit float64, got "
                    f"values up to {np.abs(y).max():.3g}; give it in a larger unit"
                )
            self._deviation = deviation if np.isfinite(deviation) and deviation > 0 else 1.0
            self._target_style = table[self.target or ""].decision.style
        self._fitted = True
        return self

    def _fit_category(self, name: str, words: Words, boolean: bool) -> _Feature:
        missing = words.n_missing > 0
        if boolean:
            return _Feature(name, "category", missing, boolean=True)
        levels = used_levels(words)
        least = self.min_count or max(2, -(-len(words) // 1000))
        frequent = [level for level, count in levels if count >= least]
        # Of equally frequent ones, the first by spelling: the order of rows must not matter.
        counts = dict(levels)
        frequent.sort(key=lambda level: (-counts[level], level))
        most = self.max_levels - (len(frequent) < len(levels) or len(levels) > self.max_levels)
        kept = sorted(frequent[:most])
        return _Feature(name, "category", missing, levels=tuple(kept), rare=len(kept) < len(levels))

    def _check(self) -> None:
        if not self._fitted:
            raise RuntimeError("the encoder has learned nothing yet; call fit(table) first")

    def _frame(self, source: Any) -> Frame:
        """Return the columns of a source as they come."""
        frame = source._frame if isinstance(source, Table) else _source.load(source, how_like(self))
        missing = [name for name in self.names if name not in frame.names]
        if missing:
            listed = ", ".join(repr(name) for name in missing)
            s = "s" * (len(missing) > 1)
            there = ", ".join(repr(name) for name in frame.names[:20])
            raise TableError(
                f"{frame.source}: the column{s} {listed} {'are' if s else 'is'} missing, which the "
                f"model was trained with; it has {there}"
            )
        return frame

    def transform(self, table: Any, rows: Any = None, dtype: Any = np.float32) -> NDArray[Any]:
        """Return the features of a table.

        Parameters
        ----------
        table : Table, or what `read` takes
            The table: its columns in any order and of any type, others beside them.
        rows : array of int or bool, optional
            Which of its rows.
        dtype : float32 or float64
            The type of the features.

        Returns
        -------
        ndarray of shape (m, n_features_out)

        Raises
        ------
        TableError
            If columns are missing, or a column that must hold numbers or dates holds other words.
        """
        self._check()
        kind = np.dtype(dtype)
        if kind not in (np.float32, np.float64):
            raise ValueError(f"`dtype` must be float32 or float64, got {dtype!r}")
        frame = self._frame(table)
        if rows is not None:
            frame = frame.take(np.asarray(rows))
        return self._encode(frame, kind)

    def fit_transform(self, table: Any, rows: Any = None, dtype: Any = np.float32) -> NDArray[Any]:
        """Learn from a table and return its features; see `fit` and `transform`."""
        if not isinstance(table, Table):
            from backprop.tables.table import read

            table = read(table)
        return self.fit(table, rows).transform(table, rows, dtype)

    def _encode(self, frame: Frame, kind: "np.dtype[Any]") -> NDArray[Any]:
        # (m, d): rows are examples.
        prepared = []
        problems = []
        columns = dict(zip(frame.names, frame.columns, strict=True))
        for feature in self._features:
            values, problem = _prepare(feature, columns[feature.name], frame)
            prepared.append(values)
            problems += [problem] if problem else []
        if problems:
            raise TableError(f"{frame.source}: " + "\n  - ".join(problems))
        out = np.zeros((frame.n_rows, self.n_features_out), kind)
        places = np.cumsum([0, *(len(feature.outputs) for feature in self._features)])
        numeric = [k for k, feature in enumerate(self._features) if feature.kind == "number"]
        medians = np.array([[self._features[k].scale.median] for k in numeric])
        factors = np.array([[self._features[k].scale.factor] for k in numeric])
        first = places[numeric] if numeric else np.empty(0, np.int64)
        for start in range(0, frame.n_rows, _BLOCK):
            rows = slice(start, min(start + _BLOCK, frame.n_rows))
            block = out[rows]
            if numeric:
                _numbers_into(block, [prepared[k][rows] for k in numeric], medians, factors, first)
            for k, feature in enumerate(self._features):
                at, end = int(places[k]), int(places[k + 1])
                if feature.kind == "number":
                    if feature.has_missing:
                        block[:, end - 1] = np.isnan(prepared[k][rows])
                elif feature.kind == "category":
                    _category_into(block, prepared[k][rows], at)
                else:
                    _date_into(block, prepared[k][rows], feature, at, end)
        return out

    def transform_target(self, table: Any, rows: Any = None, dtype: Any = None) -> NDArray[Any]:
        """Return the target as the network learns it.

        Parameters
        ----------
        table : Table, array, or what `read` takes
            The table, or the target's values themselves.
        rows : array of int or bool, optional
            Which rows.
        dtype : float32 or float64, optional
            The type of a regression's target; float64 if not given.

        Returns
        -------
        ndarray of shape (m,)
            The place of each class (int64), or the quantity less its mean, divided by its standard
            deviation.

        Raises
        ------
        TableError
            If values are missing or are classes that were not there in training.
        """
        self._check()
        raw = self._target_raw(table)
        if rows is not None:
            raw = raw.take(np.asarray(rows))
        if self.task == "regression":
            values = _kinds.as_numbers(raw, style=self._target_style)[0]
            gone = np.flatnonzero(np.isnan(values))
            if gone.size:
                raise TableError(
                    f"the target {self.target!r} has no number in {gone.size} rows, the first is "
                    f"row {int(gone[0]) + 1}; leave these rows out"
                )
            scaled = (values - self._mean) / self._deviation
            return scaled if dtype is None else scaled.astype(dtype)
        words = as_words(raw)
        if words.codes is None:
            raise TableError(
                f"the target {self.target!r} has words that were no classes in training"
            )
        places = {name: k for k, name in enumerate(self.classes)}
        found = np.array([*(_class(level, places) for level in words.levels), -1], np.int64)
        codes = found[words.codes]
        unknown = np.flatnonzero(codes < 0)
        if unknown.size:
            row = int(unknown[0])
            which = {words.levels[k] for k in words.codes[unknown].tolist() if k >= 0}
            few = ", ".join(map(repr, sorted(which)[:5]))
            what = f"classes that were not there in training: {few}" if which else "no value"
            raise TableError(
                f"the target {self.target!r} has {what} (row {row + 1}); leave these rows out"
            )
        return codes

    def has_target(self, table: Any) -> NDArray[np.bool_]:
        """Return which rows of a table have a target, bool (m,).

        Parameters
        ----------
        table : Table, array, or what `read` takes
            As in `transform_target`.
        """
        self._check()
        raw = self._target_raw(table)
        if self.task == "regression":
            return ~np.isnan(_kinds.as_numbers(raw, style=self._target_style)[0])
        codes = as_words(raw).codes
        return np.ones(len(raw), bool) if codes is None else codes >= 0

    def _target_raw(self, table: Any) -> Raw:
        if isinstance(table, Table):
            name = self.target if self.target in table.names else table.target
            if name is None:
                raise ValueError("the table has no target")
            return table[name].raw
        if isinstance(table, list | tuple) or (isinstance(table, np.ndarray) and table.ndim == 1):
            from backprop.tables._raw import array_column

            return array_column(self.target or "target", table)
        frame = _source.load(table, how_like(self))
        if self.target not in frame.names:
            raise TableError(f"{frame.source}: the target {self.target!r} is missing")
        return frame.columns[frame.names.index(self.target)]

    def inverse_target(self, values: Any) -> NDArray[Any]:
        """Return what the network answers in the target's own terms.

        Parameters
        ----------
        values : array
            Places of classes (m,), or standardized quantities of any shape.

        Returns
        -------
        ndarray
            Class names as objects, or float64 in the target's own unit.
        """
        self._check()
        if self.task == "regression":
            # In float64: a float32 of a large mean would lose the fraction.
            return np.asarray(values, np.float64) * self._deviation + self._mean
        return np.array(self.classes, dtype=object)[np.asarray(values, np.int64)]

    @property
    def target_scale(self) -> tuple[float, float]:
        """Mean and standard deviation of a regression's target."""
        return self._mean, self._deviation

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return all that was learned: what JSON can hold, and plain arrays.

        Returns
        -------
        state : dict
        arrays : dict of ndarray
        """
        self._check()
        state = {
            "version": _VERSION,
            "max_levels": self.max_levels,
            "min_count": self.min_count,
            "target": self.target,
            "task": self.task,
            "classes": list(self.classes),
            "target_style": self._target_style,
            "columns": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "has_missing": one.has_missing,
                    "levels": list(one.levels),
                    "rare": one.rare,
                    "boolean": one.boolean,
                    "timed": one.timed,
                    "style": one.style,
                    "order": one.order,
                }
                for one in self._features
            ],
        }
        arrays = {
            "medians": np.array([one.scale.median for one in self._features]),
            "factors": np.array([one.scale.factor for one in self._features]),
            "target": np.array([self._mean, self._deviation]),
        }
        return state, arrays

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any] | str, arrays: Mapping[str, NDArray[Any]]
    ) -> "Encoder":
        """Return the encoder that `to_state` described.

        Parameters
        ----------
        state : dict or str
            The first value of `to_state`, or its JSON.
        arrays : dict of ndarray
            The second.
        """
        if isinstance(state, str):
            return cls.from_state(json.loads(state), arrays)
        if state.get("version") != _VERSION:
            raise ValueError(
                f"`state` must be of version {_VERSION}, got {state.get('version')!r}: was it "
                "written by a newer version of this package?"
            )
        columns = state["columns"]
        if not len(columns) == len(arrays["medians"]) == len(arrays["factors"]):
            raise ValueError(
                f"`arrays` must have a median and a factor for each of the {len(columns)} columns"
            )
        self = cls(max_levels=state["max_levels"], min_count=state["min_count"])
        self._features = [
            _Feature(
                one["name"], one["kind"], one["has_missing"], _Scale(float(median), float(factor)),
                tuple(one["levels"]), one["rare"], one["boolean"], one["timed"], one["style"],
                one["order"],
            )
            for one, median, factor in zip(
                columns, arrays["medians"], arrays["factors"], strict=True
            )
        ]  # fmt: skip
        self.target, self.task = state["target"], state["task"]
        self.classes = tuple(state["classes"])
        self._target_style = state["target_style"]
        self._mean, self._deviation = (float(value) for value in arrays["target"])
        self._fitted = True
        return self


def _fit_number(name: str, values: Floats) -> _Feature:
    there = values[~np.isnan(values)]
    return _Feature(name, "number", len(there) < len(values), _Scale.of(there))


def _fit_date(name: str, times: NDArray[np.datetime64]) -> _Feature:
    there = times[~np.isnat(times)].astype("datetime64[us]").astype(np.int64)
    timed = bool(len(there)) and len(np.unique(there % _DAY)) > 1
    scale = _Scale.of(there / _DAY)
    return _Feature(name, "date", len(there) < len(times), scale, timed=timed)


def _prepare(feature: _Feature, raw: Raw, frame: Frame) -> tuple[NDArray[Any], str]:
    """Return a column in the form its kind needs, and what is wrong with it.

    Numbers are float64, dates microseconds, and categories the places of their features.
    """
    if feature.kind == "number":
        values = _kinds.as_numbers(raw, None, frame.delimiter, feature.style)[0]
        return values, _all_odd(feature, raw, np.isnan(values), frame)
    if feature.kind == "date":
        times = _kinds.as_times(raw, feature.order)[0]
        return times.astype(np.int64), _all_odd(feature, raw, np.isnat(times), frame)
    words = as_words(raw)
    # Places are counted from the feature's first; -1 is nowhere.
    last = len(feature.outputs) - 1
    if words.codes is None:
        unseen = last - feature.has_missing if feature.rare else -1
        return np.full(len(words), unseen, np.int64), ""
    nothing = last if feature.has_missing else -1
    if feature.boolean:
        places = [{True: 0, False: -1, None: nothing}[truth(level)] for level in words.levels]
    else:
        unseen = len(feature.levels) if feature.rare else -1
        known = {level: k for k, level in enumerate(feature.levels)}
        places = [_place(level, known, unseen) for level in words.levels]
    return np.array([*places, nothing], np.int64)[words.codes], ""


def _place(level: str, known: dict[str, int], unseen: int) -> int:
    """Return a value's place; `3.0` and `3` are one where only the other was seen."""
    if level in known:
        return known[level]
    if level.endswith(".0") and level[:-2] in known:
        return known[level[:-2]]
    return known.get(level + ".0", unseen)


def _class(level: str, places: dict[str, int]) -> int:
    found = _place(level, places, -1)
    if found >= 0:
        return found
    if any(mark in level for mark in ".eE"):
        # A class that was read as a number has its shortest spelling: 1.00e+00 is 1.
        with suppress(ValueError, OverflowError):
            return places.get(number_text(float(level)), -1)
    # A frame's own booleans are spelled in one way, the classes in another.
    meaning = truth(level)
    if meaning is None or level.lower() not in ("true", "false"):
        return -1
    same = [k for name, k in places.items() if name.lower() == level.lower()]
    return same[0] if len(same) == 1 else -1


def _all_odd(feature: _Feature, raw: Raw, nothing: NDArray[np.bool_], frame: Frame) -> str:
    """Say that a column's words are mostly not what they were in training, or nothing."""
    if not isinstance(raw, Words):
        return ""
    there = raw.codes >= 0 if raw.codes is not None else np.ones(len(raw), bool)
    odd = nothing & there
    if odd.sum() <= 0.5 * max(1, there.sum()):
        return ""
    row = int(np.flatnonzero(odd)[0])
    cell = raw.levels[raw.codes[row]] if raw.codes is not None else raw.levels[0]
    return (
        f"column {feature.name!r} held {feature.kind}s in training, and now {frame.where(row)} "
        f"has {cell!r}"
    )


def _numbers_into(
    block: NDArray[Any],
    values: Sequence[Floats],
    medians: Floats,
    factors: Floats,
    places: NDArray[np.int64],
) -> None:
    # (k, m) while computed, (m, k) where it goes.
    with np.errstate(over="ignore", invalid="ignore"):
        z = np.stack(values)
        z -= medians
        z *= factors
    # A missing number is the median, which is at zero.
    np.copyto(z, 0.0, where=np.isnan(z))
    block[:, places] = _clip(z).T


def _category_into(block: NDArray[Any], places: NDArray[np.int64], at: int) -> None:
    rows = np.flatnonzero(places >= 0)
    block[rows, at + places[rows]] = 1.0


def _date_into(
    block: NDArray[Any], times: NDArray[np.int64], feature: _Feature, at: int, end: int
) -> None:
    gone = times == np.iinfo(np.int64).min
    parts = _date_parts(np.where(gone, 0, times), feature.scale, feature.timed)
    parts[:, gone] = 0.0
    block[:, at : at + len(parts)] = parts.T
    if feature.has_missing:
        block[:, end - 1] = gone
