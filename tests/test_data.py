"""Reading, dividing and scaling data: what comes out, and how bad input is refused."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from backprop import data
from backprop.data import (
    Standardizer,
    encode_labels,
    infer_task,
    load,
    load_digits,
    read_csv,
    read_npy,
    read_npz,
    read_parquet,
    same_unit,
    split_indices,
    train_test_split,
)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# --- bundled digits ------------------------------------------------------------------------------


def test_digits_are_the_1797_examples_of_the_uci_test_set() -> None:
    digits = load_digits()
    X, y = digits
    assert (X.shape, X.dtype) == ((1797, 64), np.float32)
    assert (y.shape, y.dtype) == ((1797,), np.int64)
    # Class counts and the sum of all pixels as in optdigits.tes.
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (X.min(), X.max(), X.sum(dtype=np.float64)) == (0, 16, 561718)
    assert X[0, :8].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert digits.feature_names[9] == "pixel_1_1"
    assert repr(digits) == "Dataset('digits', X (1797, 64) float32, target 'digit')"


def test_digits_carry_author_and_licence_beside_them() -> None:
    notice = (Path(data.__file__).parents[1] / "datasets" / "LICENSE-digits.txt").read_text()
    for words in ("Alpaydin", "Kaynak", "CC BY 4.0", "10.24432/C50P49", "optdigits.tes"):
        assert words in notice


# --- CSV: what is read ---------------------------------------------------------------------------


def test_csv_target_is_the_last_column_unless_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "u,v,w\n1,2,3\n4,5,6.5\n")
    last = read_csv(path)
    assert last.X.tolist() == [[1, 2], [4, 5]]
    assert last.y is not None
    assert last.y.tolist() == [3, 6.5]
    assert (last.feature_names, last.target_name) == (("u", "v"), "w")
    named = read_csv(path, "u")
    assert named.X.tolist() == [[2, 3], [5, 6.5]]
    assert read_csv(path, 1).target_name == "v"
    without = read_csv(path, None)
    assert without.X.shape == (2, 3)
    assert without.y is None
    assert repr(without).endswith("no target)")


def test_csv_reads_the_asked_features_in_the_asked_order_and_nothing_else(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,u,v,label\nx1,1,2,yes\nx2,3,4,no\n")
    table = read_csv(path, "label", features=["v", "u"])
    assert table.X.tolist() == [[2, 1], [4, 3]]
    assert table.y is not None
    assert table.y.tolist() == ["yes", "no"]


def test_csv_quoted_fields_hold_delimiters_quotes_and_line_ends(tmp_path: Path) -> None:
    text = '"a, b",label\n"1","say ""hi"", twice"\n2,"two\nlines"\n'
    table = read_csv(write(tmp_path / "a.csv", text))
    assert table.feature_names == ("a, b",)
    assert table.y is not None
    assert table.y.tolist() == ['say "hi", twice', "two\nlines"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_delimiter_is_found_in_the_header(tmp_path: Path, delimiter: str) -> None:
    text = "a,b,y\n1,2,x\n3,4,z\n".replace(",", delimiter)
    assert read_csv(write(tmp_path / "a.csv", text)).X.tolist() == [[1, 2], [3, 4]]


def test_csv_delimiter_can_be_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "a|b, c|y\n1|2|3\n")
    assert read_csv(path, delimiter="|").feature_names == ("a", "b, c")


def test_csv_may_be_gzipped_have_a_byte_order_mark_blank_lines_and_dos_line_ends(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf\r\na,y\r\n1,2\r\n\r\n3,4\r\n"))
    table = read_csv(path)
    assert table.feature_names == ("a",)
    assert table.X.tolist() == [[1], [3]]


def test_csv_without_header_numbers_its_columns_from_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "5.1,3.5,setosa\n4.9,3.0,virginica\n")
    table = read_csv(path, header=False)
    assert table.X.tolist() == [[5.1, 3.5], [4.9, 3.0]]
    assert table.feature_names == ("column 1", "column 2")
    assert table.target_name == "column 3"


def test_csv_numbers_survive_the_passage_exactly_across_chunks(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(20_000, 3)) * 10.0 ** np.array([-200, 0, 200])
    lines = "\n".join(",".join(map(repr, row)) for row in X.tolist())
    table = read_csv(write(tmp_path / "a.csv", f"a,b,c\n{lines}\n"), None)
    assert np.array_equal(table.X, X)


def test_csv_header_of_counted_columns_is_a_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "0,1,2,target\n5,6,7,8\n")
    assert read_csv(path).feature_names == ("0", "1", "2")


# --- CSV: what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"bad\.csv: .*empty"),
        ("a,b,y\n", r"bad\.csv: no rows"),
        ("a,b,y\n1,2,3\n4,,6\n7,8,9\n", r"column 'b' has no number at line 3"),
        ("a,b,y\n1,2,3\n4,inf,6\n7,8,9\n", r"column 'b' has no number at line 3"),
        ("a,b,y\n1,2,3\nx,,6\n", r"column 'a' has no number at .*; column 'b' has no number at "),
        ("a,b,y\n1,2,u\n4,5,\n7,8,v\n", r"the target 'y' is missing at line 3"),
        ("a,b,y\n1,2,3\n4,5\n7,8,9\n", r"line 3: 2 cells where there should be 3"),
        ("y\n1\n2\n", r"bad\.csv must have a feature column besides the target"),
    ],
)
def test_bad_csv_is_refused_with_file_line_and_column(
    tmp_path: Path, text: str, message: str
) -> None:
    path = write(tmp_path / "bad.csv", text)
    with pytest.raises(ValueError, match=message) as caught:
        read_csv(path)
    assert str(path) in str(caught.value)


def test_words_are_for_the_table_model(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "a,b,y\n" + "u,1,2\nv,2,3\n" * 20)
    with pytest.raises(ValueError, match=r"column 'a' has no number .*TableModel\.fit"):
        read_csv(path)


def test_unknown_columns_are_refused_with_the_nearest_name(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", ",".join(f"c{i}" for i in range(14)) + "\n" + "1," * 13 + "1\n"
    )
    with pytest.raises(
        ValueError, match=r"unknown target column 'c_3'; did you mean 'c3'\?.*\.\.\."
    ):
        read_csv(path, "c_3")
    with pytest.raises(ValueError, match=r"unknown feature column 'zz'; the columns are c0, c1"):
        read_csv(path, features=["zz"])
    with pytest.raises(ValueError, match=r"must be one of the 14 columns, got position 14"):
        read_csv(path, 14)


# --- arrays --------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("X", "y"), ("x", "y"), ("data", "target")])
def test_npz_is_read_as_stored(tmp_path: Path, names: tuple[str, str]) -> None:
    X = np.arange(6, dtype=np.float32).reshape(3, 2)
    y = np.array([1, 0, 1])
    np.savez(tmp_path / "a.npz", **{names[0]: X, names[1]: y[:, None]})
    table = read_npz(tmp_path / "a.npz")
    assert table.X.dtype == np.float32
    assert np.array_equal(table.X, X)
    assert table.y is not None
    assert table.y.tolist() == [1, 0, 1]
    assert table.target_name == names[1]


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
def test_npz_of_a_sparse_matrix_says_who_takes_it(tmp_path: Path, kind: str) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    sparse.save_npz(tmp_path / "s.npz", sparse.random(20, 5, 0.3, format=kind, random_state=0))
    with pytest.raises(
        ValueError, match=r"s\.npz .*sparse matrix that SciPy wrote; read it with sci"
    ):
        read_npz(tmp_path / "s.npz")


def test_npz_without_target_is_data_to_predict(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.ones((3, 2)))
    assert read_npz(tmp_path / "a.npz").y is None


def test_npy_finds_the_target_beside_the_features(tmp_path: Path) -> None:
    np.save(tmp_path / "train_X.npy", np.ones((3, 2)))
    assert read_npy(tmp_path / "train_X.npy").y is None
    np.save(tmp_path / "train_y.npy", np.array(["a", "b", "a"]))
    np.save(tmp_path / "other.npy", np.array([1.5, 2.5, 3.5]))
    beside = read_npy(tmp_path / "train_X.npy").y
    said = read_npy(tmp_path / "train_X.npy", tmp_path / "other.npy").y
    assert beside is not None
    assert said is not None
    assert (beside.tolist(), said.tolist()) == (["a", "b", "a"], [1.5, 2.5, 3.5])


@pytest.mark.parametrize(
    ("arrays", "kind", "message"),
    [
        ({"a": np.ones(2)}, ValueError, r"a\.npz must hold an array X \(and y, .*got a"),
        ({"X": np.ones(2)}, ValueError, r"a\.npz: X must have shape .*got shape \(2,\); reshape"),
        ({"X": np.ones((0, 2))}, ValueError, r"X must have at least one example"),
        ({"X": np.ones((2, 2)) * 1j}, TypeError, r"X must hold real numbers, got dtype complex128"),
        ({"X": np.ones((2, 2)), "y": np.ones(3)}, ValueError, r"each of the 2 rows of X, got 3"),
        ({"X": np.ones((2, 2)), "y": np.ones((2, 2))}, ValueError, r"y must have shape \(n_exa"),
        ({"X": np.ones((2, 2)), "y": np.ones(2) * 1j}, TypeError, r"y must hold numbers or text"),
        (
            {"X": np.array([[1, np.nan]])},
            ValueError,
            r"X must be finite, got nan at row 0, column 1",
        ),
        ({"X": np.ones((1, 1)), "y": np.array([np.inf])}, ValueError, r"y must be finite, got inf"),
        ({"X": np.array([[None]])}, ValueError, r"a\.npz: X cannot be read: Object arrays"),
    ],
)
def test_bad_npz_is_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], kind: type[Exception], message: str
) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(kind, match=message):
        read_npz(tmp_path / "a.npz")


def test_missing_value_is_found_far_down_an_array(tmp_path: Path) -> None:
    X = np.zeros((10_000, 2), dtype=np.float32)
    X[9_999, 1] = np.inf
    np.save(tmp_path / "X.npy", X)
    with pytest.raises(ValueError, match=r"X must be finite, got inf at row 9999, column 1"):
        read_npy(tmp_path / "X.npy")


def test_files_that_are_not_what_their_name_says_are_refused(tmp_path: Path) -> None:
    text = write(tmp_path / "t.npz", "a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"t\.npz must be a NumPy file of numbers or text"):
        read_npz(text)
    np.save(tmp_path / "one.npy", np.ones((2, 2)))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(ValueError, match=r"one\.npz must be a NumPy archive of X and y"):
        read_npz(tmp_path / "one.npz")
    np.savez(tmp_path / "two.npz", X=np.ones((2, 2)))
    (tmp_path / "two.npz").rename(tmp_path / "two.npy")
    with pytest.raises(ValueError, match=r"two\.npy must hold a single array"):
        read_npy(tmp_path / "two.npy")
    with pytest.raises(OSError, match=r"none\.npz"):
        read_npz(tmp_path / "none.npz")


def test_truncated_npz_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.ones((100, 20)))
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"a\.npz must be a NumPy file"):
        read_npz(tmp_path / "a.npz")
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"a\.npz: X cannot be read: Bad CRC"):
        read_npz(tmp_path / "a.npz")


# --- Parquet -------------------------------------------------------------------------------------


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    table = pyarrow.table({"u": [1, 2], "v": [0.5, 1.5], "t": ["a", None], "y": ["yes", "no"]})
    parquet.write_table(table, tmp_path / "a.parquet")
    read = read_parquet(tmp_path / "a.parquet", features=["u", "v"])
    assert read.X.tolist() == [[1, 0.5], [2, 1.5]]
    assert read.y is not None
    assert read.y.tolist() == ["yes", "no"]
    assert load(tmp_path / "a.parquet", target="v", features=("u",)).target_name == "v"
    with pytest.raises(ValueError, match=r"column 't' has no number at row 1"):
        read_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"unknown target column 'z'"):
        read_parquet(tmp_path / "a.parquet", "z")
    with pytest.raises(ValueError, match=r"one of the 4 columns, got position 4"):
        read_parquet(tmp_path / "a.parquet", 4)
    assert read_parquet(tmp_path / "a.parquet", None, features=["u"]).y is None
    with pytest.raises(ValueError, match=r"column 'u' has no number|column 't' has no number"):
        read_parquet(tmp_path / "a.parquet", None, features=["t"])


# --- load ----------------------------------------------------------------------------------------


def test_load_chooses_the_reader_by_name(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "a,y\n1,2\n")
    np.savez(tmp_path / "a.npz", X=np.ones((3, 2)))
    np.save(tmp_path / "X.npy", np.ones((4, 2)))
    np.save(tmp_path / "t.npy", np.ones(4))
    assert len(load("digits").X) == 1797
    assert len(load(tmp_path / "a.csv").X) == 1
    assert len(load(tmp_path / "a.npz").X) == 3
    assert load(tmp_path / "X.npy", tmp_path / "t.npy").y is not None


def test_load_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"digit must be a file or a bundled data set"):
        load("digit")
    with pytest.raises(ValueError, match=r"a second file must be the y\.npy of an X\.npy"):
        load("digits", "y.npy")


# --- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "labels", "names"),
    [
        (["b", "a", "b"], [1, 0, 1], ("a", "b")),
        ([10, 9, 10], [1, 0, 1], ("9", "10")),
        ([3.0, -1.0, 3.0], [1, 0, 1], ("-1", "3")),
        ([True, False], [1, 0], ("False", "True")),
    ],
)
def test_labels_are_numbered_in_sorted_order(
    y: list[object], labels: list[int], names: tuple[str, ...]
) -> None:
    encoded, found = encode_labels(np.array(y))
    assert encoded.dtype == np.int64
    assert (encoded.tolist(), found) == (labels, names)


def test_labels_of_known_classes_keep_their_numbers() -> None:
    encoded, names = encode_labels(np.array(["b", "c"]), ["a", "b", "c"])
    assert (encoded.tolist(), names) == ([1, 2], ("a", "b", "c"))
    with pytest.raises(ValueError, match=r"must hold the known classes a, b, c, got 'd'"):
        encode_labels(np.array(["a", "d"]), ["a", "b", "c"])


def test_labels_that_are_no_classes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"whole numbers or text .*got 1.5 in row 1"):
        encode_labels(np.array([1.0, 1.5]))
    with pytest.raises(ValueError, match=r"shape \(n_examples,\), got shape \(1, 2\)"):
        encode_labels(np.array([[0, 1]]))
    with pytest.raises(TypeError, match=r"numbers or text, got dtype complex128"):
        encode_labels(np.array([1j]))


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (np.array(["a", "b"]), "classification"),
        (np.array([True, False]), "classification"),
        (np.array([0, 1, 2] * 4), "classification"),
        (np.array([0.0, 1.0] * 4), "classification"),
        (np.array([0.5, 1.0] * 4), "regression"),
        (np.arange(10), "regression"),
        (np.arange(200) % 31, "regression"),
    ],
)
def test_task_is_inferred_from_the_target(y: np.ndarray, task: str) -> None:
    assert infer_task(y) == task


# --- splits --------------------------------------------------------------------------------------


def test_split_is_a_partition_and_keeps_rows_with_their_targets() -> None:
    X = np.arange(20).reshape(10, 2)
    y = np.arange(10) * 0.5
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=3, seed=1)
    assert (len(X_train), len(X_test)) == (7, 3)
    assert sorted([*y_train, *y_test]) == y.tolist()
    assert np.array_equal(X_train[:, 0], y_train * 4)
    assert np.array_equal(X_test[:, 0], y_test * 4)


def test_split_depends_on_the_seed_alone() -> None:
    y = load_digits().y
    assert y is not None
    first, again, other = (split_indices(y, 0.2, seed=seed)[1] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("test_size", [0.1, 0.25, 0.5, 360])
def test_stratified_split_gives_each_class_its_share(test_size: float) -> None:
    y = load_digits().y
    assert y is not None
    train, test = split_indices(y, test_size, seed=3)
    share = len(test) / len(y)
    assert np.abs(np.bincount(y[test]) - share * np.bincount(y)).max() <= 1
    assert len(train) + len(test) == len(y)


def test_stratified_split_differs_from_the_plain_one_and_shuffles_within_classes() -> None:
    y = np.repeat([0, 1], [90, 10])
    _, test = split_indices(y, 10, seed=0)
    assert np.bincount(y[test]).tolist() == [9, 1]
    plain = [np.bincount(y[split_indices(y, 10, stratify=False, seed=s)[1]]) for s in range(20)]
    assert len({tuple(counts) for counts in plain}) > 1
    members = {tuple(split_indices(y, 10, seed=s)[1][-1:]) for s in range(20)}
    assert len(members) > 3


@pytest.mark.parametrize("test_size", [0, 10, -1, 0.0, 1.0, 1.5, 0.01, float("nan"), True])
def test_split_that_leaves_a_part_empty_is_refused(test_size: float) -> None:
    with pytest.raises(ValueError, match=rf"`test_size` must be .*of the 10, got {test_size}"):
        train_test_split(np.zeros((10, 1)), np.zeros(10), test_size=test_size)


def test_split_refuses_unequal_lengths() -> None:
    with pytest.raises(ValueError, match=re.escape("each of the 3 rows of `X`, got 2")):
        train_test_split(np.zeros((3, 1)), np.zeros(2))


# --- standardisation -----------------------------------------------------------------------------


def test_standardised_features_have_mean_0_and_deviation_1() -> None:
    X = np.random.default_rng(0).normal(3, 7, size=(10_000, 3)).astype(np.float32)
    scaler = Standardizer.fit(X)
    Z = scaler.transform(X, np.float64)
    assert np.abs(Z.mean(axis=0)).max() < 1e-12
    assert np.abs(Z.std(axis=0) - 1).max() < 1e-12
    assert np.allclose(scaler.inverse_transform(Z), X, rtol=0, atol=1e-12)
    assert scaler.transform(X).dtype == np.float32


def test_standardiser_is_exact_far_from_zero() -> None:
    # Deviation 1 around 10^8: float32 sums, or E[x^2] - E[x]^2 in any precision, would miss it.
    X = 1e8 + np.array([[-1.0], [1.0]] * 5000)
    scaler = Standardizer.fit(X)
    assert (scaler.mean.tolist(), scaler.scale.tolist()) == ([1e8], [1.0])


@pytest.mark.parametrize("value", [0.0, 0.1, 1e300, -1e-300, 1e8 + 0.1])
def test_constant_columns_become_zero_and_later_values_stay_finite(value: float) -> None:
    X = np.full((9973, 1), value)
    scaler = Standardizer.fit(X[:3] if abs(value) > 1e150 else X)
    assert scaler.scale.tolist() == [1.0]
    assert np.abs(scaler.transform(X, np.float64)).max() <= 1e-12 * abs(value)
    assert np.isfinite(scaler.transform(X + 1, np.float64)).all()


def test_standardiser_takes_integers_and_leaves_its_input_alone() -> None:
    X = np.array([[0], [2]], dtype=np.uint8)
    assert Standardizer.fit(X).transform(X).tolist() == [[-1], [1]]
    assert X.tolist() == [[0], [2]]


def test_shared_scale_keeps_the_proportions_of_the_features() -> None:
    X = np.array([[0.0, 0.0, 5.0], [4.0, 2.0, 5.0]])
    scaler = Standardizer.fit(X, shared=True)
    assert np.allclose(scaler.scale, np.sqrt((4 + 1 + 0) / 3), rtol=1e-15)
    assert scaler.mean.tolist() == [2, 1, 5]
    assert Standardizer.fit(np.full((3, 2), 0.1), shared=True).scale.tolist() == [1, 1]


def test_features_of_one_unit_are_recognised() -> None:
    assert same_unit(load_digits().X)
    assert not same_unit(np.random.default_rng(0).normal(size=(50, 4)))
    assert not same_unit(np.array([[0], [1]]))
    assert not same_unit(np.array([[0, 0, 0], [1, 2, 3]]))


def test_standardiser_refuses_what_it_cannot_measure() -> None:
    with pytest.raises(ValueError, match=r"must have shape \(n_examples, n_features\).* \(3,\)"):
        Standardizer.fit(np.zeros(3))
    with pytest.raises(ValueError, match=r"must be finite .*column 1 does not"):
        Standardizer.fit(np.array([[0.0, np.nan]]))
    with pytest.raises(ValueError, match=r"must have 2 columns .*got shape \(1, 3\)"):
        Standardizer.fit(np.zeros((2, 2))).transform(np.zeros((1, 3)))
