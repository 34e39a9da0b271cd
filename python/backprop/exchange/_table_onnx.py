"""A network with its columns as an ONNX file: from the cells of a table to the target's own terms.

Numbers and dates are inputs of float64, whatever the network computes in: a float32 of a large
number would lose the digits in which rows differ. ONNX reads no dates; they are seconds since 1970.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backprop.core.checks import texts
from backprop.core.files import replace
from backprop.core.network import Core
from backprop.core.runtime import __version__
from backprop.exchange._columns import DAY, DAYS_BEFORE_1970, FAR, FARTHEST, Column, Plan, plan
from backprop.exchange._graph import Graph, Node
from backprop.exchange._onnx import IR_VERSION, OPSET, describe
from backprop.exchange._optional import needed
from backprop.tables import Encoder
from backprop.tables.spelling import Spelling

if TYPE_CHECKING:
    from onnx import ModelProto

# Of the operators for classical models, among which is the one that looks strings up.
_ML_OPSET = 2
_ML = frozenset(["LabelEncoder"])
_ABOUT = {
    "number": "a number; NaN where it is missing",
    "category": "as the table spells it, without blanks around it; empty where it is missing",
    "date": "seconds since 1970-01-01T00:00:00Z; NaN where it is missing",
}


def table_to_onnx(
    network: Core,
    encoder: Encoder,
    path: str | os.PathLike[str],
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a network with its columns as an ONNX file: opset 13, and 2 of ``ai.onnx.ml``.

    Each column is an input (m, 1) under its own name: numbers as float64, NaN where they are
    missing; categories as strings, "" where they are missing; dates as float64, the seconds since
    1970 in UTC, NaN where they are missing. The outputs are ``label`` (m,), the class names, and
    ``probabilities`` (m, n_classes), in the encoder's order of classes and the network's dtype; or
    ``value`` (m,), float64, in the target's own unit. A column that has one of these names keeps
    it, and the output is then called ``predicted_value``, for example. m is dynamic.

    Parameters
    ----------
    network : Network
        It takes the encoder's features.
    encoder : backprop.tables.Encoder
        Fitted, to a table with a target.
    path : path
        Of the file, which is replaced in one move; ".onnx" is the usual ending.
    metadata : mapping, optional
        Texts to keep in it.

    Raises
    ------
    ImportError
        If onnx is not installed (the extra "onnx").
    TypeError, ValueError
        If network and encoder do not belong together, ``metadata`` holds anything but texts, or the
        file would have more than the 2 GiB of the format.
    OSError
        If it cannot be written.
    """
    needed("onnx", "table_to_onnx", "'backprop[onnx]'")
    properties = texts("metadata", metadata)
    model = _model(network, plan(network, encoder), properties)
    replace(path, [model.SerializeToString()])


