"""What a framework costs before it computes: import time, memory while training, size on disk."""

from __future__ import annotations

import importlib.metadata
import statistics
import subprocess
import sys
import zlib
from typing import Any

from benchmarks.contestants import CONTESTANTS
from benchmarks.grid import find_row
from benchmarks.process import Process, Refused
from benchmarks.table import number, render
from benchmarks.training import SERVICE

# what is imported -> the distribution it comes from
IMPORTS = {
    "backprop": "backprop",
    "torch": "torch",
    "jax": "jaxlib",
    "sklearn.neural_network": "scikit-learn",
    "onnxruntime": "onnxruntime",
}
EXAMPLES = (1_024, 10_240, 102_400, 1_024_000)
ROW = "tabular"
TIMED = """
import time, numpy
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""
IMPORT_NUMPY = "import time; s = time.perf_counter(); import numpy; print(time.perf_counter() - s)"


def _seconds(code: str) -> float | None:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return float(run.stdout) if run.returncode == 0 else None


def run_imports(rounds: int) -> tuple[list[dict[str, Any]], str]:
    """Milliseconds that an import adds to a process that has NumPy; MB installed and deflated."""
    codes = {"numpy": IMPORT_NUMPY} | {name: TIMED.format(module=name) for name in IMPORTS}
    times: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(rounds):
        for name, code in codes.items():
            seconds = _seconds(code)
            if seconds is not None:
                times[name].append(1e3 * seconds)
    records, lines = [], []
    for name, found in times.items():
        if not found:
            continue
        distribution = IMPORTS.get(name, name)
        installed, deflated = sizes(distribution, deflate=name == "backprop")
        record = {
            "import": name,
            "ms": statistics.median(found),
            "installed_mb": installed,
            "wheel_mb": deflated,
        }
        records.append(record)
        label = "import numpy" if name == "numpy" else f"then import {name}"
        lines.append([label, number(record["ms"]), number(installed), number(deflated)])
    return records, render(["", "ms", "installed MB", "wheel MB"], lines)


def sizes(distribution: str, deflate: bool) -> tuple[float | None, float | None]:
    """MB of a distribution's files, and of their deflated bytes, which is what a wheel holds."""
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return None, None
    paths = [path for file in files if (path := file.locate()).is_file() and file.suffix != ".pyc"]
    installed = sum(path.stat().st_size for path in paths) / 1e6
    if not deflate:
        return installed, None
    return installed, sum(len(zlib.compress(path.read_bytes())) for path in paths) / 1e6


def run_memory(names: list[str]) -> tuple[list[dict[str, Any]], str]:
    """Peak memory of one epoch beyond the examples themselves, by number of examples."""
    records, lines = [], []
    for name in names:
        cells = []
        for n_examples in EXAMPLES:
            try:
                # A new process each: an allocator keeps what an earlier run needed.
                with Process(SERVICE, name, 1) as process:
                    found = process.ask("memory", row=ROW, n_examples=n_examples)
            except Refused as reason:
                records.append({"name": name, "examples": n_examples, "refused": str(reason)})
                cells.append("refused")
                continue
            records.append({"name": name, "examples": n_examples, **found})
            cells.append(number(found["extra_mb"]))
        lines.append([CONTESTANTS[name][1], *cells])
    header = ["MB beyond the examples", *(f"{n:,}".replace(",", " ") for n in EXAMPLES)]
    theta_mb = 4 * find_row(ROW).n_parameters / 1e6
    title = (
        f"Peak memory of training {ROW} for one epoch, by number of examples, float32; "
        f"theta alone is {number(theta_mb)} MB"
    )
    return records, f"{title}\n\n{render(header, lines)}"
