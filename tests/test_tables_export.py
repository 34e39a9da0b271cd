"""Networks leave with their columns: ONNX and C answer raw rows as encoder and network do."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_header import WARNINGS, compile_c, compiler

import backprop as bp
from backprop import exchange, tables
from backprop.tables.spelling import spelling

M = 300
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
NEVER = np.datetime64("NaT")
# Names that a graph, a C program or a template of one might take for its own.
NAMES = {
    "x": "X",
    "z": "value",
    "kind": "label",
    "flag": "int",
    "code": "REAL NAME",
    "day": "W_1",
    "when": "2nd time, UTC: \u00e4*/",
}


def some_rows(m: int, seed: int, *, known: bool) -> dict[str, Any]:
    """Return columns of every kind; those not ``known`` have cells that no training had."""
    rng = np.random.default_rng(seed)
    x = rng.normal(5, 3, m)
    x[::11] = np.nan
    kind = rng.choice(["u", "Vier", "", 'w\u00e4"\\?', "5"], m, p=[0.3, 0.3, 0.1, 0.2, 0.1])
    code = rng.choice(["3", "4.0", "+", "-"], m)
    flag = rng.choice(["Yes", "no"], m).astype(object)
    day = np.datetime64("1968-02-20") + rng.integers(0, 900, m).astype("timedelta64[D]")
    day[::7] = NEVER
    when = np.datetime64("2019-12-20", "us") + rng.integers(0, 2**46, m).astype("timedelta64[us]")
    z = rng.exponential(1, m)
    if known:
        kind[5:8] = ["once", "twice", "thrice"]
    else:
        z[:6] = [np.nan, np.inf, -np.inf, 1e300, -1e300, 0.0]
        kind = kind.astype(object)
        kind[:8] = ["unseen", None, "?", "N/A", " u ", "U", "5.0", "once"]
        flag[:7] = ["TRUE", "0", "off", "perhaps", None, "nan", "1.0"]
        code = code.astype(object)
        code[:5] = ["3.0", "4", "-", "none", "+"]
        when[:8] = np.array([
            "2000-02-29T23:59:59.999999", "1900-03-01", "1600-12-31T12", "2100-02-28", "0001-01-01",
            "9999-12-31T23:59:59", "1969-12-31T23:59:59.999999", "NaT",
        ], "datetime64[us]")  # fmt: skip
    columns = {"x": x, "z": z, "kind": kind, "flag": flag, "code": code, "day": day, "when": when}
    return {NAMES[name]: values for name, values in columns.items()}


def fitted(task: str, dtype: str) -> tuple[bp.Network, tables.Encoder]:
    columns = some_rows(M, 0, known=True)
    rng = np.random.default_rng(1)
    classes = {"classes": ["b", 'A \u00e4"?', "10"], "two": ["no", "yes"]}.get(task)
    y = rng.choice(classes, M) if classes else 2_458_849.25 + rng.normal(0, 1000, M)
    table = tables.read(
        columns | {"y": y}, target="y", category=[NAMES["code"]], number=[NAMES["x"], NAMES["z"]]
    )
    encoder = tables.Encoder(min_count=2).fit(table)
    assert set(encoder.kinds.values()) == {"number", "category", "date"}
    outputs, output = {"classes": (3, "softmax"), "two": (1, "sigmoid")}.get(task, (1, "linear"))
    net = bp.Network(
        [encoder.n_features_out, 20, outputs], hidden="mish", output=output, dtype=dtype, seed=0
    )
    return net, encoder


def expected(net: bp.Network, encoder: tables.Encoder, rows: dict[str, Any]) -> tuple[Any, Any]:
    Y_hat = net.forward(encoder.transform(rows, dtype=net.dtype))
    if encoder.task == "regression":
        return encoder.inverse_target(Y_hat[:, 0]), None
    if net.output_name == "sigmoid":
        Y_hat = np.hstack([1 - Y_hat, Y_hat])
    return encoder.inverse_target(Y_hat.argmax(axis=1)), Y_hat


def texts(values: Any) -> list[str]:
    return ["" if value is None else str(value).strip() for value in values]


def seconds(values: Any) -> Any:
    whole = values.astype("datetime64[us]").astype(np.int64)
    return np.where(np.isnat(values), np.nan, whole / 1e6)


def cells(encoder: tables.Encoder, rows: dict[str, Any]) -> dict[str, Any]:
    """Return the columns as the exported model takes them."""
    forms = {"number": lambda v: v, "category": texts, "date": seconds}
    return {name: forms[kind](rows[name]) for name, kind in encoder.kinds.items()}


def run_onnx(path: Path, columns: dict[str, Any]) -> dict[str, Any]:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    onnx.checker.check_model(path, full_check=True)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feeds = {
        name: np.array(values, object if isinstance(values, list) else None)[:, None]
        for name, values in columns.items()
    }
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("task", ["classes", "two", "quantity"])
@pytest.mark.parametrize("known", [True, False])
def test_onnx_answers_as_the_model_does(tmp_path: Path, task: str, dtype: str, known: bool) -> None:
    pytest.importorskip("onnx")
    net, encoder = fitted(task, dtype)
    rows = some_rows(50, 2, known=known)
    exchange.table_to_onnx(net, encoder, tmp_path / "model.onnx")
    found = run_onnx(tmp_path / "model.onnx", cells(encoder, rows))
    answer, probabilities = expected(net, encoder, rows)
    if task == "quantity":
        # The column "value" keeps its name.
        assert list(found) == ["predicted_value"]
        assert found["predicted_value"].dtype == np.float64
        np.testing.assert_allclose(found["predicted_value"], answer, rtol=TOLERANCE[dtype])
        # Of the quantity as the network has it the mean takes digits: all but these are right.
        mean, deviation = encoder.target_scale
        np.testing.assert_allclose(
            (found["predicted_value"] - mean) / deviation,
            (answer - mean) / deviation,
            atol={"float32": 1e-5, "float64": 2e-12}[dtype],
        )
        return
    assert list(found) == ["predicted_label", "probabilities"]
    assert found["predicted_label"].tolist() == answer.tolist()
    assert found["probabilities"].dtype == dtype
    np.testing.assert_allclose(found["probabilities"], probabilities, rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_graph_encodes_as_the_encoder_does(tmp_path: Path, dtype: str) -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    net, encoder = fitted("classes", dtype)
    rows = some_rows(200, 3, known=False)
    exchange.table_to_onnx(net, encoder, tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    # A column is called X, so that the features are not.
    kind = onnx.TensorProto.FLOAT if dtype == "float32" else onnx.TensorProto.DOUBLE
    model.graph.output.append(onnx.helper.make_tensor_value_info("X_", kind, None))
    session = runtime.InferenceSession(model.SerializeToString())
    feeds = {
        name: np.array(values, object if isinstance(values, list) else None)[:, None]
        for name, values in cells(encoder, rows).items()
    }
    (X,) = session.run(["X_"], feeds)
    wanted = encoder.transform(rows, dtype=dtype)
    np.testing.assert_allclose(X, wanted, rtol=0, atol=4 * np.finfo(dtype).eps)


def test_the_file_says_what_goes_in_and_out(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    table = tables.load_penguins()
    encoder = tables.Encoder().fit(table)
    net = bp.Network([encoder.n_features_out, 3], output="softmax", seed=0)
    about = {"rows": json.dumps([1, 2])}
    exchange.table_to_onnx(net, encoder, tmp_path / "model.onnx", metadata=about)
    model = onnx.load(tmp_path / "model.onnx")
    assert [one.name for one in model.graph.input] == encoder.names
    assert [one.name for one in model.graph.output] == ["label", "probabilities"]
    docs = {one.name: one.doc_string for one in model.graph.input}
    assert "NaN where it is missing" in docs["bill_length_mm"]
    assert "empty where it is missing" in docs["sex"]
    assert {one.domain: one.version for one in model.opset_import} == {"": 13, "ai.onnx.ml": 2}
    assert model.ir_version == 7
    assert {one.key: one.value for one in model.metadata_props} == about


def test_one_number_and_one_row(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    x = np.arange(40.0) ** 2
    encoder = tables.Encoder().fit(tables.read({"x": x, "y": np.sqrt(x) + 0.5}, target="y"))
    net = bp.Network([1, 4, 1], output="linear", dtype="float64", seed=0)
    exchange.table_to_onnx(net, encoder, tmp_path / "model.onnx")
    found = run_onnx(tmp_path / "model.onnx", {"x": np.array([7.0])})
    answer, _ = expected(net, encoder, {"x": [7.0]})
    np.testing.assert_allclose(found["value"], answer, rtol=1e-13)


PROGRAM = """
#include <stdio.h>
#include "model.h"
static const model_row rows[] = {
ROWS
};
int main(void) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
    REAL x[MODEL_NETWORK_N_FEATURES];
    model_encode(&rows[i], x);
    for (size_t k = 0; k < MODEL_NETWORK_N_FEATURES; ++k) printf("%.17g ", (double)x[k]);
    ANSWER
    printf("\\n");
  }
  return 0;
}
"""
CLASS = """
    REAL p[MODEL_N_CLASSES];
    int k, label = model_predict(&rows[i], p);
    for (k = 0; k < MODEL_N_CLASSES; ++k) printf("%.17g ", (double)p[k]);
    if (model_predict(&rows[i], NULL) != label) return 1;
    printf("%s", model_classes[label]);