def _model(network: Core, what: Plan, metadata: dict[str, str]) -> ModelProto:
    from onnx import TensorProto, checker, helper, numpy_helper

    encode = Graph(np.dtype(np.float64), "encode/")
    inputs = _inputs(what)
    features = _features(encode, what, inputs, network)
    layers = describe(network)
    answer = Graph(np.dtype(np.float64), "answer/")
    results = _answer(answer, what, network)
    # The columns keep their names; what comes after gives way.
    columns = set(inputs)
    outputs: dict[str, str] = {}
    for result in results:
        name = result
        while name in columns or name in outputs.values():
            name = f"predicted_{name}"
        outputs[result] = name
    taken = columns | set(outputs.values())
    after = _Names(outputs, taken)
    first = _Names({name: name for name in inputs} | {features: after["X"]}, taken)
    nodes: list[Node] = []
    arrays: dict[str, NDArray[Any]] = {}
    for graph, called in ((encode, first), (layers, after), (answer, after)):
        nodes += [_renamed(node, called) for node in graph.nodes]
        arrays |= {called[name]: array for name, array in graph.constants.items()}
    real = TensorProto.FLOAT if network.dtype == np.float32 else TensorProto.DOUBLE
    cells = {"number": TensorProto.DOUBLE, "date": TensorProto.DOUBLE}
    types = {"label": TensorProto.STRING, "probabilities": real, "value": TensorProto.DOUBLE}
    shapes: dict[str, list[str | int]] = {"probabilities": ["m", len(what.classes)]}
    info = helper.make_tensor_value_info
    model = helper.make_model(
        helper.make_graph(
            [_operator(node) for node in nodes],
            "backprop",
            [
                info(name, cells.get(one.kind, TensorProto.STRING), ["m", 1], _ABOUT[one.kind])
                for name, one in zip(inputs, what.columns, strict=True)
            ],
            [info(name, types[one], shapes.get(one, ["m"])) for one, name in outputs.items()],
            [numpy_helper.from_array(array, name) for name, array in arrays.items()],
        ),
        producer_name="backprop",
        producer_version=__version__,
        opset_imports=[
            helper.make_opsetid("", OPSET),
            helper.make_opsetid("ai.onnx.ml", _ML_OPSET),
        ],
        ir_version=IR_VERSION,
    )
    helper.set_model_props(model, metadata)
    checker.check_model(model)
    return model


def _operator(node: Node) -> Any:
    from onnx import helper

    domain = "ai.onnx.ml" if node.op in _ML else None
    return helper.make_node(node.op, node.inputs, [node.output], domain=domain, **node.attributes)


class _Names(dict[str, str]):
    """What a name within a graph is called in the file, where some names are taken."""

    def __init__(self, known: Mapping[str, str], taken: set[str]) -> None:
        super().__init__(known)
        self._taken = taken

    def __missing__(self, name: str) -> str:
        free = name
        while free in self._taken:
            free += "_"
        self[name] = free
        return free


def _renamed(node: Node, called: _Names) -> Node:
    inputs = tuple(called[name] for name in node.inputs)
    return node._replace(inputs=inputs, output=called[node.output])


def _inputs(what: Plan) -> list[str]:
    """Return the columns' names, each only once."""
    names: list[str] = []
    for column in what.columns:
        name = column.name
        while name in names:
            name += "_"
        names.append(name)
    return names


class _Blocks:
    """Features as they come about, several columns at a time, and where each belongs."""

    def __init__(self, graph: Graph, to: int) -> None:
        self._graph, self._to = graph, to
        self._names: list[str] = []
        self._places: list[int] = []

    def add(self, block: str, places: Sequence[int]) -> None:
        """Append features (m, k) that belong to k places."""
        self._names.append(self._graph.add("Cast", block, to=self._to))
        self._places += places

    def joined(self) -> str:
        """Return the features (m, n) in order."""
        together = self._graph.add("Concat", *self._names, axis=1)
        order = self._graph.array(np.argsort(np.array(self._places, np.int64)))
        return self._graph.add("Gather", together, order, axis=1)


def _features(graph: Graph, what: Plan, inputs: list[str], network: Core) -> str:
    """Append what `Encoder.transform` does; returns the name of its result."""
    from onnx import TensorProto

    named = dict(zip([column.first for column in what.columns], inputs, strict=True))
    blocks = _Blocks(
        graph, TensorProto.FLOAT if network.dtype == np.float32 else TensorProto.DOUBLE
    )
    numbers, dates = what.of("number"), what.of("date")
    if numbers:
        values, gone = _cells(graph, [named[column.first] for column in numbers])
        blocks.add(_scaled(graph, values, numbers), [column.first for column in numbers])
        _indicators(graph, blocks, gone, numbers)
    for column in what.of("category"):
        if column.width:
            assert column.spelling is not None
            places = _places(graph, named[column.first], column.spelling)
            there = graph.array(np.arange(column.width, dtype=np.int64)[None])
            blocks.add(
                graph.add("Equal", places, there),
                range(column.first, column.first + column.width),
            )
    if dates:
        seconds, gone = _cells(graph, [named[column.first] for column in dates])
        _date_parts(graph, blocks, seconds, gone, dates)
        _indicators(graph, blocks, gone, dates)
    return blocks.joined()


