"""Metrics: hand-worked values, scikit-learn's definitions, and which outputs each is for."""

import math

import numpy as np
import pytest

from backprop import metrics

P = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.4, 0.4, 0.2], [0.2, 0.5, 0.3]])
Y = np.array([0, 1, 1, 2])
ONE_HOT = np.eye(3)[Y]
# Two outputs by themselves, a third of which nothing is positive.
S = np.array([[0.9, 0.2, 0.1], [0.6, 0.7, 0.2], [0.4, 0.8, 0.0], [0.1, 0.4, 0.3]])
T = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
V = np.array([[1.0, 2.0], [2.0, 0.0], [4.0, 1.0]])
U = np.array([[1.5, 2.0], [2.0, 1.0], [3.0, 0.0]])


def value(name, output, Y_hat, y):
    return metrics.get(name, output)[1](Y_hat, y)


@pytest.mark.parametrize("y", [Y, ONE_HOT])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 1 / 4),  # the tie of row 2 goes to class 0
        ("top_1", 1 / 4),
        ("top_2", 1.0),
        ("top_3", 1.0),
        ("top_7", 1.0),
        ("log_loss", -(math.log(0.7) + math.log(0.3) + math.log(0.4) + math.log(0.3)) / 4),
        # Predicted 0 2 0 1: class 0 has 1 right of 1 + 2, the others none.
        ("f1", (2 * 1 / (1 + 2) + 0 + 0) / 3),
    ],
)
def test_metrics_of_classes_worked_by_hand(name, expected, y):
    assert value(name, "softmax", P, y) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 9 / 12),
        # Outputs: 1 right of 2 + 2 positives, 2 of 2 + 3, none of none.
        ("f1", (2 * 1 / 4 + 2 * 2 / 5 + 0) / 3),
    ],
)
def test_metrics_of_sigmoids_worked_by_hand(name, expected):
    assert value(name, "sigmoid", S, T) == pytest.approx(expected, rel=1e-15)


def test_the_log_loss_of_sigmoids_is_summed_over_outputs():
    expected = -np.where(T == 1, np.log(np.maximum(S, 1e-300)), np.log(1 - S)).sum() / 4
    assert value("log_loss", "sigmoid", S, T) == pytest.approx(expected, rel=1e-14)


def test_targets_of_one_output_may_be_a_vector():
    for name in ("accuracy", "f1", "log_loss"):
        assert value(name, "sigmoid", S[:, :1], T[:, 0]) == value(
            name, "sigmoid", S[:, :1], T[:, :1]
        )
    for name in ("r2", "mae", "mse"):
        assert value(name, "linear", V[:, :1], U[:, 0]) == value(name, "linear", V[:, :1], U[:, :1])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mae", (0.5 + 1 + 1 + 1) / 6),
        ("mse", (0.25 + 1 + 1 + 1) / 6),
        # Means 13/6 and 1: variances 0.5² .. about the first, 2 about the second.
        (
            "r2",
            (
                (1 - 1.25 / sum((t - 13 / 6) ** 2 for t in (1.5, 2, 3)))
                + (1 - 2 / sum((t - 1) ** 2 for t in (2, 1, 0)))
            )
            / 2,
        ),
    ],
)
def test_metrics_of_quantities_worked_by_hand(name, expected):
    assert value(name, "linear", V, U) == pytest.approx(expected, rel=1e-14)
    assert value(name, "exp", V, U) == value(name, "linear", V, U)


def test_a_constant_target_has_no_r2():
    assert math.isnan(value("r2", "linear", V, np.ones((3, 2))))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_certain_mistake_has_a_finite_log_loss(dtype):
    wrong = np.array([[1.0, 0.0]], dtype)
    tiny = np.finfo(dtype).tiny
    assert value("log_loss", "softmax", wrong, np.array([1])) == pytest.approx(-math.log(tiny))
    assert math.isfinite(value("log_loss", "sigmoid", wrong, np.array([[0.0, 1.0]], dtype)))


def test_metrics_equal_scikit_learns():
    theirs = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(5), 200)
    y = rng.integers(0, 5, 200)
    labels = P.argmax(axis=1)
    expected = {
        "accuracy": theirs.accuracy_score(y, labels),
        "top_2": theirs.top_k_accuracy_score(y, P, k=2),
        "log_loss": theirs.log_loss(y, P),
        "f1": theirs.f1_score(y, labels, average="macro"),
    }
    for name, number in expected.items():
        assert value(name, "softmax", P, y) == pytest.approx(number, rel=1e-12), name
    Y_hat, t = rng.standard_normal((200, 3)), rng.standard_normal((200, 3))
    assert value("r2", "linear", Y_hat, t) == pytest.approx(theirs.r2_score(t, Y_hat), rel=1e-12)
    assert value("mae", "linear", Y_hat, t) == pytest.approx(
        theirs.mean_absolute_error(t, Y_hat), rel=1e-12
    )


@pytest.mark.parametrize(
    ("metric", "output", "error", "message"),
    [
        ("acuracy", "softmax", ValueError, "`metrics` must be one of accuracy, .*'accuracy'"),
        ("top_0", "softmax", ValueError, "`metrics` must be one of accuracy"),
        ("top_5", "linear", ValueError, r"`metrics` must suit the output 'linear' \(r2, mae, mse"),
        ("r2", "softmax", ValueError, r"suit the output 'softmax' \(accuracy, f1, log_loss\), got"),
        (3, "softmax", TypeError, "`metrics` must be a name, got int"),
    ],
)
def test_bad_metrics_are_refused(metric, output, error, message):
    with pytest.raises(error, match=message):
        metrics.get(metric, output)