"""
VALUE = 'printf("%.17g", model_predict(&rows[i]));'


def c_rows(columns: dict[str, Any]) -> str:
    def cell(value: Any) -> str:
        if isinstance(value, str):
            octal = "".join(f"\\{byte:03o}" for byte in value.encode())
            return f'"{octal}"' if value else "NULL"
        if np.isfinite(value):
            return repr(float(value))
        return "NAN" if np.isnan(value) else "INFINITY" if value > 0 else "-INFINITY"

    rows = zip(*columns.values(), strict=True)
    return "\n".join("  {" + ", ".join(map(cell, row)) + "}," for row in rows)


def raw_cells(encoder: tables.Encoder, rows: dict[str, Any]) -> dict[str, Any]:
    """Return the columns as C takes them, blanks around words and all."""
    found = cells(encoder, rows)
    for name, kind in encoder.kinds.items():
        if kind == "category":
            found[name] = ["" if value is None else str(value) for value in rows[name]]
    return found


def program(net: bp.Network, encoder: tables.Encoder, rows: dict[str, Any]) -> str:
    answer = CLASS if encoder.classes else VALUE
    real = "float" if net.dtype == np.float32 else "double"
    text = PROGRAM.replace("ANSWER", answer).replace("REAL", real)
    return text.replace("ROWS", c_rows(raw_cells(encoder, rows)))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("task", ["classes", "two", "quantity"])
def test_c_answers_as_the_model_does(tmp_path: Path, task: str, dtype: str) -> None:
    net, encoder = fitted(task, dtype)
    rows = some_rows(60, 4, known=False)
    exchange.table_to_c(net, encoder, tmp_path / "model.h")
    path = compile_c(tmp_path, program(net, encoder, rows), "-std=c99", "-O2")
    printed = subprocess.run([path], capture_output=True, check=True).stdout.decode()
    lines = [line.split(" ", encoder.n_features_out) for line in printed.splitlines()]
    features = np.array([line[:-1] for line in lines], float)
    wanted = encoder.transform(rows, dtype=dtype)
    np.testing.assert_allclose(features, wanted, rtol=0, atol=4 * np.finfo(dtype).eps)
    answer, probabilities = expected(net, encoder, rows)
    if task == "quantity":
        found = np.array([line[-1] for line in lines], float)
        np.testing.assert_allclose(found, answer, rtol=TOLERANCE[dtype])
        mean, deviation = encoder.target_scale
        np.testing.assert_allclose(
            (found - mean) / deviation,
            (answer - mean) / deviation,
            atol={"float32": 1e-5, "float64": 2e-12}[dtype],
        )
        return
    parts = [line[-1].split(" ", len(encoder.classes)) for line in lines]
    assert [part[-1] for part in parts] == answer.tolist()
    np.testing.assert_allclose(
        np.array([part[:-1] for part in parts], float), probabilities, rtol=TOLERANCE[dtype]
    )


def test_it_is_cpp_as_well_and_two_live_in_one_program(tmp_path: Path) -> None:
    source = ["#include <stdio.h>", '#include "first.h"', '#include "second.h"', "int main() {"]
    for name, task in (("first", "classes"), ("second", "quantity")):
        net, encoder = fitted(task, "float32")
        exchange.table_to_c(net, encoder, tmp_path / f"{name}.h", name)
        source.append(f'  {name}_row {name} = {{1, 2, "u", "no", "3", 4, 5}};')
        extra = ", NULL" if task == "classes" else ""
        source.append(f'  printf("%g\\n", (double){name}_predict(&{name}{extra}));')
    (tmp_path / "main.cpp").write_text("\n".join([*source, "  return 0;", "}\n"]))
    cpp = compiler(os.environ.get("CXX", "c++"), "g++", "clang++")
    for standard in ("c++98", "c++11", "c++17"):
        command = [cpp, f"-std={standard}", *WARNINGS, "-c", "main.cpp", "-o", "main.o"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_fields_are_called_as_the_columns_are_where_c_lets_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = ["int", "a b", "a.b", "2nd", "NAN", "M_PI", "\u00e4", "class", "x", "*/", "MODEL"]
    columns = {name: rng.normal(0, 1, 30) for name in names}
    columns["y"] = rng.normal(0, 1, 30)
    encoder = tables.Encoder().fit(tables.read(columns, target="y", number=names))
    net = bp.Network([encoder.n_features_out, 1], output="linear", seed=0)
    exchange.table_to_c(net, encoder, tmp_path / "model.h", metadata={"*/": "/*"})
    text = (tmp_path / "model.h").read_text("ascii")
    struct = text.partition("typedef struct {\n")[2].partition("}")[0]
    fields = [line.split(";")[0].split()[-1] for line in struct.splitlines()]
    assert fields == [
        "int_", "a_b", "a_b_2", "column_2nd", "NAN_", "M_PI_", "column", "class_", "x", "column_2",
        "MODEL",
    ]  # fmt: skip
    compile_c(tmp_path, '#include "model.h"\nint main(void) { return 0; }\n', "-std=c99")


def test_every_spelling_has_the_place_the_encoder_gives_it() -> None:
    net, encoder = fitted("classes", "float64")
    columns = {one["name"]: one for one in encoder.to_state()[0]["columns"]}
    places = encoder.feature_names_out
    some = some_rows(20, 0, known=True)
    words = ["u", "u.0", "5", "5.0", "5.0.0", "3", "3.0", "4", "4.0", "", "NA", "<na>", "Yes", "0"]
    words += ["once", "never", "+", "tRUE", "1.0", "off", "NULL"]
    for name in (NAMES["kind"], NAMES["flag"], NAMES["code"]):
        spelled = spelling(columns[name])
        first = next(k for k, one in enumerate(places) if one.startswith(f"{name}="))
        width = sum(one.startswith((f"{name}=", f"{name}: ")) for one in places)
        for word in words:
            rows = {other: cells[10:11] for other, cells in some.items()}
            rows[name] = np.array([word], object)
            x = encoder.transform(rows, dtype=np.float64)[0, first : first + width]
            found = spelled.exact.get(word, spelled.any_case.get(word.lower(), spelled.unseen))
            assert np.flatnonzero(x).tolist() == ([found] if found >= 0 else []), (name, word)
    assert net.layer_sizes[0] == len(places)


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    net, encoder = fitted("classes", "float32")
    n = encoder.n_features_out
    for write in (exchange.table_to_onnx, exchange.table_to_c):
        path = tmp_path / "model"
        with pytest.raises(ValueError, match=f"`network` must take the {n} features .* got one of"):
            write(bp.Network([n + 1, 3]), encoder, path)
        with pytest.raises(ValueError, match="softmax of the 3 classes, got 2 outputs of softmax"):
            write(bp.Network([n, 2]), encoder, path)
        with pytest.raises(ValueError, match="one output for the quantity 'y', got 2 of linear"):
            write(bp.Network([n, 2], output="linear"), fitted("quantity", "float32")[1], path)
        with pytest.raises(TypeError, match=r"`encoder` must be a .*Encoder, got str"):
            write(net, "encoder", path)
        with pytest.raises(TypeError, match="`network` must be a Network, got str"):
            write("network", encoder, path)
        with pytest.raises(RuntimeError, match="has learned nothing yet"):
            write(net, tables.Encoder(), path)
        with pytest.raises(TypeError, match="`metadata` must map str to str"):
            write(net, encoder, path, metadata={"a": 1})
    with pytest.raises(ValueError, match="`name` must be a C identifier"):
        exchange.table_to_c(net, encoder, path, "a b")
    encoder.classes = ("a", "b\0", "c")
    with pytest.raises(ValueError, match=r"the class 'b.x00' holds a NUL character"):
        exchange.table_to_c(net, encoder, path)
    assert not list(tmp_path.iterdir())
