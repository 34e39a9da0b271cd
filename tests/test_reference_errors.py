"""What the reference refuses, in which words, and that a refusal changes nothing."""

import math

import pytest

from backprop import reference

X = [[1.0, 2.0], [2.5, 2.0]]
Y = [1, 0]
W = [[[1.0, -1.0], [2.0, 1.0]], [[1.0, 1.0], [4.0, 0.0]]]
B = [[0.5, -1.0], [0.25, 0.0]]


class Array:
    """Stands for an array: has a tolist, is no list."""

    def tolist(self):
        return X


BAD_INPUT = [
    ({"X": [[1.0]]}, ValueError,
     r"`X` must have 2 columns to match `W_1` \(2, 2\), got 1 in row 0"),
    ({"X": [[1.0, 2.0], [1.0]]}, ValueError, "`X` must have 2 columns .* got 1 in row 1"),
    ({"X": []}, ValueError, "`X` must have at least one row"),
    ({"X": 3.0}, TypeError, "`X` must be a list of rows, got float$"),
    ({"X": [1.0, 2.0]}, TypeError, "row 0 of `X` must be a list of numbers, got float"),
    ({"X": Array()}, TypeError, r"`X` must be a list of rows, got Array: pass its \.tolist\(\)"),
    ({"y": [1]}, ValueError, "`y` must have 2 targets, one for each row of `X`, got 1"),
    ({"y": 1}, TypeError, "`y` must be a list of one target"),
    ({"y": [1, 2]}, ValueError, r"`y\[1\]` must be an integer class in 0\.\.1 .* got 2"),
    ({"y": [-1, 0]}, ValueError, r"`y\[0\]` must be an integer class in 0\.\.1 .* got -1"),
    ({"y": [1, 0.0]}, TypeError, r"`y\[1\]` must be an integer class .* got 0\.0"),
    ({"y": [True, 0]}, TypeError, r"`y\[0\]` must be an integer class .* got True"),
    ({"y": [[1.5, -0.5], 0]}, ValueError, r"`y\[0\]` must be .* got \[1\.5, -0\.5\]"),
    ({"y": [[1.0], 0]}, ValueError, r"`y\[0\]` must be .* row of 2 probabilities, got 1 numbers"),
    ({"W": []}, ValueError, "`W` must have at least one matrix"),
    ({"W": [[], []]}, ValueError, "`W_1` must have at least one row and one column"),
    ({"W": [W[0], [[1.0, 1.0, 1.0]] * 2]}, ValueError,
     "`W_2` must have 2 columns to match the 2 rows of `W_1`, got 3 in row 0"),
    ({"W": [[[1.0, 1.0], [1.0]], W[1]]}, ValueError,
     "`W_1` must have 2 columns to match its first row, got 1 in row 1"),
    ({"b": B[:1]}, ValueError, "`b` must have 2 vectors, one for each of `W`, got 1"),
    ({"b": [B[0], [1.0]]}, ValueError,
     "`b_2` must have 2 numbers to match the rows of `W_2`, got 1"),
    ({"hidden": "rleu"}, ValueError, "`hidden` must be one of .*, got 'rleu': did you mean 'relu'"),
    ({"hidden": "quux"}, ValueError, "`hidden` must be one of .*, got 'quux'$"),
    ({"hidden": ["relu", "relu"]}, ValueError,
     "`hidden` must have 1 names to match 2 layers, got 2"),
    ({"hidden": 1}, TypeError, "`hidden` must be a name or a list of names, got int"),
    ({"hidden": [None]}, TypeError, "`hidden` must be a name, got NoneType"),
    ({"output": "sofmax"}, ValueError, "`output` must be one of .* did you mean 'softmax'"),
    ({"loss": "crossentropy"}, ValueError, "`loss` must be one of .* did you mean 'cross_entropy'"),
    ({"loss": "squared_error"}, ValueError,
     r"`loss` must match the output 'softmax' \('cross_entropy'\), got 'squared_error'"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "error", "message"), BAD_INPUT)
def test_bad_input_is_refused_and_changes_nothing(change, error, message):
    arguments = {"X": X, "y": Y, "W": W, "b": B, "hidden": "relu", "output": "softmax",
                 "loss": "cross_entropy"} | change  # fmt: skip
    before = str(arguments)
    with pytest.raises(error, match=message):
        reference.gradients(**arguments)
    with pytest.raises(error, match=message):
        reference.loss(**arguments)
    with pytest.raises(error, match=message):
        reference.fit(**arguments, epochs=1, lr=0.1, batch_size=1, shuffle=False)
    assert str(arguments) == before


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "`epochs` must be 1 or more, got 0"),
        ({"epochs": 1.5}, TypeError, "`epochs` must be an integer, got float"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be 1 or more, got 0"),
        ({"lr": 0.0}, ValueError, r"`lr` must be positive and finite, got 0\.0"),
        ({"lr": math.nan}, ValueError, "`lr` must be positive and finite, got nan"),
        ({"lr": math.inf}, ValueError, "`lr` must be positive and finite, got inf"),
        ({"lr": "0.1"}, TypeError, "`lr` must be a number, got str"),
        ({"seed": -1}, ValueError, "`seed` must be 0 or more, got -1"),
        (
            {"seed": 2**64},
            ValueError,
            r"`seed` must be less than 2\*\*64, got 184467440737",
        ),
    ],
)
def test_fit_refuses_bad_settings_and_changes_nothing(change, error, message):
    before = str((W, B))
    with pytest.raises(error, match=message):
        reference.fit(X, Y, W, B, **({"epochs": 1, "lr": 0.1} | change))
    assert str((W, B)) == before


def test_targets_of_the_other_losses_are_checked():
    one_output = [[[1.0, 1.0]]], [[0.0]]
    with pytest.raises(ValueError, match=r"`y\[0\]` must be a row of 1 numbers in 0..1, got \[2\]"):
        reference.loss(X, [2, 0], *one_output, [], "sigmoid", "binary_cross_entropy")
    with pytest.raises(ValueError, match=r"`y\[1\]` must be a row of 1 numbers, got 2 numbers"):
        reference.loss(X, [2.0, [1.0, 2.0]], *one_output, [], "linear", "squared_error")
    with pytest.raises(TypeError, match=r"`y\[0\]` must be a row of 2 numbers, got 1\.0"):
        reference.loss(X, [1.0, 2.0], W, B, "relu", "linear", "squared_error")


def test_a_thin_network_must_be_thin():
    with pytest.raises(ValueError, match=r"one neuron wide .* got layer sizes \[2, 2, 2\]"):
        reference.thin_network(X[0], 1, W, B)
    with pytest.raises(ValueError, match=r"`layer` must be in 1\.\.1, got 2"):
        reference.thin_network([1.0], 1, [[[1.0]]], [[0.0]], layer=2)


def test_unflatten_refuses_another_length():
    with pytest.raises(ValueError, match=r"`theta` must have 9 numbers .*, got 8"):
        reference.unflatten([0.0] * 8, [2, 3])
