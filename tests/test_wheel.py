"""What is shipped: the package and its compiled parts, no sources and no build litter."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SHIPPED = re.compile(
    r"backprop/(\w+/)*\w+\.(py|pyi)"
    r"|backprop/py\.typed"
    r"|backprop/look/play/page/\w+\.(html|css|js)"
    r"|backprop/datasets/(digits\.npz|penguins\.csv|LICENSE-(digits|penguins)\.txt)"
    r"|backprop/_cpu(\.[\w-]+)?\.(so|pyd)"
    r"|backprop/_levels/\w+/_backprop(\.[\w-]+)?\.(so|pyd)"
    # The header-only core is a feature of the wheel: docs/cpp.md says why.
    r"|backprop/include/backprop/\w+\.hpp"
    r"|backprop/share/cmake/backprop/backprop(Config(Version)?|Targets)\.cmake"
    r"|backprop-[\d.]+\.dist-info/(METADATA|WHEEL|RECORD|entry_points\.txt|licenses/[\w./-]+)"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel named by BACKPROP_WHEEL, or one built now."""
    given = os.environ.get("BACKPROP_WHEEL")
    if given:
        return Path(given)
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT],
        check=True,
        timeout=1500,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    assert [name for name in names if not SHIPPED.fullmatch(name)] == []
    sources = ROOT / "python"
    package = {
        str(path.relative_to(sources))
        for pattern in ("**/*.py", "look/play/page/*")
        for path in sources.glob(f"backprop/{pattern}")
    }
    assert package - names == set()
    licences = {f"backprop/datasets/LICENSE-{name}.txt" for name in ("digits", "penguins")}
    assert {"backprop/py.typed"} | licences <= names
    assert any("/_levels/" in name for name in names)
    licences = {name.rsplit("/", 1)[1] for name in names if "/licenses/" in name}
    assert {"LICENSE", "LICENSE-digits.txt"} <= licences


@pytest.mark.slow
def test_wheel_is_under_5_megabytes(wheel: Path) -> None:
    assert wheel.stat().st_size < 5_000_000


@pytest.mark.slow
def test_wheel_needs_numpy_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode()
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:")]
    assert [line for line in needed if "extra ==" not in line] == ["Requires-Dist: numpy>=1.23"]


def test_installed_version_is_that_of_the_compiled_core() -> None:
    import backprop as bp

    assert distribution("backprop").version == bp.__version__ == bp.info()["version"]


@pytest.mark.parametrize("module", ["rich", "matplotlib", "argparse", "csv"])
def test_import_of_the_library_leaves_out_what_it_does_not_need(module: str) -> None:
    # NumPy itself imports some of these: only what comes on top of it is ours.
    code = (
        "import sys, numpy; before = set(sys.modules); import backprop; "
        f"print({module!r} in set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
