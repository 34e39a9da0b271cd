"""Nothing is copied: data are mapped where they lie, weights are views that stay valid."""

import gc
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from cases import DTYPES, make_case

import backprop as bp
from backprop import _backprop


def layouts(dtype):
    """The same 6 x 4 numbers, laid out in every way."""
    X = np.random.default_rng(0).standard_normal((6, 4)).astype(dtype)
    big = np.zeros((3, 20, 19), dtype)
    records = np.zeros((6, 4), np.dtype([("a", dtype), ("b", dtype), ("c", dtype)]))
    records["b"] = X
    read_only = X.copy()
    read_only.flags.writeable = False
    arrays = {
        "C": X,
        "F": np.asfortranarray(X),
        "every third row": big[0, 1:19:3, :4],
        "every second column": big[1, 7:13, 1:9:2],
        "rows and columns": big[2, 1:13:2, 2:17:4],
        "rows reversed": X[::-1].copy()[::-1],
        "columns reversed": X[:, ::-1].copy()[:, ::-1],
        "both reversed": X[::-1, ::-1].copy()[::-1, ::-1],
        "transposed": X.T.copy().T,
        "a field of records": records["b"],
        "read-only": read_only,
    }
    for array in arrays.values():
        if array.base is big:
            array[...] = X
    return X, arrays


LAYOUTS = list(layouts("float64")[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_core_sees_the_addresses_of_numpy(dtype, layout):
    _, arrays = layouts(dtype)
    X = arrays[layout]
    address, shape, strides = _backprop.describe(X)
    assert address == X.__array_interface__["data"][0]
    assert shape == X.shape
    assert tuple(stride * X.itemsize for stride in strides) == X.strides


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("m", [6, 1])
def test_every_layout_gives_the_same_numbers(dtype, layout, m):
    C, arrays = layouts(dtype)
    X = arrays[layout]
    np.testing.assert_array_equal(X, C)
    net, _, y = make_case("tanh", "softmax", 2, dtype=dtype)
    np.testing.assert_array_equal(net.forward(X[:m]), net.forward(C[:m]))
    mapped, contiguous = net.gradients(X[:m], y[:m]), net.gradients(C[:m], y[:m])
    np.testing.assert_array_equal(mapped.theta, contiguous.theta)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_targets_of_every_layout_give_the_same_loss(dtype, layout):
    C, arrays = layouts(dtype)
    net, X, _ = make_case("tanh", "linear", 1, p=4, dtype=dtype)
    assert net.loss(X, arrays[layout]) == net.loss(X, C)


def test_zero_strides_map():
    net, X, _ = make_case("tanh", "softmax", 1)
    repeated = np.broadcast_to(X[2], (6, 4))
    assert _backprop.describe(repeated)[2] == (0, 1)
    np.testing.assert_array_equal(net.forward(repeated), net.forward(repeated.copy()))


def test_an_array_of_the_networks_dtype_reaches_the_core_as_it_is():
    net, X, y = make_case("relu", "softmax", 1)
    assert net.trace(X, y)[0].H is X


def test_training_shows_through_the_views_and_writing_changes_the_network():
    net, X, y = make_case("relu", "softmax", 1)
    b_2, theta = net.b[1], net.theta
    before = b_2.copy()
    net.step(X, y, lr=0.5)
    assert (before != b_2).all()
    assert np.shares_memory(b_2, theta)
    net.theta[:] = 0
    assert not b_2.any()
    net.b[1][:] = [0, 50, 0]
    assert net.predict(X).argmax(axis=1).tolist() == [1] * 6


@pytest.mark.parametrize("which", ["W", "b", "theta", "slice"])
def test_views_outlive_the_network(which):
    net = bp.Network([300, 200, 5], dtype="float64")
    view = {"W": net.W[1], "b": net.b[0], "theta": net.theta, "slice": net.theta[7::3]}[which]
    view[...] = 42.0
    del net
    gc.collect()
    # Were the memory free, these would take it.
    others = [bp.Network([300, 200, 5], dtype="float64") for _ in range(8)]
    assert (view == 42.0).all()
    view[...] = -1.0
    assert all((other.theta != -1.0).all() for other in others)


def test_views_of_the_core_outlive_it():
    views = [
        view
        for core in [_backprop.Network32([30, 20, 5], ["relu"], "softmax", "cross_entropy")]
        for view in (core.theta, *core.W, *core.b)
    ]
    gc.collect()
    for view in views:
        view[...] = 3.0
    assert (views[0] == 3.0).all()


def test_a_trainer_keeps_its_network_alive():
    net, X, y = make_case("relu", "softmax", 1, dtype="float32")
    core = _backprop.Network32([4, 5, 3], ["relu"], "softmax", "cross_entropy")
    theta = core.theta
    theta[:] = net.theta
    trainer = _backprop.Trainer32(core, 3)
    del core
    gc.collect()
    trainer.epoch(X, y, np.arange(6), 0.1)
    net.fit(X, y, epochs=1, batch_size=3, shuffle=False)
    np.testing.assert_array_equal(theta, net.theta)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_gigabyte_on_disk_is_predicted_and_trained_on_without_being_in_memory(tmp_path):
    script = f"""
        import resource
        import numpy as np
        import backprop as bp

        def anonymous():
            with open("/proc/self/status") as status:
                [line] = [line for line in status if line.startswith("RssAnon")]
            return int(line.split()[1]) * 1024

        m = 2**30 // (1024 * 4)
        X = np.memmap({str(tmp_path / "X")!r}, np.float32, "w+", shape=(m, 1024))
        del X  # a gigabyte of zeros that takes no space on the disk
        X = np.memmap({str(tmp_path / "X")!r}, np.float32, "r", shape=(m, 1024))
        y = np.zeros(m, np.int64)
        net = bp.Network([1024, 4], init="zeros")
        net.fit(X[:64], y[:64], epochs=1)
        net.predict(X[:64])
        before = anonymous()
        # Room for the outputs and an order of the examples, not for a copy of X.
        _, data = resource.getrlimit(resource.RLIMIT_DATA)
        with open("/proc/self/status") as status:
            [used] = [int(line.split()[1]) for line in status if line.startswith("VmData")]
        resource.setrlimit(resource.RLIMIT_DATA, (used * 1024 + 2**27, data))
        assert np.isfinite(net.predict(X)).all()
        net.fit(X, y, epochs=1, batch_size=4096)
        assert anonymous() - before < 2**25, (before, anonymous())
        try:
            np.array(X)
        except MemoryError:
            print("a copy would have been noticed")
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False
    )
    assert run.stderr == ""
    assert run.stdout == "a copy would have been noticed\n"
