"""The C header: compiled as C99 and as C++ it computes what the engine does."""

import os
import re
import subprocess

import numpy as np
import pytest
from c_header import PROGRAM, WARNINGS, compile_c, compiler, run_header
from cases import ACTIVATIONS, DTYPES, OUTPUTS, make_case

import backprop as bp

# A few units in the last place: sums of another order, another library's functions.
TOLERANCE = {"float32": 1e-6, "float64": 1e-13}


def run_c(net, X, folder, *options):
    """Compute X by the compiled header of a network."""
    net.to_c(folder / "net.h")
    return run_header(folder, X, *options)


def assert_close(Y_hat, net, X):
    expected = net.forward(X)
    tolerance = TOLERANCE[net.dtype.name]
    # Relative to the largest output of the example, which sums of all signs are rounded like.
    size = np.abs(expected).max(axis=1, keepdims=True)
    assert (np.abs(Y_hat - expected) <= tolerance * size).all(), (Y_hat, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_every_activation(tmp_path, hidden, dtype):
    net, X, _ = make_case(hidden, "linear", 3, dtype=dtype, m=20)
    assert_close(run_c(net, X, tmp_path, "-O2"), net, X)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_hidden", [0, 1])
@pytest.mark.parametrize("output", OUTPUTS)
def test_every_output(tmp_path, output, n_hidden, dtype):
    net, X, _ = make_case("tanh", output, n_hidden, dtype=dtype, m=20)
    assert_close(run_c(net, X, tmp_path), net, X)


@pytest.mark.parametrize("dtype", DTYPES)
def test_activations_at_the_extremes_keep_their_digits(tmp_path, dtype):
    grid = np.array([1e-20, 1e-6, 0.3, 1, 3, 5, 9, 15, 30, 87, 300, 1e4])
    X = np.concatenate([-grid[::-1], [0], grid]).astype(dtype)[:, None]
    for hidden in ACTIVATIONS:
        net = bp.Network([1, 1, 1], hidden=hidden, output="linear", dtype=dtype)
        net.theta[:] = [1, 0, 1, 0]
        Y_hat, expected = run_c(net, X, tmp_path, "-O2"), net.forward(X)
        # Of each number by itself, down to the smallest normal ones. The argument of erfc is
        # rounded, which its tail multiplies by a².
        allowed = TOLERANCE[dtype] * np.abs(expected) + np.finfo(dtype).tiny
        if hidden == "gelu":
            allowed *= np.maximum(1, X**2 / 10)
        assert (np.abs(Y_hat - expected) <= allowed).all(), (hidden, Y_hat, expected)


def test_every_function_at_once_compiles_as_cpp(tmp_path):
    net = bp.Network([3] * (len(ACTIVATIONS) + 2), hidden=ACTIVATIONS, output="softmax")
    net.to_c(tmp_path / "net.h")
    (tmp_path / "main.cpp").write_text(PROGRAM.replace("REAL", "float"))
    cpp = compiler(os.environ.get("CXX", "c++"), "g++", "clang++")
    for standard in ("c++98", "c++11", "c++17"):
        command = [cpp, f"-std={standard}", *WARNINGS, "-c", "main.cpp", "-o", "main.o"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_two_networks_live_in_one_program(tmp_path):
    nets = [make_case("relu", "softmax", 1, seed=seed)[0] for seed in (0, 1)]
    for name, net in zip(("first", "second"), nets, strict=True):
        net.to_c(tmp_path / f"{name}.h", name)
    program = compile_c(
        tmp_path,
        """#include <stdio.h>
#include "first.h"
#include "second.h"
int main(void) {
  const double x[4] = {1, 2, 3, 4};
  double y[3];
  first_predict(x, y), printf("%.17g ", y[0]);
  second_predict(x, y), printf("%.17g", y[0]);
  return 0;
}
""",
        "-std=c99",
    )
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    expected = [net.predict([[1, 2, 3, 4]])[0, 0] for net in nets]
    assert [float(text) for text in printed.split()] == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
def test_printed_numbers_are_the_weights_bit_for_bit(tmp_path, dtype):
    net = bp.Network([4, 100, 3], dtype=dtype)
    rng = np.random.default_rng(0)
    # Of every size: near some powers of ten, one digit less would do.
    net.theta[:] = rng.standard_normal(net.theta.size) * 10 ** rng.uniform(-20, 20, net.theta.size)
    net.W[0][0] = [0.0, -1.0, 1e6, np.finfo(dtype).smallest_subnormal]
    net.to_c(tmp_path / "net.h")
    text = (tmp_path / "net.h").read_text()
    real = "float" if dtype == "float32" else "double"
    arrays = [*net.W, *net.b]
    names = [f"net_{symbol}_{k}" for symbol in "Wb" for k in (1, 2)]
    for name, array in zip(names, arrays, strict=True):
        found = re.search(rf"static const {real} {name}\[(\d+)\] = {{([^}}]*)}};", text)
        assert int(found[1]) == array.size
        numbers = re.findall(r"[^,\s]+", found[2])
        assert all(("." in n or "e" in n) and n.endswith("f") == (real == "float") for n in numbers)
        np.testing.assert_array_equal(
            np.array([n.rstrip("f") for n in numbers]).astype(dtype), array.ravel()
        )


def test_lines_are_short_and_metadata_is_a_harmless_comment(tmp_path):
    net, _, _ = make_case("gelu", "softmax", 3)
    metadata = {"classes": '["*/ #error", "/*", "ä\n", "really??/"]', "\\": "trailing \\"}
    net.to_c(tmp_path / "net.h", metadata=metadata)
    text = (tmp_path / "net.h").read_text("ascii")
    assert max(map(len, text.splitlines())) <= 100
    assert "classes: " in text
    compile_c(tmp_path, PROGRAM.replace("REAL", "double"), "-std=c99")


@pytest.mark.parametrize("name", ["", "2nd", "a-b", "_net", "né", "a b"])
def test_a_name_that_is_no_identifier_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"`name` must be a C identifier .* got '"):
        bp.Network([2, 3]).to_c(tmp_path / "net.h", name)
    with pytest.raises(TypeError, match="`name` must be a str, got int"):
        bp.Network([2, 3]).to_c(tmp_path / "net.h", 3)
    with pytest.raises(TypeError, match="`metadata` must map str to str, got 'a': 1"):
        bp.Network([2, 3]).to_c(tmp_path / "net.h", metadata={"a": 1})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("array", "name"), [("W", "W_2"), ("b", "b_2")])
def test_a_diverged_network_is_refused(tmp_path, array, name):
    net, _, _ = make_case("relu", "softmax", 1)
    getattr(net, array)[1].flat[2] = np.nan
    with pytest.raises(ValueError, match=f"`{name}` must be finite to be exported, got NaN"):
        net.to_c(tmp_path / "net.h")
