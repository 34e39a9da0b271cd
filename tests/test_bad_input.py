"""Bad input gets an error that names argument, rule, value and remedy, and changes nothing."""

import re

import numpy as np
import pytest
from cases import make_case

import backprop as bp
from backprop import _backprop

# Every call that takes data, by the name of the method.
CALLS = {
    "forward": lambda net, X, y: net.forward(X),
    "predict": lambda net, X, y: net.predict(X),
    "loss": lambda net, X, y: net.loss(X, y),
    "gradients": lambda net, X, y: net.gradients(X, y),
    "trace": lambda net, X, y: net.trace(X, y),
    "step": lambda net, X, y: net.step(X, y, lr=0.1),
    "fit": lambda net, X, y: net.fit(X, y, epochs=1),
    "validation": lambda net, X, y: net.fit(np.ones((2, 4)), [0, 1], validation=(X, y)),
    "check_gradients": lambda net, X, y: bp.check_gradients(net, X, y),
}
WITH_TARGETS = [name for name in CALLS if name not in ("forward", "predict")]


def refuses(net, error, message, call):
    """The call raises the error with the message, and leaves the weights as they were."""
    before = net.theta.copy()
    with pytest.raises(error, match=re.escape(message)):
        call()
    np.testing.assert_array_equal(net.theta, before)


def with_nan(value):
    X = np.ones((6, 4))
    X[3, 2] = value
    return X


def with_mask():
    return np.ma.masked_array(np.ones((6, 4)), mask=np.eye(6, 4))


def misaligned():
    return np.zeros(6 * 4 * 8 + 1, np.uint8)[1:].view(np.float64).reshape(6, 4)


BAD_X = {
    "too few features": (
        np.ones((6, 3)),
        ValueError,
        "`X` must have 4 columns to match `W_1` (5, 4), got shape (6, 3)",
    ),
    "1-D": (
        np.ones(4),
        ValueError,
        "`X` must have 2 dimensions (examples, features), got shape (4,); one example is "
        "X.reshape(1, -1)",
    ),
    "3-D": (np.ones((2, 3, 4)), ValueError, "`X` must have 2 dimensions"),
    "a number": (1.5, ValueError, "`X` must have 2 dimensions (examples, features), got shape ()"),
    "no examples": (
        np.ones((0, 4)),
        ValueError,
        "`X` must hold at least one example, got shape (0, 4)",
    ),
    "nothing": ([], ValueError, "`X` must have 2 dimensions"),
    "NaN": (with_nan(np.nan), ValueError, "`X` must be finite, got NaN or infinity; clean it with"),
    "inf": (with_nan(-np.inf), ValueError, "`X` must be finite, got NaN or infinity"),
    "text": (
        [["a", "b", "c", "d"]] * 6,
        TypeError,
        "`X` must be made of real numbers, got dtype <U1; convert it with np.asarray(X, dtype=",
    ),
    "objects": (np.full((6, 4), None), TypeError, "`X` must be made of real numbers, got dtype o"),
    "None": (None, TypeError, "`X` must be made of real numbers, got dtype object"),
    "complex": (np.ones((6, 4), complex), TypeError, "real numbers, got dtype complex128"),
    "dates": (np.zeros((6, 4), "M8[s]"), TypeError, "real numbers, got dtype datetime64[s]"),
    "ragged": ([[1, 2, 3, 4], [1, 2]], ValueError, "`X` must have rows of one length"),
    "masked": (with_mask(), TypeError, "`X` must not be masked"),
    "misaligned": (misaligned(), ValueError, "`X` must be aligned in memory, got a misaligned"),
}

