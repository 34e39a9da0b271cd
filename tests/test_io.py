"""Saved networks come back as they were; no other file is taken for one."""

import json
import os
import re
import stat
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from cases import ACTIVATIONS, DTYPES, OUTPUTS, make_case

import backprop as bp
import backprop.io


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("n_hidden", [0, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_loaded_network_is_the_saved_one(tmp_path, output, n_hidden, dtype):
    net, X, _ = make_case("tanh", output, n_hidden, dtype=dtype)
    net.save(tmp_path / "net.safetensors")
    loaded = bp.load(str(tmp_path / "net.safetensors"))
    assert loaded.same_architecture(net)
    assert loaded.dtype == net.dtype
    np.testing.assert_array_equal(loaded.theta, net.theta)
    np.testing.assert_array_equal(loaded.forward(X), net.forward(X))


def test_every_hidden_layer_keeps_its_activation(tmp_path):
    net = bp.Network(
        [2] * (len(ACTIVATIONS) + 2), hidden=ACTIVATIONS, output="linear", loss="huber"
    )
    net.save(tmp_path / "net")
    loaded = bp.load(tmp_path / "net")
    assert loaded.hidden_names == tuple(ACTIVATIONS)
    assert loaded.loss_name == "huber"


def test_metadata_and_tensors_of_ones_own_come_back(tmp_path):
    net = bp.Network([2, 3])
    tensors = {
        "scaler.mean": np.array([1.5, 2.5]),
        "scalar": np.float32(3),
        "nothing": np.zeros((0, 7), np.int32),
        "flags": np.array([True, False, True]),
        "bytes": np.arange(3, dtype=np.uint8),
        "foreign": np.arange(5, dtype=">i8"),
        "strided": np.arange(10, dtype=np.int16)[::-3],
        "half": np.arange(4, dtype=np.float16),
    }
    metadata = {"classes": json.dumps(["ä", "β"]), "": "empty"}
    net.save(tmp_path / "net", metadata=metadata, tensors=tensors)
    saved = backprop.io.read(tmp_path / "net")
    assert saved.metadata == metadata
    assert set(saved.tensors) == set(tensors)
    for name, array in tensors.items():
        np.testing.assert_array_equal(saved.tensors[name], array)
        assert saved.tensors[name].shape == array.shape
        assert saved.tensors[name].dtype.name == array.dtype.name
        assert saved.tensors[name].flags.aligned
    np.testing.assert_array_equal(saved.network.theta, net.theta)


def test_names_of_the_networks_own_are_refused(tmp_path):
    net = bp.Network([2, 3])
    for arguments, message in [
        ({"metadata": {"backprop": "x"}}, "`metadata` must not have the key 'backprop'"),
        ({"tensors": {"layers.9.x": np.ones(1)}}, "names that do not begin with 'layers.' or '__'"),
        ({"tensors": {"__metadata__": np.ones(1)}}, "names that do not begin with 'layers.' or"),
    ]:
        with pytest.raises(ValueError, match=re.escape(message)):
            net.save(tmp_path / "net", **arguments)
    for arguments, message in [
        ({"metadata": {"x": 1}}, "`metadata` must map str to str, got 'x': 1"),
        ({"tensors": {"x": np.array(["text"])}}, "tensor 'x' must be of numbers, got dtype <U4"),
        ({"tensors": {"x": np.array([None])}}, "tensor 'x' must be of numbers, got dtype object"),
    ]:
        with pytest.raises(TypeError, match=re.escape(message)):
            net.save(tmp_path / "net", **arguments)
    assert os.listdir(tmp_path) == []


def test_the_safetensors_package_reads_what_we_write_and_we_what_it_writes(tmp_path):
    numpy_side = pytest.importorskip("safetensors.numpy")
    safe_open = pytest.importorskip("safetensors").safe_open
    net, _, _ = make_case("relu", "softmax", 1, dtype="float32")
    net.save(tmp_path / "ours", tensors={"mean": np.arange(4.0)}, metadata={"note": "ü"})
    theirs = numpy_side.load_file(tmp_path / "ours")
    np.testing.assert_array_equal(theirs["layers.0.weight"], net.W[0])
    np.testing.assert_array_equal(theirs["layers.1.bias"], net.b[1])
    np.testing.assert_array_equal(theirs["mean"], np.arange(4.0))
    with safe_open(tmp_path / "ours", "numpy") as file:
        metadata = file.metadata()
    assert metadata["note"] == "ü"
    numpy_side.save_file(theirs, tmp_path / "theirs", metadata)
    saved = backprop.io.read(tmp_path / "theirs")
    np.testing.assert_array_equal(saved.network.theta, net.theta)
    np.testing.assert_array_equal(saved.tensors["mean"], np.arange(4.0))


# Writing


def test_the_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "other").touch()
    bp.Network([2, 3]).save(tmp_path / "net")
    modes = [stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("other", "net")]
    assert modes[0] == modes[1]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    os.symlink(tmp_path / "folder" / "net", tmp_path / "link")
    bp.Network([2, 3]).save(tmp_path / "link")
    assert os.path.islink(tmp_path / "link")
    assert bp.load(tmp_path / "folder" / "net").layer_sizes == (2, 3)


def test_a_save_that_fails_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    net = bp.Network([2, 3])
    net.save(tmp_path / "net")
    before = (tmp_path / "net").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        bp.Network([2, 3], seed=1).save(tmp_path / "net")
    assert (tmp_path / "net").read_bytes() == before
    assert os.listdir(tmp_path) == ["net"]


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file or directory"):
        bp.Network([2, 3]).save(tmp_path / "missing" / "net")
    with pytest.raises(FileNotFoundError, match="No such file or directory"):
        bp.load(tmp_path / "missing")
    with pytest.raises(OSError, match="directory"):
        bp.Network([2, 3]).save(tmp_path)


def test_a_save_that_is_killed_leaves_a_file_that_loads(tmp_path):
    """Two processes' worth of kills at random moments; each file must be whole."""
    script = f"""
        import backprop as bp
        nets = [bp.Network([300, 300, 2], seed=i) for i in range(2)]
        print("ready", flush=True)
        while True:
            for net in nets:
                net.save({str(tmp_path / "net")!r})
    """
    whole = [bp.Network([300, 300, 2], seed=i).theta.tobytes() for i in range(2)]
    rng = np.random.default_rng(0)
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
        )
        with process:
            assert process.stdout.readline() == "ready\n"
            while not (tmp_path / "net").exists():
                pass
            with pytest.raises(subprocess.TimeoutExpired, match="timed out"):
                process.wait(rng.uniform(0, 0.05))
            process.kill()
        assert bp.load(tmp_path / "net").theta.tobytes() in whole