def _cells(graph: Graph, names: list[str]) -> tuple[str, str]:
    """Return numbers (m, k), an infinite one as a missing one, and which are missing."""
    together = graph.add("Concat", *names, axis=1)
    values = graph.add("Where", graph.add("IsInf", together), float("nan"), together)
    return values, graph.add("IsNaN", values)


def _indicators(graph: Graph, blocks: _Blocks, gone: str, columns: list[Column]) -> None:
    which = [k for k, column in enumerate(columns) if column.has_missing]
    if which:
        blocks.add(
            graph.add("Gather", gone, graph.array(np.array(which, np.int64)), axis=1),
            [columns[k].first + columns[k].width - 1 for k in which],
        )


def _scaled(graph: Graph, values: str, columns: list[Column]) -> str:
    """Return z / sqrt(1 + (z / 3)²), z = (x - median) factor, zero where z is NaN."""
    medians = graph.array(np.array([[column.median for column in columns]]))
    factors = graph.array(np.array([[column.factor for column in columns]]))
    z = graph.add("Mul", graph.add("Sub", values, medians), factors)
    z = graph.add("Where", graph.add("IsNaN", z), 0.0, z)
    z = graph.add("Clip", z, -FAR, FAR)
    third = graph.add("Div", z, 3.0)
    squared = graph.add("Add", graph.add("Mul", third, third), 1.0)
    return graph.add("Div", z, graph.add("Sqrt", squared))


def _places(graph: Graph, cells: str, spelling: Spelling) -> str:
    """Return the places (m, 1) of strings; ONNX looks them up as they are."""
    table = {
        "".join(letters): place
        for word, place in spelling.any_case.items()
        for letters in product(*({letter.lower(), letter.upper()} for letter in word))
    }
    table |= spelling.exact
    # In order, so that the same encoder always gives the same file.
    words = sorted(table)
    return graph.add(
        "LabelEncoder",
        cells,
        keys_strings=words,
        values_int64s=[table[word] for word in words],
        default_int64=spelling.unseen,
    )