BAD_Y = {
    "too few": (
        [0, 1, 2],
        ValueError,
        "`y` must have one entry for each of the 6 examples of `X`, got shape (3,)",
    ),
    "too many": (np.zeros(7, int), ValueError, "each of the 6 examples of `X`, got shape (7,)"),
    "a number": (1, ValueError, "`y` must have one entry for each of the 6 examples"),
    "class too large": (
        [0, 1, 2, 3, 0, 0],
        ValueError,
        "`y` must hold classes from 0 to 2 to match the 3 outputs, got 3 at position 3",
    ),
    "negative": ([0, 0, 0, 0, 0, -1], ValueError, "from 0 to 2 to match the 3 outputs, got -1 at"),
    "broken numbers": (
        [0, 1, 1.5, 0, 0, 0],
        ValueError,
        "`y` must hold whole class numbers, got 1.5 at position 2; for targets that are no classes",
    ),
    "NaN": ([0, 1, np.nan, 0, 0, 0], ValueError, "whole class numbers, got nan at position 2"),
    "inf": ([0, 1, np.inf, 0, 0, 0], ValueError, "whole class numbers, got infinity"),
    "beyond int64": (
        np.full(6, 2**63, np.uint64),
        ValueError,
        "`y` must hold class numbers that fit int64, got 9223372036854775808",
    ),
    "far beyond int64": ([-1e30] * 6, ValueError, "numbers that fit int64, got 1e+30"),
    "text": (
        list("abcabc"),
        TypeError,
        "`y` must be made of real numbers, got dtype <U1; number the classes with np.unique",
    ),
    "a column": (
        np.zeros((6, 1), int),
        ValueError,
        "`y` must be a vector of classes or have 3 columns, got shape (6, 1); flatten it with "
        "y.ravel()",
    ),
    "too few columns": (
        np.eye(2)[[0, 1, 0, 1, 0, 1]],
        ValueError,
        "`y` must have shape (6, 3), one row for each example of `X`",
    ),
    "rows that sum to 2": (
        np.full((6, 3), 2 / 3),
        ValueError,
        "`y` must have rows of probabilities that sum to 1, got a sum of 2 in row 0",
    ),
    "rows below zero": (
        np.full((6, 3), [2.0, -1.0, 0.0]),
        ValueError,
        "`y` must lie between 0 and 1 for cross_entropy, got -1.0",
    ),
    "NaN in rows": (np.full((6, 3), np.nan), ValueError, "`y` must be finite, got NaN or infinity"),
    "masked": (np.ma.masked_array([0] * 6, mask=[1] * 6), TypeError, "`y` must not be masked"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("bad", BAD_X)
def test_bad_examples(call, bad):
    net, _, y = make_case("relu", "softmax", 1)
    X, error, message = BAD_X[bad]
    refuses(net, error, message, lambda: CALLS[call](net, X, y))


@pytest.mark.parametrize("call", WITH_TARGETS)
@pytest.mark.parametrize("bad", BAD_Y)
def test_bad_targets(call, bad):
    net, X, _ = make_case("relu", "softmax", 1)
    y, error, message = BAD_Y[bad]
    refuses(net, error, message, lambda: CALLS[call](net, X, y))


# Without "validation", whose training data are labels.
@pytest.mark.parametrize("call", [name for name in WITH_TARGETS if name != "validation"])
@pytest.mark.parametrize("output", ["linear", "sigmoid"])
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros((6, 2)), "`y` must have shape (6, 3)"),
        (np.zeros(6), "`y` must have shape (6, 3)"),
        (np.zeros((5, 3)), "`y` must have shape (6, 3)"),
        (np.full((6, 3), np.inf), "`y` must be finite, got NaN or infinity"),
    ],
)
def test_bad_targets_of_other_outputs(call, output, y, message):
    net, X, _ = make_case("relu", output, 1)
    refuses(net, ValueError, message, lambda: CALLS[call](net, X, y))


@pytest.mark.parametrize("low", [-1, 0])
def test_binary_targets_lie_between_zero_and_one(low):
    net, X, _ = make_case("relu", "sigmoid", 1, p=1)
    y = np.array([low, low + 2] * 3)
    message = f"`y` must lie between 0 and 1 for binary_cross_entropy, got {low or 2}.0"
    refuses(net, ValueError, message, lambda: net.step(X, y, lr=1))


def test_counts_are_not_negative_but_other_targets_may_be_anything():
    net, X, y = make_case("relu", "exp", 1)
    message = "`y` must not be negative for poisson, got -1.0"
    refuses(net, ValueError, message, lambda: net.step(X, y - 1 - y.min(), lr=1))
    for loss in ("squared_error", "absolute_error", "huber"):
        net, X, y = make_case("relu", "linear", 1, loss=loss)
        assert net.loss(X, 100 * y) > net.loss(X, y) > 0


