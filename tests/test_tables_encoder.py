"""The encoder does what scikit-learn's and pytabkit's do, and keeps what it learned."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backprop import tables

M = 400


@pytest.fixture
def columns() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(5, 3, M)
    x[::11] = np.nan
    kind = rng.choice(["u", "v", "w"], M).astype(object)
    kind[::17] = None
    days = np.datetime64("2020-01-01") + rng.integers(0, 900, M).astype("timedelta64[D]")
    return {
        "x": x,
        "z": rng.exponential(1, M),
        "kind": kind,
        "day": days,
        "when": days.astype("datetime64[us]") + rng.integers(0, 86_400, M).astype("timedelta64[s]"),
        "flag": rng.choice(["Yes", "no"], M),
        "y": 2_458_849.25 + rng.normal(0, 1000, M),
    }


@pytest.fixture
def table(columns: dict[str, Any]) -> tables.Table:
    return tables.read(columns)


def test_feature_names(table: tables.Table) -> None:
    encoder = tables.Encoder().fit(table)
    names = encoder.feature_names_out
    assert names[:3] == ["x", "x: missing", "z"]
    assert names[3:7] == ["kind=u", "kind=v", "kind=w", "kind: missing"]
    assert names[7:14] == [
        f"day: {part}"
        for part in (
            "elapsed",
            "day of month",
            "weekend",
            "sin of year",
            "cos of year",
            "sin of week",
            "cos of week",
        )
    ]
    assert names[-1] == "flag=true"
    X = encoder.transform(table)
    assert X.shape == (M, len(names)) == (M, encoder.n_features_out)
    assert X.dtype == np.float32
    assert np.isfinite(X).all()


def robust_smooth(x: np.ndarray) -> np.ndarray:
    """Return pytabkit's RobustScaleSmoothClipTransform of one column, by its formula."""
    median = np.median(x)
    width = np.quantile(x, 0.75) - np.quantile(x, 0.25)
    if width == 0.0:
        width = 0.5 * (np.max(x) - np.min(x))
    factor = 0.0 if width == 0.0 else 1.0 / (width + 1e-30)
    scaled = factor * (x - median)
    return scaled / np.sqrt(1 + (scaled / 3) ** 2)


@pytest.mark.parametrize("case", ["normal", "outliers", "mostly one value", "large offset"])
def test_numbers_are_pytabkits(case: str) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, M)
    if case == "outliers":
        x[:5] = 1e6
    elif case == "mostly one value":
        x[20:] = 3.25
    elif case == "large offset":
        x += 1e9
    found = tables.Encoder().fit_transform(
        tables.read({"x": x, "y": rng.normal(0, 1, M)}), dtype=np.float64
    )
    np.testing.assert_allclose(found[:, 0], robust_smooth(x), rtol=1e-12, atol=1e-12)


def test_missing_numbers_are_scikit_learns(columns: dict[str, Any]) -> None:
    impute = pytest.importorskip("sklearn.impute")
    x = columns["x"][:, None]
    filled = impute.SimpleImputer(strategy="median").fit_transform(x)[:, 0]
    indicator = impute.MissingIndicator(features="missing-only").fit_transform(x)[:, 0]
    encoder = tables.Encoder().fit(tables.read(columns))
    found = encoder.transform(columns, dtype=np.float64)
    np.testing.assert_array_equal(found[:, 1], indicator)
    np.testing.assert_array_equal(found[indicator, 0], 0.0)
    scale = encoder._features[0].scale
    z = scale.factor * (filled - scale.median)
    np.testing.assert_allclose(found[:, 0], z / np.sqrt(1 + (z / 3) ** 2), atol=1e-14)