# Reading what is not ours, or no longer


def parts(path):
    """A file's header and data."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def assemble(path, header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "net.safetensors"
    bp.Network([3, 4, 2], dtype="float64").save(path)
    return path


def refuses(path, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        bp.load(path)
    assert str(error.value).startswith(f"{path} cannot be loaded as a network: it")


def test_a_file_cut_anywhere_is_refused(saved):
    content = saved.read_bytes()
    for length in range(len(content)):
        saved.write_bytes(content[:length])
        with pytest.raises(ValueError, match="cannot be loaded as a network: "):
            bp.load(saved)


def test_a_file_with_more_at_its_end_is_refused(saved):
    saved.write_bytes(saved.read_bytes() + b"\0")
    refuses(saved, "its arrays overlap, or leave bytes that belong to none")


def test_any_byte_of_the_header_may_flip_without_a_crash(saved):
    """Where it still loads it is the same network: a flipped blank, say."""
    content = saved.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    refused = 0
    for position in range(end):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        saved.write_bytes(flipped)
        try:
            assert bp.load(saved).layer_sizes == (3, 4, 2)
        except ValueError:
            refused += 1
    assert refused > 0.95 * end


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is truncated, or not a safetensors file"),
        (b"PK\x03\x04" + b"\0" * 100, "it is truncated, or not a safetensors file"),
        (b"\xff" * 16, "it is truncated, or not a safetensors file"),
        (b"\x93NUMPY\x01\x00" + b" " * 200, "it is truncated, or not a safetensors file"),
        ((2).to_bytes(8, "little") + b"[]", "its header is no JSON object"),
        ((2).to_bytes(8, "little") + b"{]", "its header is not valid JSON"),
        ((2).to_bytes(8, "little") + b"\xff\xff", "its header is not valid JSON"),
        ((2).to_bytes(8, "little") + b"{}", "it was saved by another program; its metadata has no"),
    ],
)
def test_foreign_files_are_refused(tmp_path, content, message):
    (tmp_path / "net").write_bytes(content)
    refuses(tmp_path / "net", message)


def test_deep_json_is_refused_without_a_crash(tmp_path):
    assemble(tmp_path / "net", b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b"")
    refuses(tmp_path / "net", "its header is not valid JSON")
    header = {"__metadata__": {"backprop": "[" * 100_000 + "]" * 100_000}}
    assemble(tmp_path / "net", header, b"")
    refuses(tmp_path / "net", "its architecture is corrupted")


W_1 = "layers.0.weight"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"dtype": "F64", "shape": [4, 3]}, "lacks its dtype, shape and data_offsets"),
        ([], "lacks its dtype, shape and data_offsets"),
        ({"dtype": "Q8"}, "has an unknown dtype 'Q8'"),
        ({"dtype": ["F64"]}, "has an unknown dtype ['F64']"),
        ({"dtype": "F32"}, "has a shape that does not match its bytes"),
        ({"shape": [4, 4]}, "has a shape that does not match its bytes"),
        ({"shape": [2**40, 2**40]}, "has a shape that does not match its bytes"),
        ({"shape": [1] * 40 + [4, 3]}, "has a shape that does not match its bytes"),
        ({"shape": [-4, -3]}, "has a shape or an offset that is no list of counts"),
        ({"shape": [4.0, 3]}, "has a shape or an offset that is no list of counts"),
        ({"shape": [True, 12]}, "has a shape or an offset that is no list of counts"),
        ({"shape": 12}, "has a shape or an offset that is no list of counts"),
        ({"data_offsets": [0, "96"]}, "has a shape or an offset that is no list of counts"),
        ({"data_offsets": [0, 96, 0]}, "lies outside the file, which is truncated or corrupted"),
        ({"data_offsets": [96, 0]}, "lies outside the file, which is truncated or corrupted"),
        ({"data_offsets": [0, 2**63]}, "lies outside the file, which is truncated or corrupted"),
        ({"data_offsets": [8, 104]}, "its arrays overlap, or leave bytes that belong to none"),
        ({"shape": [3, 4]}, "its tensor 'layers.0.weight' must be float64 (4, 3), got float64 (3,"),
        ({"dtype": "I64"}, "its tensor 'layers.0.weight' must be float64 (4, 3), got int64 (4, 3)"),
    ],
)
def test_entries_of_the_header_are_not_believed(saved, entry, message):
    header, data = parts(saved)
    if isinstance(entry, dict) and len(entry) == 1:
        header[W_1].update(entry)
    else:
        header[W_1] = entry
    assemble(saved, header, data)
    with pytest.raises(ValueError, match=re.escape(message)):
        bp.load(saved)


def test_empty_arrays_of_absurd_shapes_are_refused(saved):
    header, data = parts(saved)
    for shape in ([0, 2**70], [2**62, 0, 2**62]):
        header["extra"] = {"dtype": "F64", "shape": shape, "data_offsets": [0, 0]}
        assemble(saved, header, data)
        with pytest.raises(ValueError, match="cannot be loaded as a network"):
            bp.load(saved)


def test_two_arrays_of_one_name_are_refused(saved):
    header, data = parts(saved)
    text = json.dumps(header)
    doubled = text[:-1] + ', "layers.0.bias": ' + json.dumps(header["layers.0.bias"]) + "}"
    assemble(saved, doubled.encode(), data)
    refuses(saved, "its header is not valid JSON: a name occurs twice")


def test_arrays_that_share_bytes_are_refused(saved):
    header, data = parts(saved)
    header["extra"] = dict(header["layers.1.bias"])
    assemble(saved, header, data)
    refuses(saved, "its arrays overlap, or leave bytes that belong to none")


@pytest.mark.parametrize("metadata", [[], {"backprop": 3}, "text"])
def test_metadata_that_is_no_texts_is_refused(saved, metadata):
    header, data = parts(saved)
    assemble(saved, {**header, "__metadata__": metadata}, data)
    refuses(saved, "its metadata no map of texts to texts")


def change_architecture(path, **changes):
    header, data = parts(path)
    architecture = json.loads(header["__metadata__"]["backprop"])
    architecture.update(changes)
    header["__metadata__"]["backprop"] = json.dumps(architecture)
    assemble(path, header, data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "it has format 2 and this version of backprop reads up to 1; upgrade"),
        ({"format": "x"}, "it has format 'x' and this version of backprop reads up to 1; upgrade"),
        ({"dropout": 0.1}, "its architecture is corrupted: it has layer_sizes, hidden, output, l"),
        ({"layer_sizes": [3, 10**12, 2]}, "its tensor 'layers.0.weight' must be float64 (1000000"),
        ({"layer_sizes": [3, 4, 5, 2]}, "its tensor 'layers.1.weight' must be float64 (5, 4), got"),
        ({"layer_sizes": [3, 4, 2, 2]}, "its tensor 'layers.2.weight' is missing"),
        ({"layer_sizes": [3, 4]}, "its tensor 'layers.1.weight' belongs to no layer"),
        ({"layer_sizes": []}, "its tensor 'layers.0.weight' belongs to no layer"),
        ({"layer_sizes": 3}, "its layer sizes are corrupted: 3"),
        ({"layer_sizes": [3.0, 4, 2]}, "its layer sizes are corrupted: [3.0, 4, 2]"),
        ({"hidden": ["swish"]}, "`hidden[0]` must be one of relu, sigmoid, tanh, linear,"),
        ({"hidden": 7}, "its architecture is corrupted: `hidden` must be a name or a list of"),
        ({"hidden": ["relu", "relu"]}, "one for each of the 1 hidden layers, got 2"),
        ({"output": "linear"}, "`loss` must match `output` 'linear', got 'cross_entropy'"),
        ({"dtype": "float32"}, "its tensor 'layers.0.weight' must be float32 (4, 3), got float64"),
        ({"dtype": ["float64"]}, "its tensor 'layers.0.weight' must be ['float64'] (4, 3), got"),
    ],
)
def test_the_architecture_is_not_believed(saved, changes, message):
    change_architecture(saved, **changes)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        bp.load(saved)
    assert str(error.value).startswith(f"{saved} cannot be loaded as a network: ")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", '{"layer_sizes": [1, 2]}'])
def test_an_architecture_that_is_none_is_refused(saved, text):
    header, data = parts(saved)
    header["__metadata__"]["backprop"] = text
    assemble(saved, header, data)
    refuses(saved, "its architecture is corrupted")


def test_a_network_of_no_layers_is_refused(tmp_path):
    architecture = {"format": 1, "layer_sizes": [3], "hidden": [], "output": "softmax"}
    architecture |= {"loss": "cross_entropy", "dtype": "float32"}
    header = {"__metadata__": {"backprop": json.dumps(architecture)}}
    assemble(tmp_path / "net", header, b"")
    with pytest.raises(ValueError, match="at least the input and the output layer"):
        bp.load(tmp_path / "net")


def test_nothing_in_a_file_is_executed(saved):
    """A pickle in the place of a model is refused, unread."""
    import pickle

    class Bomb:
        def __reduce__(self):
            return (os.remove, (str(saved),))

    bomb = saved.parent / "bomb"
    bomb.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="it is truncated, or not a safetensors file"):
        bp.load(bomb)
    assert saved.exists()