def test_validation_errors_say_where_they_come_from():
    net, X, y = make_case("relu", "softmax", 1)
    refuses(
        net,
        ValueError,
        "in `validation`: `X` must have 4 columns",
        lambda: net.fit(X, y, validation=(X[:, :2], y)),
    )
    for validation, got in [((X, y, y, y), "tuple of 4"), (X, "ndarray"), ("half", "str")]:
        refuses(
            net,
            TypeError,
            f"`validation` must be a pair (X, y) or a share, got {got}",
            lambda validation=validation: net.fit(X, y, validation=validation),
        )


@pytest.mark.parametrize("position", [0, 150_000, -1])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_one_nan_in_a_large_array_is_found_before_training(position, layout):
    net = bp.Network([4, 5, 3])
    X = np.zeros((200_001, 4), np.float32, order=layout)
    X[position, 3] = np.nan
    y = np.zeros(len(X), int)
    refuses(net, ValueError, "`X` must be finite, got NaN", lambda: net.fit(X, y, epochs=1))


def test_numbers_too_large_for_the_dtype_are_refused_without_a_warning():
    net, _, y = make_case("relu", "softmax", 1, dtype="float32")
    X = np.full((6, 4), 1e300)
    message = (
        "`X` must fit float32, got values up to 1e+300; scale it, or build the network with "
        'dtype="float64"'
    )
    refuses(net, ValueError, message, lambda: net.step(X, y, lr=0.1))


def test_more_examples_than_memory_are_an_exception():
    net, _, _ = make_case("relu", "softmax", 1)
    net.check_finite = False
    X = np.broadcast_to(np.ones(4), (2**50, 4))
    with pytest.raises(MemoryError, match=r"allocate|memory"):
        net.forward(X)


# The compiled core converts nothing.


@pytest.mark.parametrize("method", ["forward", "loss", "gradients", "trace", "step", "epoch"])
@pytest.mark.parametrize(
    ("convert", "error", "message"),
    [
        (lambda X: X.astype("f8"), TypeError, "got float64; convert it with np.asarray(X, dtype="),
        (lambda X: X.astype("f2"), TypeError, "got float16; convert it with"),
        (lambda X: X.astype("i8"), TypeError, "got int64; convert it with"),
        (lambda X: X.astype(bool), TypeError, "got bool; convert it with"),
        (lambda X: X.astype(object), TypeError, "got object; convert it with"),
        (lambda X: X.astype("U"), TypeError, "got <U32; convert it with"),
        (lambda X: X.astype("c8"), TypeError, "got complex64; convert it with"),
        (lambda X: X.astype(">f4"), TypeError, "got >f4 in foreign byte order; convert it with"),
        (lambda X: X.tolist(), TypeError, "got list; convert it with"),
        (lambda X: None, TypeError, "got NoneType; convert it with"),
        (np.ma.masked_array, TypeError, "without a mask, got a masked array; fill it first"),
        (
            lambda X: np.frombuffer(b"\0" + X.tobytes(), "u1")[1:].view("f4").reshape(X.shape),
            ValueError,
            "`X` must be aligned in memory, got a misaligned array; copy it with X.copy()",
        ),
        (
            lambda X: np.zeros(X.shape, [("a", "f4"), ("b", "u1")])["a"],
            ValueError,
            "`X` must be aligned in memory, got a misaligned array; copy it with X.copy()",
        ),
        (lambda X: X[:0], ValueError, "`X` must hold at least one example, got shape (0, 4)"),
        (lambda X: X[0], ValueError, "`X` must have 2 dimensions (examples, features), got shape"),
        (lambda X: X[:, :3], ValueError, "`X` must have 4 columns to match `W_1` (5, 4), got"),
    ],
)
def test_the_core_refuses_examples_that_it_cannot_map(method, convert, error, message):
    core = _backprop.Network32([4, 5, 3], ["relu"], "softmax", "cross_entropy")
    X, y = np.ones((6, 4), np.float32), np.zeros(6, np.int64)
    more = {"forward": (), "step": (y, 0.1), "epoch": (y, np.arange(6), 0.1)}.get(method, (y,))
    call = _backprop.Trainer32(core, 2).epoch if method == "epoch" else getattr(core, method)
    refuses(core, error, message, lambda: call(convert(X), *more))