class _Whole:
    """Operators on whole numbers of 64 bits."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[int, str] = {}

    def __call__(self, op: str, *operands: str | int, **attributes: Any) -> str:
        names = [one if isinstance(one, str) else self._number(one) for one in operands]
        return self._graph.add(op, *names, **attributes)

    def _number(self, value: int) -> str:
        if value not in self._known:
            self._known[value] = self._graph.array(np.array(value, np.int64))
        return self._known[value]


def _date_parts(
    graph: Graph, blocks: _Blocks, seconds: str, gone: str, columns: list[Column]
) -> None:
    """Append elapsed time, parts and cycles of dates (m, k); the calendar is Gregorian throughout.

    The day of the year is counted from March, so that the leap day is the last; see
    `DAYS_BEFORE_1970`.
    """
    from onnx import TensorProto

    whole = _Whole(graph)

    def real(name: str) -> str:
        return graph.add("Cast", name, to=TensorProto.DOUBLE)

    def put(part: str, offset: int, which: list[int] | None = None) -> None:
        there = graph.add("Where", gone, 0.0, part)
        if which is not None:
            there = graph.add("Gather", there, graph.array(np.array(which, np.int64)), axis=1)
        chosen = columns if which is None else [columns[k] for k in which]
        blocks.add(there, [column.first + offset for column in chosen])

    def cycle(turn: str, offset: int, which: list[int] | None = None) -> None:
        angle = graph.add("Mul", turn, 2 * np.pi)
        put(graph.add("Sin", angle), offset, which)
        put(graph.add("Cos", angle), offset + 1, which)

    known = graph.add("Clip", graph.add("Where", gone, 0.0, seconds), -FARTHEST, FARTHEST)
    micro = graph.add(
        "Cast", graph.add("Round", graph.add("Mul", known, 1e6)), to=TensorProto.INT64
    )
    rest = whole("Mod", micro, DAY)
    day = whole("Div", whole("Sub", micro, rest), DAY)
    of_day = graph.add("Div", real(rest), float(DAY))
    elapsed = graph.add("Div", real(micro), float(DAY))
    put(_scaled(graph, elapsed, columns), 0)

    of_era = whole("Mod", whole("Add", day, DAYS_BEFORE_1970), 146_097)
    leaps = whole("Div", of_era, 1460)
    centuries, ends = whole("Div", of_era, 36_524), whole("Div", of_era, 146_096)
    days = whole("Sub", whole("Add", whole("Sub", of_era, leaps), centuries), ends)
    year = whole("Div", days, 365)
    before = whole("Add", whole("Mul", year, 365), whole("Div", year, 4))
    before = whole("Sub", before, whole("Div", year, 100))
    since_march = whole("Sub", of_era, before)
    month = whole("Div", whole("Add", whole("Mul", since_march, 5), 2), 153)
    of_month = whole("Div", whole("Add", whole("Mul", month, 153), 2), 5)
    of_month = whole("Sub", since_march, of_month)
    put(graph.add("Div", graph.add("Sub", real(of_month), 15.0), 8.0), 1)
    weekday = whole("Mod", whole("Add", day, 3), 7)
    put(real(whole("Greater", weekday, 4)), 2)

    # January and February are of the next year; 400 years have 97 leap years.
    new_year = whole("Greater", since_march, 305)
    next_year = graph.add("Cast", new_year, to=TensorProto.INT64)
    civil = whole("Mod", whole("Add", year, next_year), 400)
    by_four = whole("Equal", whole("Mod", civil, 4), 0)
    by_hundred = whole("Equal", whole("Mod", civil, 100), 0)
    not_leap = graph.add("And", by_hundred, graph.add("Not", whole("Equal", civil, 0)))
    is_leap = graph.add("And", by_four, graph.add("Not", not_leap))
    leap = graph.add("Cast", is_leap, to=TensorProto.INT64)
    from_march = whole("Add", whole("Add", since_march, 59), leap)
    of_year = graph.add("Where", new_year, whole("Sub", since_march, 306), from_march)
    length = whole("Add", leap, 365)
    cycle(graph.add("Div", graph.add("Add", real(of_year), of_day), real(length)), 3)
    cycle(graph.add("Div", graph.add("Add", real(weekday), of_day), 7.0), 5)
    timed = [k for k, column in enumerate(columns) if column.timed]
    if timed:
        cycle(of_day, 7, timed)


def _answer(graph: Graph, what: Plan, network: Core) -> list[str]:
    """Append what is made of ``Y_hat``; returns the names of the outputs."""
    from onnx import TensorProto

    if not what.classes:
        single = graph.add("Squeeze", "Y_hat", graph.array(np.array([1], np.int64)))
        scaled = graph.add("Cast", single, to=TensorProto.DOUBLE)
        graph.add("Add", graph.add("Mul", scaled, what.deviation), what.mean)
        return [graph.name("value")]
    probabilities = "Y_hat"
    if network.output_name == "sigmoid":
        one = graph.array(np.array(1, network.dtype))
        probabilities = graph.add("Concat", graph.add("Sub", one, "Y_hat"), "Y_hat", axis=1)
    graph.add("Identity", probabilities)
    graph.name("probabilities")
    best = graph.add("ArgMax", "probabilities", axis=1, keepdims=0)
    names: NDArray[np.object_] = np.array(what.classes, dtype=object)
    graph.add("Gather", graph.array(names), best, axis=0)
    graph.name("label")
    return ["label", "probabilities"]
