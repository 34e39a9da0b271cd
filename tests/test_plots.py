"""What a plot draws is what the network says; all draw where they are told and return it."""

import subprocess
import sys

import numpy as np
import pytest
from cases import make_case

import backprop as bp
from backprop import plots

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")
LineCollection = pytest.importorskip("matplotlib.collections").LineCollection


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def plane():
    """A trained classifier of two inputs, and its data: inside and outside a circle."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (200, 2))
    y = (np.linalg.norm(X, axis=1) > 0.6).astype(int)
    net = bp.Network([2, 16, 2], hidden="tanh", seed=0)
    history = net.fit(X, y, epochs=30, lr=0.5, validation=(X, y))
    return net, X, y, history


def lines_of(ax):
    return {line.get_label(): line.get_ydata() for line in ax.get_lines()}


def test_curves_are_the_history(plane):
    *_, history = plane
    left, right = history.plot().figure.axes
    assert list(lines_of(left)) == ["loss", "val_loss"]
    np.testing.assert_array_equal(lines_of(left)["val_loss"], history["val_loss"])
    np.testing.assert_array_equal(lines_of(right)["val_accuracy"], history["val_accuracy"])
    assert left.get_yscale() == "log"
    assert [t.get_text() for t in left.get_legend().get_texts()] == list(history)
    assert right.get_ylabel() == "accuracy"


def test_curves_of_losses_that_are_not_positive_are_linear():
    ax = plots.curves({"loss": [1.0, 0.0, -0.5]})
    assert ax.get_yscale() == "linear"
    assert len(ax.figure.axes) == 1


def test_every_function_draws_where_it_is_told(plane):
    net, X, y, history = plane
    for draw in (
        lambda ax: history.plot(ax=ax),
        lambda ax: plots.curves(history, ax=ax),
        lambda ax: plots.decision_regions(net, X, y, ax=ax),
        lambda ax: plots.weight_histograms(net, ax=ax),
        lambda ax: plots.activation_histograms(net, X, ax=ax),
        lambda ax: plots.gradient_flow(net, X, y, ax=ax),
        lambda ax: plots.confusion_matrix(net, X, y, ax=ax),
        lambda ax: plots.network_diagram(net, ax=ax),
        lambda ax: plots.network_diagram(net, X, y, color_by="gradient", ax=ax),
    ):
        figure, ax = plt.subplots()
        assert draw(ax) is ax
        assert plt.get_fignums() == [figure.number]
        figure.canvas.draw()
        plt.close(figure)


def test_all_names_are_there_and_documented():
    for name in plots.__all__:
        assert "Parameters\n" in getattr(plots, name).__doc__


def test_regions_have_the_colours_of_the_predictions(plane):
    net, X, y, _ = plane
    ax = plots.decision_regions(net, X, y, resolution=50)
    image = ax.get_images()[0].get_array()
    left, right, bottom, top = ax.get_images()[0].get_extent()
    corners = np.array([[left, bottom], [right, top], [0, 0]], dtype=np.float32)
    said = net.predict(corners).argmax(axis=1)
    assert said.tolist() == [1, 1, 0]
    colors = np.array([matplotlib.colors.to_rgb(f"C{c}") for c in range(2)])
    for pixel, c in zip(image[[0, -1, 25], [0, -1, 25]], said, strict=True):
        distances = np.linalg.norm(pixel - colors, axis=1)
        assert distances.argmin() == c
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["class 0", "class 1"]
    drawn = np.concatenate([c.get_offsets() for c in ax.collections])
    assert len(drawn) == len(X)


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_one_output_is_drawn_by_its_value(output):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2))
    y = (X[:, 0] > 0).astype(float)
    net = bp.Network([2, 8, 1], output=output, seed=0)
    net.fit(X, y, epochs=30)
    ax = plots.decision_regions(net, X, y, resolution=20)
    image = ax.get_images()[0]
    grid = np.array([[image.get_extent()[0], image.get_extent()[2]]])
    assert image.get_array()[0, 0] == pytest.approx(net.predict(grid)[0, 0], abs=1e-5)
    if output == "sigmoid":
        assert image.get_clim() == (0, 1)
        assert len(ax.collections) == 2  # the points, and the line of 1/2
    assert len(ax.figure.axes) == 2  # with a colour bar


def test_one_hot_targets_are_drawn_as_classes(plane):
    net, X, y, _ = plane
    ax = plots.decision_regions(net, X, np.eye(2)[y], resolution=10)
    sizes = [len(c.get_offsets()) for c in ax.collections]
    assert sizes == np.bincount(y).tolist()


def test_regions_need_a_plane_and_something_to_draw():
    X, y = np.zeros((2, 2)), [0, 1]
    with pytest.raises(ValueError, match=r"`network` must have 2 inputs to be drawn .* got 3"):
        plots.decision_regions(bp.Network([3, 2]), X, y)
    with pytest.raises(ValueError, match="must have softmax or one output to be drawn, got 2"):
        plots.decision_regions(bp.Network([2, 2], output="linear"), X, y)
    with pytest.raises(ValueError, match="must have 2 columns"):
        plots.decision_regions(bp.Network([2, 2]), np.zeros((2, 3)), y)


def labels_of(ax):
    return [t.get_text() for t in ax.get_yticklabels()]


def test_histograms_count_every_weight():
    net = bp.Network([64, 100, 50, 10], seed=0)
    ax = plots.weight_histograms(net)
    assert labels_of(ax) == ["W_1", "W_2", "W_3"]
    # Two patches a row, the filled one first; its shape is that of the counts.
    edges = ax.patches[0].get_data().edges
    for n, W in enumerate(net.W):
        heights = ax.patches[2 * n].get_data().values - n
        counts = np.histogram(W, edges)[0]
        assert counts.sum() == W.size
        np.testing.assert_allclose(heights, 1.3 * counts / counts.max(), atol=1e-12)


def test_zeros_of_relu_are_said_and_not_drawn():
    net = bp.Network([5, 30, 3], seed=0)
    X = np.random.default_rng(0).standard_normal((50, 5))
    ax = plots.activation_histograms(net, X)
    H_1 = net.trace(X, np.zeros(50, int))[1].H
    assert labels_of(ax) == [f"H_1 ({(H_1 == 0).mean():.0%} zero)", "H_2"]


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "linear"])
def test_activations_need_no_targets(output):
    net, X, _ = make_case("tanh", output, 2)
    ax = plots.activation_histograms(net, X)
    assert labels_of(ax) == ["H_1", "H_2", "H_3"]


def test_histograms_by_epoch_have_a_row_for_each(plane):
    net, X, y, _ = plane
    copies = []
    net.fit(X, y, epochs=40, callbacks=[lambda run: copies.append(run.network.copy())])
    ax = plots.weight_histograms(copies, layer=2)
    assert len(ax.patches) == 2 * 40
    assert labels_of(ax)[:2] == ["epoch 1", "epoch 4"]
    assert "W_2" in ax.get_xlabel()
    assert len(plots.activation_histograms(copies[:3], X).patches) == 6
    with pytest.raises(ValueError, match=r"`layer` must be in 1..2, got 3"):
        plots.weight_histograms(copies, layer=3)
    with pytest.raises(ValueError, match="`networks` must have at least one network"):
        plots.activation_histograms([], X)


def test_weights_that_are_all_equal_are_drawn():
    ax = plots.weight_histograms(bp.Network([3, 2], init="zeros"))
    assert labels_of(ax) == ["W_1 (100% zero)"]


def test_gradient_flow_draws_the_norms_of_the_trace():
    net, X, y = make_case("tanh", "softmax", 3)
    ax = plots.gradient_flow(net, X, y)
    t = net.trace(X, y)
    drawn = lines_of(ax)
    np.testing.assert_allclose(drawn["‖∇A_k‖"], [np.linalg.norm(s.grad_A) for s in t[1:]])
    np.testing.assert_allclose(drawn["‖∇W_k‖"], [np.linalg.norm(s.grad_W) for s in t[1:]])
    assert {text.get_text() for text in ax.texts} == {"vanishing", "exploding"}


def test_gradient_flow_of_a_perfect_fit_has_no_bands():
    net = bp.Network([2, 3, 1], output="linear", dtype="float64", seed=0)
    X = np.array([[0.5, 1.0]])
    assert len(plots.gradient_flow(net, X, net.forward(X)).texts) == 0


def test_the_confusion_matrix_counts_every_example(plane):
    net, X, y, _ = plane
    ax = plots.confusion_matrix(net, X, y, class_names=["inside", "outside"])
    said = net.predict(X).argmax(axis=1)
    written = {tuple(map(int, t.get_position()[::-1])): int(t.get_text()) for t in ax.texts}
    for true in range(2):
        for predicted in range(2):
            count = int(((y == true) & (said == predicted)).sum())
            assert written.get((true, predicted), 0) == count
    assert ax.get_title() == f"accuracy {(said == y).mean():.4f}"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["inside", "outside"]
    one_hot = plots.confusion_matrix(net, X, np.eye(2)[y])
    assert one_hot.get_title() == ax.get_title()


def test_the_confusion_matrix_of_a_sigmoid_has_two_classes():
    X = np.array([[-1.0], [1.0], [2.0]])
    net = bp.Network([1, 1], output="sigmoid", hidden=[], seed=0)
    net.W[0][:] = 1
    ax = plots.confusion_matrix(net, X, [0.0, 1.0, 0.0])
    assert sorted(t.get_text() for t in ax.texts) == ["1", "1", "1"]


def test_confusion_matrices_need_classes():
    X, y = np.zeros((2, 3)), [0, 1]
    with pytest.raises(ValueError, match=r"must have softmax or one sigmoid .*, got linear with 2"):
        plots.confusion_matrix(bp.Network([3, 2], output="linear"), X, y)
    with pytest.raises(ValueError, match="`class_names` must have 2 names, got 3"):
        plots.confusion_matrix(bp.Network([3, 2]), X, y, class_names=list("abc"))


def test_the_diagram_has_every_unit_and_every_weight():
    net = bp.Network([3, 4, 4, 2], seed=1)
    ax = plots.network_diagram(net)
    texts = [t.get_text() for t in ax.texts]
    assert [texts.count(letter) for letter in ("a", "h", "ŷ")] == [10, 8, 2]
    assert [f"x[{j}]" in texts for j in range(4)] == [True, True, True, False]
    assert "layer 3\nsoftmax" in texts
    bundles = [c for c in ax.collections if isinstance(c, LineCollection)]
    assert [len(c.get_segments()) for c in bundles] == [12, 16, 8]


@pytest.mark.parametrize("color_by", ["weight", "gradient"])
def test_the_strongest_line_is_the_largest_weight(color_by):
    net, X, y = make_case("tanh", "softmax", 1)
    values = (net.W if color_by == "weight" else net.gradients(X, y).W)[0]
    ax = plots.network_diagram(net, X, y, color_by=color_by)
    lines = next(c for c in ax.collections if isinstance(c, LineCollection))
    i, j = np.unravel_index(np.abs(values).argmax(), values.shape)
    start, end = lines.get_segments()[-1]
    n_in, n_out = 4, 5
    np.testing.assert_allclose(start[1], (n_in - 1) / 2 - j)
    np.testing.assert_allclose(end[1], (n_out - 1) / 2 - i)
    red, _, blue, _ = lines.get_colors()[-1]
    assert (red > blue) == (values[i, j] > 0)
    widths = lines.get_linewidths()
    assert widths[-1] == max(widths)


def test_the_thin_diagram_bears_its_numbers():
    net = bp.Network([1, 1, 1], hidden="sigmoid", output="sigmoid", seed=0)
    ax = plots.network_diagram(net, [[0.5]], [[1.0]], color_by="gradient")
    texts = [t.get_text() for t in ax.texts]
    for grad_W in net.gradients([[0.5]], [[1.0]]).W:
        assert f"{grad_W[0, 0]:.3g}" in texts
    assert len(ax.figure.axes) == 1  # no colour bar


def test_wide_layers_are_drawn_in_part():
    net = bp.Network([64, 100, 10], seed=0)
    ax = plots.network_diagram(net, max_units=6)
    texts = [t.get_text() for t in ax.texts]
    assert texts.count("⋮") == 3
    assert [t for t in texts if t.startswith("x[")] == ["x[0]", "x[1]", "x[2]", "x[62]", "x[63]"]
    assert "n_1 = 100" in texts


def test_a_network_of_zeros_is_drawn():
    plots.network_diagram(bp.Network([3, 4, 2], init="zeros")).figure.canvas.draw()


def test_the_diagram_refuses_what_it_cannot_colour():
    net = bp.Network([3, 2])
    with pytest.raises(ValueError, match="`X` and `y` must be given for color_by"):
        plots.network_diagram(net, color_by="gradient")
    with pytest.raises(ValueError, match="`color_by` must be one of weight, gradient, got 'wait'"):
        plots.network_diagram(net, color_by="wait")
    with pytest.raises(ValueError, match="`max_units` must be at least 2, got 1"):
        plots.network_diagram(net, max_units=1)


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_matplotlib_is_imported_only_to_draw():
    done = run("import sys, backprop.plots; assert 'matplotlib' not in sys.modules")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("draw", ["curves({'loss': [1.0]})", "network_diagram(bp.Network([2, 2]))"])
def test_without_matplotlib_it_says_how_to_get_it(draw):
    done = run(
        "import sys; sys.modules['matplotlib'] = None\n"
        f"import backprop as bp; from backprop.plots import *; {draw}"
    )
    last = done.stderr.splitlines()[-1]
    assert last == ("ImportError: plots need matplotlib; pip install 'backprop[plot]' installs it")