@pytest.mark.parametrize(
    ("output", "y", "error", "message"),
    [
        ("softmax", np.zeros(6, np.int32), TypeError, "array of int64 classes, or of float32"),
        ("softmax", np.zeros(6, ">i8"), TypeError, "got >i8; convert classes with np.asarray(y"),
        ("softmax", np.zeros(6), TypeError, "got float64; convert classes with np.asarray(y"),
        ("softmax", [0] * 6, TypeError, "got list; convert classes with np.asarray(y"),
        ("softmax", np.zeros(5, np.int64), ValueError, "one entry for each of the 6 examples"),
        ("softmax", np.full(6, 3), ValueError, "classes from 0 to 2 to match the 3 outputs, got 3"),
        ("softmax", np.full(6, -1), ValueError, "classes from 0 to 2 to match the 3 outputs, got"),
        (
            "linear",
            np.zeros((6, 3)),
            TypeError,
            "`y` must be a NumPy array of float32, got float64",
        ),
        ("linear", np.zeros(6, np.int64), TypeError, "`y` must be a NumPy array of float32, got i"),
        ("sigmoid", np.zeros((6, 2), "f4"), ValueError, "`y` must have shape (6, 3), one row for"),
        ("sigmoid", np.full((6, 3), np.nan, "f4"), ValueError, "`y` must be finite, got NaN"),
    ],
)
def test_the_core_refuses_targets_that_it_cannot_map(output, y, error, message):
    loss = _backprop.outputs()[output][0]
    core = _backprop.Network32([4, 5, 3], ["relu"], output, loss)
    X = np.ones((6, 4), np.float32)
    refuses(core, error, message, lambda: core.step(X, y, 0.1))


@pytest.mark.parametrize(
    ("order", "error", "message"),
    [
        (np.arange(0), ValueError, "`order` must name at least one example, got none"),
        (np.arange(1, 7), ValueError, "`order` must hold positions from 0 to 5, got 6"),
        (np.arange(6) - 1, ValueError, "`order` must hold positions from 0 to 5, got -1"),
        (
            np.arange(6, dtype=np.int32),
            TypeError,
            "`order` must be a NumPy array of int64, got int",
        ),
        (np.arange(12)[::2], ValueError, "`order` must be a contiguous vector, got shape (6,)"),
    ],
)
def test_the_core_refuses_a_bad_order(order, error, message):
    core = _backprop.Network32([4, 5, 3], ["relu"], "softmax", "cross_entropy")
    trainer = _backprop.Trainer32(core, 2)
    X, y = np.ones((6, 4), np.float32), np.zeros(6, np.int64)
    refuses(core, error, message, lambda: trainer.epoch(X, y, order, 0.1))


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("losses", "error"),
    [
        (np.ones((2, 2)), ValueError),
        (np.ones(6), ValueError),
        (np.ones((2, 3)).T, ValueError),
        (read_only(np.ones((3, 2))), ValueError),
        (np.ones((3, 2), np.float32), TypeError),
    ],
)
def test_the_core_refuses_a_bad_place_for_losses(losses, error):
    core = _backprop.Network32([4, 5, 3], ["relu"], "softmax", "cross_entropy")
    trainer = _backprop.Trainer32(core, 2)
    X, y = np.ones((6, 4), np.float32), np.zeros(6, np.int64)
    message = {
        ValueError: "`losses` must be a writable, contiguous array of shape (3, 2), got shape",
        TypeError: "`losses` must be a NumPy array of float64, got float32",
    }[error]
    refuses(core, error, message, lambda: trainer.epoch(X, y, None, 0.1, None, losses))


@pytest.mark.parametrize(
    ("lr", "error", "message"),
    [
        (np.ones(2), ValueError, "`lr` must be a number, or have one for each of the 3 batches"),
        (np.ones((3, 1)), ValueError, "each of the 3 batches, got shape (3, 1)"),
        (np.ones(3, np.float32), TypeError, "`lr` must be a NumPy array of float64, got float32"),
        (np.array([1, np.nan, 1]), ValueError, "`lr` must be finite in float32 and not negative"),
    ],
)
def test_the_core_refuses_bad_learning_rates(lr, error, message):
    core = _backprop.Network32([4, 5, 3], ["relu"], "softmax", "cross_entropy")
    trainer = _backprop.Trainer32(core, 2)
    X, y = np.ones((6, 4), np.float32), np.zeros(6, np.int64)
    refuses(core, error, message, lambda: trainer.epoch(X, y, None, lr))


