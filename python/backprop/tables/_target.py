"""Which column is learned, and whether its values are classes or quantities.

The target is the column that the user names; else the first of these names that there is: target,
label, class, outcome, response; else the column y if it is the last, or the first without an x
beside it; else the last column that is no date and no identifier. It is a class if its values are
words or yes and no, or if they are whole numbers of few different values: two, or at most 20 and at
most the square root of the number of rows. All other numbers are quantities.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np

from backprop.tables._kinds import Decision, is_id_name, is_index_name
from backprop.tables._raw import Frame, Words, as_words, number_text, used_levels

TARGET_NAMES = ("target", "label", "labels", "class", "classes", "outcome", "response")
MOST_WHOLE_CLASSES = 20
# A class has on average at least this many rows, or the user must say that they are classes.
ROWS_PER_CLASS = 10


@dataclass(frozen=True)
class Task:
    """What is to be learned: "classification" or "regression", why, and the classes."""

    name: str
    reason: str
    classes: tuple[str, ...] = ()


def by_name(names: Sequence[str], taken: Collection[str] = ()) -> tuple[str, str]:
    """Return the target's name and why it is the target, by the names alone."""
    free = [name for name in names if name not in taken]
    for wanted in TARGET_NAMES:
        for name in free:
            if name.strip().lower() == wanted:
                return name, f"the column is called {name!r}"
    named = [name for name in free if name.strip()]
    # A y among other columns is a coordinate as often as a target.
    if named and named[0].strip().lower() == "y" and "x" not in map(str.lower, named):
        return named[0], f"the first column is called {named[0]!r}"
    # Programs write indices at the end as well.
    told = [name for name in named if not is_index_name(name)]
    return (told or named or free or list(names))[-1], "it is the last column"


def choose(frame: Frame, decisions: Sequence[Decision], taken: Collection[str]) -> tuple[str, str]:
    """Return the target's name and why it is the target."""
    last = decisions[-1]
    out = set(taken)
    if frame.header is False and last.kind == "empty":
        # What stands behind a delimiter at the end of every line is no column.
        out.add(frame.names[-1])
    target, why = by_name(frame.names, out)
    if not why.startswith("it is the last"):
        return target, why
    for name, decision in zip(frame.names, decisions, strict=True):
        identifier = decision.kind == "identifier" and is_id_name(name)
        if decision.kind == "date" or identifier or decision.role == "row number":
            out.add(name)
    if target not in out:
        return target, why
    return by_name(frame.names, out)[0], "it is the last column that is no date and no identifier"


def decide(
    frame: Frame, name: str, decision: Decision, task: str | None
) -> tuple[Task | None, list[str]]:
    """Return the task, or None, and what forbids it.

    Parameters
    ----------
    frame : Frame
        The table.
    name : str
        The target's name.
    decision : Decision
        What the column would be if it were none.
    task : str or None
        What the user says.
    """
    place = frame.names.index(name)
    raw = frame.columns[place]
    if decision.kind == "empty":
        return None, [f"the target {name!r} has no values: nothing to learn"]
    if task == "regression":
        values = decision.numbers
        if values is None:
            from backprop.tables._kinds import as_numbers

            values, _ = as_numbers(raw)
            words = raw if isinstance(raw, Words) else as_words(raw)
            odd = np.flatnonzero(
                np.isnan(values) & (words.codes >= 0 if words.codes is not None else True)
            )
            if odd.size:
                cell = words.levels[words.codes[odd[0]]] if words.codes is not None else "words"
                return None, [
                    f"the target {name!r} is no number at {frame.where(int(odd[0]))} ({cell!r}): a "
                    "regression needs numbers; did you mean task='classification'?"
                ]
            decision.numbers = values
        there = values[~np.isnan(values)]
        if not there.size:
            return None, [f"the target {name!r} has no values: nothing to learn"]
        if there.min() == there.max():
            return None, [
                f"the target {name!r} is always {number_text(there[0])}: nothing to learn"
            ]
        return Task("regression", "as you said"), []
    if task is None and decision.kind == "date":
        return None, [
            f"the target {name!r} is a date, which cannot be learned; name another by target=, or "
            "say task='classification' if its values are classes"
        ]
    if (task is None and decision.kind == "number") or (
        task is None
        and decision.kind in ("identifier", "category")
        and decision.numbers is not None
    ):
        assert decision.numbers is not None
        there = decision.numbers[~np.isnan(decision.numbers)]
        whole = bool(np.all(there == np.floor(there)))
        if not whole:
            return Task("regression", "its values are numbers with a fraction"), []
        distinct = len(np.unique(there))
        most = max(2, min(MOST_WHOLE_CLASSES, isqrt(len(there))))
        if distinct > most:
            return Task(
                "regression",
                f"its values are whole numbers, {distinct} different ones in {len(there)} rows: "
                "too many for classes",
            ), []
        why = f"its values are whole numbers, only {distinct} different ones in {len(there)} rows"
    else:
        why = "as you said" if task is not None else "its values are words"
        if decision.boolean and task is None:
            why = "its values are yes and no"
    if isinstance(raw, Words) and raw.codes is None:
        return None, [_too_many(name, "nearly as many", len(raw))]
    words = as_words(raw)
    levels = used_levels(words)
    rows = sum(count for _, count in levels)
    if len(levels) < 2:
        only = f" ({levels[0][0]!r})" if levels else ""
        return None, [f"the target {name!r} has one class{only}: nothing to learn"]
    if task is None and len(levels) > 2 and len(levels) * ROWS_PER_CLASS > rows:
        return None, [_too_many(name, str(len(levels)), rows)]
    decision.words = words
    return Task("classification", why, ordered([level for level, _ in levels])), []


def _too_many(name: str, count: str, rows: int) -> str:
    return (
        f"the target {name!r} has {count} different words in {rows} rows, more than one in "
        f"{ROWS_PER_CLASS}: are they classes? Name the target by target=, or say "
        "task='classification' if they are"
    )


def ordered(classes: Sequence[str]) -> tuple[str, ...]:
    """Return classes in order: by value if all are numbers, then by spelling."""
    try:
        return tuple(sorted(classes, key=lambda word: (float(word), word)))
    except ValueError:
        return tuple(sorted(classes))