@pytest.mark.parametrize("most", [3, 8, 100])
@pytest.mark.parametrize("least", [1, 2, 10])
def test_categories_are_scikit_learns(most: int, least: int) -> None:
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    rng = np.random.default_rng(2)
    # Counts that differ: of equally frequent ones scikit-learn keeps others.
    levels = [f"c{k:02d}" for k in range(20) for _ in range(k * k // 3 + k + 1)]
    rng.shuffle(levels)
    cells = np.array(levels, object)
    y = rng.normal(0, 1, len(cells))
    encoder = tables.Encoder(max_levels=most, min_count=least)
    encoder.fit(tables.read({"c": cells, "y": y}, category="c"))
    theirs = preprocessing.OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=most,
        min_frequency=least,
        sparse_output=False,
    ).fit(cells[:, None])
    new = np.array([*cells[:50], "never", "seen"], object)
    found = encoder.transform({"c": new}, dtype=np.float64)
    np.testing.assert_array_equal(found, theirs.transform(new[:, None]))


def test_many_levels_are_bounded() -> None:
    rng = np.random.default_rng(3)
    cells = np.array([f"c{k}" for k in rng.zipf(1.3, 5000) % 3000], object)
    encoder = tables.Encoder().fit(tables.read({"c": cells, "y": rng.normal(0, 1, 5000)}))
    assert encoder.n_features_out <= 100
    assert encoder.feature_names_out[-1] == "c: rare"
    found = encoder.transform({"c": np.array(["nowhere"], object)})
    assert found[0, -1] == 1.0
    assert found.sum() == 1.0


def test_no_outlier_and_no_overflow_reaches_the_network() -> None:
    x = np.linspace(-1, 1, M)
    x[:6] = [1e308, -1e308, np.inf, -np.inf, 1e30, np.nan]
    y = np.linspace(0.5, 7, M)
    encoder = tables.Encoder().fit(
        tables.read({"x": x, "big": np.linspace(-1, 1, M) * 1e308, "y": y})
    )
    found = encoder.transform({"x": x, "big": np.full(M, 1e308)})
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 3.0
    assert found[0, 0] == 3.0
    assert found[1, 0] == -3.0
    assert encoder.transform({"x": x[2:3], "big": x[2:3]})[0, 1] == 1.0


def test_dates(columns: dict[str, Any]) -> None:
    encoder = tables.Encoder().fit(tables.read(columns))
    names = encoder.feature_names_out
    found = encoder.transform(columns, dtype=np.float64)
    part = {name: found[:, k] for k, name in enumerate(names)}
    days = columns["day"].astype("datetime64[D]")
    elapsed = days.astype(np.int64).astype(float)
    np.testing.assert_allclose(part["day: elapsed"], robust_smooth(elapsed), atol=1e-12)
    weekday = np.array([day.weekday() for day in days.tolist()])
    np.testing.assert_array_equal(part["day: weekend"], weekday >= 5)
    np.testing.assert_allclose(
        part["day: sin of week"], np.sin(2 * np.pi * weekday / 7), atol=1e-12
    )
    day_of_year = np.array([day.timetuple().tm_yday - 1 for day in days.tolist()])
    length = np.array([366 if day.year == 2020 else 365 for day in days.tolist()])
    turn = 2 * np.pi * day_of_year / length
    np.testing.assert_allclose(part["day: cos of year"], np.cos(turn), atol=1e-12)
    seconds = (columns["when"] - days).astype("timedelta64[s]").astype(float)
    turn = 2 * np.pi * seconds / 86_400
    np.testing.assert_allclose(part["when: sin of day"], np.sin(turn), atol=1e-12)
    assert "day: sin of day" not in part
    assert not any("missing" in name for name in names if name.startswith("day"))


@pytest.mark.parametrize(
    "cells",
    [["true", "false"], ["T", "F"], ["Y", "N"], ["YES", "No"], [True, False], [1, 0], ["1", "0"]],
)
def test_booleans_in_every_spelling(
    table: tables.Table, columns: dict[str, Any], cells: Any
) -> None:
    encoder = tables.Encoder().fit(table)
    new = {name: values[:2] for name, values in columns.items()} | {"flag": cells}
    assert encoder.transform(new)[:, -1].tolist() == [1.0, 0.0]


def test_a_quantity_keeps_its_fraction(table: tables.Table, columns: dict[str, Any]) -> None:
    encoder = tables.Encoder().fit(table)
    scaled = encoder.transform_target(table)
    assert scaled.dtype == np.float64
    assert abs(scaled.mean()) < 1e-9
    assert abs(scaled.std() - 1) < 1e-9
    back = encoder.inverse_target(scaled)
    np.testing.assert_allclose(back, columns["y"], rtol=0, atol=2e-9)
    # A network answers in float32: what is lost is a fraction of the deviation, not of the mean.
    back = encoder.inverse_target(scaled.astype(np.float32))
    assert back.dtype == np.float64
    np.testing.assert_allclose(back, columns["y"], rtol=0, atol=1000 * 4 * 2**-24)


def test_classes_and_their_names() -> None:
    labels = ["007", "7", "7", "007"] * 10
    table = tables.read({"x": np.arange(40.0) ** 0.5, "y": labels})
    encoder = tables.Encoder().fit(table)
    codes = encoder.transform_target(table)
    assert codes.dtype == np.int64
    assert encoder.inverse_target(codes).tolist() == labels
    with pytest.raises(
        tables.TableError, match=r"classes that were not there in training: '8' \(row 2\)"
    ):
        encoder.transform_target(["7", "8"])
    with pytest.raises(tables.TableError, match=r"no value \(row 1\)"):
        encoder.transform_target([None, "7"])


def test_rows_without_a_target_are_not_learned_from() -> None:
    x = np.r_[np.zeros(50), np.full(50, 1e9)] + np.arange(100) / 100
    y = np.r_[np.arange(50) + 0.5, np.full(50, np.nan)]
    table = tables.read({"x": x, "y": y})
    assert table.rows_without_target == 50
    assert tables.Encoder().fit(table)._features[0].scale.median < 1
    rows = np.arange(10)
    assert tables.Encoder().fit(table, rows)._features[0].scale.median == np.median(x[:10])
    assert tables.Encoder().fit(table).transform(table, rows).shape == (10, 1)


def test_the_state_in_another_process(
    table: tables.Table, columns: dict[str, Any], tmp_path: Path
) -> None:
    encoder = tables.Encoder().fit(table)
    state, arrays = encoder.to_state()
    assert all(array.dtype == np.float64 for array in arrays.values())
    (tmp_path / "state.json").write_text(json.dumps(state))
    np.savez(tmp_path / "arrays.npz", **arrays)
    pickled = {name: np.asarray(values) for name, values in columns.items()}
    pickled["kind"] = np.array(["" if v is None else v for v in pickled["kind"]])
    np.savez(tmp_path / "columns.npz", **pickled)
    code = """
import sys, numpy as np
from pathlib import Path
from backprop.tables import Encoder
folder = Path(sys.argv[1])
encoder = Encoder.from_state((folder / "state.json").read_text(), np.load(folder / "arrays.npz"))
X = encoder.transform(dict(np.load(folder / "columns.npz")))
y = encoder.inverse_target(encoder.transform_target(dict(np.load(folder / "columns.npz"))["y"]))
np.savez(folder / "found.npz", X=X, y=y)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    found = np.load(tmp_path / "found.npz")
    np.testing.assert_array_equal(found["X"], encoder.transform(table))
    np.testing.assert_allclose(found["y"], columns["y"], rtol=1e-15)
    again = tables.Encoder.from_state(state, arrays)
    assert again.to_state()[0] == state
    assert again.feature_names_out == encoder.feature_names_out
    with pytest.raises(ValueError, match="version 1, got 9"):
        tables.Encoder.from_state({**state, "version": 9}, arrays)


def test_other_order_other_types_other_columns(
    table: tables.Table, columns: dict[str, Any]
) -> None:
    encoder = tables.Encoder().fit(table)
    expected = encoder.transform(table, dtype=np.float64)
    turned = {name: columns[name] for name in reversed(columns)} | {"more": ["?"] * M}
    np.testing.assert_array_equal(encoder.transform(turned, dtype=np.float64), expected)
    words = dict(columns)
    words["x"] = ["" if np.isnan(v) else repr(float(v)) for v in columns["x"]]
    words["day"] = [str(v) for v in columns["day"]]
    words["when"] = [str(v) + "Z" for v in columns["when"]]
    words["z"] = columns["z"].astype(object)
    np.testing.assert_allclose(encoder.transform(words, dtype=np.float64), expected, rtol=1e-13)
    del words["y"]
    assert encoder.transform(words).shape == expected.shape


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames(table: tables.Table, columns: dict[str, Any], library: str) -> None:
    module = pytest.importorskip(library)
    make = module.table if library == "pyarrow" else module.DataFrame
    # polars keeps an array of objects as objects.
    lists = {name: v.tolist() if v.dtype == object else v for name, v in columns.items()}
    frame = make(lists)
    encoder = tables.Encoder().fit(tables.read(frame))
    expected = tables.Encoder().fit_transform(table)
    np.testing.assert_allclose(encoder.transform(frame), expected, atol=1e-6)
    np.testing.assert_allclose(tables.Encoder().fit(table).transform(frame), expected, atol=1e-6)


def test_numbers_where_categories_were() -> None:
    y = np.linspace(0.5, 9, 60)
    encoder = tables.Encoder().fit(
        tables.read({"store_id": ["1", "2", "3"] * 20, "y": y}, category=["store_id"])
    )
    expected = [[1, 0, 0], [0, 0, 1]]
    for cells in ([1, 3], [1.0, 3.0], ["1", "3"], ["1.0", "3.0"]):
        assert encoder.transform({"store_id": cells}).tolist() == expected


def test_missing_columns_are_named_all_at_once(
    table: tables.Table, columns: dict[str, Any]
) -> None:
    encoder = tables.Encoder().fit(table)
    del columns["x"], columns["kind"]
    with pytest.raises(tables.TableError, match="the columns 'x', 'kind' are missing"):
        encoder.transform(columns)


def test_columns_that_turned_into_words_are_named_all_at_once(
    table: tables.Table, columns: dict[str, Any]
) -> None:
    encoder = tables.Encoder().fit(table)
    columns |= {"x": ["low"] * M, "day": ["soon"] * M}
    with pytest.raises(tables.TableError, match=r"'x' held numbers.*'low'") as error:
        encoder.transform(columns)
    assert "'day' held dates in training, and now row 1 has 'soon'" in str(error.value)


def test_wrong_arguments(table: tables.Table) -> None:
    with pytest.raises(RuntimeError, match="call fit"):
        tables.Encoder().transform(table)
    with pytest.raises(ValueError, match="`max_levels` must be at least 2, got 1"):
        tables.Encoder(max_levels=1)
    with pytest.raises(TypeError, match=r"`min_count` must be an integer, got 0.5"):
        tables.Encoder(min_count=0.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`dtype` must be float32 or float64"):
        tables.Encoder().fit(table).transform(table, dtype=np.int32)
    with pytest.raises(ValueError, match="`rows` must name at least one row"):
        tables.Encoder().fit(table, np.empty(0, int))


def test_speed() -> None:
    rng = np.random.default_rng(4)
    m = 50_000
    columns: dict[str, Any] = {f"x{k}": rng.normal(0, 1, m) for k in range(14)}
    columns |= {f"c{k}": rng.choice(list("abcdefgh"), m) for k in range(4)}
    columns |= {"d": np.datetime64("2020-01-01") + rng.integers(0, 900, m).astype("timedelta64[D]")}
    columns["y"] = rng.normal(0, 1, m)
    table = tables.read(columns)
    encoder = tables.Encoder().fit(table)
    # Of the thread's own time: others may use the machine.
    best = np.inf
    for _ in range(3):
        start = time.thread_time()
        encoder.transform(table)
        best = min(best, time.thread_time() - start)
    assert m * 19 / best > 2e6