@pytest.mark.parametrize(
    ("lr", "error", "message"),
    [
        (np.nan, ValueError, "`lr` must be finite in float32 and not negative, got nan"),
        (-np.inf, ValueError, "`lr` must be finite in float32 and not negative, got -inf"),
        (-0.1, ValueError, "`lr` must be finite in float32 and not negative, got -0.1"),
        (1e300, ValueError, "`lr` must be finite in float32 and not negative, got 1e+300"),
        ("much", TypeError, "`lr` must be a number, got 'much'"),
        (None, TypeError, "`lr` must be a number, got None"),
    ],
)
def test_the_core_refuses_a_learning_rate_that_would_spoil_the_weights(lr, error, message):
    core = _backprop.Network32([4, 5, 3], ["relu"], "softmax", "cross_entropy")
    trainer = _backprop.Trainer32(core, 2)
    X, y = np.ones((6, 4), np.float32), np.zeros(6, np.int64)
    refuses(core, error, message, lambda: trainer.epoch(X, y, None, lr))
    refuses(core, error, message, lambda: core.step(X, y, lr))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "`batch_size` must be at least 1, got 0"),
        ({"optimizer": "adem"}, ValueError, "`optimizer` must be one of sgd, momentum, nesterov"),
        ({"options": {"beta_1": 0.5}}, ValueError, "`options` of sgd must be left out, got"),
        (
            {"optimizer": "adam", "options": {"momentum": 0.5}},
            ValueError,
            "`options` of adam must be among beta_1, beta_2, eps, eps_uncorrected, got 'momentum'",
        ),
        (
            {"optimizer": "adam", "options": {"beta_2": 1}},
            ValueError,
            "`beta_2` must be at least 0 and less than 1, got 1",
        ),
        (
            {"optimizer": "lion", "options": {"weight_decay": -1}},
            ValueError,
            "`weight_decay` must be finite and not negative, got -1",
        ),
        (
            {"optimizer": "momentum", "options": {"lr_in_velocity": 2}},
            ValueError,
            "`lr_in_velocity` must be 0 or 1, got 2",
        ),
        ({"l1": [1.0]}, ValueError, "`l1` must have one number for each of the 2 layers, got 1"),
        ({"l2": [0.1, np.nan]}, ValueError, "`l2` must be finite and not negative, got nan"),
        (
            {"dropout": [0.5, 0.5]},
            ValueError,
            "`dropout` must have one number for each of the 1 hidden layers, got 2",
        ),
        ({"dropout": [1.0]}, ValueError, "`dropout` must be at least 0 and less than 1, got 1"),
        ({"clip_norm": 0.0}, ValueError, "`clip_norm` must be positive and finite, got 0"),
        ({"clip_value": -1.0}, ValueError, "`clip_value` must be positive and finite, got -1"),
        ({"max_norm": np.inf}, ValueError, "`max_norm` must be positive and finite, got inf"),
    ],
)
def test_the_core_refuses_a_bad_way_to_train(settings, error, message):
    core = _backprop.Network32([4, 5, 3], ["relu"], "softmax", "cross_entropy")
    settings = {"batch_size": 2, **settings}
    refuses(core, error, message, lambda: _backprop.Trainer32(core, **settings))


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"columns": [0, 4]}, ValueError, "`X` must have 4 columns, got an entry in column 4"),
        ({"columns": [-1, 3]}, ValueError, "`X` must have 4 columns, got an entry in column -1"),
        ({"starts": [0, 2, 1, 2]}, ValueError, "`X.indptr` must rise from 0 to at most the 2"),
        ({"starts": [0, 1, 2, 3]}, ValueError, "`X.indptr` must rise from 0 to at most the 2"),
        ({"starts": [1, 1, 2, 2]}, ValueError, "`X.indptr` must rise from 0"),
        ({"starts": [0]}, ValueError, "`X` must hold at least one example, got an indptr of"),
        ({"data": [1.0, np.nan]}, ValueError, "`X` must be finite, got NaN"),
        ({"data": [[1.0, 2.0]]}, ValueError, "`X.data` must be a contiguous vector"),
        ({"data": np.ones(2)}, TypeError, "`X.data` must be a NumPy array of float32, got float64"),
        ({"columns": np.zeros(2, np.int64)}, TypeError, "`X.indices` must be a NumPy array of int"),
        ({"starts": np.zeros(4, np.int32)}, TypeError, "`X.indptr` must be a NumPy array of int64"),
    ],
)
def test_the_core_refuses_bad_compressed_rows(changed, error, message):
    core = _backprop.Network32([4, 5, 3], ["relu"], "softmax", "cross_entropy")
    parts = {"data": [1.0, 2.0], "columns": [0, 3], "starts": [0, 1, 1, 2], **changed}
    dtypes = (np.float32, np.int32, np.int64)
    X = tuple(
        value if isinstance(value, np.ndarray) else np.array(value, dtype)
        for value, dtype in zip(parts.values(), dtypes, strict=True)
    )
    refuses(core, error, message, lambda: core.forward(X))


