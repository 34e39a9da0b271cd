"""Where files go: permissions, links, folders, devices; and networks that no program should get."""

import os
import re
import stat
import threading

import numpy as np
import pytest
from cases import make_case

import backprop as bp
from backprop import io, play

posix = pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")


def _page(net, path):
    play.save(path, net, np.ones((2, 2)), [0, 1])


WRITERS = {
    "save": lambda net, path: net.save(path),
    "to_c": lambda net, path: net.to_c(path),
    "to_onnx": lambda net, path: net.to_onnx(path),
    "play": _page,
    "replace": lambda net, path: io.replace(path, [b"new"]),
}


@pytest.fixture(params=WRITERS)
def write(request):
    """Write a network to a path, by every function that does."""
    if request.param == "to_onnx":
        pytest.importorskip("onnx")
    return lambda path: WRITERS[request.param](bp.Network([2, 3, 2]), path)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@posix
@pytest.mark.parametrize("bits", [0o600, 0o640, 0o666, 0o755])
def test_a_file_keeps_its_permissions(tmp_path, write, bits):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(bits)
    write(path)
    assert path.read_bytes() != b"old"
    assert mode(path) == bits
    assert os.listdir(tmp_path) == ["file"]


@posix
def test_a_new_file_has_the_usual_permissions(tmp_path, write):
    old = os.umask(0o027)
    try:
        write(tmp_path / "file")
    finally:
        os.umask(old)
    assert mode(tmp_path / "file") == 0o640


@posix
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path, write, exists):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "target", tmp_path / "link"
    if exists:
        target.write_bytes(b"old")
        target.chmod(0o600)
    link.symlink_to(target)
    write(link)
    assert link.is_symlink()
    assert target.read_bytes() not in (b"old", b"")
    assert not exists or mode(target) == 0o600
    assert os.listdir(tmp_path / "far") == ["target"]


@posix
def test_links_without_end_are_refused_and_stay(tmp_path, write):
    a, b = tmp_path / "a", tmp_path / "b"
    a.symlink_to(b)
    b.symlink_to(a)
    with pytest.raises(OSError, match="symbolic links"):
        write(a)
    assert a.is_symlink()


def test_a_folder_is_refused_and_named(tmp_path, write):
    (tmp_path / "folder").mkdir()
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(IsADirectoryError, match=re.escape(str(tmp_path / "folder"))) as caught:
        write(tmp_path / "folder")
    assert ".tmp" not in str(caught.value)
    with pytest.raises(IsADirectoryError):
        write(f"{tmp_path}/missing/")
    assert sorted(os.listdir(tmp_path)) == before


@posix
def test_a_file_that_may_not_be_written_is_refused(tmp_path, write, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o444)
    # The superuser may write everything: then the system is made to say what others hear.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="Permission denied"):
        write(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@posix
def test_a_pipe_is_written_into(tmp_path, write):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()), daemon=True)
    reader.start()
    write(path)
    reader.join(10)
    assert read
    assert read[0]
    assert stat.S_ISFIFO(os.stat(path).st_mode)


@posix
def test_a_device_stays_a_device(tmp_path, write):
    # It is one of its own: a fault here must not take /dev/null from the whole system.
    path = tmp_path / "null"
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        path.write_bytes(b"")
    except OSError:
        pytest.skip("only the superuser makes devices, and not everywhere")
    before = os.stat(path)
    write(path)
    after = os.stat(path)
    assert stat.S_ISCHR(after.st_mode)
    assert (after.st_ino, after.st_rdev) == (before.st_ino, before.st_rdev)


@posix
def test_a_checkpoint_keeps_the_permissions_of_its_file(tmp_path):
    net, X, y = make_case("tanh", "softmax", 1)
    path = tmp_path / "run.safetensors"
    net.save(path)
    path.chmod(0o600)
    net.fit(X, y, epochs=2, checkpoint=path)
    assert mode(path) == 0o600


# Networks that have diverged


def broken(value, place):
    net = bp.Network([2, 3, 2])
    name, k = place
    getattr(net, name)[k].flat[1] = value
    return net


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [("W", 0), ("b", 1)])
@pytest.mark.parametrize("export", ["to_c", "to_onnx", "to_torch", "to_sklearn"])
def test_no_export_takes_a_network_that_has_diverged(tmp_path, export, place, value):
    net = broken(value, place)
    arguments = (tmp_path / "file",) if export in ("to_c", "to_onnx") else ()
    name = f"{place[0]}_{place[1] + 1}"
    with pytest.raises(ValueError, match=f"`{name}` must be finite to be exported, got NaN or inf"):
        getattr(net, export)(*arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_saving_it_is_a_warning_of_the_caller(tmp_path, value):
    net = broken(value, ("W", 1))
    with pytest.warns(UserWarning, match="`W_2` of the network that is saved has NaN or") as caught:
        net.save(tmp_path / "net")
    assert [warning.filename for warning in caught] == [__file__]
    np.testing.assert_array_equal(bp.load(tmp_path / "net").theta, net.theta)


@pytest.mark.parametrize("ending", ["h", "safetensors"])
def test_the_command_line_exports_none_either(tmp_path, run, ending):
    net = broken(np.nan, ("W", 0))
    with pytest.warns(UserWarning, match="is saved has NaN"):
        net.save(tmp_path / "net")
    code, _, err = run("export", tmp_path / "net", "--out", tmp_path / f"out.{ending}")
    assert code == 1
    assert "`W_1` must be finite to be exported" in err
    assert not (tmp_path / f"out.{ending}").exists()