# Settings


@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "`epochs` must be at least 1, got 0"),
        ({"epochs": -2}, ValueError, "`epochs` must be at least 1, got -2"),
        ({"epochs": 2.5}, TypeError, "`epochs` must be an integer, got 2.5"),
        ({"epochs": True}, TypeError, "`epochs` must be an integer, got True"),
        ({"epochs": 2**70}, ValueError, "`epochs` must be at most 9223372036854775807, got 1180"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be at least 1, got 0"),
        ({"batch_size": -32}, ValueError, "`batch_size` must be at least 1, got -32"),
        ({"batch_size": "32"}, TypeError, "`batch_size` must be an integer, got '32'"),
        ({"lr": -0.1}, ValueError, "`lr` must be finite and 0 or more, got -0.1"),
        ({"lr": np.nan}, ValueError, "`lr` must be finite and 0 or more, got nan"),
        ({"lr": np.inf}, ValueError, "`lr` must be finite and 0 or more, got inf"),
        ({"lr": 10**400}, ValueError, "`lr` must be finite and 0 or more, got 1000"),
        ({"lr": "0.1"}, TypeError, "`lr` must be a number, got '0.1'"),
        ({"lr": True}, TypeError, "`lr` must be a number, got True"),
        ({"seed": -1}, ValueError, "`seed` must be at least 0, got -1"),
        ({"seed": 2**64}, ValueError, "`seed` must be at most 18446744073709551615, got 1844674"),
        ({"optimizer": "sdg"}, ValueError, "lion, lbfgs, got 'sdg'; did you mean 'sgd'?"),
        ({"optimizer": 3}, TypeError, "`optimizer` must be a name or one of AdaGrad, Adam, "),
        ({"callbacks": print}, TypeError, "`callbacks` must be a list of callables, got builtin"),
        ({"callbacks": ["x"]}, TypeError, "`callbacks` must be callable, or a Callback, got 'x'"),
    ],
)
def test_bad_settings_of_fit(setting, error, message):
    net, X, y = make_case("relu", "softmax", 1)
    refuses(net, error, message, lambda: net.fit(X, y, **setting))


@pytest.mark.parametrize("lr", [-1.0, np.nan, np.inf])
def test_bad_learning_rates_of_step(lr):
    net, X, y = make_case("relu", "softmax", 1)
    refuses(net, ValueError, "`lr` must be finite and 0 or more", lambda: net.step(X, y, lr))


def test_a_learning_rate_of_zero_changes_nothing():
    net, X, y = make_case("relu", "softmax", 1)
    theta, loss = net.theta.copy(), net.loss(X, y)
    assert net.step(X, y, 0) == pytest.approx(loss)
    history = net.fit(X, y, epochs=2, lr=0, batch_size=len(X))
    assert history["loss"] == pytest.approx([loss, loss])
    np.testing.assert_array_equal(net.theta, theta)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"layer_sizes": [4, 0, 3]}, ValueError, "`layer_sizes[1]` must be at least 1, got 0"),
        ({"layer_sizes": [4, 3, -1]}, ValueError, "`layer_sizes[2]` must be at least 1, got -1"),
        ({"layer_sizes": [4]}, ValueError, "name at least the input and the output layer, got [4]"),
        ({"layer_sizes": []}, ValueError, "name at least the input and the output layer, got []"),
        ({"layer_sizes": [4, 2.0]}, TypeError, "`layer_sizes[1]` must be an integer, got 2.0"),
        ({"layer_sizes": 64}, TypeError, "`layer_sizes` must be a sequence of integers such as"),
        ({"layer_sizes": "64"}, TypeError, "`layer_sizes` must be a sequence of integers such as"),
        ({"layer_sizes": {4, 5, 3}}, TypeError, "`layer_sizes` must be a sequence of integers suc"),
        ({"layer_sizes": {4: 5}}, TypeError, "`layer_sizes` must be a sequence of integers such"),
        ({"layer_sizes": b"@@"}, TypeError, "`layer_sizes` must be a sequence of integers such as"),
        ({"layer_sizes": [10**9, 10**9]}, (ValueError, MemoryError), "memory"),
        ({"layer_sizes": [10**6, 10**6]}, MemoryError, "does not fit in this machine's memory"),
        ({"layer_sizes": [10**30, 2]}, ValueError, "`layer_sizes[0]` must be at most 92233720368"),
        ({"layer_sizes": [2**62, 2**62]}, ValueError, "overflow the parameter count"),
        ({"hidden": "rleu"}, ValueError, "got 'rleu'; did you mean '"),
        ({"hidden": "TanH"}, ValueError, "got 'TanH'; did you mean 'tanh'?"),
        (
            {"hidden": "xyzzy"},
            ValueError,
            "softplus, hard_tanh, got 'xyzzy'",
        ),
        ({"hidden": ["relu", "sigmoyd"]}, ValueError, "`hidden[1]` must be one of relu, sigmoid,"),
        ({"hidden": ["relu"] * 3}, ValueError, "one for each of the 1 hidden layers, got 3"),
        ({"hidden": None}, TypeError, "`hidden` must be a name or a list of names, got None"),
        ({"hidden": [3]}, TypeError, "`hidden[0]` must be a name, got int"),
        ({"hidden": {"relu"}}, TypeError, "`hidden` must be a name or a list of names, got {'re"),
        ({"seed": -1}, ValueError, "`seed` must be at least 0, got -1"),
        ({"seed": 2**64}, ValueError, "`seed` must be at most 18446744073709551615, got 1844674"),
        ({"seed": 1.5}, TypeError, "`seed` must be an integer, got 1.5"),
        ({"seed": "zero"}, TypeError, "`seed` must be an integer, got 'zero'"),
        ({"output": "sofmax"}, ValueError, "did you mean 'softmax'?"),
        ({"loss": "crossentropy"}, ValueError, "got 'crossentropy'; did you mean 'cross_entropy'?"),
        (
            {"loss": "squared_error"},
            ValueError,
            "`loss` must match `output` 'softmax', got 'squared_error'; use loss='cross_entropy', "
            "or output='linear'",
        ),
        (
            {"output": "linear", "loss": "cross_entropy"},
            ValueError,
            "use loss='squared_error'",
        ),
        (
            {"init": "hee"},
            ValueError,
            "`init` must be one of he, glorot, lecun, zeros, normal, got",
        ),
        ({"init": ("normal", -1)}, ValueError, "`sigma` must be positive and finite, got -1"),
        ({"init": ("he", 2)}, ValueError, '`init` must be a name or ("normal", sigma), got'),
        ({"init": 0.1}, TypeError, "`init` must be a name, got float"),
        ({"dtype": "float16"}, ValueError, "`dtype` must be float32 or float64, got float16"),
        ({"dtype": "flaot32"}, TypeError, "`dtype` must be float32 or float64, got 'flaot32'"),
        ({"dtype": None}, TypeError, "`dtype` must be float32 or float64, got None"),
        ({"dtype": int}, ValueError, "`dtype` must be float32 or float64, got int64"),
    ],
)
def test_bad_networks(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        bp.Network(**{"layer_sizes": [4, 5, 3], **arguments})


@pytest.mark.parametrize(
    ("n_threads", "error", "message"),
    [
        (0, ValueError, "`n_threads` must be at least 1, got 0"),
        (-1, ValueError, "`n_threads` must be at least 1, got -1"),
        (1025, ValueError, "`n_threads` must be at most 1024, got 1025"),
        (10**9, ValueError, "`n_threads` must be at most 1024, got 1000000000"),
        (1.5, TypeError, "`n_threads` must be an integer, got 1.5"),
    ],
)
def test_bad_numbers_of_threads(n_threads, error, message):
    before = bp.get_num_threads()
    with pytest.raises(error, match=re.escape(message)):
        bp.set_num_threads(n_threads)
    assert bp.get_num_threads() == before
